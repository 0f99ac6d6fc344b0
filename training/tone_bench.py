"""Calls of tones, for `answerd eval`: every country's ringback, busy and congestion, special information tones, fax, in noise and through
codecs and loss; single rings that are answered; and what must not be taken for a tone.

    tone_bench.py DATA OUT [--each N] [--seed N] [--speech]

Writes OUT/*.wav and OUT/truth.csv; `detail` names the country or the form. With --speech it writes instead the clips of people, prompts,
greetings, music and noise of DATA through the same channel, N of each, which hold no network's tone: whatever is told sit, fax, busy or ringback
there is a false alarm. The `source` column tells whence.
"""

import argparse
import csv
from multiprocessing import Pool
from pathlib import Path

import numpy as np
import soundfile as sf

import channel
import tones

RATE = 8000
COLUMNS = ["file", "label", "detail", "speech_on_s", "greeting_end_s", "beep_on_s", "beep_off_s", "beep_hz", "source", "duration_s", "snr_db", "level_db", "codec", "loss"]
# Names of the clips' classes in the manifest, and the label of a call with such a clip alone.
SPEECH = {"human": "human", "speech_other": "human", "greeting_machine": "machine", "ivr_prompt": "ivr", "music": "music", "noise": "silence"}


def network(kind, frequencies, pattern, label):
    def build(rng):
        period = sum(pattern)
        seconds = max(2.6 * period, 7.0) if label == "ringback" else rng.uniform(5, 9)
        return tones.cadence(rng, frequencies, pattern, seconds)
    return label, kind, build


def kinds():
    """(label, detail, what makes the sound), for all forms of tones."""
    found = []
    for country, forms in tones.NETWORKS.items():
        for form, cadences in forms.items():
            for frequencies, pattern in cadences:
                label = "ringback" if form == "ringback" else "busy"
                found.append(network(f"{country} {form}", frequencies, pattern, label))
    found += [("sit", name, lambda rng, name=name: tones.sit(rng, name)) for name in tones.SIT]
    found += [("fax", kind, lambda rng, kind=kind: tones.fax(rng, 8, kind)) for kind in tones.FAX]
    return found


def clips(data, classes):
    with open(data / "manifest.csv", newline="") as file:
        return [row for row in csv.DictReader(file) if row["class"] in classes]


def soon(sound):
    """Without the silence before the first tone, all but a second of it: a No-Input-Timeout must not be what decides."""
    first = int(np.flatnonzero(np.abs(sound) > 0.05)[0])
    return sound[max(0, first - RATE) :]


def write(out, name, label, detail, source, rng, sound, rms, snr, speech=("", "")):
    sent, done = channel.transmit(rng, sound, None, rms, snr_db=snr)
    sf.write(out / name, sent.astype(np.float32), RATE, subtype="PCM_16")
    return {
        "file": name, "label": label, "detail": detail, "speech_on_s": speech[0], "greeting_end_s": speech[1], "beep_on_s": "", "beep_off_s": "",
        "beep_hz": "", "source": source, "duration_s": round(len(sent) / RATE, 3), **{key: done[key] for key in ("snr_db", "level_db", "codec", "loss")},
    }


def make_tone(job):
    number, place, seed, data, out = job
    rng = np.random.default_rng([seed, number])
    label, detail, build = kinds()[place]
    sound = build(rng)
    sound = soon(sound)
    before = np.zeros(int(rng.uniform(0, 1.5) * RATE))
    after = np.zeros(int(rng.uniform(1, 3) * RATE))
    if label == "sit" and rng.random() < 0.6:
        row = clips(data, {"ivr_prompt"})
        speech, _ = sf.read(data / row[int(rng.integers(len(row)))]["path"], dtype="float32")
        sound = np.concatenate([sound * 0.14, np.zeros(int(rng.uniform(0.05, 1) * RATE)), speech[: 6 * RATE]]) / 0.14
    sound = np.concatenate([before, sound * 0.14, after])
    name = f"{label}-{detail.replace(' ', '-')}-{number:05d}.wav"
    return write(out, name, label, detail, "specification", rng, sound, 0.1, float(rng.uniform(10, 40)))


def make_answered(job):
    """The last ring, whole or cut off by the answer, and then a person."""
    number, place, seed, data, out = job
    rng = np.random.default_rng([seed, number])
    rows = clips(data, {"human"})
    row = rows[int(rng.integers(len(rows)))]
    speech, _ = sf.read(data / row["path"], dtype="float32")
    speech = speech[: 4 * RATE] * 0.1 / max(np.sqrt((speech**2).mean()), 1e-4)
    rings = [tone for forms in tones.NETWORKS.values() for tone in forms["ringback"]]
    frequencies, pattern = rings[int(rng.integers(len(rings)))]
    whole = sum(pattern[:-1])
    ring = tones.cadence(rng, frequencies, pattern, float(sum(pattern)))
    ring = soon(ring)[: int(rng.uniform(0.4, 1.0) * whole * RATE) + RATE] * 0.14
    gap = float(rng.uniform(0.1, 4.0))
    parts = [np.zeros(int(rng.uniform(0, 0.5) * RATE)), ring, np.zeros(int(gap * RATE)), speech, np.zeros(3 * RATE)]
    on = sum(map(len, parts[:3])) / RATE
    sound = np.concatenate(parts)
    name = f"answered-{number:05d}.wav"
    return write(out, name, "human", "after a ring", row["source"].split(":")[0], rng, sound, 0.1, float(rng.uniform(10, 40)), (round(on, 3), round(on + len(speech) / RATE, 3)))


def make_speech(job):
    number, row, seed, data, out = job
    rng = np.random.default_rng([seed, number])
    sound, _ = sf.read(data / row["path"], dtype="float32")
    rms = max(float(np.sqrt((sound**2).mean())), 1e-4)
    sound = np.concatenate([np.zeros(int(rng.uniform(0, 1) * RATE)), sound / rms * 0.1, np.zeros(2 * RATE)])
    label = SPEECH[row["class"]]
    return write(out, f"{row['class']}-{number:05d}.wav", label, row["class"], row["source"].split(":")[0], rng, sound, 0.1, float(rng.uniform(15, 45)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--each", type=int, default=20)
    parser.add_argument("--seed", type=int, default=20261121)
    parser.add_argument("--speech", action="store_true")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    paths = arguments.seed, arguments.data, arguments.out
    with Pool(2) as pool:
        if arguments.speech:
            rng = np.random.default_rng(arguments.seed)
            drawn = [rows[n] for kind in SPEECH for rows in [clips(arguments.data, {kind})] for n in rng.permutation(len(rows))[: arguments.each]]
            jobs = [(number, row, *paths) for number, row in enumerate(drawn)]
            rows = pool.map(make_speech, jobs, chunksize=32)
        else:
            places = list(range(len(kinds()))) * arguments.each
            rows = pool.map(make_tone, [(number, place, *paths) for number, place in enumerate(places)], chunksize=16)
            answered = [(len(places) + n, 0, *paths) for n in range(10 * arguments.each)]
            rows += pool.map(make_answered, answered, chunksize=16)
    with open(arguments.out / "truth.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    print(f"tone_bench: {len(rows)} calls, {sum(row['duration_s'] for row in rows) / 3600:.2f} h")


if __name__ == "__main__":
    main()
