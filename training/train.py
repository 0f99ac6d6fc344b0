"""Trains the model on the features of the simulated calls.

    train.py CALLS FEATURES OUT [--epochs N]

CALLS is simulate.py's calls.csv, FEATURES what `answerd features` wrote for its list. Four folds, each trained on the
other three's sources and voices; then the temperature from what the folds' models said of calls they had not seen; then
one model from all calls. OUT gets weights.npz (what export.py needs) and figures.json.
"""

import argparse
import csv
import json
import os
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

# Fold after fold on one thread each: small matrices gain nothing from more, and two runs can share two cores.
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import jax
import jax.numpy as jnp
import numpy as np
import optax

# As in the detector (src/detect/model.rs).
CLASSES = ["human", "machine", "screening", "ivr", "fax", "sit", "busy", "ringback", "music", "silence"]
SPEECH = ["human", "machine", "screening", "ivr"]
AUTOMATED = [CLASSES.index(c) for c in ("machine", "screening", "ivr")]
HUMAN, SILENCE = CLASSES.index("human"), CLASSES.index("silence")
FOLDS = 4
STEPS = 160
HIDDEN = 32
FRONT = 32
# Places in the features (src/detect/features.rs): the bands come first, then the level.
BANDS, SPEAKING, PAUSE, SPOKEN = 24, 33, 36, 42
SEED = 20261120


def read_features(path):
    """The list of step matrices, and the version line's format number."""
    with open(path, "rb") as file:
        words = file.readline().split()
        assert words[0] == b"answerd-features", f"{path} is not a features file"
        version, width, millis = int(words[1]), int(words[2]), int(words[3])
        assert millis == 100
        out = []
        while head := file.read(4):
            steps = int(np.frombuffer(head, "<u4")[0])
            out.append(np.frombuffer(file.read(4 * width * steps), "<f4").reshape(steps, width))
    return out, version


def load(calls, features):
    """Arrays over calls: features [N, T, F], targets [N, T], weights [N, T], and the rows of the truth."""
    with open(calls, newline="") as file:
        rows = list(csv.DictReader(file))
    sounds, version = read_features(features)
    assert len(rows) == len(sounds), f"{len(rows)} calls but {len(sounds)} features"
    width = sounds[0].shape[1]
    x = np.zeros((len(rows), STEPS, width), np.float32)
    y = np.full((len(rows), STEPS), SILENCE, np.int32)
    w = np.zeros((len(rows), STEPS), np.float32)
    for n, (row, steps) in enumerate(zip(rows, sounds)):
        length = min(len(steps), STEPS)
        x[n, :length] = steps[:length]
        time_s = 0.1 * np.arange(1, STEPS + 1)
        w[n, :length] = 1.0
        for start, label in json.loads(row["segments"]):
            y[n, time_s > start + 0.05] = CLASSES.index(label)
            # What has hardly begun can't be told yet.
            w[n, (time_s > start) & (time_s <= start + 0.4) & (w[n] > 0)] = 0.25
        if row["label"] != "silence":
            w[n, (y[n] == SILENCE) & (w[n] > 0)] *= 0.4
        # A long call must not count for more than a short one, nor its waiting end for more than its beginning.
        onset = float(row["onset_s"] or 0)
        w[n, time_s > onset + 8] *= 0.5
    return x, y, w, rows, version


def init(key, width):
    """Fresh parameters."""
    k = jax.random.split(key, 4)
    glorot = jax.nn.initializers.glorot_uniform()
    orthogonal = jax.nn.initializers.orthogonal()
    return {
        "front_w": glorot(k[0], (width, FRONT)), "front_b": jnp.zeros(FRONT),
        "in_w": glorot(k[1], (FRONT, 3 * HIDDEN)), "in_b": jnp.zeros(3 * HIDDEN).at[:HIDDEN].set(1.0),
        "rec_w": jnp.concatenate([orthogonal(key, (HIDDEN, HIDDEN)) for key in jax.random.split(k[2], 3)], 1),
        "rec_b": jnp.zeros(HIDDEN),
        "out_w": glorot(k[3], (HIDDEN, len(CLASSES))), "out_b": jnp.zeros(len(CLASSES)),
    }


def forward(p, x, keep=None):
    """Logits [N, T, C] of normalised features [N, T, F]; `keep` is the dropout mask over the state's readout.

    The unit's gates are update, reset and candidate; the reset gate acts after the recurrent product.
    """
    front = jnp.tanh(x @ p["front_w"] + p["front_b"])
    inputs = jnp.swapaxes(front @ p["in_w"] + p["in_b"], 0, 1)

    def step(h, a):
        r = h @ p["rec_w"]
        gates = jax.nn.sigmoid(a[:, : 2 * HIDDEN] + r[:, : 2 * HIDDEN])
        update, reset = gates[:, :HIDDEN], gates[:, HIDDEN:]
        candidate = jnp.tanh(a[:, 2 * HIDDEN :] + reset * (r[:, 2 * HIDDEN :] + p["rec_b"]))
        h = update * h + (1 - update) * candidate
        return h, h

    _, states = jax.lax.scan(step, jnp.zeros((x.shape[0], HIDDEN)), inputs, unroll=4)
    states = jnp.swapaxes(states, 0, 1)
    if keep is not None:
        states = states * keep[:, None, :]
    return states @ p["out_w"] + p["out_b"]


def loss_of(p, x, y, w, keep):
    logp = jax.nn.log_softmax(forward(p, x, keep))
    target = jax.nn.one_hot(y, len(CLASSES)) * 0.97 + 0.03 / len(CLASSES)
    return -(w[..., None] * target * logp).sum() / w.sum()


def train(x, y, w, rows, members, epochs, seed, say=""):
    """Parameters, mean and standard deviation, from the calls `members`."""
    mean = x[members][w[members] > 0].mean(0)
    std = np.maximum(x[members][w[members] > 0].std(0), 1e-2)
    key = jax.random.PRNGKey(seed)
    p = init(key, x.shape[2])
    batch = 128
    total = epochs * (len(members) // batch)
    optimiser = optax.chain(
        optax.clip_by_global_norm(1.0),
        optax.adamw(optax.cosine_onecycle_schedule(total, 6e-3, 0.15), weight_decay=1e-3),
    )
    state = optimiser.init(p)
    # The share of a class in the loss: a person told as a machine costs more than the reverse.
    class_weight = np.array([{"human": 1.6, "machine": 1.0, "screening": 1.0, "ivr": 1.0}.get(c, 0.7) for c in CLASSES], np.float32)
    of_call = np.array([class_weight[CLASSES.index(row["label"])] for row in rows], np.float32)

    @jax.jit
    def update(p, state, x, y, w, key):
        k = jax.random.split(key, 4)
        x = (x - mean) / std
        # Another microphone and line: the bands' balance is not to be trusted.
        tilt = 0.25 * jax.random.normal(k[0], (x.shape[0], 1, BANDS))
        x = x.at[..., :BANDS].add(tilt)
        x = x + 0.1 * jax.random.normal(k[1], x.shape)
        x = x * jax.random.bernoulli(k[2], 0.93, (x.shape[0], 1, x.shape[2]))
        keep = jax.random.bernoulli(k[3], 0.85, (x.shape[0], HIDDEN)) / 0.85
        loss, gradient = jax.value_and_grad(loss_of)(p, x, y, w, keep)
        change, state = optimiser.update(gradient, state, p)
        return optax.apply_updates(p, change), state, loss

    rng = np.random.default_rng(seed)
    began = time.time()
    for epoch in range(epochs):
        order = rng.permutation(members)
        losses = []
        for n in range(len(members) // batch):
            take = order[n * batch : (n + 1) * batch]
            key, sub = jax.random.split(key)
            p, state, loss = update(p, state, x[take], y[take], w[take] * of_call[take, None], sub)
            losses.append(loss)
        if epoch % 5 == 4 or epoch == epochs - 1:
            print(f"{say} epoch {epoch + 1} loss {np.mean(losses):.4f} {time.time() - began:.0f} s", flush=True)
    return {k: np.asarray(v) for k, v in p.items()}, mean.astype(np.float32), std.astype(np.float32)


def predict(p, mean, std, x):
    run = jax.jit(lambda x: forward(p, (x - mean) / std))
    return np.concatenate([np.asarray(run(x[n : n + 256])) for n in range(0, len(x), 256)])


def softmax(z):
    z = np.exp(z - z.max(-1, keepdims=True))
    return z / z.sum(-1, keepdims=True)


def auc(score, positive):
    """Area under the ROC curve, ties shared."""
    order = np.argsort(score, kind="stable")
    ranks = np.empty(len(score))
    ordered = score[order]
    ranks[order] = np.arange(1, len(score) + 1)
    _, first, count = np.unique(ordered, return_index=True, return_counts=True)
    for f, c in zip(first[count > 1], count[count > 1]):
        ranks[order[f : f + c]] = f + (c + 1) / 2
    n = positive.sum()
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * (len(score) - n)))


def temperature_of(logits, y, w):
    """The temperature that makes the posteriors of unseen calls most likely."""
    best = (np.inf, 1.0)
    for t in np.linspace(0.6, 2.5, 39):
        z = logits / t
        logp = z - z.max(-1, keepdims=True)
        logp -= np.log(np.exp(logp).sum(-1, keepdims=True))
        nll = -(w * np.take_along_axis(logp, y[..., None], -1)[..., 0]).sum() / w.sum()
        best = min(best, (float(nll), float(t)))
    return best[1], best[0]


def decide(post, steps, row, machine_at, length):
    """The detector's early rule in short, so that models can be compared: (label or None, seconds after onset).

    Human at a pause of 0.8 s if a person is likelier than 0.72 among all that speaks, or of 1.6 s at 0.55. Automated when
    a person is less likely than `machine_at` for two steps and 1.7 s were spoken. After a pause of 2 s the likelier one.
    """
    onset = float(row["onset_s"])
    below = 0
    for n in range(int(onset * 10) + 1, length):
        person = post[n, HUMAN] / max(post[n, HUMAN] + post[n, AUTOMATED].sum(), 1e-9)
        pause, spoken = np.expm1(steps[n, PAUSE]), np.expm1(steps[n, SPOKEN])
        if spoken < 0.05:
            continue
        below = below + 1 if person < machine_at else 0
        if pause >= 0.795 and person > (0.55 if pause >= 1.595 else 0.72):
            return "human", 0.1 * (n + 1) - onset
        if (below >= 2 and spoken >= 1.7) or (pause >= 1.995 and person <= 0.5):
            return "automated", 0.1 * (n + 1) - onset
        if pause >= 1.995:
            return "human", 0.1 * (n + 1) - onset
    return None, 0.1 * length - onset


def told_by_kind(post, x, w, rows):
    """(class, kind of call) -> calls, and shares told human and automated by `decide` at 0.07 and at 0.02."""
    out = {}
    for label in SPEECH:
        for detail in sorted({row["detail"] for row in rows if row["label"] == label}):
            where = [n for n, row in enumerate(rows) if (row["label"], row["detail"]) == (label, detail)]
            entry = [len(where)]
            for machine_at in (0.07, 0.02):
                told = [decide(post[n], x[n], rows[n], machine_at, int((w[n] > 0).sum()))[0] for n in where]
                entry += [round(told.count("human") / len(told), 4), round(told.count("automated") / len(told), 4)]
            out[f"{label}, {detail}"] = entry
    return out


def figures_of(post, x, w, rows, where):
    """What is reported of the calls `where`."""
    out = {"calls": int(len(where))}
    human = np.array([rows[n]["label"] == "human" for n in where])
    spoken = np.array([rows[n]["label"] in SPEECH for n in where])
    lengths = np.array([(w[n] > 0).sum() for n in where])
    for seconds in (1.5, 3.0, 4.0):
        keep, score = [], []
        for i, n in enumerate(where):
            if not spoken[i]:
                continue
            step = int((float(rows[n]["onset_s"]) + seconds) * 10)
            if step < lengths[i]:
                p = post[n, step]
                keep.append(human[i])
                score.append(p[HUMAN] / max(p[HUMAN] + p[AUTOMATED].sum(), 1e-9))
        out[f"auc_{seconds}"] = round(auc(np.array(score), np.array(keep)), 4)
    recall = {}
    for label in CLASSES:
        those = [(n, length) for n, length in zip(where, lengths) if rows[n]["label"] == label]
        hit = [int(post[n, length - 1].argmax() == CLASSES.index(label)) for n, length in those]
        recall[label] = round(float(np.mean(hit)), 3) if hit else None
    out["recall_at_end"] = recall
    out["policy"] = {}
    for machine_at in (0.12, 0.07, 0.04, 0.02):
        told = {label: [] for label in SPEECH}
        for i, n in enumerate(where):
            if spoken[i]:
                told[rows[n]["label"]].append(decide(post[n], x[n], rows[n], machine_at, lengths[i]))
        share = lambda label, verdict: round(float(np.mean([v == verdict for v, _ in told[label]])), 4)
        late = lambda label, verdict: round(float(np.median([t for v, t in told[label] if v == verdict] or [np.nan])), 2)
        out["policy"][str(machine_at)] = {
            "human as automated": share("human", "automated"), "human as human": share("human", "human"), "human seconds": late("human", "human"),
            "machine as human": share("machine", "human"), "machine as automated": share("machine", "automated"), "machine seconds": late("machine", "automated"),
            "ivr as human": share("ivr", "human"), "screening as human": share("screening", "human"),
        }
    return out


def probe(x, w, rows, split):
    """What the channel alone gives away: person against automated from time-free statistics, by logistic regression.

    Twelve numbers a call, from the first ten steps with speech in them and the steps before: the level before the speech,
    the mean level, its spread within steps, and the mean balance of eight groups of bands. No cadence, no duration.
    `split` gives each call's fold.
    """
    where, stats = [], []
    for n, row in enumerate(rows):
        loud = np.flatnonzero((x[n, :, SPEAKING] > 0.9) & (w[n] > 0))[:10]
        if row["label"] not in SPEECH or len(loud) < 3:
            continue
        steps = x[n, loud]
        balance = (steps[:, :BANDS] - steps[:, BANDS : BANDS + 1]).mean(0)
        groups = [balance[k : k + 3].mean() for k in range(0, BANDS, 3)]
        before = x[n, : max(loud[0], 1), BANDS].min()
        stats.append([before, steps[:, BANDS].mean(), steps[:, BANDS + 2].mean(), steps[:, BANDS + 3].mean(), *groups])
        where.append(n)
    where = np.array(where)
    stats = np.array(stats)
    label = np.array([rows[n]["label"] == "human" for n in where])
    out = []
    for fold in range(FOLDS):
        test = split[where] == fold
        mean, std = stats[~test].mean(0), stats[~test].std(0) + 1e-6
        z = np.concatenate([(stats - mean) / std, np.ones((len(stats), 1))], 1)
        z = np.concatenate([z, z[:, :-1] ** 2], 1)
        weights = np.zeros(z.shape[1])
        for _ in range(30):  # Newton, with a ridge
            p = 1 / (1 + np.exp(-z[~test] @ weights))
            gradient = z[~test].T @ (p - label[~test]) + 1.0 * weights
            hessian = (z[~test] * (p * (1 - p))[:, None]).T @ z[~test] + np.eye(z.shape[1])
            weights -= np.linalg.solve(hessian, gradient)
        out.append(round(auc(z[test] @ weights, label[test]), 4))
    return out


def work(job):
    """In a process of its own: the model of one fold and what it says of the fold's calls, or (-1) the model of all."""
    fold, calls, features, epochs, out = job
    x, y, w, rows, version = load(calls, features)
    folds = np.array([int(row["fold"]) for row in rows])
    p, mean, std = train(x, y, w, rows, np.flatnonzero(folds != fold), epochs, SEED + fold, f"fold {fold}:" if fold >= 0 else "all:")
    if fold < 0:
        # Complete but for the temperature, which the folds tell.
        save(out, p, mean, std, 1.0, version)
        return fold, p, mean, std, None
    return fold, p, mean, std, predict(p, mean, std, x[folds == fold])


def save(out, p, mean, std, temperature, version):
    np.savez(out / "weights.npz", mean=mean, std=std, temperature=np.float32(temperature), version=np.int64(version), **p)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("calls", type=Path)
    parser.add_argument("features", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    x, y, w, rows, version = load(arguments.calls, arguments.features)
    fold = np.array([int(row["fold"]) for row in rows])
    print(f"train: {len(rows)} calls, {x.shape[2]} features", flush=True)
    logits = np.zeros((*y.shape, len(CLASSES)), np.float32)
    jobs = [(f, arguments.calls, arguments.features, arguments.epochs, arguments.out) for f in (-1, *range(FOLDS))]
    with ProcessPoolExecutor(arguments.processes, mp_context=get_context("spawn")) as pool:
        for f, p, mean, std, said in pool.map(work, jobs):
            if f < 0:
                final = p, mean, std
            else:
                logits[fold == f] = said
    temperature, nll = temperature_of(logits, y, w)
    post = softmax(logits / temperature)
    spread = np.random.default_rng(SEED).integers(0, FOLDS, len(rows))
    figures = {
        "feature_version": version, "temperature": temperature, "nll": nll,
        "folds": [figures_of(post, x, w, rows, np.flatnonzero(fold == f)) for f in range(FOLDS)],
        "all": figures_of(post, x, w, rows, np.arange(len(rows))),
        "tts_only": figures_of(post, x, w, rows, np.array([n for n, r in enumerate(rows) if r["tts"] == "1" or r["label"] not in SPEECH])),
        "recorded_only": figures_of(post, x, w, rows, np.array([n for n, r in enumerate(rows) if r["tts"] == "0" or r["label"] not in SPEECH])),
        "kinds": told_by_kind(post, x, w, rows),
        "channel_probe_source_folds": probe(x, w, rows, fold), "channel_probe_random_folds": probe(x, w, rows, spread),
    }
    (arguments.out / "figures.json").write_text(json.dumps(figures, indent=1))
    np.savez_compressed(arguments.out / "unseen.npz", logits=logits.astype(np.float16))
    save(arguments.out, *final, temperature, version)
    for f in range(FOLDS):
        print(f"fold {f}:", {k: v for k, v in figures["folds"][f].items() if k.startswith("auc")}, figures["folds"][f]["recall_at_end"])
    print("channel probe:", figures["channel_probe_source_folds"], "random split:", figures["channel_probe_random_folds"], "temperature", temperature)
    print(json.dumps(figures["all"]["policy"], indent=1), flush=True)


if __name__ == "__main__":
    main()
