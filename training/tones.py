"""Tones to specification: ringback, busy, special information tones, fax, voicemail beeps. 8 kHz, full scale 1.0."""

import numpy as np

RATE = 8000

# Frequencies (hertz) and cadence (seconds on, off, on, off ...) by country, from ITU-T E.180 and its list of national tones.
NETWORKS = {
    "us": {"ringback": [((440, 480), (2, 4))], "busy": [((480, 620), (0.5, 0.5))], "congestion": [((480, 620), (0.25, 0.25))]},
    "us-old": {"ringback": [((380, 460), (2, 4))], "busy": [((480, 620), (0.5, 0.5))]},
    "uk": {
        "ringback": [((400, 450), (0.4, 0.2, 0.4, 2.0))], "busy": [((400,), (0.375, 0.375))],
        "congestion": [((400,), (0.4, 0.35, 0.225, 0.525))],
    },
    "ie": {"ringback": [((400, 450), (0.4, 0.2, 0.4, 2.0))], "busy": [((425,), (0.5, 0.5))]},
    "de": {"ringback": [((425,), (1, 4))], "busy": [((425,), (0.48, 0.48))], "congestion": [((425,), (0.24, 0.24))]},
    "fr": {"ringback": [((440,), (1.5, 3.5))], "busy": [((440,), (0.5, 0.5))], "congestion": [((440,), (0.25, 0.25))]},
    "es": {"ringback": [((425,), (1.5, 3))], "busy": [((425,), (0.2, 0.2))], "congestion": [((425,), (0.2, 0.2, 0.2, 0.6))]},
    "it": {"ringback": [((425,), (1, 4))], "busy": [((425,), (0.5, 0.5))], "congestion": [((425,), (0.2, 0.2))]},
    "pt": {"ringback": [((425,), (1, 5))], "busy": [((425,), (0.5, 0.5))], "congestion": [((425,), (0.2, 0.2))]},
    "se": {"ringback": [((425,), (1, 5))], "busy": [((425,), (0.25, 0.25))]},
    "ru": {"ringback": [((425,), (0.8, 3.2))], "busy": [((425,), (0.4, 0.4))], "congestion": [((425,), (0.167, 0.167))]},
    "hu": {"ringback": [((425,), (1.2, 3.7))], "busy": [((425,), (0.3, 0.3))]},
    "jp": {"ringback": [((384, 416), (1, 2)), ((380, 420), (1, 2)), ((400, 416), (1, 2))], "busy": [((400,), (0.5, 0.5))]},
    "kr": {"ringback": [((440, 480), (1, 2))], "busy": [((480, 620), (0.5, 0.5))]},
    "in": {
        "ringback": [((375, 425), (0.4, 0.2, 0.4, 2.0)), ((400,), (0.4, 0.2, 0.4, 2.0))], "busy": [((400,), (0.75, 0.75))],
        "congestion": [((400,), (0.25, 0.25))],
    },
    "cn": {"ringback": [((450,), (1, 4))], "busy": [((450,), (0.35, 0.35))]},
    "hk": {"ringback": [((440, 480), (0.4, 0.2, 0.4, 3.0))], "busy": [((480, 620), (0.5, 0.5))]},
    "sg": {"ringback": [((425,), (0.4, 0.2, 0.4, 2.0))], "busy": [((425,), (0.75, 0.75))]},
    "au": {"ringback": [((383, 417), (0.4, 0.2, 0.4, 2.0)), ((400, 450), (0.4, 0.2, 0.4, 2.0))], "busy": [((425,), (0.375, 0.375))]},
    "nz": {"ringback": [((400, 450), (0.4, 0.2, 0.4, 2.0))], "busy": [((400,), (0.5, 0.5))], "congestion": [((400,), (0.25, 0.25))]},
    "br": {"ringback": [((425,), (1, 4))], "busy": [((425,), (0.25, 0.25))], "congestion": [((425,), (0.25, 0.25, 0.75, 0.25))]},
    "mx": {"ringback": [((425,), (1, 4))], "busy": [((425,), (0.25, 0.25))]},
    "ar": {"ringback": [((425,), (1, 4.5))], "busy": [((425,), (0.3, 0.2))], "congestion": [((425,), (0.3, 0.4))]},
    "za": {"ringback": [((400,), (0.4, 0.2, 0.4, 2.0))], "busy": [((400,), (0.5, 0.5))]},
    "il": {"ringback": [((400,), (1, 3))], "busy": [((400,), (0.5, 0.5))]},
    "tr": {"ringback": [((450,), (2, 4))], "busy": [((450,), (0.5, 0.5))]},
    "ch": {"ringback": [((425,), (1, 4))], "busy": [((425,), (0.5, 0.5))], "congestion": [((425,), (0.2, 0.2))]},
}
RINGBACK = [tone for kinds in NETWORKS.values() for tone in kinds["ringback"]]
BUSY = [tone for kinds in NETWORKS.values() for kind in ("busy", "congestion") for tone in kinds.get(kind, [])]
# Special information tones: frequencies and seconds of the three. North America's say why (Bellcore SR-2275); ITU-T E.180 has one form,
# of which networks make longer and shorter ones.
LONG, SHORT = 0.380, 0.274
SIT = {
    "vacant code": ((985.2, 1370.6, 1776.7), (LONG, SHORT, LONG)), "intercept": ((913.8, 1370.6, 1776.7), (SHORT, SHORT, LONG)),
    "no circuit": ((985.2, 1428.5, 1776.7), (LONG, LONG, LONG)), "reorder": ((913.8, 1428.5, 1776.7), (SHORT, LONG, LONG)),
    "no circuit distant": ((913.8, 1370.6, 1776.7), (LONG, LONG, LONG)), "reorder distant": ((985.2, 1428.5, 1776.7), (SHORT, LONG, LONG)),
    "itu": ((950, 1400, 1800), (0.33, 0.33, 0.33)), "itu short": ((950, 1400, 1800), (0.27, 0.27, 0.27)),
    "itu long": ((950, 1400, 1800), (0.40, 0.40, 0.40)), "fr": ((950, 1400, 1800), (0.30, 0.30, 0.30)),
}


def sine(hz, seconds, phase=0.0):
    """A steady tone with edges of 3 ms."""
    t = np.arange(int(seconds * RATE)) / RATE
    return edges(np.sin(2 * np.pi * hz * t + phase), 0.003)


def edges(sound, seconds):
    """The sound faded in and out, linearly."""
    n = min(int(seconds * RATE), len(sound) // 2)
    if n > 0:
        ramp = np.linspace(0, 1, n)
        sound[:n] *= ramp
        sound[-n:] *= ramp[::-1]
    return sound


def cadence(rng, frequencies, pattern, seconds):
    """A call-progress tone, begun anywhere in its cadence; frequencies and times within their tolerances."""
    scale = 1 + rng.uniform(-0.01, 0.01)
    stretch = 1 + rng.uniform(-0.05, 0.05)
    period = sum(pattern) * stretch
    phase = rng.uniform(0, period) if rng.random() < 0.3 else 0.0
    n = int(seconds * RATE)
    t = np.arange(n) / RATE
    place = (t + phase) % period
    gate = np.zeros(n)
    at = 0.0
    for index, length in enumerate(pattern):
        if index % 2 == 0:
            gate[(place >= at * stretch) & (place < (at + length) * stretch)] = 1.0
        at += length
    gate = np.convolve(gate, np.ones(24) / 24, "same")
    tone = sum(np.sin(2 * np.pi * f * scale * t + rng.uniform(0, 6)) for f in frequencies) / len(frequencies)
    return tone * gate


def ringback(rng, seconds):
    frequencies, pattern = RINGBACK[rng.integers(len(RINGBACK))]
    return cadence(rng, frequencies, pattern, seconds)


def busy(rng, seconds):
    frequencies, pattern = BUSY[rng.integers(len(BUSY))]
    return cadence(rng, frequencies, pattern, seconds)


def sit(rng, name=None):
    """Three rising tones, with the tolerances that networks keep: the form called `name`, or any."""
    frequencies, lengths = SIT[name or str(rng.choice(list(SIT)))]
    wander = 0.01 if max(lengths) < 0.33 or frequencies[0] != 950 else 0.02
    parts = []
    for hz, seconds in zip(frequencies, lengths):
        parts.append(sine(hz * (1 + rng.uniform(-wander, wander)), seconds * (1 + rng.uniform(-0.06, 0.06))))
        parts.append(np.zeros(int(rng.uniform(0, 0.03) * RATE)))
    return np.concatenate(parts)


def v21(rng, seconds):
    """V.21 channel 2 at 300 bit/s: the preamble's flags, then data."""
    flags = [0, 1, 1, 1, 1, 1, 1, 0] * 38
    bits = np.array(flags + list(rng.integers(0, 2, 400)))
    index = (np.arange(int(seconds * RATE)) * 300 // RATE) % len(bits)
    hz = np.where(bits[index] == 1, 1650.0, 1850.0)
    return edges(np.sin(2 * np.pi * np.cumsum(hz) / RATE), 0.003)


FAX = ["ced", "ansam", "v21", "cng"]


def fax(rng, seconds, kind=None):
    """What an answering fax machine or modem sends, or (one in four) a calling one: the `kind` of FAX, or any."""
    out = []
    total = 0.0
    kind = kind or str(rng.choice(FAX))
    while total < seconds:
        if kind == "cng":
            parts = [sine(1100 + rng.uniform(-38, 38), 0.5 * (1 + rng.uniform(-0.15, 0.15))), np.zeros(3 * RATE)]
        else:
            parts = []
            if kind != "v21":
                tone = sine(2100 + rng.uniform(-15, 15), rng.uniform(2.6, 4.0))
                t = np.arange(len(tone)) / RATE
                if kind == "ansam":
                    tone *= 1 + 0.2 * np.sin(2 * np.pi * 15 * t)
                if rng.random() < 0.5:
                    tone *= np.where((t / 0.45).astype(int) % 2 == 0, 1.0, -1.0)
                parts += [tone, np.zeros(int(0.075 * RATE))]
            parts += [v21(rng, rng.uniform(1.2, 2.5)), np.zeros(int(rng.uniform(0.5, 3.0) * RATE))]
        out += parts
        total += sum(len(part) for part in parts) / RATE
    return np.concatenate(out)[: int(seconds * RATE)]


def beep(rng):
    """A voicemail beep: nobody standardised it."""
    seconds = float(np.exp(rng.uniform(np.log(0.07), np.log(1.5))))
    hz = float(rng.choice([440, 640, 703, 800, 852, 880, 950, 1000, 1000, 1100, 1250, 1400])) if rng.random() < 0.5 else float(np.exp(rng.uniform(np.log(350), np.log(3000))))
    kind = rng.choice(["single", "single", "single", "dual", "pips", "chirp"])
    if kind == "dual":
        return 0.6 * (sine(hz, seconds) + sine(hz * rng.uniform(1.1, 1.6), seconds))
    if kind == "pips":
        gap = np.zeros(int(rng.uniform(0.05, 0.2) * RATE))
        pip = sine(hz, rng.uniform(0.07, 0.2))
        return np.concatenate([pip, gap] * int(rng.integers(1, 4)) + [sine(hz, min(seconds, 0.6))])
    if kind == "chirp":
        t = np.arange(int(seconds * RATE)) / RATE
        return edges(np.sin(2 * np.pi * (hz * t + 0.5 * hz * rng.uniform(-0.3, 0.5) / seconds * t * t)), 0.003)
    return sine(hz, seconds)


def dtmf(rng):
    """One key."""
    row, column = rng.choice([697, 770, 852, 941]), rng.choice([1209, 1336, 1477])
    seconds = rng.uniform(0.07, 0.3)
    return 0.5 * (sine(row, seconds) + sine(column, seconds))


def note(rng, hz, seconds, harmonics, decay):
    """One note of a made-up instrument."""
    t = np.arange(int(seconds * RATE)) / RATE
    sound = np.zeros(len(t))
    for number, gain in enumerate(harmonics, 1):
        if hz * number < 3900:
            sound += gain * np.sin(2 * np.pi * hz * number * t + rng.uniform(0, 6))
    return edges(sound * np.exp(-decay * t), 0.008)


def music(rng, seconds):
    """Hold music of no merit: a chord progression, a tune, and drums at times. RMS 1."""
    n = int(seconds * RATE)
    out = np.zeros(n + 4 * RATE)
    beat = 60 / rng.uniform(65, 150)
    tonic = 110 * 2 ** (rng.integers(0, 12) / 12)
    scale = [0, 2, 4, 5, 7, 9, 11] if rng.random() < 0.6 else [0, 2, 3, 5, 7, 8, 10]
    progression = rng.permutation([0, 3, 4, 5])[: int(rng.integers(2, 5))]
    parts = [(rng.uniform(0, 1, int(rng.integers(2, 8))), rng.uniform(0.2, 4)) for _ in range(2)]
    melody, drums, pad = rng.random() < 0.8, rng.random() < 0.4, rng.random() < 0.85
    pitch = lambda degree: tonic * 2 ** ((scale[degree % 7] + 12 * (degree // 7)) / 12)
    at, bar = 0.0, 0
    degree = 14
    while at < seconds:
        root = int(progression[bar % len(progression)])
        if pad or not melody:
            for third in (0, 2, 4):
                sound = note(rng, pitch(root + third) * 2, 4 * beat, parts[0][0], parts[0][1] * 0.4)
                start = int(at * RATE)
                out[start : start + len(sound)] += 0.3 * sound[: len(out) - start]
        step = 0.0
        while step < 4:
            length = float(rng.choice([0.5, 1, 1, 2]))
            if melody and rng.random() < 0.85:
                degree = int(np.clip(degree + rng.integers(-2, 3), 10, 24))
                sound = note(rng, pitch(degree), length * beat, parts[1][0], parts[1][1])
                start = int((at + step * beat) * RATE)
                if start < len(out):
                    out[start : start + len(sound)] += 0.6 * sound[: len(out) - start]
            if drums:
                for half in range(int(length * 2)):
                    start = int((at + (step + half / 2) * beat) * RATE)
                    hit = rng.normal(0, 1, 600) * np.exp(-np.arange(600) / rng.uniform(40, 150))
                    if start + 600 < len(out):
                        out[start : start + 600] += 0.3 * hit
            step += length
        at += 4 * beat
        bar += 1
    out = out[:n]
    return out / max(np.sqrt((out**2).mean()), 1e-6)
