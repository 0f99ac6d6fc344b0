"""Writes the trained model as ONNX, and holds it against the network it was trained as.

    export.py WEIGHTS.npz FEATURES ANSWER.onnx

One step of 100 ms per run. Inputs `features` [batch, F] (as the detector computes them) and `state` [batch, S] (zeros at
first); outputs `posteriors` [batch, C] and `state_out` [batch, S]. Normalisation and temperature are inside.
Operators: Sub, Mul, MatMul, Add, Tanh, Sigmoid, Split, Softmax. Opset 17. Metadata: classes, feature version.
"""

import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import train


def build(weights):
    """The graph of one step."""
    hidden = weights["rec_w"].shape[0]
    p = {name: np.asarray(value, np.float32) for name, value in weights.items()}
    width = p["front_w"].shape[0]
    constants = {
        "mean": p["mean"], "scale": 1.0 / p["std"], "front_w": p["front_w"], "front_b": p["front_b"],
        "in_w": p["in_w"], "in_b": p["in_b"], "rec_w": p["rec_w"], "rec_b": p["rec_b"],
        "out_w": p["out_w"] / p["temperature"], "out_b": p["out_b"] / p["temperature"], "one": np.array([1.0], np.float32),
        "thirds": np.array([hidden] * 3, np.int64),
    }
    nodes = []

    def node(operator, inputs, outputs, **attributes):
        nodes.append(helper.make_node(operator, inputs, outputs, name=outputs[0], **attributes))

    node("Sub", ["features", "mean"], ["centred"])
    node("Mul", ["centred", "scale"], ["normalised"])
    node("MatMul", ["normalised", "front_w"], ["front_product"])
    node("Add", ["front_product", "front_b"], ["front_sum"])
    node("Tanh", ["front_sum"], ["front"])
    node("MatMul", ["front", "in_w"], ["in_product"])
    node("Add", ["in_product", "in_b"], ["in_sum"])
    node("MatMul", ["state", "rec_w"], ["rec_product"])
    node("Split", ["in_sum", "thirds"], ["in_update", "in_reset", "in_candidate"], axis=1)
    node("Split", ["rec_product", "thirds"], ["rec_update", "rec_reset", "rec_candidate"], axis=1)
    node("Add", ["in_update", "rec_update"], ["update_sum"])
    node("Sigmoid", ["update_sum"], ["update"])
    node("Add", ["in_reset", "rec_reset"], ["reset_sum"])
    node("Sigmoid", ["reset_sum"], ["reset"])
    node("Add", ["rec_candidate", "rec_b"], ["rec_biased"])
    node("Mul", ["reset", "rec_biased"], ["rec_gated"])
    node("Add", ["in_candidate", "rec_gated"], ["candidate_sum"])
    node("Tanh", ["candidate_sum"], ["candidate"])
    node("Mul", ["update", "state"], ["kept"])
    node("Sub", ["one", "update"], ["rest"])
    node("Mul", ["rest", "candidate"], ["fresh"])
    node("Add", ["kept", "fresh"], ["state_out"])
    node("MatMul", ["state_out", "out_w"], ["out_product"])
    node("Add", ["out_product", "out_b"], ["logits"])
    node("Softmax", ["logits"], ["posteriors"], axis=1)

    def value(name, size):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", size])

    graph = helper.make_graph(
        nodes, "answer", [value("features", width), value("state", hidden)], [value("posteriors", len(train.CLASSES)), value("state_out", hidden)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="answerd-training")
    model.ir_version = 8
    macs = sum(p[n].size for n in ("front_w", "in_w", "rec_w", "out_w"))
    helper.set_model_props(model, {
        "classes": " ".join(train.CLASSES), "feature_version": str(int(weights["version"])), "step_ms": "100",
        "multiply_adds_per_second": str(10 * macs),
    })
    onnx.checker.check_model(model, full_check=True)
    return model, 10 * macs


def main():
    weights_path, features, target = sys.argv[1:4]
    weights = dict(np.load(weights_path))
    model, macs = build(weights)
    onnx.save(model, target)
    # The same numbers from both, over whole calls, in batches of more than one.
    sounds = train.read_features(features, 64)[0]
    x = np.zeros((len(sounds), train.STEPS, sounds[0].shape[1]), np.float32)
    for n, steps in enumerate(sounds):
        x[n, : len(steps)] = steps[: train.STEPS]
    p = {name: weights[name] for name in weights if name not in ("mean", "std", "temperature", "version")}
    expected = train.softmax(train.predict(p, weights["mean"], weights["std"], x) / weights["temperature"])
    session = onnxruntime.InferenceSession(target, providers=["CPUExecutionProvider"])
    state = np.zeros((len(x), weights["rec_w"].shape[0]), np.float32)
    worst = 0.0
    for step in range(x.shape[1]):
        posteriors, state = session.run(["posteriors", "state_out"], {"features": x[:, step], "state": state})
        worst = max(worst, float(np.abs(posteriors - expected[:, step]).max()))
    size = len(open(target, "rb").read())
    print(f"export: {target}, {size} bytes, {macs} multiply-adds per second, largest difference {worst:.2e}")
    if worst > 1e-4 or size > 600_000 or macs > 1_000_000:
        sys.exit("export: the model is not what was trained, or too large")


if __name__ == "__main__":
    main()
