"""Writes the trained model as ONNX, and holds it against the network it was trained as.

    export.py WEIGHTS.npz FEATURES ANSWER.onnx

One step of 100 ms per run. Inputs `features` [batch, F] (as the detector computes them) and `state` [batch, S] (zeros at
first); outputs `posteriors` [batch, C] and `state_out` [batch, S]. Normalisation and temperature are inside.
Two networks side by side: their states lie one after the other in `state` (of each, the lower layer's before the upper's), the
posteriors are those of the mean of their logits.
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


def layers_of(p):
    """The recurrent layers of a network from below: (prefix of its parameters, units)."""
    return [(prefix, p[f"{prefix}rec_w"].shape[0]) for prefix in ("low_", "") if f"{prefix}rec_w" in p]


def build(weights):
    """The graph of one step."""
    parts = networks_of(weights)
    temperature = np.float32(weights["temperature"])
    width = max(len(p["mean"]) for p in parts.values())
    layers = [(f"{network}.{prefix}", units) for network, p in parts.items() for prefix, units in layers_of(p)]
    constants = {
        "one": np.array([1.0], np.float32), "states": np.array([units for _, units in layers], np.int64),
        "columns": np.array([1], np.int64), "width": np.array([width], np.int64), "level": np.array([train.LEVEL], np.int64),
    }
    nodes = []

    def node(operator, inputs, output, *outputs, **attributes):
        nodes.append(helper.make_node(operator, inputs, [output, *outputs], name=output, **attributes))
        return output

    def linear(heard, at, of):
        return node("Add", [node("MatMul", [heard, f"{at}{of}_w"], f"{at}{of}_product"), f"{at}{of}_b"], f"{at}{of}_sum")

    def recur(heard, at, units):
        """The new state of the recurrent layer at `at`."""
        constants[f"{at}thirds"] = np.array([units] * 3, np.int64)
        state = f"{at}state"
        gates = ("update", "reset", "candidate")
        node("Split", [linear(heard, at, "in"), f"{at}thirds"], *(f"{at}in_{gate}" for gate in gates), axis=1)
        node("Split", [node("MatMul", [state, f"{at}rec_w"], f"{at}rec_product"), f"{at}thirds"], *(f"{at}rec_{gate}" for gate in gates), axis=1)
        update, reset = [
            node("Sigmoid", [node("Add", [f"{at}in_{gate}", f"{at}rec_{gate}"], f"{at}{gate}_sum")], f"{at}{gate}") for gate in ("update", "reset")
        ]
        gated = node("Mul", [reset, node("Add", [f"{at}rec_candidate", f"{at}rec_b"], f"{at}rec_biased")], f"{at}rec_gated")
        candidate = node("Tanh", [node("Add", [f"{at}in_candidate", gated], f"{at}candidate_sum")], f"{at}candidate")
        kept = node("Mul", [update, state], f"{at}kept")
        fresh = node("Mul", [node("Sub", ["one", update], f"{at}rest"), candidate], f"{at}fresh")
        return node("Add", [kept, fresh], f"{at}state_out")

    node("Split", ["state", "states"], *(f"{at}state" for at, _ in layers), axis=1)
    told = []
    for network, p in parts.items():
        at = f"{network}."
        share = np.float32(train.SHARES[network] / temperature)
        of_layers = [f"{prefix}{name}" for prefix, _ in layers_of(p) for name in ("in_w", "in_b", "rec_w", "rec_b")]
        constants |= {f"{at}{name}": p[name] for name in ("mean", "front_w", "front_b", *of_layers)}
        constants |= {f"{at}scale": 1.0 / p["std"], f"{at}out_w": share * p["out_w"], f"{at}out_b": share * p["out_b"] + (0 if told else train.LEAN)}
        heard = "features"
        if len(p["mean"]) < width:
            constants[f"{at}from"] = np.array([width - len(p["mean"])], np.int64)
            heard = node("Slice", ["features", f"{at}from", "width", "columns"], f"{at}features")
        normalised = node("Mul", [node("Sub", [heard, f"{at}mean"], f"{at}centred"), f"{at}scale"], f"{at}normalised")
        heard = node("Tanh", [linear(normalised, at, "front")], f"{at}front")
        for prefix, units in layers_of(p):
            heard = recur(heard, f"{at}{prefix}", units)
            if prefix:
                heard = node("Concat", [heard, node("Slice", [normalised, "level", "width", "columns"], f"{at}cadence")], f"{at}both", axis=1)
        told.append(linear(heard, at, "out"))
    total = told[0]
    for n, logits in enumerate(told[1:], 1):
        total = node("Add", [total, logits], f"sum_{n}")
    node("Softmax", [total], "posteriors", axis=1)
    node("Concat", [f"{at}state_out" for at, _ in layers], "state_out", axis=1)

    def value(name, size):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", size])

    graph = helper.make_graph(
        nodes, "answer", [value("features", width), value("state", sum(units for _, units in layers))],
        [value("posteriors", len(train.CLASSES)), value("state_out", sum(units for _, units in layers))],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="answerd-training")
    model.ir_version = 8
    macs = sum(value.size for name, value in constants.items() if name.endswith("_w"))
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
    state = np.zeros((len(x), sum(units for p in parts.values() for _, units in layers_of(p))), np.float32)
    worst = 0.0
    for step in range(x.shape[1]):
        posteriors, state = session.run(["posteriors", "state_out"], {"features": x[:, step], "state": state})
        worst = max(worst, float(np.abs(posteriors - expected[:, step]).max()))
    size = len(open(target, "rb").read())
    print(f"export: {target}, {size} bytes, {macs} multiply-adds per second, largest difference {worst:.2e}")
    if worst > 1e-4 or size > 600_000 or macs > 1_200_000:
        sys.exit("export: the model is not what was trained, or too large")


if __name__ == "__main__":
    main()
