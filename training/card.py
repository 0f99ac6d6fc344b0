"""Writes the model's card from what the training left: models/answer.md, and models/answer-sources.csv beside it.

    card.py WORK DATA MODELS
"""

import csv
import hashlib
import json
import sys
from collections import Counter, defaultdict
from pathlib import Path

import bank
import train

WORDS = Path(__file__).with_name("card.md")


def sources(data, calls):
    """Rows of (class, source, licence, clips used, minutes of them, calls that hold one)."""
    used = Counter(name for row in calls for name in row["clips"].split("|") if name)
    with open(data / "manifest.csv", newline="") as file:
        manifest = list(csv.DictReader(file))
    table = defaultdict(lambda: [0, 0.0, 0])
    for row in manifest:
        # Noise is behind every class and its use is not listed call by call.
        if row["path"] in used or row["class"] == "noise":
            entry = table[row["class"], bank.source_of(row), row["licence"]]
            entry[0] += 1
            entry[1] += float(row["duration_s"]) / 60
            entry[2] += used[row["path"]]
    spoken = Counter((row["label"], row["engine"], row["voice"].split("+")[0]) for row in csv.DictReader(open(calls_voices, newline="")))
    rows = [(*key, n, round(minutes, 1), calls_of if key[0] != "noise" else "") for key, (n, minutes, calls_of) in sorted(table.items())]
    rows += [(label, f"synthesised: {engine} {voice}", "made here", n, "", "") for (label, engine, voice), n in sorted(spoken.items())]
    return rows


def percent(value):
    return "-" if value is None else f"{100 * value:.1f}"


def counted(calls):
    """How many calls, hours, and calls of each class."""
    count = Counter(row["label"] for row in calls)
    seconds = sum(float(row["duration_s"]) for row in calls)
    return f"{len(calls)} simulated calls, {seconds / 3600:.1f} hours: " + ", ".join(f"{label} {count[label]}" for label in train.CLASSES) + "."


def table_of_areas(part):
    """Areas under the ROC curve by fold, and what the channel gives away."""
    out = ["| fold left out | 1.5 s after onset | 3 s | 4 s | channel-only probe |", "|---|---|---|---|---|"]
    for n, fold in enumerate(part["folds"]):
        out.append(f"| {n} | {fold['auc_1.5']:.3f} | {fold['auc_3.0']:.3f} | {fold['auc_4.0']:.3f} | {part['channel_probe_source_folds'][n]:.3f} |")
    rows = [("all", "all, each by the model that had not heard it"), *((f"{network}_alone", f"the network “{network}” alone") for network in train.NETWORKS), ("tts_only", "calls with synthesised speech only"), ("recorded_only", "calls with recorded speech only")]
    for name, words in rows:
        areas = part[name]
        out.append(f"| {words} | {areas['auc_1.5']:.3f} | {areas['auc_3.0']:.3f} | {areas['auc_4.0']:.3f} | |")
    probe = ", ".join(f"{value:.2f}" for value in part["channel_probe_random_folds"])
    return [*out, "", f"(The probe on random folds, which share sources: {probe}.)"]


def table_of_recalls(part):
    """Recall of each class at the end of the call, by fold."""
    out = ["| fold left out | " + " | ".join(train.CLASSES) + " |", "|---" * (len(train.CLASSES) + 1) + "|"]
    for n, fold in enumerate(part["folds"]):
        out.append(f"| {n} | " + " | ".join(percent(fold["recall_at_end"][c]) for c in train.CLASSES) + " |")
    return out


def figures(report, calls, unseen):
    """The figures as Markdown."""
    return "\n".join([
        f"Learned from: {counted(calls)}", "", f"Made anew to measure on, ordinary ones only: {counted(unseen)}", "",
        "Person against automated (machine, screening, ivr), area under the ROC curve, and what the channel alone gives away, on the ordinary calls:", "",
        *table_of_areas(report["unseen"]), "", "The same on the calls that were learned from, half of them hard ones, each by the model of the other folds:", "",
        *table_of_areas(report["hard_and_ordinary"]), "", "Recall of the likeliest class at the end of the ordinary calls, percent:", "",
        *table_of_recalls(report["unseen"]), "",
        f"Temperature from the ordinary calls: {report['temperature']:.2f} (negative log-likelihood per step {report['nll']:.3f} after it).",
    ])


def main():
    global calls_voices
    work, data, models = map(Path, sys.argv[1:4])
    calls_voices = work / "voices" / "index.csv"
    calls, unseen = (list(csv.DictReader(open(work / name / "calls.csv", newline=""))) for name in ("calls", "unseen"))
    report = json.loads((work / "model" / "figures.json").read_text())
    rows = sources(data, calls)
    with open(models / "answer-sources.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["class", "source", "licence", "clips", "minutes", "calls"])
        writer.writerows(rows)
    licences = defaultdict(lambda: [0, 0.0])
    for _, source, licence, clips, minutes, _ in rows:
        if not source.startswith("synthesised"):
            licences[licence][0] += clips
            licences[licence][1] += minutes
    licence_table = "\n".join(
        ["| licence | clips | minutes |", "|---|---|---|"]
        + [f"| {licence} | {n} | {minutes:.1f} |" for licence, (n, minutes) in sorted(licences.items(), key=lambda x: -x[1][1])]
    )
    model = (models / "answer.onnx").read_bytes()
    import onnx
    props = {p.key: p.value for p in onnx.load_from_string(model).metadata_props}
    text = WORDS.read_text()
    for word, value in {
        "FIGURES": figures(report, calls, unseen), "LICENCES": licence_table, "BYTES": f"{len(model):,}", "MACS": f"{int(props['multiply_adds_per_second']):,}",
        "SHA256": hashlib.sha256(model).hexdigest(), "CLASSES": ", ".join(train.CLASSES), "FEATURE_VERSION": props["feature_version"],
        "STATE": str(sum(lower + units for _, _, lower, units, _ in train.NETWORKS.values())),
    }.items():
        text = text.replace("{" + word + "}", value)
    (models / "answer.md").write_text(text)


if __name__ == "__main__":
    main()
