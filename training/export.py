"""Writes the trained model as ONNX, and holds it against the network it was trained as.

    export.py WEIGHTS.npz FEATURES ANSWER.onnx

One step of 100 ms per run. Inputs `features` [batch, F] (as the detector computes them) and `state` [batch, S] (zeros at
first); outputs `posteriors` [batch, C] and `state_out` [batch, S]. Normalisation and temperature are inside.
Two networks side by side: their states lie one after the other in `state`, the mean of their posteriors is told.
Operators: Slice, Sub, Mul, MatMul, Add, Tanh, Sigmoid, Split, Softmax, Concat. Opset 17. Metadata: classes, feature version.
"""

import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import train


def networks_of(weights):
    """The parameters of each network, in the order of train.NETWORKS."""
    parts = {network: {} for network in train.NETWORKS}
    for name, value in weights.items():
        if "." in name:
            network, parameter = name.split(".")
            parts[network][parameter] = np.asarray(value, np.float32)
    return parts


def build(weights):
    """The graph of one step."""
    parts = networks_of(weights)
    temperature = np.float32(weights["temperature"])
    width = max(len(p["mean"]) for p in parts.values())
    units = [p["rec_w"].shape[0] for p in parts.values()]
    constants = {"one": np.array([1.0], np.float32), "share": np.array([1.0 / len(parts)], np.float32), "states": np.array(units, np.int64)}
    nodes = []

    def node(operator, inputs, outputs, **attributes):
        nodes.append(helper.make_node(operator, inputs, outputs, name=outputs[0], **attributes))

    node("Split", ["state", "states"], [f"{network}.state" for network in parts], axis=1)
    for (network, p), size in zip(parts.items(), units):
        first = width - len(p["mean"])
        constants |= {f"{network}.{name}": array for name, array in {
            "mean": p["mean"], "scale": 1.0 / p["std"], "front_w": p["front_w"], "front_b": p["front_b"], "in_w": p["in_w"], "in_b": p["in_b"],
            "rec_w": p["rec_w"], "rec_b": p["rec_b"], "out_w": p["out_w"] / temperature, "out_b": p["out_b"] / temperature,
            "thirds": np.array([size] * 3, np.int64),
        }.items()}
        heard = "features"
        if first:
            constants |= {f"{network}.from": np.array([first], np.int64), f"{network}.to": np.array([width], np.int64), f"{network}.axis": np.array([1], np.int64)}
            heard = f"{network}.features"
            node("Slice", ["features", f"{network}.from", f"{network}.to", f"{network}.axis"], [heard])

        def step(operator, inputs, *outputs, **attributes):
            named = [name if name in ("one", heard) else f"{network}.{name}" for name in inputs]
            node(operator, named, [f"{network}.{name}" for name in outputs], **attributes)

        step("Sub", [heard, "mean"], "centred")
        step("Mul", ["centred", "scale"], "normalised")
        step("MatMul", ["normalised", "front_w"], "front_product")
        step("Add", ["front_product", "front_b"], "front_sum")
        step("Tanh", ["front_sum"], "front")
        step("MatMul", ["front", "in_w"], "in_product")
        step("Add", ["in_product", "in_b"], "in_sum")
        step("MatMul", ["state", "rec_w"], "rec_product")
        step("Split", ["in_sum", "thirds"], "in_update", "in_reset", "in_candidate", axis=1)
        step("Split", ["rec_product", "thirds"], "rec_update", "rec_reset", "rec_candidate", axis=1)
        step("Add", ["in_update", "rec_update"], "update_sum")
        step("Sigmoid", ["update_sum"], "update")
        step("Add", ["in_reset", "rec_reset"], "reset_sum")
        step("Sigmoid", ["reset_sum"], "reset")
        step("Add", ["rec_candidate", "rec_b"], "rec_biased")
        step("Mul", ["reset", "rec_biased"], "rec_gated")
        step("Add", ["in_candidate", "rec_gated"], "candidate_sum")
        step("Tanh", ["candidate_sum"], "candidate")
        step("Mul", ["update", "state"], "kept")
        step("Sub", ["one", "update"], "rest")
        step("Mul", ["rest", "candidate"], "fresh")
        step("Add", ["kept", "fresh"], "state_out")
        step("MatMul", ["state_out", "out_w"], "out_product")
        step("Add", ["out_product", "out_b"], "logits")
        step("Softmax", ["logits"], "posteriors", axis=1)
    total = None
    for n, network in enumerate(parts):
        if n:
            node("Add", [total, f"{network}.posteriors"], [f"sum_{n}"])
        total = f"sum_{n}" if n else f"{network}.posteriors"
    node("Mul", [total, "share"], ["posteriors"])
    node("Concat", [f"{network}.state_out" for network in parts], ["state_out"], axis=1)

    def value(name, size):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", size])

    graph = helper.make_graph(
        nodes, "answer", [value("features", width), value("state", sum(units))],
        [value("posteriors", len(train.CLASSES)), value("state_out", sum(units))],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="answerd-training")
    model.ir_version = 8
    macs = sum(p[n].size for p in parts.values() for n in ("front_w", "in_w", "rec_w", "out_w"))
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
    parts = networks_of(weights)
    expected = train.posteriors([train.predict(p, x) for p in parts.values()], weights["temperature"])
    session = onnxruntime.InferenceSession(target, providers=["CPUExecutionProvider"])
    state = np.zeros((len(x), sum(p["rec_w"].shape[0] for p in parts.values())), np.float32)
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
