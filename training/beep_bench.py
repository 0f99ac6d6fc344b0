"""Measures the beep detector: thousands of simulated calls with a beep, and hours of everything that is none.

    beep_bench.py DATA VOICES ANSWERD WORK [--beeps 2000] [--hours 8]

Writes WORK/beeps and WORK/others (WAV and truth.csv each), unless they are there, runs `answerd eval` on both with
builtin:speech/beep and builtin:speech/voicemail, and prints recall by kind, length, frequency, signal-to-noise ratio, level,
codec, loss, surroundings, and the false beeps of an hour by kind.

Greetings come from fold 3 alone, which beep.py leaves out; so do recorded beeps, music and noise under them. What is no beep
comes from all clips there are, each once; the ones of fold 3 are told apart. Loss is zero-filled or concealed here, by the leg
before: `answerd eval --loss` adds that of the last leg.
"""

import argparse
import csv
import json
import subprocess
from collections import defaultdict
from multiprocessing import Pool
from pathlib import Path

import numpy as np
import soundfile as sf
from scipy.signal import butter, fftconvolve, sosfilt

import bank
import beep_sounds
import channel
import tones

RATE = 8000
HELD_OUT = 3
CODECS = ["ulaw", "alaw", "gsm+ulaw", "opus+ulaw", "adpcm+alaw", "amr12.2+ulaw", "amr6.7+ulaw"]
FIELDS = ["file", "label", "detail", "speech_on_s", "greeting_end_s", "beep_on_s", "beep_off_s", "beep_hz", "all_hz", "source", "duration_s",
          "snr_db", "level_db", "codec", "loss", "timbre", "around", "place", "fold"]
CLIPS = {}


def rms(sound):
    return float(np.sqrt((np.asarray(sound, float) ** 2).mean())) + 1e-9


def line(rng, sound, level_db, reference):
    """Band, level of `reference` (a root mean square) in dB, codecs, loss."""
    if rng.random() < 0.8:
        band = [rng.uniform(180, 320), rng.uniform(3300, 3750)]
        sound = sosfilt(butter(int(rng.integers(2, 4)), band, "bandpass", fs=RATE, output="sos"), sound)
    sound = np.clip(sound * 10 ** (level_db / 20) / reference, -1, 1)
    name = str(rng.choice(CODECS))
    sound = channel.encode(rng, sound, name)
    loss, how = float(rng.choice([0, 0.01, 0.03], p=[0.5, 0.2, 0.3])), "none"
    if loss:
        how = str(rng.choice(["zero", "concealed"]))
        sound, _ = channel.lose(rng, sound, loss, how)
    return np.clip(sound, -1, 1), name, loss, how


def reverberant(rng, sound):
    n = int(rng.uniform(0.1, 0.5) * RATE)
    tail = rng.normal(0, 1, n) * np.exp(-6.9 * np.arange(n) / n)
    tail *= 10 ** (-rng.uniform(4, 14) / 20) / np.sqrt((tail**2).sum())
    return fftconvolve(sound, np.concatenate([[1.0], np.zeros(int(rng.uniform(0.002, 0.02) * RATE)), tail]))


def stretch(rng, clips, n):
    """So many samples of a clip, from anywhere in it, RMS 1."""
    clip = clips[rng.integers(len(clips))].sound
    sound = np.resize(np.roll(clip, -int(rng.integers(len(clip)))), n).astype(float)
    return sound / rms(sound)


def beep_call(job):
    number, seed, out = job
    rng = np.random.default_rng([seed, number])
    held = lambda *labels: [clip for label in labels for clip in CLIPS[label] if clip.fold == HELD_OUT]
    clips = held(str(rng.choice(["greeting_machine", "tts_machine", "tts_machine", "ivr_prompt"])))
    greeting = []
    clip = clips[rng.integers(len(clips))]
    while sum(map(len, greeting)) < 1.2 * RATE:
        greeting += [clip.sound[: 7 * RATE], np.zeros(int(rng.uniform(0.1, 0.4) * RATE))]
        clip = clips[rng.integers(len(clips))] if clip.label == "ivr_prompt" else clip
    greeting = np.concatenate(greeting[:-1])
    speech_rms = 0.1
    recorded = CLIPS["beep"]
    if recorded and rng.random() < 0.06:
        sound = recorded[rng.integers(len(recorded))].astype(float)
        kind, spans, all_hz = "recorded", [(0, len(sound))], []
    else:
        kind, sound, spans, all_hz = beep_sounds.beep(rng)
    length = spans[-1][1]
    tone = np.concatenate([sound[a:b] for a, b in spans])
    # Levels as they arrive: the beep from -40 to -6 dBov, speech near it, and noise at least 10 dB under the beep.
    beep_db = rng.uniform(-40, -6)
    speech_db = float(np.clip(beep_db + rng.uniform(-12, 14), -38, -12))
    sound = sound / rms(tone) * 10 ** (beep_db / 20)
    greeting = greeting / speech_rms * 10 ** (speech_db / 20)
    timbre = "dry"
    if rng.random() < 0.2:
        timbre, sound = "reverberant", reverberant(rng, sound)
    place = str(rng.choice(["after", "at once", "over"], p=[0.75, 0.15, 0.1]))
    gap = {"after": rng.uniform(0.06, 1.5), "at once": rng.uniform(0, 0.05), "over": -rng.uniform(0.05, 0.3)}[place]
    lead = int(rng.uniform(0.2, 1.5) * RATE)
    end = lead + len(greeting)
    on = end + int(gap * RATE)
    n = on + len(sound) + int(rng.uniform(1.0, 2.5) * RATE)
    whole = np.zeros(n)
    whole[lead:end] += greeting
    whole[on : on + len(sound)] += sound
    snr = float(rng.uniform(10, 45))
    around = str(rng.choice(["hiss", "noise", "music", "voices", "speech after"], p=[0.5, 0.2, 0.12, 0.08, 0.1]))
    if around == "noise":
        noise = stretch(rng, held("noise"), n)
    elif around == "music":
        noise = stretch(rng, held("music"), n)
    elif around == "voices":
        noise = sum(stretch(rng, held("human", "speech_other"), n) for _ in range(3))
    else:
        noise = channel.coloured(rng, n)
    whole += noise / rms(noise) * 10 ** ((beep_db - snr) / 20)
    if around == "speech after":
        after = held("tts_human")[rng.integers(len(held("tts_human")))].sound[: 3 * RATE]
        at = on + len(sound) + int(rng.uniform(0.3, 0.8) * RATE)
        after = after[: max(0, n - at)]
        whole[at : at + len(after)] += after / speech_rms * 10 ** (speech_db / 20)
    sound, codec, loss, _ = line(rng, whole, 0.0, 1.0)
    name = f"{number:05d}.wav"
    sf.write(Path(out) / name, sound.astype(np.float32), RATE, subtype="PCM_16")
    return {
        "file": name, "label": "machine", "detail": kind, "speech_on_s": round(lead / RATE, 3), "greeting_end_s": round(end / RATE, 3),
        "beep_on_s": round(on / RATE, 4), "beep_off_s": round((on + length) / RATE, 4),
        "beep_hz": round(all_hz[0], 1) if all_hz and kind != "chord" else "", "all_hz": ";".join(f"{hz:.1f}" for hz in all_hz),
        "source": clip.source, "duration_s": round(n / RATE, 3), "snr_db": round(snr, 1), "level_db": round(beep_db, 1),
        "codec": codec, "loss": loss, "timbre": timbre, "around": around, "place": place, "fold": HELD_OUT,
    }


def plan_others(rng, hours):
    """What is no beep: (kind, label, fold, clip numbers or None). All clips once, in calls of some 20 s; tones as much as is asked for."""
    plan = []
    wanted = {"human": ("human", 0.5), "speech_other": ("human", 0.2), "greeting_machine": ("machine", 0.5), "ivr_prompt": ("ivr", 0.4),
              "tts_human": ("human", 0.5), "tts_machine": ("machine", 0.3), "tts_ivr": ("ivr", 0.3), "music": ("music", 0.0), "noise": ("silence", 0.0)}
    for kind, (label, _) in wanted.items():
        groups = defaultdict(list)
        for n, clip in enumerate(CLIPS[kind]):
            groups[clip.source, clip.fold, clip.speaker if kind != "human" else ""].append(n)
        for (_, fold, _), numbers in groups.items():
            some, seconds = [], 0.0
            for n in numbers:
                clip = CLIPS[kind][n]
                whole = len(clip.sound) / RATE
                for begin in np.arange(0, whole, 22.0) if whole > 30 else [0.0]:
                    some.append((n, float(begin)))
                    seconds += min(whole - begin, 22.0 if whole > 30 else 30.0) + 0.5
                    if seconds > 18:
                        plan.append((kind, label, fold, some))
                        some, seconds = [], 0.0
            if some:
                plan.append((kind, label, fold, some))
    spoken = sum(len(clip.sound) for kind in wanted for clip in CLIPS[kind] if kind.startswith("tts")) / RATE / 3600
    if spoken > 2.0:
        # Synthetic voices: a part of them is enough.
        plan = [one for one in plan if not one[0].startswith("tts") or rng.random() < 2.0 / spoken]
    share = {"dtmf": ("ivr", 0.16), "busy": ("busy", 0.12), "ringback": ("ringback", 0.14), "sit": ("sit", 0.1), "fax": ("fax", 0.14),
             "record": ("human", 0.14), "melody": ("music", 0.1), "whistle": ("human", 0.1)}
    for kind, (label, part) in share.items():
        plan += [(kind, label, int(rng.integers(4)), None)] * int(hours * part * 3600 / 20)
    return plan


def other_sound(rng, kind, clips, fold):
    """Twenty seconds of something that is no beep, RMS near 0.1 where it sounds."""
    pause = lambda low, high: np.zeros(int(rng.uniform(low, high) * RATE))
    if clips is not None:
        parts = []
        for n, begin in clips:
            sound = CLIPS[kind][n].sound[int(begin * RATE) : int((begin + 30) * RATE)]
            parts += [channel.shape(rng, sound) if len(sound) > 400 else sound, pause(0.1, 1.2)]
        return np.concatenate(parts)
    human = [clip for clip in CLIPS["human"] + CLIPS["tts_human"] if clip.fold == fold and len(clip.sound) > RATE]
    voice = lambda: human[rng.integers(len(human))].sound[: 6 * RATE]
    level = 0.14 * 10 ** (rng.uniform(-10, 6) / 20)
    if kind == "busy":
        return tones.busy(rng, 20) * level
    if kind == "ringback":
        return tones.ringback(rng, 20) * level
    if kind == "fax":
        return tones.fax(rng, 20) * level
    if kind == "sit":
        parts = [voice(), pause(0.1, 1)] if rng.random() < 0.4 else [pause(0.1, 1)]
        for _ in range(int(rng.integers(1, 4))):
            parts += [tones.sit(rng) * level, pause(0.2, 1.5), voice(), pause(0.2, 2)]
        return np.concatenate(parts)
    if kind == "record":
        sound = np.concatenate([part for _ in range(8) for part in (voice(), pause(0.2, 1.2))])[: 34 * RATE]
        at, beep = int(rng.uniform(1, 6) * RATE), tones.sine(1400 * (1 + rng.uniform(-0.01, 0.01)), rng.choice([0.425, 0.45, 0.5])) * level
        while at + len(beep) < len(sound):
            sound = sound.copy()
            sound[at : at + len(beep)] += beep
            at += 15 * RATE
        return sound
    if kind == "melody":
        return np.concatenate([part for _ in range(5) for part in (beep_sounds.melody(rng) * level, pause(0.1, 1.0))])[: 20 * RATE]
    if kind == "whistle":
        return np.concatenate([voice(), pause(0.1, 1), beep_sounds.whistle(rng, 14) * level])
    parts = [voice(), pause(0.3, 1)] if rng.random() < 0.6 else []
    for _ in range(3):
        parts += [beep_sounds.keys(rng) * level, pause(0.3, 2.5)]
    return np.concatenate(parts)


def other_call(job):
    number, seed, out, kind, label, fold, clips = job
    rng = np.random.default_rng([seed + 1, number])
    sound = np.concatenate([np.zeros(int(rng.uniform(0.1, 1.0) * RATE)), other_sound(rng, kind, clips, fold), np.zeros(RATE)])
    noise = channel.coloured(rng, len(sound))
    if rng.random() < 0.3:
        noise = stretch(rng, CLIPS["noise"], len(sound))
    sound = sound + noise * 0.1 * 10 ** (-rng.uniform(10, 50) / 20)
    level_db = rng.uniform(-36, -12)
    sound, codec, loss, _ = line(rng, sound, level_db, 0.1)
    name = f"{number:05d}.wav"
    sf.write(Path(out) / name, sound.astype(np.float32), RATE, subtype="PCM_16")
    return {"file": name, "label": label, "detail": kind, "source": "held out" if fold == HELD_OUT else "trained on",
            "duration_s": round(len(sound) / RATE, 3), "level_db": round(level_db, 1), "codec": codec, "loss": loss, "fold": fold}


def write(folder, rows):
    with open(folder / "truth.csv", "w", newline="") as file:
        table = csv.DictWriter(file, FIELDS, restval="")
        table.writeheader()
        table.writerows(rows)
    (folder / "list").write_text("".join(f"{(folder / row['file']).resolve()}\n" for row in rows))


def make(arguments):
    beeps, others = arguments.work / "beeps", arguments.work / "others"
    if (others / "truth.csv").exists() and (beeps / "truth.csv").exists():
        return
    global CLIPS
    CLIPS = bank.load(arguments.data, arguments.voices)
    CLIPS["beep"] = recorded_beeps(arguments.data, lambda fold: fold == HELD_OUT)
    for folder in (beeps, others):
        folder.mkdir(parents=True, exist_ok=True)
    plan = plan_others(np.random.default_rng(arguments.seed), arguments.hours)
    with Pool(2) as pool:
        write(beeps, pool.map(beep_call, [(n, arguments.seed, str(beeps)) for n in range(arguments.beeps)], chunksize=16))
        write(others, pool.map(other_call, [(n, arguments.seed, str(others), *one) for n, one in enumerate(plan)], chunksize=16))


def recorded_beeps(data, wanted):
    """The beeps of the clips of the wanted folds, cut out, RMS 0.7."""
    beeps = []
    with open(data / "manifest.csv", newline="") as file:
        for row in csv.DictReader(file):
            if not row["beep_s"] or row["class"] not in ("beep", "greeting_machine") or not wanted(bank.fold_of(bank.source_of(row), row["path"])):
                continue
            sound, _ = sf.read(data / row["path"], dtype="float32")
            for span in row["beep_s"].replace(";", ",").split(","):
                on, length = (float(x) for x in span.split("+"))
                cut = sound[int(on * RATE) : int((on + length) * RATE)]
                if len(cut) > 500 and np.abs(cut).max() > 0:
                    beeps.append((cut / np.sqrt((cut**2).mean()) * 0.7).astype(np.float32))
    return beeps


def bins(value, limits):
    value = float(value)
    below = [limit for limit in limits if value >= limit]
    return f"from {max(below)}" if below else f"under {limits[0]}"


def told_hz(row, hz):
    """The error of a frequency: of several at once any one counts, as the stronger one depends on the line."""
    all_hz = [float(part) for part in row["all_hz"].split(";") if part]
    return min((abs(hz - one) for one in all_hz), default=None)


def score(folder, report, title):
    with open(folder / "truth.csv", newline="") as file:
        truth = {row["file"]: row for row in csv.DictReader(file)}
    print(f"\n{title}")
    tables = {"kind": {}, "length, s": {}, "frequency, Hz": {}, "beep over noise, dB": {}, "level, dBov": {}, "codec": {}, "loss": {}, "timbre": {}, "around": {}, "place": {}}
    onset, late, hz_error, hits, of = [], [], [], 0, 0
    missed = []
    for call in report["calls"]:
        row = truth[call["file"]]
        if not row["beep_on_s"]:
            continue
        beep = call["beep"]
        on, off = float(row["beep_on_s"]), float(row["beep_off_s"])
        hit = beep is not None and abs(beep["on_s"] - on) <= 0.2
        of, hits = of + 1, hits + hit
        if hit:
            onset.append(abs(beep["on_s"] - on))
            late.append(call["decided_at_s"] - off)
            if row["detail"] not in ("chirp", "recorded"):
                hz_error.append(told_hz(row, beep["hz"]))
        else:
            missed.append(row["file"])
        keys = [row["detail"], bins(off - on, [0.07, 0.1, 0.15, 0.3, 0.6, 1.0]), bins(row["all_hz"].split(";")[0] or 800, [350, 500, 650, 1000, 1500, 2200, 3000]),
                bins(row["snr_db"], [10, 13, 16, 20, 30]), bins(row["level_db"], [-40, -34, -28, -20, -12]), row["codec"], row["loss"], row["timbre"], row["around"], row["place"]]
        for (name, table), key in zip(tables.items(), keys):
            counts = table.setdefault(key, [0, 0])
            counts[0] += hit
            counts[1] += 1
    q = lambda values, share: float(np.quantile(values, share)) if values else float("nan")
    print(f"recall {100 * hits / max(of, 1):.2f} % ({hits} of {of}); onset error median {1000 * q(onset, 0.5):.1f} ms, 90 % {1000 * q(onset, 0.9):.1f}; frequency error median "
          f"{q(hz_error, 0.5):.2f} Hz, 90 % {q(hz_error, 0.9):.2f}; told after the end median {1000 * q(late, 0.5):.0f} ms, 90 % {1000 * q(late, 0.9):.0f}")
    for name, table in tables.items():
        print(f"  {name:20}", ", ".join(f"{key} {100 * a / b:.1f} ({b})" for key, (a, b) in sorted(table.items())))
    (folder / "missed.txt").write_text("\n".join(missed) + "\n")


def false_ones(folder, report, title):
    with open(folder / "truth.csv", newline="") as file:
        truth = {row["file"]: row for row in csv.DictReader(file)}
    count, hours, found = defaultdict(int), defaultdict(float), []
    for call in report["calls"]:
        row = truth[call["file"]]
        heard = min(call["decided_at_s"], float(row["duration_s"])) / 3600
        for key in ((row["detail"], ""), ("all", ""), ("all", row["source"])):
            hours[key] += heard
            count[key] += call["beep"] is not None
        if call["beep"] is not None:
            found.append(f"{row['file']},{row['detail']},{call['beep']['on_s']},{call['beep']['off_s']},{call['beep']['hz']}")
    print(f"\n{title}")
    for kind, source in sorted(hours):
        key = (kind, source)
        print(f"  {kind} {source}: {count[key]} in {hours[key]:.2f} h: {count[key] / max(hours[key], 1e-9):.1f} an hour")
    (folder / "false.csv").write_text("\n".join(found) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("voices", type=Path)
    parser.add_argument("answerd")
    parser.add_argument("work", type=Path)
    parser.add_argument("--beeps", type=int, default=2000)
    parser.add_argument("--hours", type=float, default=2.0, help="hours of tones that are no beep")
    parser.add_argument("--seed", type=int, default=20261121)
    parser.add_argument("--make", action="store_true", help="only make the calls")
    arguments = parser.parse_args()
    make(arguments)
    if arguments.make:
        return
    for grammar in ("builtin:speech/beep", "builtin:speech/voicemail"):
        for folder, tell in (("beeps", score), ("others", false_ones)):
            folder = arguments.work / folder
            run = subprocess.run([arguments.answerd, "eval", str(folder / "truth.csv"), "--grammar", grammar, "--json"], check=True, capture_output=True)
            tell(folder, json.loads(run.stdout), f"{folder.name}, {grammar}")


if __name__ == "__main__":
    main()
