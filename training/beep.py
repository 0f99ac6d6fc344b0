"""Fits the classifier that tells beeps from other tones, src/detect/beep_trees.rs, and the one that tells before the closer look what may
be a tone at all, tone_trees.rs beside it.

    beep.py DATA VOICES ANSWERD OUT [--calls N] [--work FOLDER]

OUT is the folder of the two.

A work folder that holds simulated calls already is used again.

Calls are simulated as for the model (channel.py): somebody or something is heard, then, half of the time, a beep of any kind
(beep_sounds.py) or a recorded one, after it or over its end, at times with noise, music or voices not far under it.
`answerd features --tones` measures every tone that may be a beep. What coincides with a beep is one; what overlaps one is left
out; all else is not. Sources of fold 3 are left to beep_bench.py. Boosted trees of depth 3 are fitted with one of the other three
folds left out for the figures, then on all three.
"""

import argparse
import csv
import json
import subprocess
from multiprocessing import Pool
from pathlib import Path

import numpy as np
import soundfile as sf
from sklearn.ensemble import HistGradientBoostingClassifier

import bank
import beep_bench
import beep_sounds
import channel
import tones

RATE = 8000
NAMES = ["ms", "hz", "share", "wander", "slope", "unsteady_db", "ripple", "jitter", "rise_db", "fall_db", "second_db",
         "second_ratio", "over_floor_db", "over_speech_db", "gap_ms", "repeats",
         "parts", "harmonicity", "still_ripple", "attack_ms", "release_ms", "trend_db", "on_db", "off_db", "before_db", "after_db",
         "within", "one", "two", "apart_hz", "quiet_ms", "past_db", "likely", "likely_before", "bend", "slope_ratio", "jitter_root",
         "wander_ratio"]
TREES, DEPTH, PACE = 400, 3, 0.06
# What the hops show of a tone, before its samples are looked at (src/detect/tones.rs): trees fewer, since every piece of a voice is asked about.
SHAPE = ["share", "wander", "slope", "unsteady_db", "rise_db", "fall_db", "second_db", "parts", "harmonicity", "hz"]
SHAPE_TREES, SHAPE_PACE = 40, 0.3
# What is heard before the beep, or without one: class of clip or kind of tone, and how often.
CONTEXT = {"greeting_machine": 14, "tts_machine": 10, "human": 12, "tts_human": 6, "ivr_prompt": 12, "speech_other": 10, "music": 12,
           "noise": 4, "nothing": 6, "dtmf": 4, "busy": 4, "ringback": 4, "sit": 3, "fax": 3, "melody": 4, "whistle": 4, "record": 2}
TONES = {"dtmf", "busy", "ringback", "sit", "fax", "melody", "whistle", "record"}
CLIPS = {}


def other(rng, kind, seconds):
    """Sound of tones that are no beep."""
    if kind == "busy":
        return tones.busy(rng, seconds)
    if kind == "ringback":
        return tones.ringback(rng, seconds)
    if kind == "sit":
        return tones.sit(rng)
    if kind == "fax":
        return tones.fax(rng, seconds)
    if kind == "dtmf":
        return beep_sounds.keys(rng)
    if kind == "record":
        return np.concatenate([np.concatenate([tones.sine(1400, 0.5), np.zeros(2 * RATE)]) for _ in range(2)])
    return beep_sounds.melody(rng) if kind == "melody" else beep_sounds.whistle(rng, seconds)


def make(job):
    number, fold, seed, out = job
    rng = np.random.default_rng([seed, number])
    known = {label: [clip for clip in all_ if clip.fold != beep_bench.HELD_OUT] for label, all_ in CLIPS.items() if label != "beep"}
    clips = {label: [clip for clip in all_ if clip.fold == fold] or all_ for label, all_ in known.items()}
    kinds = [kind for kind in CONTEXT if kind in TONES or kind == "nothing" or clips.get(kind)]
    weights = np.array([CONTEXT[kind] for kind in kinds], float)
    kind = str(rng.choice(kinds, p=weights / weights.sum()))
    parts, spans, after = [np.zeros(int(rng.uniform(0.05, 1.0) * RATE))], [], None
    if kind in TONES:
        parts.append(other(rng, kind, rng.uniform(3, 8)) * 0.14 * 10 ** (rng.uniform(-8, 6) / 20))
    elif kind != "nothing":
        clip = clips[kind][rng.integers(len(clips[kind]))]
        most = int(rng.uniform(2, 16) * RATE)
        begin = int(rng.integers(max(len(clip.sound) - most, 1)))
        sound = clip.sound[begin : begin + most]
        parts.append(channel.shape(rng, sound) if len(sound) > 400 else sound)
    sound = np.concatenate(parts)
    tone_db = None
    if rng.random() < (0.3 if kind in TONES else 0.65):
        if CLIPS["beep"] and rng.random() < 0.12:
            tone = CLIPS["beep"][rng.integers(len(CLIPS["beep"]))].astype(float)
            where = [(0, len(tone))]
        else:
            _, tone, where, _ = beep_sounds.beep(rng)
        tone_db = rng.uniform(-14, 12)
        tone = tone / beep_bench.rms(np.concatenate([tone[a:b] for a, b in where])) * 0.1 * 10 ** (tone_db / 20)
        if rng.random() < 0.15:
            tone = beep_bench.reverberant(rng, tone)
        gap = float(rng.choice([rng.uniform(0, 0.06), rng.uniform(0.05, 0.6), rng.uniform(0.3, 2), -rng.uniform(0.05, 0.4)], p=[0.25, 0.4, 0.25, 0.1]))
        at = max(0, len(sound) + int(gap * RATE))
        sound = np.concatenate([sound, np.zeros(max(0, at + len(tone) - len(sound)))])
        sound[at : at + len(tone)] += tone
        spans = [(at + on, at + off) for on, off in where]
        if rng.random() < 0.12 and clips.get("human"):
            after = clips["human"][rng.integers(len(clips["human"]))].sound[: 2 * RATE]
    sound = np.concatenate([sound, np.zeros(int(rng.uniform(0.3, 1.2) * RATE))] + ([after] if after is not None else []))
    around = None
    if rng.random() < 0.45:
        label = str(rng.choice(["noise", "noise", "music", "human"]))
        around = beep_bench.stretch(rng, clips[label], len(sound))
        if label == "human":
            around += beep_bench.stretch(rng, clips[label], len(sound)) + beep_bench.stretch(rng, clips["speech_other"], len(sound))
    if tone_db is not None and rng.random() < 0.4:
        # Down to 10 dB under the beep.
        noise = channel.coloured(rng, len(sound)) if around is None else around
        sound = sound + noise / beep_bench.rms(noise) * 0.1 * 10 ** ((tone_db - rng.uniform(9, 25)) / 20)
        sound, done = channel.transmit(rng, sound, None, 0.1, 45.0)
    else:
        sound, done = channel.transmit(rng, sound, around, 0.1)
    name = Path(out) / f"{number:05d}.wav"
    sf.write(name, sound.astype(np.float32), RATE, subtype="PCM_16")
    return str(name), done["holes"], fold, kind, spans


def examples(calls, csv_path):
    """Features, whether a beep, fold and kind of context, of every tone that is clearly one or the other."""
    x, y, folds, kinds = [], [], [], []
    met = set()
    for line in open(csv_path):
        number, on, off, _, *features = line.strip().split(",")
        number, on, off = int(number), int(on), int(off)
        _, _, fold, kind, spans = calls[number]
        verdict = 0
        for n, (a, b) in enumerate(spans):
            if abs(on - a) < 400 and abs(off - b) < 480:
                verdict = 1
                met.add((number, n))
            elif on < b + 240 and off > a - 240:
                verdict = -1
        # The policy knows these by their cadence or by what came before; by themselves they are beeps like others.
        if verdict == 0 and kind in ("busy", "ringback", "fax", "record"):
            verdict = -1
        if verdict >= 0:
            x.append([float(value) for value in features])
            y.append(verdict)
            folds.append(fold)
            kinds.append(kind)
    beeps = sum(len(spans) for *_, spans in calls)
    print(f"beep: {len(y)} tones, {sum(y)} of them beeps; {len(met)} of {beeps} beeps were measured as one tone")
    return np.array(x), np.array(y), np.array(folds), np.array(kinds)


def fit(x, y):
    # Most tones are pieces of voices that tell themselves: one in five of them stands for all.
    easy = (y == 0) & ((x[:, NAMES.index("ripple")] > 0.6) | (x[:, NAMES.index("jitter")] > 1.5))
    keep = ~easy | (np.random.default_rng(1).random(len(y)) < 0.2)
    weights = np.where(easy, 5.0, 1.0) * np.sqrt(np.where(y == 1, 0.5 / (y == 1).mean(), 0.5 / (y == 0).mean()))
    model = HistGradientBoostingClassifier(
        max_iter=TREES, max_depth=DEPTH, max_leaf_nodes=2**DEPTH, learning_rate=PACE, min_samples_leaf=30, l2_regularization=1.0,
        early_stopping=False, random_state=1,
    )
    return model.fit(x[keep].astype(np.float32), y[keep], sample_weight=weights[keep])


def fit_shape(x, y, score):
    """Tells what the other classifier would not refuse at once: its `score` of each tone is known, and whether one is a beep."""
    wanted = (score > 0.1) | ((y == 1) & (score > 0.02))
    weights = np.where((y == 1) & (score > 0.1), 30.0, np.where(score > 0.3, 10.0, 1.0))
    model = HistGradientBoostingClassifier(max_iter=SHAPE_TREES, max_depth=DEPTH, max_leaf_nodes=2**DEPTH, learning_rate=SHAPE_PACE, early_stopping=False, random_state=1)
    return model.fit(x[:, [NAMES.index(name) for name in SHAPE]].astype(np.float32), wanted, sample_weight=weights)


def worth(model, x):
    """Which tones are looked at, as src/detect/tones.rs decides it."""
    of = {name: x[:, place] for place, name in enumerate(NAMES)}
    steady = (of["share"] > 0.45) & (of["ms"] >= 150) & (of["wander"] < 8)
    shape = np.stack([of[name] for name in SHAPE], 1).astype(np.float32)
    return steady | (model.predict_proba(shape)[:, 1] >= 0.05)


def write(model, out, what, where, note):
    """The trees as Rust constants: complete trees of depth 3, splits in breadth-first order."""
    prior = float(np.ravel(model._baseline_prediction)[0])
    rows = []
    for predictors in model._predictors:
        nodes = predictors[0].nodes
        splits, leaves = [], []

        def walk(node, depth):
            if depth == DEPTH:
                leaves.append(nodes[node]["value"])
                return
            leaf = bool(nodes[node]["is_leaf"])
            splits.append((0 if leaf else nodes[node]["feature_idx"], 1e30 if leaf else nodes[node]["num_threshold"]))
            walk(node if leaf else nodes[node]["left"], depth + 1)
            walk(node if leaf else nodes[node]["right"], depth + 1)

        walk(0, 0)
        # Depth first, left before right: root, left, left-left, left-right, right, right-left, right-right.
        order = [0, 1, 4, 2, 3, 5, 6]
        rows.append(([splits[n][0] for n in order], [splits[n][1] for n in order], leaves))
    with open(out, "w") as file:
        file.write(f"//! Constants of {what}, written by `training/beep.py`: {len(rows)} boosted trees of depth {DEPTH}.\n//!\n")
        for line in note:
            file.write(f"//! {line}\n")
        file.write("\nuse crate::detect::trees::Tree;\n\n/// Logarithm of the odds before a tone is looked at.\n")
        file.write(f"pub(super) const PRIOR: f32 = {prior:.5};\n\n/// Their features are those that [`{where}`] lists.\n")
        file.write("#[rustfmt::skip]\n")
        file.write(f"pub(super) static TREES: [Tree; {len(rows)}] = [\n")
        for places, limits, leaves in rows:
            numbers = lambda values: "[" + ", ".join("1e30" if v > 1e29 else repr(float(f"{v:.5g}")) for v in values) + "]"
            file.write(f"    ([{', '.join(str(int(p)) for p in places)}], {numbers(limits)}, {numbers(leaves)}),\n")
        file.write("];\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("voices", type=Path)
    parser.add_argument("answerd")
    parser.add_argument("out", type=Path)
    parser.add_argument("--calls", type=int, default=32000)
    parser.add_argument("--work", type=Path, default=Path("/tmp/answerd-beep"))
    parser.add_argument("--seed", type=int, default=20261120)
    arguments = parser.parse_args()
    global CLIPS
    CLIPS = bank.load(arguments.data, arguments.voices)
    CLIPS["beep"] = beep_bench.recorded_beeps(arguments.data, lambda fold: fold != beep_bench.HELD_OUT)
    arguments.work.mkdir(parents=True, exist_ok=True)
    known = arguments.work / "calls.json"
    folds = [fold for fold in range(bank.FOLDS) if fold != beep_bench.HELD_OUT]
    jobs = [(n, folds[n % len(folds)], arguments.seed, str(arguments.work)) for n in range(arguments.calls)]
    if known.exists():
        calls = json.loads(known.read_text())
    else:
        with Pool(2) as pool:
            calls = pool.map(make, jobs, chunksize=16)
        known.write_text(json.dumps(calls))
    with open(arguments.work / "list", "w") as file:
        for name, holes, *_ in calls:
            file.write(f"{name}\t{holes}\n" if holes else f"{name}\n")
    table = arguments.work / "tones.csv"
    subprocess.run([arguments.answerd, "features", str(arguments.work / "list"), "--tones", "--out", str(table)], check=True)
    x, y, folds, kinds = examples(calls, table)
    scores = np.zeros(len(y))
    for fold in np.unique(folds):
        scores[folds == fold] = fit(x[folds != fold], y[folds != fold]).predict_proba(x[folds == fold].astype(np.float32))[:, 1]
    hours = sum(sf.info(name).duration for name, *_ in calls) / 3600
    figures = []
    for threshold in (0.3, 0.4, 0.5, 0.6, 0.7):
        told = scores >= threshold
        recall, false = told[y == 1].mean(), told[y == 0].sum() / hours
        by = {str(kind): int((told & (y == 0) & (kinds == kind)).sum()) for kind in np.unique(kinds)}
        print(f"from {threshold}: recall {100 * recall:.1f} %, {false:.1f} false an hour", by)
        if threshold in (0.4, 0.5, 0.6):
            figures.append(f"{100 * recall:.1f} % of measured beeps and {false:.0f} false an hour from {threshold}")
    # The same for what is worth a look: each fold by the trees that know nothing of it.
    shapes = np.zeros(len(y), bool)
    for fold in np.unique(folds):
        shapes[folds == fold] = worth(fit_shape(x[folds != fold], y[folds != fold], scores[folds != fold]), x[folds == fold])
    told = scores >= 0.5
    lost, saved = 1 - shapes[told & (y == 1)].mean(), 1 - shapes[y == 0].mean()
    print(f"beep: {100 * saved:.1f} % of what is no beep is not looked at, nor {100 * lost:.2f} % of the beeps that would be told from 0.5, {100 * (1 - shapes[told & (y == 0)].mean()):.2f} % of the false ones")
    made = f"Fitted on {len(y)} tones of {len(calls)} simulated calls, {int(y.sum())} of them beeps. Sources left out in three folds:"
    write(fit(x, y), arguments.out / "beep_trees.rs", "the beep classifier", "crate::detect::beep", [
        made,
        *[line + (";" if n < len(figures) - 1 else ",") for n, line in enumerate(figures)],
        "on calls half of which are music, keys, whistles or the network's tones. The rules of the policy stand beside it.",
    ])
    write(fit_shape(x, y, scores), arguments.out / "tone_trees.rs", "what tells a tone from a piece of a voice before a closer look", "crate::detect::tones", [
        made, f"{100 * saved:.0f} % of what is no beep is told so, and {100 * lost:.2f} % of the beeps that the beep classifier would tell from 0.5.",
    ])


if __name__ == "__main__":
    main()
