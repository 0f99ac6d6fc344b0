"""Fits the classifier that tells beeps from other tones, and writes src/detect/beep_trees.rs.

    beep.py DATA VOICES ANSWERD OUT [--calls N] [--work FOLDER]

A work folder that holds simulated calls already is used again.

Calls are simulated as for the model (channel.py): somebody or something is heard, then, half of the time, a beep: single,
dual, chirped, pulsed, with soft or hard edges, or a recorded one. `answerd features --tones` measures every tone that may
be a beep. What coincides with a beep is one; what overlaps one is left out; all else is not. Boosted trees of depth 3
are fitted with sources left out in four folds for the figures, then on everything.
"""

import argparse
import csv
import json
import subprocess
from multiprocessing import Pool
from pathlib import Path

import numpy as np
import soundfile as sf
from sklearn.ensemble import GradientBoostingClassifier

import bank
import channel
import tones

RATE = 8000
NAMES = ["ms", "hz", "share", "wander", "slope", "unsteady_db", "ripple", "jitter", "rise_db", "fall_db", "second_db",
         "second_ratio", "over_floor_db", "over_speech_db", "gap_ms", "repeats"]
TREES, DEPTH = 60, 3
# What is heard before the beep, or without one: class of clip or kind of tone, and how often.
CONTEXT = {"greeting_machine": 14, "tts_machine": 10, "human": 12, "tts_human": 6, "ivr_prompt": 12, "speech_other": 10, "music": 12,
           "noise": 4, "nothing": 6, "dtmf": 4, "busy": 4, "ringback": 4, "sit": 3, "fax": 3, "melody": 4, "whistle": 4, "record": 2}
TONES = {"dtmf", "busy", "ringback", "sit", "fax", "melody", "whistle", "record"}
CLIPS = {}


def soft(sound, seconds):
    return tones.edges(sound, seconds)


def beep(rng, recorded):
    """One beep, and where its parts sound: (from, to) in samples."""
    if recorded and rng.random() < 0.15:
        sound = recorded[rng.integers(len(recorded))]
        return sound.copy(), [(0, len(sound))]
    seconds = float(np.exp(rng.uniform(np.log(0.07), np.log(1.5))))
    hz = float(np.exp(rng.uniform(np.log(350), np.log(3400))))
    if rng.random() < 0.5:
        hz = float(rng.choice([400, 425, 440, 480, 500, 620, 640, 700, 750, 800, 850, 880, 950, 1000, 1000, 1000, 1100, 1200, 1250,
                               1400, 1500, 1700, 2000, 2100]) * (1 + rng.uniform(-0.01, 0.01)))
    fade = float(rng.choice([0.001, 0.003, 0.01, 0.03]))
    fade = min(fade, seconds / 4)
    kind = rng.choice(["single", "dual", "chirp", "pips", "harmonic", "decay"], p=[0.45, 0.15, 0.1, 0.15, 0.1, 0.05])
    t = np.arange(int(seconds * RATE)) / RATE
    if kind == "dual":
        other = min(hz * rng.uniform(1.12, 2.0), 3500)
        low, high = sorted([1.0, rng.uniform(0.3, 1)], reverse=rng.random() < 0.5)
        return soft(0.6 * low * np.sin(2 * np.pi * hz * t) + 0.6 * high * np.sin(2 * np.pi * other * t), fade), [(0, len(t))]
    if kind == "chirp":
        bend = rng.uniform(-0.12, 0.12) * hz / seconds
        return soft(np.sin(2 * np.pi * (hz * t + 0.5 * bend * t * t)), fade), [(0, len(t))]
    if kind == "harmonic":
        sound = sum(10 ** (-rng.uniform(8, 30) / 20) * np.sin(2 * np.pi * k * hz * t) for k in (2, 3) if k * hz < 3800) + np.sin(2 * np.pi * hz * t)
        return soft(sound / np.abs(sound).max(), fade), [(0, len(t))]
    if kind == "decay":
        return soft(np.sin(2 * np.pi * hz * t) * np.exp(-rng.uniform(0.3, 1.2) * t / seconds), fade), [(0, len(t))]
    if kind == "pips":
        pip, gap = rng.uniform(0.07, 0.25), rng.uniform(0.03, 0.25)
        parts, spans, at = [], [], 0
        for _ in range(int(rng.integers(2, 5))):
            sound = soft(np.sin(2 * np.pi * hz * np.arange(int(pip * RATE)) / RATE), min(fade, pip / 4))
            spans.append((at, at + len(sound)))
            parts += [sound, np.zeros(int(gap * RATE))]
            at += len(sound) + len(parts[-1])
        return np.concatenate(parts[:-1]), spans
    return soft(np.sin(2 * np.pi * hz * t), fade), [(0, len(t))]


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
        parts = []
        for _ in range(int(rng.integers(2, 11))):
            parts += [tones.dtmf(rng), np.zeros(int(rng.uniform(0.04, 0.3) * RATE))]
        return np.concatenate(parts)
    if kind == "record":
        return np.concatenate([np.concatenate([tones.sine(1400, 0.5), np.zeros(2 * RATE)]) for _ in range(2)])
    if kind == "melody":
        # Notes without pauses, some with harmonics: ring-back tunes, jingles.
        parts, base = [], rng.uniform(350, 900)
        for _ in range(int(rng.integers(6, 20))):
            hz = base * 2 ** (int(rng.integers(0, 13)) / 12)
            t = np.arange(int(rng.choice([0.12, 0.18, 0.25, 0.5]) * RATE)) / RATE
            note = sum(a * np.sin(2 * np.pi * k * hz * t) for k, a in enumerate([1, rng.uniform(0, 0.4), rng.uniform(0, 0.3)], 1) if k * hz < 3800)
            parts.append(tones.edges(note * np.exp(-rng.uniform(0, 4) * t), 0.005))
        return np.concatenate(parts)
    n = int(seconds * RATE)
    t = np.arange(n) / RATE
    hz = rng.uniform(700, 2200) * 2 ** (0.4 * np.cumsum(rng.normal(0, 1, n // 400 + 2)).repeat(400)[:n] / 6)
    hz = np.convolve(hz, np.ones(800) / 800, "same") + 6 * np.sin(2 * np.pi * rng.uniform(4, 7) * t)
    gate = np.repeat(rng.random(n // 2400 + 1) < 0.7, 2400)[:n].astype(float)
    return np.sin(2 * np.pi * np.cumsum(hz) / RATE) * np.convolve(gate, np.ones(400) / 400, "same")


def make(job):
    number, fold, seed, out = job
    rng = np.random.default_rng([seed, number])
    clips = {label: [clip for clip in all_ if clip.fold == fold] or all_ for label, all_ in CLIPS.items() if label != "beep"}
    kinds = [kind for kind in CONTEXT if kind in TONES or kind == "nothing" or clips.get(kind)]
    weights = np.array([CONTEXT[kind] for kind in kinds], float)
    kind = str(rng.choice(kinds, p=weights / weights.sum()))
    parts, spans = [np.zeros(int(rng.uniform(0.05, 1.0) * RATE))], []
    if kind in TONES:
        parts.append(other(rng, kind, rng.uniform(3, 8)) * 0.14 * 10 ** (rng.uniform(-8, 6) / 20))
    elif kind != "nothing":
        clip = clips[kind][rng.integers(len(clips[kind]))]
        most = int(rng.uniform(1, 9) * RATE)
        begin = int(rng.integers(max(len(clip.sound) - most, 1)))
        sound = clip.sound[begin : begin + most]
        parts.append(channel.shape(rng, sound) if len(sound) > 400 else sound)
    if rng.random() < (0.3 if kind in TONES else 0.65):
        parts.append(np.zeros(int(float(rng.choice([rng.uniform(0, 0.06), rng.uniform(0.05, 0.6), rng.uniform(0.3, 2)])) * RATE)))
        at = sum(len(part) for part in parts)
        sound, where = beep(rng, CLIPS["beep"])
        parts.append(sound * 0.14 * 10 ** (rng.uniform(-12, 9) / 20))
        spans = [(at + on, at + off) for on, off in where]
    parts.append(np.zeros(int(rng.uniform(0.3, 1.2) * RATE)))
    if rng.random() < 0.12 and clips.get("human"):
        parts.append(clips["human"][rng.integers(len(clips["human"]))].sound[: 2 * RATE])
    sound = np.concatenate(parts)
    around = None
    if rng.random() < 0.4:
        clip = clips["noise"][rng.integers(len(clips["noise"]))]
        around = np.resize(np.roll(clip.sound, -int(rng.integers(len(clip.sound)))), len(sound)).astype(float)
    sound, done = channel.transmit(rng, sound, around, 0.1)
    name = Path(out) / f"{number:05d}.wav"
    sf.write(name, sound.astype(np.float32), RATE, subtype="PCM_16")
    return str(name), done["holes"], fold, kind, spans


def recorded_beeps(data):
    """The beeps of the clips, cut out."""
    beeps = []
    with open(data / "manifest.csv", newline="") as file:
        for row in csv.DictReader(file):
            if not row["beep_s"] or row["class"] not in ("beep", "greeting_machine"):
                continue
            sound, _ = sf.read(data / row["path"], dtype="float32")
            for span in row["beep_s"].replace(";", ",").split(","):
                on, length = (float(x) for x in span.split("+"))
                cut = sound[int(on * RATE) : int((on + length) * RATE)]
                if len(cut) > 500 and np.abs(cut).max() > 0:
                    beeps.append((cut / np.sqrt((cut**2).mean()) * 0.7).astype(np.float32))
    return beeps


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
    weights = np.where(y == 1, 0.5 / (y == 1).mean(), 0.5 / (y == 0).mean())
    weights = np.sqrt(weights)
    model = GradientBoostingClassifier(n_estimators=TREES, max_depth=DEPTH, learning_rate=0.15, subsample=0.7, min_samples_leaf=30, random_state=1)
    return model.fit(x.astype(np.float32), y, sample_weight=weights)


def write(model, out, note):
    """The trees as Rust constants: complete trees of depth 3, splits in breadth-first order."""
    prior = model.init_.class_prior_[1]
    rows = []
    for tree in model.estimators_[:, 0]:
        t = tree.tree_
        splits, leaves = [], []

        def walk(node, depth):
            if depth == DEPTH:
                leaves.append(t.value[node][0][0] * model.learning_rate)
                return
            leaf = t.children_left[node] < 0
            splits.append((depth, len(splits), 0 if leaf else t.feature[node], 1e30 if leaf else t.threshold[node]))
            walk(node if leaf else t.children_left[node], depth + 1)
            walk(node if leaf else t.children_right[node], depth + 1)

        walk(0, 0)
        # Depth first, left before right: root, left, left-left, left-right, right, right-left, right-right.
        order = [0, 1, 4, 2, 3, 5, 6]
        rows.append(([splits[n][2] for n in order], [splits[n][3] for n in order], leaves))
    with open(out, "w") as file:
        file.write(f"//! Constants of the beep classifier, written by `training/beep.py`: {len(rows)} boosted trees of depth {DEPTH}.\n//!\n")
        for line in note:
            file.write(f"//! {line}\n")
        file.write("\n/// Probability that a tone is a beep, given the numbers that [`crate::detect::beep`] lists.\n")
        file.write("pub(super) fn probability(features: &[f32; 16]) -> f32 {\n")
        file.write("    let mut sum = PRIOR;\n    for (places, limits, leaves) in &TREES {\n")
        file.write("        let right = |node: usize| usize::from(features[usize::from(places[node])] > limits[node]);\n")
        file.write("        let first = right(0);\n        let second = right(1 + first);\n        let third = right(3 + 2 * first + second);\n")
        file.write("        sum += leaves[4 * first + 2 * second + third];\n    }\n    1.0 / (1.0 + (-sum).exp())\n}\n\n")
        file.write(f"const PRIOR: f32 = {np.log(prior / (1 - prior)):.5};\n\n")
        file.write("/// Per tree: the features of its splits, breadth first; their limits; the leaves from left to right.\n")
        file.write("#[rustfmt::skip]\n")
        file.write(f"const TREES: [([u8; 7], [f32; 7], [f32; 8]); {len(rows)}] = [\n")
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
    parser.add_argument("--calls", type=int, default=6000)
    parser.add_argument("--work", type=Path, default=Path("/tmp/answerd-beep"))
    parser.add_argument("--seed", type=int, default=20261120)
    arguments = parser.parse_args()
    global CLIPS
    CLIPS = bank.load(arguments.data, arguments.voices)
    CLIPS["beep"] = recorded_beeps(arguments.data)
    arguments.work.mkdir(parents=True, exist_ok=True)
    known = arguments.work / "calls.json"
    jobs = [(n, n % bank.FOLDS, arguments.seed, str(arguments.work)) for n in range(arguments.calls)]
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
    for fold in range(bank.FOLDS):
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
    model = fit(x, y)
    order = np.argsort(-model.feature_importances_)
    print("weights:", ", ".join(f"{NAMES[n]} {model.feature_importances_[n]:.2f}" for n in order))
    write(model, arguments.out, [
        f"Fitted on {len(y)} tones of {len(calls)} simulated calls, {int(y.sum())} of them beeps. Sources left out in four folds:",
        *[line + (";" if n < len(figures) - 1 else ",") for n, line in enumerate(figures)],
        "on calls half of which are music, keys, whistles or the network's tones. The rules of the policy stand beside it.",
    ])


if __name__ == "__main__":
    main()
