"""Beeps of all kinds, and tones that are none, for training the beep classifier and for measuring it. 8 kHz, full scale 1.0."""

import numpy as np

import tones

RATE = 8000
KINDS = {"single": 0.36, "dual": 0.14, "chirp": 0.1, "pips": 0.12, "harmonic": 0.1, "decay": 0.06, "chord": 0.06, "warble": 0.06}
USUAL_HZ = [400, 425, 440, 480, 500, 620, 640, 700, 750, 800, 850, 880, 950, 1000, 1000, 1000, 1100, 1200, 1250, 1400, 1500, 1700, 2000, 2100]


def drawn_hz(rng):
    """From 350 to 3,400 Hz, half of the time one that makers of machines like."""
    if rng.random() < 0.5:
        return float(rng.choice(USUAL_HZ) * (1 + rng.uniform(-0.01, 0.01)))
    return float(np.exp(rng.uniform(np.log(350), np.log(3400))))


def drawn_seconds(rng):
    """From 70 ms to 1.5 s."""
    return float(np.exp(rng.uniform(np.log(0.07), np.log(1.5))))


def beep(rng):
    """One beep, RMS some 0.5: its kind, the sound, where its parts sound (from, to in samples), and the frequencies in it,
    strongest first.
    """
    kind = str(rng.choice(list(KINDS), p=np.array(list(KINDS.values())) / sum(KINDS.values())))
    seconds, hz = drawn_seconds(rng), drawn_hz(rng)
    fade = min(float(rng.choice([0.001, 0.003, 0.01, 0.03])), seconds / 4)
    t = np.arange(int(seconds * RATE)) / RATE
    sine = lambda f: np.sin(2 * np.pi * f * t + rng.uniform(0, 6))
    whole = [(0, len(t))]
    if kind == "dual":
        other = min(hz * rng.uniform(1.08, 2.2), 3450)
        gain = rng.uniform(0.3, 1)
        pair = [hz, other] if rng.random() < 0.5 else [other, hz]
        return kind, tones.edges(0.6 * (sine(pair[0]) + gain * sine(pair[1])), fade), whole, pair
    if kind == "chord":
        all_hz = sorted([min(hz * ratio, 3450) for ratio in [1.0, *rng.uniform(1.15, 2.6, int(rng.integers(2, 4)))]])
        return kind, tones.edges(sum(rng.uniform(0.4, 1) * sine(f) for f in all_hz) * 0.5, fade), whole, all_hz
    if kind == "chirp":
        # A little bent, or a whistle up to half as high again, down by a third.
        bend = rng.uniform(-0.25, 0.25) * hz / max(seconds, 0.15) if rng.random() < 0.5 else rng.uniform(-0.3, 0.5) * hz / seconds
        hz = float(np.clip(hz, 350 + abs(bend) * seconds / 2, 3400 - abs(bend) * seconds / 2))
        middle = hz + bend * (t - seconds / 2)
        return kind, tones.edges(np.sin(2 * np.pi * np.cumsum(middle) / RATE), fade), whole, [hz]
    if kind == "harmonic":
        if rng.random() < 0.5:
            # A square wave, as cheap sounders make it.
            sound = sum(np.sin(2 * np.pi * k * hz * t) / k for k in (1, 3, 5, 7) if k * hz < 3900)
        else:
            sound = sine(hz) + sum(10 ** (-rng.uniform(4, 30) / 20) * sine(k * hz) for k in (2, 3, 4) if k * hz < 3900)
        return kind, tones.edges(sound / np.abs(sound).max(), fade), whole, [hz]
    if kind == "decay":
        return kind, tones.edges(sine(hz) * np.exp(-rng.uniform(0.3, 1.4) * t / seconds), fade), whole, [hz]
    if kind == "warble":
        # Amplitude or frequency moves a little: tape machines, bad oscillators.
        rate = rng.uniform(4, 30)
        if rng.random() < 0.5:
            sound = sine(hz) * (1 + rng.uniform(0.1, 0.35) * np.sin(2 * np.pi * rate * t))
        else:
            sound = np.sin(2 * np.pi * hz * t + hz * rng.uniform(0.001, 0.006) / rate * np.sin(2 * np.pi * rate * t))
        return kind, tones.edges(sound * 0.7, fade), whole, [hz]
    if kind == "pips":
        pip, gap = rng.uniform(0.07, 0.25), rng.uniform(0.03, 0.25)
        parts, spans, at = [], [], 0
        lengths = [pip] * int(rng.integers(2, 5))
        if rng.random() < 0.3:
            # A longer tone after them: speak now.
            lengths[-1] = max(pip, min(seconds, 0.6))
        for pip in lengths:
            sound = tones.edges(np.sin(2 * np.pi * hz * np.arange(int(pip * RATE)) / RATE), min(fade, pip / 4))
            spans.append((at, at + len(sound)))
            parts += [sound, np.zeros(int(gap * RATE))]
            at += len(sound) + len(parts[-1])
        return kind, np.concatenate(parts[:-1]), spans, [hz]
    return kind, tones.edges(sine(hz), fade), whole, [hz]


def melody(rng):
    """Notes without pauses, some with harmonics: ring-back tunes, jingles."""
    parts, base = [], rng.uniform(350, 900)
    for _ in range(int(rng.integers(6, 20))):
        hz = base * 2 ** (int(rng.integers(0, 13)) / 12)
        t = np.arange(int(rng.choice([0.12, 0.18, 0.25, 0.5]) * RATE)) / RATE
        gains = [1, rng.uniform(0, 0.4), rng.uniform(0, 0.3)]
        note = sum(gain * np.sin(2 * np.pi * k * hz * t) for k, gain in enumerate(gains, 1) if k * hz < 3800)
        parts.append(tones.edges(note * np.exp(-rng.uniform(0, 4) * t), 0.005))
    return np.concatenate(parts)


def whistle(rng, seconds):
    """Somebody whistles: a wandering pitch with vibrato, in pieces."""
    n = int(seconds * RATE)
    t = np.arange(n) / RATE
    hz = rng.uniform(700, 2200) * 2 ** (0.4 * np.cumsum(rng.normal(0, 1, n // 400 + 2)).repeat(400)[:n] / 6)
    hz = np.convolve(np.clip(hz, 400, 3300), np.ones(800) / 800, "same") + 6 * np.sin(2 * np.pi * rng.uniform(4, 7) * t)
    gate = np.repeat(rng.random(n // 2400 + 1) < 0.7, 2400)[:n].astype(float)
    return np.sin(2 * np.pi * np.cumsum(hz) / RATE) * np.convolve(gate, np.ones(400) / 400, "same")


def keys(rng):
    """A number dialled."""
    parts = []
    for _ in range(int(rng.integers(2, 11))):
        parts += [tones.dtmf(rng), np.zeros(int(rng.uniform(0.04, 0.3) * RATE))]
    return np.concatenate(parts)
