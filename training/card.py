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


def figures(report, calls):
    """The figures as Markdown."""
    count = Counter(row["label"] for row in calls)
    seconds = sum(float(row["duration_s"]) for row in calls)
    out = [
        f"{len(calls)} simulated calls, {seconds / 3600:.1f} hours: " + ", ".join(f"{label} {count[label]}" for label in train.CLASSES) + ".", "",
        "Person against automated (machine, screening, ivr), area under the ROC curve, and what the channel alone gives away:", "",
        "| fold left out | 1.5 s after onset | 3 s | 4 s | channel-only probe |", "|---|---|---|---|---|",
    ]
    for n, fold in enumerate(report["folds"]):
        out.append(f"| {n} | {fold['auc_1.5']:.3f} | {fold['auc_3.0']:.3f} | {fold['auc_4.0']:.3f} | {report['channel_probe_source_folds'][n]:.3f} |")
    whole = report["all"]
    out.append(f"| all, each by the model that had not seen it | {whole['auc_1.5']:.3f} | {whole['auc_3.0']:.3f} | {whole['auc_4.0']:.3f} | |")
    for name, words in (("tts_only", "calls with synthesised speech only"), ("recorded_only", "calls with recorded speech only")):
        part = report[name]
        out.append(f"| {words} | {part['auc_1.5']:.3f} | {part['auc_3.0']:.3f} | {part['auc_4.0']:.3f} | |")
    probe = ", ".join(f"{value:.2f}" for value in report["channel_probe_random_folds"])
    out += ["", f"(The probe on random folds, which share sources: {probe}.)", "", "Recall of the class at the end of the call, percent:", ""]
    out += ["| fold left out | " + " | ".join(train.CLASSES) + " |", "|---" * (len(train.CLASSES) + 1) + "|"]
    for n, fold in enumerate(report["folds"]):
        out.append(f"| {n} | " + " | ".join(percent(fold["recall_at_end"][c]) for c in train.CLASSES) + " |")
    out += [
        "", "The detector's early rule in short (`decide` in training/train.py): human at a pause of 0.8 s if a person is likelier than 0.72 (of 1.6 s:",
        "0.55), automated when a person is less likely than the threshold for two steps and 1.7 s were spoken, the likelier one at a pause of 2 s. Percent",
        "of calls; median seconds after the onset.", "",
        "| threshold | fold | people told automated | people told human | after | machines told human | machines told automated | after | ivr told human | screening told human |",
        "|---" * 10 + "|",
    ]
    for name in whole["policy"]:
        for label, part in [("all", whole)] + [(str(n), fold) for n, fold in enumerate(report["folds"])]:
            p = part["policy"][name]
            out.append(
                f"| {name} | {label} | {percent(p['human as automated'])} | {percent(p['human as human'])} | {p['human seconds']} s "
                f"| {percent(p['machine as human'])} | {percent(p['machine as automated'])} | {p['machine seconds']} s | {percent(p['ivr as human'])} | {percent(p['screening as human'])} |"
            )
    out += [
        "", "The same by kind of call; what is missing to 100 was not told within 16 s:", "",
        "| kind | calls | told human, automated at 0.07 | at 0.02 |", "|---|---|---|---|",
    ]
    for kind, (number, human, automated, human_late, automated_late) in report["kinds"].items():
        out.append(f"| {kind} | {number} | {percent(human)}, {percent(automated)} | {percent(human_late)}, {percent(automated_late)} |")
    out += [
        "", "(personal: one reader's sentences joined; recorded: greetings and prompts as they are in the data; tts: synthesised. Talkers and business",
        "greetings were made to look like machines on purpose, short announcements like people.)",
    ]
    out += ["", f"Temperature from the folds' unseen calls: {report['temperature']:.2f} (negative log-likelihood per step {report['nll']:.3f} after it)."]
    return "\n".join(out)


def main():
    global calls_voices
    work, data, models = map(Path, sys.argv[1:4])
    calls_voices = work / "voices" / "index.csv"
    with open(work / "calls" / "calls.csv", newline="") as file:
        calls = list(csv.DictReader(file))
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
        "FIGURES": figures(report, calls), "LICENCES": licence_table, "BYTES": f"{len(model):,}", "MACS": f"{int(props['multiply_adds_per_second']):,}",
        "SHA256": hashlib.sha256(model).hexdigest(), "CLASSES": ", ".join(train.CLASSES), "FEATURE_VERSION": props["feature_version"],
        "HIDDEN": str(train.HIDDEN), "FRONT": str(train.FRONT),
    }.items():
        text = text.replace("{" + word + "}", value)
    (models / "answer.md").write_text(text)


if __name__ == "__main__":
    main()
