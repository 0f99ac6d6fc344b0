"""The telephone between the answerer and the detector: one chain of changes, the same for all classes.

What a corpus was recorded with (its room, its noise floor, its microphone) gives its class away, so everything here is
drawn anew for every call, whatever the class.
"""

import io

import numpy as np
import soundfile as sf
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq
from scipy.signal import butter, fftconvolve, firwin2, lfilter, sosfilt

RATE = 8000


def shape(rng, sound):
    """The answerer's side: another microphone, room, and noise suppression. For speech, music and prompts alike."""
    if rng.random() < 0.75:
        knots = np.array([0, 200, 500, 1000, 1700, 2500, 3300, 4000]) / 4000
        gains = 10 ** (rng.normal(0, 4.0, len(knots)) / 20)
        sound = fftconvolve(sound, firwin2(65, knots, gains), "same")
    if rng.random() < 0.3:
        seconds = rng.uniform(0.08, 0.45)
        n = int(seconds * RATE)
        tail = rng.normal(0, 1, n) * np.exp(-6.9 * np.arange(n) / n)
        tail *= 10 ** (-rng.uniform(4, 18) / 20) / np.sqrt((tail**2).sum())
        impulse = np.concatenate([[1.0], np.zeros(int(rng.uniform(0.002, 0.02) * RATE)), tail])
        sound = fftconvolve(sound, impulse)[: len(sound)]
    if rng.random() < 0.35:
        sound = gate(sound, rng.uniform(8, 30), rng.uniform(22, 40))
    if rng.random() < 0.25:
        sound = compress(sound, rng.uniform(0.3, 0.7))
    return sound


def envelope(sound, smooth=0.03):
    """Short-time RMS, one value per sample."""
    alpha = np.exp(-1 / (smooth * RATE))
    power = lfilter([1 - alpha], [1, -alpha], sound**2)
    return np.sqrt(np.maximum(power, 1e-12))


def gate(sound, depth_db, below_db):
    """A downward expander: what lies `below_db` under the loud parts is taken down, as telephones' noise suppression does."""
    level = 20 * np.log10(envelope(sound) + 1e-9)
    threshold = np.percentile(level, 95) - below_db
    attenuation = np.clip((threshold - level) * 2.0, 0, depth_db)
    alpha = np.exp(-1 / (0.05 * RATE))
    return sound * 10 ** (-lfilter([1 - alpha], [1, -alpha], attenuation) / 20)


def compress(sound, amount):
    """Automatic gain: quiet parts raised, within 15 dB."""
    level = 20 * np.log10(envelope(sound, 0.15) + 1e-9)
    reference = np.percentile(level, 90)
    return sound * 10 ** (np.clip((reference - level) * amount, -6, 15) * (level > reference - 35) / 20)


def coloured(rng, n):
    """Steady noise of a random colour, RMS 1."""
    length = next_fast_len(n, real=True)
    hz = np.maximum(rfftfreq(length, 1 / RATE), 30)
    noise = irfft(rfft(rng.normal(0, 1, length)) * hz ** (-rng.uniform(0, 1.2)), length)[:n]
    return noise / np.sqrt((noise**2).mean())


def codec(rng):
    """The name of a chain of codecs."""
    return str(rng.choice(["ulaw", "alaw", "gsm+ulaw", "gsm+alaw", "opus+ulaw", "adpcm+alaw"], p=[0.40, 0.26, 0.15, 0.07, 0.08, 0.04]))


def through(sound, container, subtype, **options):
    """Coded and decoded by libsndfile."""
    buffer = io.BytesIO()
    sf.write(buffer, np.clip(sound, -1, 1).astype(np.float32), RATE, format=container, subtype=subtype, **options)
    buffer.seek(0)
    decoded, rate = sf.read(buffer, dtype="float32")
    if rate != RATE:
        decoded = decoded[:: rate // RATE]
    out = np.zeros(len(sound))
    out[: min(len(out), len(decoded))] = decoded[: len(out)]
    return out


def encode(rng, sound, name):
    """The codec chain `name` applied."""
    for step in name.split("+"):
        if step == "ulaw":
            sound = through(sound, "WAV", "ULAW")
        elif step == "alaw":
            sound = through(sound, "WAV", "ALAW")
        elif step == "gsm":
            sound = through(sound, "WAV", "GSM610")
        elif step == "adpcm":
            sound = through(sound, "AU", "G721_32")
        elif step == "opus":
            sound = through(sound, "OGG", "OPUS", compression_level=float(rng.uniform(0.9, 1.0)))
    return sound


def lose(rng, sound, share, how):
    """Packets of 20 ms lost in bursts. `how`: "zero" puts silence in their place, "concealed" the last packet again,
    fading (both happen before the last leg), "missing" is a loss on the last leg. Returns the sound and the missing
    ones as (sample, samples).
    """
    sound = sound.copy()
    holes = []
    packets = len(sound) // 160
    leave = 0.6
    enter = share * leave / max(1 - share, 0.01)
    lost = False
    fade = 1.0
    for n in range(1, packets):
        lost = rng.random() < (1 - leave if lost else enter)
        at = n * 160
        if not lost:
            fade = 1.0
        elif how == "concealed":
            fade *= 0.6
            sound[at : at + 160] = sound[at - 160 : at] * fade
        else:
            sound[at : at + 160] = 0
            if how == "missing":
                holes.append((at, 160))
    return sound, holes


def transmit(rng, sound, background, speech_rms, mean_snr=30.0):
    """The line: noise, band, level, suppression of silence, codecs, loss. Returns the sound and what was done."""
    n = len(sound)
    snr = float(np.clip(rng.normal(mean_snr, 9), min(8, mean_snr - 18), 50))
    if background is None:
        noise = coloured(rng, n)
    else:
        noise = background / max(np.sqrt((background**2).mean()), 1e-6)
    sound = sound + noise * speech_rms * 10 ** (-snr / 20)
    if rng.random() < 0.06:
        t = np.arange(n) / RATE
        hum = sum(np.sin(2 * np.pi * rng.choice([50, 60]) * k * t + k) / k for k in (1, 2, 3, 5))
        sound = sound + hum * speech_rms * 10 ** (-rng.uniform(20, 40) / 20)
    if rng.random() < 0.08:
        delay = int(rng.uniform(0.02, 0.25) * RATE)
        sound[delay:] = sound[delay:] + sound[:-delay] * 10 ** (-rng.uniform(18, 35) / 20)
    if rng.random() < 0.85:
        low, high = rng.uniform(180, 340), rng.uniform(3150, 3750)
        sound = sosfilt(butter(int(rng.integers(2, 5)), [low, high], "bandpass", fs=RATE, output="sos"), sound)
    else:
        sound = sosfilt(butter(2, 70, "highpass", fs=RATE, output="sos"), sound)
    level = float(rng.uniform(-36, -12))
    sound = sound * 10 ** (level / 20) / speech_rms
    if rng.random() < 0.18:
        # Silence suppression: quiet stretches become comfort noise, or nothing at all.
        frames = sound[: n // 160 * 160].reshape(-1, 160)
        loud = 10 * np.log10((frames**2).mean(1) + 1e-12) > level - rng.uniform(22, 34)
        loud = np.convolve(loud, np.ones(int(rng.integers(5, 20))), "full")[: len(loud)] > 0
        comfort = coloured(rng, n) * 10 ** (rng.uniform(-75, -52) / 20) if rng.random() < 0.6 else np.zeros(n)
        keep = np.repeat(loud, 160)
        keep = np.concatenate([keep, np.zeros(n - len(keep), bool)])
        sound = np.where(keep, sound, comfort)
    if rng.random() < 0.02:
        sound = sound * 10 ** (rng.uniform(3, 9) / 20) / max(np.abs(sound).max(), 1e-3)
    name = codec(rng)
    sound = encode(rng, sound, name)
    loss = float(rng.choice([0, 0.005, 0.01, 0.03, 0.06], p=[0.6, 0.1, 0.14, 0.12, 0.04]))
    holes = []
    if loss > 0:
        sound, holes = lose(rng, sound, loss, str(rng.choice(["zero", "concealed", "missing", "missing"])))
    return np.clip(sound, -1, 1), {
        "snr_db": round(snr, 1), "level_db": round(level, 1), "codec": name, "loss": loss,
        "holes": ",".join(f"{at}+{samples}" for at, samples in holes),
    }
