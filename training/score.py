"""Compares what `answerd detect --json` told with the truth of recorded calls, and prints tables.

    answerd detect --json [--grammar URI] CALLS/*.wav > told.jsonl
    python3 training/score.py CALLS/truth.csv told.jsonl [--errors]

truth.csv has the columns file, label, detail, speech_on_s, greeting_end_s, beep_on_s, beep_off_s, beep_hz, source,
duration_s; a file's name counts without its folder and extension. Tables: labels told per true label; times from the
greeting's end (people) or from its beginning (machines) to the decision; beeps; per source. Standard library alone.
"""

import argparse
import csv
import json
import statistics
from collections import Counter, defaultdict
from pathlib import Path

AUTOMATED = {"machine", "screening", "ivr"}
BEEP_NEAR_S = 0.2


def number(text):
    return float(text) if text not in ("", None) else None


def interval(hits, of):
    """Wilson's 95 % interval in percent."""
    if not of:
        return "-"
    z, p = 1.96, hits / of
    middle = (p + z * z / (2 * of)) / (1 + z * z / of)
    half = z * ((p * (1 - p) + z * z / (4 * of)) / of) ** 0.5 / (1 + z * z / of)
    return f"{100 * hits / of:5.1f} % [{100 * max(middle - half, 0):.0f}-{100 * min(middle + half, 1):.0f}]"


def spread(values, unit="s"):
    values = sorted(values)
    if not values:
        return "-"
    at = lambda share: values[min(int(share * len(values)), len(values) - 1)]
    return f"median {statistics.median(values):.3f}, 90 % {at(0.9):.3f}, worst {values[-1]:.3f} {unit} ({len(values)})"


def right(label, told):
    return told == label or (label == "machine" and told == "beep")


def labels(pairs):
    table = defaultdict(Counter)
    for true, told in pairs:
        table[(true["label"], true["detail"])][told["label"]] += 1
    columns = sorted({label for counts in table.values() for label in counts})
    print(f"{'':22}{'calls':>6}  " + "".join(f"{name:>10}" for name in columns) + "   right")
    for (label, detail), counts in sorted(table.items()):
        of = sum(counts.values())
        hits = sum(n for told, n in counts.items() if right(label, told))
        row = "".join(f"{counts[name] or '.':>10}" for name in columns)
        print(f"{label + ' ' + detail:22}{of:>6}  {row}   {interval(hits, of)}")
    people = [told for true, told in pairs if true["label"] == "human"]
    machines = [told for true, told in pairs if true["label"] in AUTOMATED]
    lost = sum(told["label"] in AUTOMATED | {"music", "fax", "sit", "busy", "ringback", "beep"} for told in people)
    missed = sum(told["label"] == "human" for told in machines)
    caught = sum(told["label"] in AUTOMATED | {"beep"} for told in machines)
    print(f"people told something else (not unknown): {interval(lost, len(people))}; people told human: "
          f"{interval(sum(told['label'] == 'human' for told in people), len(people))}")
    print(f"automated told automated: {interval(caught, len(machines))}; told human: {interval(missed, len(machines))}")


def times(pairs):
    person = [told["decided_at_s"] - number(true["greeting_end_s"]) for true, told in pairs
              if true["label"] == "human" and told["label"] == "human" and true["greeting_end_s"]]
    machine = [told["decided_at_s"] - number(true["speech_on_s"]) for true, told in pairs
               if true["label"] in AUTOMATED and told["label"] in AUTOMATED and true["speech_on_s"]]
    print("people: told after the greeting's end:", spread(person))
    print("automated: told after the greeting's beginning:", spread(machine))
    onset = [told["speech_on_s"] - number(true["speech_on_s"]) for true, told in pairs
             if true["speech_on_s"] and told["speech_on_s"] is not None and true["label"] in AUTOMATED | {"human"}]
    print("speech onset error:", spread([abs(error) for error in onset]), f"early by over 0.3 s: {sum(e < -0.3 for e in onset)}")
    for label in ("sit", "fax", "busy", "ringback", "music", "silence"):
        decided = [told["decided_at_s"] for true, told in pairs if true["label"] == label == told["label"]]
        if decided:
            print(f"{label}: decided:", spread(decided))


def beeps(pairs, errors):
    onset, offset, hz, late, hits, of, false, seconds = [], [], [], [], 0, 0, [], 0.0
    for true, told in pairs:
        on, off, beep = number(true["beep_on_s"]), number(true["beep_off_s"]), told["beep"]
        seconds += min(told["decided_at_s"], number(true["duration_s"]))
        near = on is not None and beep and abs(beep["on_s"] - on) < BEEP_NEAR_S
        of += on is not None
        if near:
            hits += 1
            onset.append(abs(beep["on_s"] - on))
            offset.append(abs(beep["off_s"] - off))
            late.append(told["decided_at_s"] - off)
            if number(true["beep_hz"]):
                hz.append(abs(beep["hz"] - number(true["beep_hz"])))
        elif beep:
            false.append((true["file"], true["label"], beep))
        if on is not None and not near and errors:
            print("  missed", true["file"], f"beep at {on}-{off}, {true['beep_hz']} Hz; told", told["label"], told["reason"])
    print("beep recall:", interval(hits, of), "- false:", len(false), f"in {seconds / 60:.0f} minutes heard",
          dict(Counter(label for _, label, _ in false)))
    print("beep onset error:", spread(onset), "\nbeep offset error:", spread(offset), "\nbeep frequency error:", spread(hz, "Hz"))
    print("beep told after its end:", spread(late))
    if errors:
        for name, _, beep in false:
            print("  false", name, beep)


def sources(pairs):
    by = defaultdict(list)
    for true, told in pairs:
        if true["label"] in AUTOMATED | {"human"}:
            ok = (told["label"] == "human") == (true["label"] == "human") and told["label"] != "unknown"
            by[("human" if true["label"] == "human" else "automated", true["source"].split("+beep")[0])].append(ok)
    for (kind, source), oks in sorted(by.items()):
        print(f"  {kind:10} {source:60} {sum(oks):>3} of {len(oks)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("truth")
    parser.add_argument("told")
    parser.add_argument("--errors", action="store_true", help="list what went wrong")
    arguments = parser.parse_args()
    with open(arguments.truth, newline="") as file:
        truth = {Path(row["file"]).stem: row for row in csv.DictReader(file)}
    with open(arguments.told) as file:
        told = [json.loads(line) for line in file]
    pairs = [(truth[Path(row["file"]).stem], row) for row in told if Path(row["file"]).stem in truth]
    labels(pairs)
    times(pairs)
    beeps(pairs, arguments.errors)
    print("person or automated, per source:")
    sources(pairs)
    if arguments.errors:
        for true, row in pairs:
            if not right(true["label"], row["label"]):
                print(f"{true['file']}: {true['label']} {true['detail']} told {row['label']} {row['confidence']} "
                      f"at {row['decided_at_s']}: {row['reason']} (speech {true['speech_on_s']}-{true['greeting_end_s']})")


if __name__ == "__main__":
    main()
