"""Music with instruments and with singing, made up: what hold music and ringback tunes are made of. 8 kHz, RMS 1.

`tones.music` is plainer: chords and a tune of steady harmonics. Songs are what is taken for a voice, so a part of these is sung: a
spoken clip's envelope upon the tune's pitch.
"""

import numpy as np
from scipy.fft import irfft, rfft
from scipy.signal import butter, fftconvolve, lfilter, sosfilt

RATE = 8000
SCALES = ([0, 2, 4, 5, 7, 9, 11], [0, 2, 3, 5, 7, 8, 10], [0, 2, 4, 7, 9], [0, 3, 5, 6, 7, 10])


class Instrument:
    """A timbre: harmonics or a plucked string, an envelope, vibrato."""

    def __init__(self, rng):
        self.rng = rng
        self.plucked = rng.random() < 0.25
        self.tilt, self.odd = rng.uniform(0.3, 2.5), rng.random() < 0.2
        self.gains = rng.uniform(0.2, 1, 24)
        self.attack, self.decay = np.exp(rng.uniform(np.log(0.004), np.log(0.2))), rng.choice([0.0, rng.uniform(0.3, 6)])
        self.vibrato = (rng.uniform(4, 7), rng.choice([0.0, rng.uniform(0.002, 0.02)]))
        self.voices = [1.0] if rng.random() < 0.6 else [1.0, 1 + rng.uniform(0.002, 0.008), 1 - rng.uniform(0.002, 0.008)]

    def note(self, hz, seconds):
        n = max(int(seconds * RATE), 80)
        t = np.arange(n) / RATE
        if self.plucked:
            # Karplus and Strong, 1983: noise in a loop that dulls it.
            period = max(int(RATE / hz), 2)
            excited = np.zeros(n)
            excited[: min(period, n)] = self.rng.uniform(-1, 1, min(period, n))
            loop = np.zeros(period + 2)
            loop[0], loop[period], loop[period + 1] = 1, -0.497, -0.497
            return lfilter([1], loop, excited)
        rate, depth = self.vibrato
        phase = 2 * np.pi * hz * (t + depth / (2 * np.pi * rate) * (1 - np.cos(2 * np.pi * rate * t)))
        sound = np.zeros(n)
        for k in range(1, min(24, int(3700 / hz)) + 1):
            if not (self.odd and k % 2 == 0):
                for voice in self.voices:
                    sound += self.gains[k - 1] * k**-self.tilt * np.sin(k * voice * phase)
        gate = np.minimum(t / self.attack, 1) * np.minimum((seconds - t) / min(0.03, seconds / 3), 1)
        return sound * np.maximum(gate, 0) * np.exp(-self.decay * t)


def drum(rng, kind):
    """A bass drum, a snare, or a cymbal."""
    n = int({"kick": 0.2, "snare": 0.18, "hat": rng.uniform(0.03, 0.12)}[kind] * RATE)
    t = np.arange(n) / RATE
    if kind == "kick":
        return np.sin(2 * np.pi * (50 * t + 8 * (1 - np.exp(-18 * t)))) * np.exp(-14 * t) * 2
    noise = rng.normal(0, 1, n) * np.exp(-(22 if kind == "snare" else 45) * t)
    return noise + np.sin(2 * np.pi * 190 * t) * np.exp(-20 * t) if kind == "snare" else np.diff(noise, prepend=0) * 0.4


def sung(rng, spoken, pitch):
    """A voice that sings: the spectral envelope of the speech `spoken`, drawn out, upon harmonics of `pitch` (hertz per sample)."""
    size, hop, keep = 256, 64, 15
    n = len(pitch)
    window = np.hanning(size + 1)[:size]

    def shapes(sound):
        frames = np.lib.stride_tricks.sliding_window_view(np.concatenate([np.zeros(size), sound, np.zeros(size)]), size)[::hop] * window
        spectra = rfft(frames, axis=1)
        cepstrum = irfft(np.log(np.abs(spectra) + 1e-4), axis=1)
        cepstrum[:, keep : size - keep + 1] = 0
        return spectra, rfft(cepstrum, axis=1).real

    phase = 2 * np.pi * np.cumsum(pitch * (1 + 0.012 * np.sin(2 * np.pi * rng.uniform(4.5, 6.5) * np.arange(n) / RATE))) / RATE
    carrier = sum(np.sin(k * phase) * (k * pitch < 3700) / k**0.5 for k in range(1, 25)) + 0.05 * rng.normal(0, 1, n)
    spectra, plain = shapes(carrier)
    _, said = shapes(spoken.astype(np.float64))
    at = np.arange(len(spectra)) / rng.uniform(1.2, 2.2) % max(len(said) - 1, 1)
    out = np.zeros((len(spectra) + 8) * hop + size)
    frames = irfft(spectra * np.exp(np.clip(said[at.astype(int)] - plain, -9, 9)), axis=1) * window
    for number, frame in enumerate(frames):
        out[number * hop : number * hop + size] += frame
    return out[size : size + n]


def song(rng, seconds, spoken=None):
    """A piece of `seconds`; sung by the voice of the clip `spoken` if there is one."""
    n = int(seconds * RATE)
    out = np.zeros(n + 8 * RATE)

    def add(at, sound, gain):
        start = int(at * RATE)
        if start < n:
            out[start : start + len(sound)] += gain * sound[: len(out) - start]

    beat = 60 / rng.uniform(60, 165)
    tonic = 110 * 2 ** (rng.uniform(0, 12) / 12)
    scale = SCALES[int(rng.integers(len(SCALES)))]
    size = len(scale)
    pitch_of = lambda degree: tonic * 2 ** (scale[degree % size] / 12 + degree // size)
    roots = rng.integers(0, size, int(rng.choice([1, 2, 4, 4])))
    chord, tune, bass = Instrument(rng), Instrument(rng), Instrument(rng)
    has = dict(zip(("chord", "tune", "bass", "drums"), rng.random(4) < (0.8, 0.75, 0.5, 0.5)))
    has["tune"] |= not any(has.values())
    strum = rng.choice([0.0, rng.uniform(0.01, 0.04)])
    per_bar = int(rng.choice([1, 2, 4, 8]))
    beats = {kind: rng.random(16) < share for kind, share in (("kick", 0.25), ("snare", 0.15), ("hat", 0.5))}
    # Two phrases of two bars, that come again: (beat, length, degree).
    phrases = []
    for _ in range(2):
        phrase, at, degree = [], 0.0, int(rng.integers(size, 3 * size))
        while at < 8:
            length = float(rng.choice([0.5, 0.5, 1, 1, 1.5, 2]))
            degree = int(np.clip(degree + rng.integers(-3, 4), size, 3 * size))
            if rng.random() < 0.85:
                phrase.append((at, length, degree))
            at += length
        phrases.append(phrase)
    levels = 10 ** (rng.uniform(-8, 2, 5) / 20)
    pitch = np.full(n, pitch_of(2 * size))
    open_ = np.zeros(n)
    bar = 0
    while bar * 4 * beat < seconds:
        start = bar * 4 * beat
        root = int(roots[bar % len(roots)])
        for part in range(per_bar):
            at, length = start + part * 4 * beat / per_bar, 4 * beat / per_bar
            if has["chord"]:
                for place, step in enumerate((0, 2, 4)):
                    add(at + place * strum, chord.note(pitch_of(root + step + size), length * 1.05), 0.3 * levels[0])
            if has["bass"]:
                add(at, bass.note(pitch_of(root), length), 0.5 * levels[1])
        if has["drums"]:
            for step in range(16):
                for kind, wanted in beats.items():
                    if wanted[step]:
                        add(start + step * beat / 4, drum(rng, kind), 0.6 * levels[2])
        if bar % 2 == 0:
            for at, length, degree in phrases[(bar // 2) % 2]:
                at = start + at * beat
                if has["tune"] and spoken is None:
                    add(at, tune.note(pitch_of(degree), length * beat), 0.6 * levels[3])
                a, b = int(at * RATE), int((at + length * beat * 0.95) * RATE)
                pitch[a:] = pitch_of(degree) * (0.5 if pitch_of(degree) > 500 else 1)
                open_[a:b] = 1
        bar += 1
    out = out[:n]
    if spoken is not None:
        glide = np.exp(lfilter([0.01], [1, -0.99], np.log(pitch), zi=[0.99 * np.log(pitch[0])])[0])
        voice = sung(rng, spoken, glide) * fftconvolve(open_, np.hanning(400) / 200, "same")
        out = out / max(np.sqrt((out**2).mean()), 1e-6) * rng.uniform(0.1, 1.5) + voice / max(np.sqrt((voice**2).mean()), 1e-6)
    if rng.random() < 0.4:
        tail = rng.normal(0, 1, int(rng.uniform(0.2, 1.2) * RATE))
        tail *= np.exp(-6.9 * np.arange(len(tail)) / len(tail)) * rng.uniform(0.02, 0.08)
        out = out + fftconvolve(out, tail)[:n]
    out = sosfilt(butter(1, 60, "highpass", fs=RATE, output="sos"), out)
    out = np.tanh(out / max(np.sqrt((out**2).mean()), 1e-6) * rng.choice([0.2, 0.7]))
    return out / max(np.sqrt((out**2).mean()), 1e-6)
