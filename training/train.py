"""Trains the model on the features of the simulated calls.

    train.py CALLS FEATURES EMBEDDINGS UNSEEN UNSEEN_FEATURES OUT [--epochs N] [--processes N]

CALLS and UNSEEN are simulate.py's calls.csv, FEATURES what `answerd features` wrote for their lists, EMBEDDINGS what teacher.py
found in CALLS. Four folds, each trained on
the other three's sources and voices and tried on its own calls of both; then the temperature from what the folds' models said
of the UNSEEN calls; then one model from all of CALLS. OUT gets all.npz and fold-N.npz (what export.py needs) and figures.json.
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
LEARNT = 120
"""Steps of a call that are learned from, at most: most is decided in less than 12 s."""
# Places in the features (src/detect/features.rs): the bands of five parts come first, then the level.
BANDS, PARTS, LEVEL, SPEAKING, PAUSE, SPOKEN = 24, 5, 120, 129, 132, 138
# Two networks side by side, whose logits are averaged: one is told everything, the other nothing of the spectrum. What that one
# says rests on cadence, level, pitch and tones, which differ less from source to source. The one that is told everything has a
# lower recurrent layer, which learns what is being said: beside its part in telling the classes, its state is to tell the embedding
# of speech that teacher.py found (a network that others trained on far more speech than there is here). The upper layer is told
# that state, and the cadence.
# Name: (first feature, dense units, units of the lower recurrent layer or none, recurrent units, seed).
NETWORKS = {"sound": (0, 96, 96, 48, 20261120), "cadence": (LEVEL, 32, 0, 32, 50)}
SHARES = {"sound": 0.55, "cadence": 0.45}
"""Shares of the networks in the mean of their logits."""
TAUGHT = 48
"""Principal components of the embedding that are to be told."""
TEACHING = 0.5
"""Weight of their squared error beside the classes' loss."""
SEED = 20261120
# Added to the classes' logits when all is learned: among the calls to learn from are more menus and assistants than there are on the telephone.
# Chosen on the folds, for the kind to be right most often at the end of the call and 6 s after the onset.
LEAN = np.array([{"ivr": -0.3, "screening": -0.35}.get(c, 0.0) for c in CLASSES], np.float32)


def read_features(path, most=None, step_ms=100):
    """The list of step matrices, of the first `most` calls, and the version line's format number."""
    with open(path, "rb") as file:
        words = file.readline().split()
        assert words[0] == b"answerd-features", f"{path} is not a features file"
        version, width, millis = int(words[1]), int(words[2]), int(words[3])
        assert millis == step_ms, f"{path} has steps of {millis} ms"
        out = []
        while (most is None or len(out) < most) and (head := file.read(4)):
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
    x = np.zeros((len(rows), STEPS, width), np.float16)
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
        onset = float(row["speech_on_s"] or 0)
        w[n, time_s > onset + 8] *= 0.5
    return x, y, w, rows, version


def init(key, width, dense, lower, units):
    """Fresh parameters."""
    k = jax.random.split(key, 7)
    glorot = jax.nn.initializers.glorot_uniform()
    orthogonal = jax.nn.initializers.orthogonal()

    def recurrent(prefix, in_key, rec_key, width, units):
        return {
            f"{prefix}in_w": glorot(in_key, (width, 3 * units)), f"{prefix}in_b": jnp.zeros(3 * units).at[:units].set(1.0),
            f"{prefix}rec_w": jnp.concatenate([orthogonal(key, (units, units)) for key in jax.random.split(rec_key, 3)], 1),
            f"{prefix}rec_b": jnp.zeros(units),
        }

    p = {"front_w": glorot(k[0], (width, dense)), "front_b": jnp.zeros(dense), "out_w": glorot(k[3], (units, len(CLASSES))), "out_b": jnp.zeros(len(CLASSES))}
    p |= recurrent("", k[1], k[2], lower + width - LEVEL if lower else dense, units)
    if lower:
        p |= recurrent("low_", k[4], k[5], dense, lower)
        p |= {"taught_w": glorot(k[6], (lower, TAUGHT)), "taught_b": jnp.zeros(TAUGHT)}
    return p


def recur(p, prefix, heard):
    """States [N, T, U] of the recurrent layer whose parameters begin with `prefix`, from what it hears [N, T, F].

    The unit's gates are update, reset and candidate; the reset gate acts after the recurrent product.
    """
    rec_w, rec_b = p[f"{prefix}rec_w"], p[f"{prefix}rec_b"]
    units = rec_w.shape[0]
    inputs = jnp.swapaxes(heard @ p[f"{prefix}in_w"] + p[f"{prefix}in_b"], 0, 1)

    def step(h, a):
        r = h @ rec_w
        gates = jax.nn.sigmoid(a[:, : 2 * units] + r[:, : 2 * units])
        update, reset = gates[:, :units], gates[:, units:]
        candidate = jnp.tanh(a[:, 2 * units :] + reset * (r[:, 2 * units :] + rec_b))
        h = update * h + (1 - update) * candidate
        return h, h

    _, states = jax.lax.scan(step, jnp.zeros((heard.shape[0], units)), inputs, unroll=4)
    return jnp.swapaxes(states, 0, 1)


def forward(p, x, keep=None):
    """Logits [N, T, C] of normalised features [N, T, F], and the lower layer's states or None. `keep` holds the dropout masks over
    the upper and the lower state's readout.
    """
    heard = jnp.tanh(x @ p["front_w"] + p["front_b"])
    lower = None
    if "low_rec_w" in p:
        lower = recur(p, "low_", heard)
        heard = jnp.concatenate([lower if keep is None else lower * keep[1][:, None, :], x[..., LEVEL:]], -1)
    states = recur(p, "", heard)
    if keep is not None:
        states = states * keep[0][:, None, :]
    return states @ p["out_w"] + p["out_b"], lower


def loss_of(p, x, y, w, taught, keep):
    logits, lower = forward(p, x, keep)
    target = jax.nn.one_hot(y, len(CLASSES)) * 0.97 + 0.03 / len(CLASSES)
    loss = -(w[..., None] * target * jax.nn.log_softmax(logits)).sum() / w.sum()
    if lower is not None:
        there = (w > 0).astype(jnp.float32)
        error = ((lower @ p["taught_w"] + p["taught_b"] - taught) ** 2).mean(-1)
        loss += TEACHING * (there * error).sum() / there.sum()
    return loss


def teaching(path):
    """Targets [N, T, TAUGHT] from teacher.py's embeddings: principal components, the weaker ones not as weak as they are."""
    embeddings = np.load(path, mmap_mode="r")
    some = embeddings[:: max(1, len(embeddings) // 2000)].reshape(-1, embeddings.shape[-1])[::5].astype(np.float64)
    mean = some.mean(0)
    strength, axes = np.linalg.eigh(np.cov((some - mean).T))
    strength, axes = np.sqrt(strength[::-1][:TAUGHT]), axes[:, ::-1][:, :TAUGHT]
    scale = (axes / np.sqrt(strength * strength[0])).astype(np.float32)
    out = np.empty((*embeddings.shape[:2], TAUGHT), np.float16)
    for n in range(0, len(out), 256):
        out[n : n + 256] = (embeddings[n : n + 256].astype(np.float32) - mean.astype(np.float32)) @ scale
    return out


def train(network, x, y, w, taught, rows, members, epochs, fold, say=""):
    """Parameters of a network, mean and standard deviation among them, from the calls `members`."""
    first, dense, lower, units, seed = NETWORKS[network]
    seed += fold
    some = np.concatenate([x[n][w[n] > 0][::7] for n in members]).astype(np.float32)
    mean, std = some.mean(0), np.maximum(some.std(0), 1e-2)
    key = jax.random.PRNGKey(seed)
    p = init(key, x.shape[2] - first, dense, lower, units)
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
    def update(p, state, x, y, w, taught, key):
        k = jax.random.split(key, 7)
        n, t = x.shape[:2]
        # Another vocal tract: the bands moved up or down by 1.6 bands at most, alike in the whole call.
        bands = x[..., :LEVEL].reshape(n, t, PARTS, BANDS)
        move = jax.random.uniform(k[4], (n, 1, 1, 1), minval=-1.6, maxval=1.6)
        wide = jnp.pad(bands, [(0, 0)] * 3 + [(2, 2)], mode="edge")
        bands = sum(jnp.maximum(0, 1 - jnp.abs(move - by)) * wide[..., 2 + by : 2 + by + BANDS] for by in range(-2, 3))
        bands = (bands.reshape(n, t, LEVEL) - mean[:LEVEL]) / std[:LEVEL]
        # Another microphone and line: the bands' balance is not to be trusted.
        tilt = 0.4 * jax.random.normal(k[0], (n, 1, 1, BANDS))
        # Some bands are not heard at all.
        heard = jax.random.bernoulli(k[5], 0.88, (n, 1, 1, BANDS))
        bands = ((bands.reshape(n, t, PARTS, BANDS) + tilt) * heard).reshape(n, t, LEVEL)
        rest = (x[..., LEVEL:] - mean[LEVEL:]) / std[LEVEL:]
        rest = rest * jax.random.bernoulli(k[2], 0.93, (n, 1, rest.shape[2]))
        x = jnp.concatenate([bands, rest], -1)
        x = x + 0.2 * jax.random.normal(k[1], x.shape)
        keep = [jax.random.bernoulli(key, 0.75, (n, size)) / 0.75 for key, size in ((k[3], units), (k[6], lower))]
        loss, gradient = jax.value_and_grad(loss_of)(p, x[..., first:], y, w, taught, keep)
        change, state = optimiser.update(gradient, state, p)
        return optax.apply_updates(p, change), state, loss

    lengths = (w > 0).sum(1)
    rng = np.random.default_rng(seed)
    began = time.time()
    for epoch in range(epochs):
        order = rng.permutation(members)[: len(members) // batch * batch]
        # Calls of like length go together, so that less of a batch is empty; the batches come in any order.
        order = np.concatenate([some[np.argsort(lengths[some], kind="stable")] for some in np.array_split(order, max(1, len(order) // (8 * batch)))])
        losses = []
        for n in rng.permutation(len(order) // batch):
            take = order[n * batch : (n + 1) * batch]
            steps = min(LEARNT, -(-int(lengths[take].max()) // 20) * 20)
            key, sub = jax.random.split(key)
            told = taught[take, :steps].astype(np.float32) if lower else np.float32(0)
            weights = w[take, :steps] * of_call[take, None]
            p, state, loss = update(p, state, x[take, :steps].astype(np.float32), y[take, :steps], weights, told, sub)
            losses.append(loss)
        if epoch % 5 == 4 or epoch == epochs - 1:
            print(f"{say} epoch {epoch + 1} loss {np.mean(losses):.4f} {time.time() - began:.0f} s", flush=True)
    p |= {"mean": mean[first:].astype(np.float32), "std": std[first:].astype(np.float32)}
    return {name: np.asarray(value) for name, value in p.items()}


def predict(p, x):
    """Logits [N, T, C] of a network: the last features are those that it is told."""
    run = jax.jit(lambda x: forward(p, (x - p["mean"]) / p["std"])[0])
    width = len(p["mean"])
    return np.concatenate([np.asarray(run(x[n : n + 256, :, -width:].astype(np.float32))) for n in range(0, len(x), 256)])


def posteriors(logits, temperature):
    """What the networks say together; `logits` has a row for each, or one row of one of them alone."""
    shares = [SHARES[network] for network in NETWORKS] if len(logits) == len(NETWORKS) else [1.0]
    return softmax(sum(share * z for share, z in zip(shares, logits)) / temperature + LEAN)


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
    """The temperature that makes the posteriors of unseen calls most likely, and the negative log-likelihood per step."""
    best = (np.inf, 1.0)
    for t in np.linspace(0.4, 2.5, 22):
        said = np.take_along_axis(posteriors(logits, t), y[..., None], -1)[..., 0]
        best = min(best, (float(-(w * np.log(said + 1e-9)).sum() / w.sum()), float(t)))
    return best[1], best[0]


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
            step = int((float(rows[n]["speech_on_s"]) + seconds) * 10)
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
        steps = x[n, loud].astype(np.float32)
        balance = (steps[:, :LEVEL].reshape(-1, PARTS, BANDS).mean(1) - steps[:, LEVEL : LEVEL + 1]).mean(0)
        groups = [balance[k : k + 3].mean() for k in range(0, BANDS, 3)]
        before = x[n, : max(loud[0], 1), LEVEL].min()
        stats.append([before, steps[:, LEVEL].mean(), steps[:, LEVEL + 2].mean(), steps[:, LEVEL + 3].mean(), *groups])
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
    """In a process of its own: a network of one fold and what it says of the fold's calls, or (-1) one of all."""
    fold, network, arguments = job
    kept = arguments.out / f"{network}-{fold}.npz"
    x, y, w, rows, _ = load(arguments.calls, arguments.features)
    folds = np.array([int(row["fold"]) for row in rows])
    if kept.exists():
        model = dict(np.load(kept))
    else:
        say = f"{network}, fold {fold}:" if fold >= 0 else f"{network}, all:"
        taught = teaching(arguments.embeddings) if NETWORKS[network][2] else None
        model = train(network, x, y, w, taught, rows, np.flatnonzero(folds != fold), arguments.epochs, fold, say)
        np.savez(kept, **model)
    if fold < 0:
        return job, model, None, None
    said = predict(model, x[folds == fold])
    del x, y, w
    x, _, _, rows, _ = load(arguments.unseen, arguments.unseen_features)
    folds = np.array([int(row["fold"]) for row in rows])
    return job, model, said, predict(model, x[folds == fold])


def save(out, fold, networks, temperature, version):
    """Everything that export.py needs: each parameter under its network's name."""
    name = f"fold-{fold}.npz" if fold >= 0 else "all.npz"
    flat = {f"{network}.{name}": value for network, p in networks.items() for name, value in p.items()}
    np.savez(out / name, temperature=np.float32(temperature), version=np.int64(version), **flat)


def figures_of_folds(post, x, w, rows):
    """Each fold's figures, those of all, and those of calls with synthesised and with recorded speech alone."""
    fold = np.array([int(row["fold"]) for row in rows])
    of_tts = lambda tts: np.array([n for n, row in enumerate(rows) if row["tts"] == tts or row["label"] not in SPEECH])
    return {
        "folds": [figures_of(post, x, w, rows, np.flatnonzero(fold == f)) for f in range(FOLDS)],
        "all": figures_of(post, x, w, rows, np.arange(len(rows))),
        "tts_only": figures_of(post, x, w, rows, of_tts("1")), "recorded_only": figures_of(post, x, w, rows, of_tts("0")),
        "channel_probe_source_folds": probe(x, w, rows, fold),
        "channel_probe_random_folds": probe(x, w, rows, np.random.default_rng(SEED).integers(0, FOLDS, len(rows))),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("calls", "features", "embeddings", "unseen", "unseen_features", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--epochs", type=int, default=14)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    jobs = [(fold, network, arguments) for fold in (-1, *range(FOLDS)) for network in NETWORKS]
    models = {fold: {} for fold in (-1, *range(FOLDS))}
    said = {"hard_and_ordinary": {}, "unseen": {}}
    with ProcessPoolExecutor(arguments.processes, mp_context=get_context("spawn")) as pool:
        for (fold, network, _), model, of_calls, of_unseen in pool.map(work, jobs):
            models[fold][network] = model
            said["hard_and_ordinary"][fold, network], said["unseen"][fold, network] = of_calls, of_unseen
    sets = {"unseen": (arguments.unseen, arguments.unseen_features), "hard_and_ordinary": (arguments.calls, arguments.features)}
    figures = {}
    for name, paths in sets.items():
        x, y, w, rows, version = load(*paths)
        fold = np.array([int(row["fold"]) for row in rows])
        logits = np.zeros((len(NETWORKS), *y.shape, len(CLASSES)), np.float32)
        for n, network in enumerate(NETWORKS):
            for f in range(FOLDS):
                logits[n, fold == f] = said[name][f, network]
        if name == "unseen":
            temperature, nll = temperature_of(logits, y, w)
            figures |= {"feature_version": version, "temperature": temperature, "nll": nll}
        figures[name] = figures_of_folds(posteriors(logits, temperature), x, w, rows)
        for n, network in enumerate(NETWORKS):
            alone = figures_of(posteriors(logits[n : n + 1], temperature), x, w, rows, np.arange(len(rows)))
            figures[name][f"{network}_alone"] = alone
    for fold, networks in models.items():
        save(arguments.out, fold, networks, temperature, version)
    (arguments.out / "figures.json").write_text(json.dumps(figures, indent=1))
    for name in sets:
        for f in range(FOLDS):
            print(name, f"fold {f}:", figures[name]["folds"][f])
        print(name, "channel probe:", figures[name]["channel_probe_source_folds"], "random split:", figures[name]["channel_probe_random_folds"])
    print("temperature", temperature, flush=True)


if __name__ == "__main__":
    main()
