"""Runs the model over recorded calls with a truth.csv (as in data/calls): what it says, per label, at the end and early.

    evaluate.py CALLS_FOLDER ANSWERD ANSWER.onnx [WORK]

This is the model alone under a plain rule; `answerd eval` and `answerd detect` have the tones and the policy beside it.
"""

import csv
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import onnxruntime
import soundfile as sf

import train


def main():
    folder, answerd, model = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    with open(folder / "truth.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    with tempfile.TemporaryDirectory() as work:
        work = Path(sys.argv[4]) if len(sys.argv) > 4 else Path(work)
        work.mkdir(exist_ok=True)
        with open(work / "list", "w") as file:
            for row in rows:
                sound, rate = sf.read(folder / row["file"], dtype="int16")
                path = work / (Path(row["file"]).stem + ".wav")
                sf.write(path, sound, rate, subtype="PCM_16")
                print(path, file=file)
        subprocess.run([answerd, "features", str(work / "list"), "--out", str(work / "features")], check=True)
        sounds, _ = train.read_features(work / "features")
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    told = defaultdict(lambda: defaultdict(int))
    scores = defaultdict(list)
    first = defaultdict(list)
    for row, steps in zip(rows, sounds):
        state = np.zeros((1, session.get_inputs()[1].shape[1]), np.float32)
        post = []
        for step in steps:
            p, state = session.run(["posteriors", "state_out"], {"features": step[None], "state": state})
            post.append(p[0])
        post = np.array(post)
        kind = row["label"] + ("/" + row["detail"] if row["detail"] else "")
        told[kind][train.CLASSES[int(post[-1].argmax())]] += 1
        if row["speech_on_s"] and row["label"] in train.SPEECH:
            onset = float(row["speech_on_s"])
            for seconds in (1.5, 3.0, 4.0):
                n = int((onset + seconds) * 10)
                if n < len(post):
                    p = post[n]
                    scores[seconds].append((row["label"] == "human", p[train.HUMAN] / (p[train.HUMAN] + p[train.AUTOMATED].sum())))
            first[kind].append(train.decide(post, steps, {"onset_s": row["speech_on_s"]}, 0.07, len(post)))
    for kind, counts in sorted(told.items()):
        print(f"{kind:16}", dict(sorted(counts.items(), key=lambda x: -x[1])))
    for seconds, pairs in scores.items():
        truth, score = map(np.array, zip(*pairs))
        print(f"person against automated at {seconds} s: AUC {train.auc(score, truth):.4f} ({len(truth)} calls)")
    for kind, verdicts in sorted(first.items()):
        share = {v: sum(x == v for x, _ in verdicts) / len(verdicts) for v in ("human", "automated", None)}
        times = {v: np.median([t for x, t in verdicts if x == v] or [np.nan]) for v in ("human", "automated")}
        print(f"first told {kind:16}", {k: round(v, 3) for k, v in share.items()}, {k: round(float(v), 2) for k, v in times.items()})


if __name__ == "__main__":
    main()
