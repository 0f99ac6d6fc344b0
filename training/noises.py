"""Sounds of nobody: what a telephone that lies there picks up, made up, since recordings of it are few. 8 kHz, RMS 1 while they last.

Each kind is drawn anew every time (lengths, colours, rhythms), so that what is learned is not one fan or one keyboard.
"""

import numpy as np
from scipy.signal import butter, lfilter, resample_poly, sosfilt

import channel
import tones

RATE = 8000


def levelled(sound):
    """RMS 1; silence stays silent."""
    return sound / max(np.sqrt((sound**2).mean()), 1e-9)


def band(rng, sound, low, high):
    """A band of it, between limits drawn from `low` to `high` hertz."""
    edges = np.sort(np.exp(rng.uniform(np.log(low), np.log(high), 2)))
    edges[1] = max(edges[1], edges[0] * 1.3)
    return sosfilt(butter(2, np.clip(edges, 30, 3900), "bandpass", fs=RATE, output="sos"), sound)


def swell(rng, n, rate_hz, depth):
    """A gain that wanders `rate_hz` times a second, from 1 - `depth` to 1."""
    knots = rng.uniform(1 - depth, 1, max(2, int(n / RATE * rate_hz) + 2))
    return np.interp(np.arange(n), np.linspace(0, n, len(knots)), knots)


def steady(rng, n):
    """A fan, a street far away, a room."""
    sound = channel.coloured(rng, n)
    if rng.random() < 0.6:
        sound = levelled(sound) + rng.uniform(0.5, 3) * levelled(band(rng, channel.coloured(rng, n), 100, 3500))
    return sound * swell(rng, n, rng.uniform(0.2, 3), rng.uniform(0, 0.6))


def wind(rng, n):
    """Gusts on the microphone; breath into it."""
    low = lfilter([1], [1, -rng.uniform(0.9, 0.99)], rng.normal(0, 1, n))
    return low * swell(rng, n, rng.uniform(0.5, 4), 1.0) ** rng.uniform(1, 3)


def motor(rng, n):
    """Harmonics of a turning speed that wanders: engines, vacuum cleaners, mains hum, drills."""
    hz = rng.uniform(40, 250) * swell(rng, n, rng.uniform(0.2, 2), rng.uniform(0, 0.4))
    phase = 2 * np.pi * np.cumsum(hz) / RATE
    tilt = rng.uniform(0, 1.5)
    sound = sum(k**-tilt * rng.uniform(0.2, 1) * np.sin(k * phase + rng.uniform(0, 6)) for k in range(1, int(3500 / hz.max()) + 1))
    return levelled(sound) + rng.uniform(0.1, 2) * levelled(channel.coloured(rng, n))


def passing(rng, n):
    """Cars, one after the other."""
    out = 0.1 * channel.coloured(rng, n)
    t = np.arange(n) / RATE
    for _ in range(int(rng.integers(1, 4))):
        width = rng.uniform(0.4, 2.5)
        out += levelled(band(rng, rng.normal(0, 1, n), 80, 2500)) * np.exp(-(((t - rng.uniform(0, n / RATE)) / width) ** 2))
    return out


def strokes(rng, n):
    """Keys, steps, a clock, dishes, rain: hits of one kind in a rhythm of their own, dull or ringing."""
    out = np.zeros(n)
    gap, loose = np.exp(rng.uniform(np.log(0.01), np.log(1.2))), rng.uniform(0, 1)
    length = int(rng.uniform(0.004, 0.15) * RATE)
    hz, ring = rng.uniform(150, 3500), rng.uniform(0, 1) ** 2
    t = np.arange(length) / RATE
    at = 0.0
    while at < n / RATE:
        hit = (1 - ring) * band(rng, rng.normal(0, 1, length), 100, 3800) + ring * np.sin(2 * np.pi * hz * rng.uniform(0.9, 1.1) * t)
        hit *= np.exp(-rng.uniform(3, 8) * t * RATE / length) * 10 ** (rng.uniform(-12, 0) / 20)
        start = int(at * RATE)
        out[start : start + length] += hit[: n - start]
        at += gap * (1 + loose * rng.exponential(1) - 0.5 * loose) + 0.002
    return out


def knocks(rng, n):
    """Doors, things that fall, a handset laid down: few, low, with a room behind them."""
    out = np.zeros(n)
    for _ in range(int(rng.integers(1, 5))):
        length = int(rng.uniform(0.05, 0.6) * RATE)
        hit = lfilter([1], [1, -rng.uniform(0.2, 0.95)], rng.normal(0, 1, length)) * np.exp(-rng.uniform(4, 9) * np.arange(length) / length)
        start = int(rng.integers(n))
        out[start : start + length] += levelled(hit)[: n - start] * rng.uniform(0.3, 1)
    return out


def rustle(rng, n):
    """Clothes, paper, a cable."""
    return channel.handling(rng, n) + 0.5 * channel.handling(rng, n)


def breath(rng, n):
    """In and out through a mouth near the microphone."""
    t = np.arange(n) / RATE
    gate = np.maximum(np.sin(2 * np.pi * rng.uniform(0.25, 0.8) * t + rng.uniform(0, 6)), 0) ** rng.uniform(1, 3)
    return band(rng, channel.coloured(rng, n), 250, 3000) * gate


def radio(rng, n):
    """A mobile telephone beside a loudspeaker: bursts at 217 Hz, in groups; or the crackle of a bad line."""
    t = np.arange(n)
    if rng.random() < 0.5:
        gate = np.repeat(rng.random(n // 1600 + 1) < rng.uniform(0.2, 0.9), 1600)[:n]
        return ((t % (RATE / 216.7)) < rng.uniform(3, 12)) * gate * (1 + 0.3 * rng.normal(0, 1, n))
    return (rng.random(n) < 10 ** rng.uniform(-3.5, -1.5)) * rng.normal(0, 1, n) + 0.02 * rng.normal(0, 1, n)


def drops(rng, n):
    """Water, birds, squeaks: short glides."""
    out = np.zeros(n)
    low = np.exp(rng.uniform(np.log(300), np.log(2200)))
    for _ in range(int(n / RATE * rng.uniform(0.5, 8)) + 1):
        length = int(rng.uniform(0.02, 0.25) * RATE)
        hz = low * rng.uniform(0.7, 1.4) * np.linspace(1, rng.uniform(0.6, 1.7), length)
        glide = np.sin(2 * np.pi * np.cumsum(np.minimum(hz, 3700)) / RATE) * np.hanning(length)
        start = int(rng.integers(n))
        out[start : start + length] += glide[: n - start] * rng.uniform(0.2, 1)
    return out + 0.02 * rng.normal(0, 1, n)


KINDS = (steady, wind, motor, passing, strokes, strokes, knocks, rustle, breath, radio, drops)


def made(rng, seconds):
    """A noise of any kind, or two of them."""
    n = max(int(seconds * RATE), 400)
    sound = levelled(KINDS[int(rng.integers(len(KINDS)))](rng, n))
    if rng.random() < 0.25:
        sound = sound + rng.uniform(0.2, 1) * levelled(KINDS[int(rng.integers(len(KINDS)))](rng, n))
    return levelled(tones.edges(sound, 0.02))


def changed(rng, sound):
    """A recorded noise that is another one: played faster or slower, backwards, through another band."""
    sound = resample_poly(sound, 10, int(rng.integers(6, 17)))
    if rng.random() < 0.4:
        sound = sound[::-1]
    if rng.random() < 0.4:
        sound = sound + rng.uniform(0.5, 3) * band(rng, sound, 100, 3500)
    return levelled(sound.astype(np.float64))
