"""The telephone between the answerer and the detector: one chain of changes, the same for all classes.

What a corpus was recorded with (its room, its noise floor, its microphone) gives its class away, so everything here is
drawn anew for every call, whatever the class.
"""

import ctypes
import io
from functools import cache

import numpy as np
import soundfile as sf
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq
from scipy.signal import butter, fftconvolve, firwin2, lfilter, sosfilt

RATE = 8000


def shape(rng, sound):
    """The answerer's side: another vocal tract, microphone, room, and noise suppression. For speech, music and prompts alike."""
    if rng.random() < 0.3:
        sound = tract(sound, rng.uniform(0.87, 1.15))
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


def tract(sound, factor, rate=RATE):
    """Spectral envelope and so the formants moved by `factor`, the pitch left alone: another speaker, nearly."""
    size = 512 * rate // 16000
    hop, keep = size // 4, 30 * rate // 16000
    window = np.hanning(size + 1)[:size]
    padded = np.concatenate([np.zeros(size), sound, np.zeros(2 * size)])
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
    frames = frames[: len(frames) // 4 * 4]
    spectra = rfft(frames * window, axis=1)
    # The cepstrum's first 1.9 ms are the envelope.
    cepstrum = irfft(np.log(np.abs(spectra) + 1e-6), axis=1)
    cepstrum[:, keep : size - keep + 1] = 0
    log_shape = rfft(cepstrum, axis=1).real
    at = np.clip(np.arange(size // 2 + 1) / factor, 0, size // 2)
    low = at.astype(int)
    high = np.minimum(low + 1, size // 2)
    moved = log_shape[:, low] * (1 - at + low) + log_shape[:, high] * (at - low)
    changed = irfft(spectra * np.exp(np.clip(moved - log_shape, -3.5, 3.5)), axis=1) * window
    out = np.zeros(len(padded))
    for phase in range(4):
        piece = changed[phase::4].ravel()
        out[phase * hop : phase * hop + len(piece)] += piece[: len(out) - phase * hop]
    return out[size : size + len(sound)] / 1.5


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


def pump(rng, sound):
    """A slow automatic gain: what is quiet for long comes up, noise too; loud speech after it is too loud for a moment."""
    level = 20 * np.log10(envelope(sound, 0.05)[::160] + 1e-6)
    target = float(np.percentile(level, 90))
    up, down = 0.02 / rng.uniform(0.4, 3.0), 0.02 / rng.uniform(0.02, 0.2)
    most, floor = rng.uniform(6, 20), target - rng.uniform(25, 50)
    gain, gains = 0.0, np.empty(len(level))
    for n, now in enumerate(level):
        wish = min(target - now, most) if now > floor else gain
        gain += (wish - gain) * min(1.0, down if wish < gain else up)
        gains[n] = gain
    at = np.arange(len(sound))
    return sound * 10 ** (np.interp(at, at[::160], gains) / 20)


def denoise(rng, sound):
    """Spectral subtraction as telephones do it: what is steady goes down, with a rest that warbles."""
    size, hop = 256, 128
    window = np.sqrt(np.hanning(size + 1)[:size])
    padded = np.concatenate([np.zeros(size), sound, np.zeros(2 * size)])
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop] * window
    spectra = np.fft.rfft(frames, axis=1)
    power = np.abs(spectra) ** 2
    noise = np.percentile(power[:: max(1, len(power) // 200)], rng.uniform(15, 35), axis=0) * rng.uniform(1.5, 5)
    gain = np.maximum(1 - noise / (power + 1e-12), 0) ** rng.uniform(0.5, 1.0)
    gain = lfilter([0.6], [1, -0.4], gain, axis=0) if rng.random() < 0.6 else gain
    gain = np.maximum(gain, 10 ** (-rng.uniform(8, 25) / 20))
    clean = np.fft.irfft(spectra * gain, axis=1) * window
    out = np.zeros(len(padded))
    even, odd = clean[::2].ravel(), clean[1::2].ravel()
    out[: len(even)] += even
    out[hop : hop + len(odd)] += odd
    return out[size : size + len(sound)]


def handling(rng, n):
    """Rustle of a handset or a cable, breath: low bursts, RMS about 1 while they last."""
    out = np.zeros(n)
    for _ in range(int(rng.integers(1, 5))):
        length = int(rng.uniform(0.05, 0.8) * RATE)
        at = int(rng.integers(0, max(1, n - length)))
        burst = lfilter([1], [1, -rng.uniform(0.3, 0.97)], rng.normal(0, 1, length)) * np.hanning(length) ** rng.uniform(0.3, 2)
        out[at : at + length] += (burst / max(np.sqrt((burst**2).mean()), 1e-6))[: n - at]
    return out


def coloured(rng, n):
    """Steady noise of a random colour, RMS 1."""
    length = next_fast_len(n, real=True)
    hz = np.maximum(rfftfreq(length, 1 / RATE), 30)
    noise = irfft(rfft(rng.normal(0, 1, length)) * hz ** (-rng.uniform(0, 1.2)), length)[:n]
    return noise / np.sqrt((noise**2).mean())


AMR_KBITS = ["4.75", "5.15", "5.9", "6.7", "7.4", "7.95", "10.2", "12.2"]


def codec(rng):
    """The name of a chain of codecs."""
    chains = ["ulaw", "alaw", "gsm+ulaw", "gsm+alaw", "opus+ulaw", "adpcm+alaw", "amr+alaw", "amr+ulaw", "amr+gsm+ulaw"]
    name = str(rng.choice(chains, p=[0.37, 0.24, 0.13, 0.05, 0.06, 0.03, 0.07, 0.04, 0.01]))
    # Networks use 12.2 kbit/s most of the time.
    return name.replace("amr", "amr" + ("12.2" if rng.random() < 0.5 else AMR_KBITS[int(rng.integers(len(AMR_KBITS)))]))


@cache
def amr_library():
    """Debian's libopencore-amrnb0."""
    try:
        library = ctypes.CDLL("libopencore-amrnb.so.0")
    except OSError as error:
        raise SystemExit(f"channel: AMR needs Debian's libopencore-amrnb0: {error}") from error
    library.Encoder_Interface_init.restype = ctypes.c_void_p
    library.Encoder_Interface_init.argtypes = [ctypes.c_int]
    library.Encoder_Interface_Encode.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int]
    library.Encoder_Interface_exit.argtypes = [ctypes.c_void_p]
    library.Decoder_Interface_init.restype = ctypes.c_void_p
    library.Decoder_Interface_Decode.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int]
    library.Decoder_Interface_exit.argtypes = [ctypes.c_void_p]
    return library


def amr(rng, sound, kbits):
    """AMR narrowband and back (3GPP TS 26.071): with discontinuous transmission at times, and frames lost on the radio leg."""
    library = amr_library()
    frames = -(-len(sound) // 160)
    pcm = np.zeros(frames * 160, np.int16)
    pcm[: len(sound)] = np.clip(sound * 32767, -32768, 32767)
    out = np.zeros_like(pcm)
    bits = (ctypes.c_ubyte * 64)()
    # Lost frames come in bursts of two on average; the decoder conceals them.
    share = float(rng.choice([0, 0, 0.01, 0.03]))
    lost = np.zeros(frames, bool)
    for start in np.flatnonzero(rng.random(frames) < share / 2):
        lost[start : start + int(rng.geometric(0.5))] = True
    encoder, decoder = library.Encoder_Interface_init(int(rng.random() < 0.4)), library.Decoder_Interface_init()
    mode, source, target = AMR_KBITS.index(kbits), pcm.ctypes.data, out.ctypes.data
    for n in range(frames):
        library.Encoder_Interface_Encode(encoder, mode, source + 320 * n, bits, 0)
        library.Decoder_Interface_Decode(decoder, bits, target + 320 * n, int(lost[n]))
    library.Encoder_Interface_exit(encoder)
    library.Decoder_Interface_exit(decoder)
    return out[: len(sound)] / 32768.0


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
        elif step.startswith("amr"):
            sound = amr(rng, sound, step[3:])
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


def own_echo(rng, sound, prompt, speech_rms, below_db):
    """What we play to the callee comes back: delayed, by `below_db` under the speech, through the line's hybrid or the callee's microphone."""
    at = int((rng.uniform(0.1, 3.0) + rng.uniform(0.02, 0.3)) * RATE)
    room = max(0, len(sound) - at)
    path = rng.normal(0, 1, 60) * np.exp(-np.arange(60) / rng.uniform(3, 20))
    echo = fftconvolve(prompt[:room], path)[:room]
    if room == 0 or not (echo**2).any():
        return sound
    echo *= speech_rms / np.sqrt((echo**2).mean())
    # A canceller leaves the first moments, then little.
    if rng.random() < 0.6:
        settle = rng.uniform(0.1, 1.5) * RATE
        echo *= 10 ** (-np.minimum(np.arange(len(echo)) / settle, 1) * rng.uniform(6, 20) / 20)
    sound = sound.copy()
    sound[at : at + len(echo)] += echo * 10 ** (-rng.uniform(*below_db) / 20)
    return sound


def transmit(rng, sound, background, speech_rms, mean_snr=30.0, prompt=None, echo_db=(15, 45), snr_db=None):
    """The line: noise, band, level, suppression of silence, codecs, loss. Returns the sound and what was done.
    The signal-to-noise ratio is drawn about `mean_snr`, unless it is given as `snr_db`.
    `prompt` is what is played to the callee; its echo comes back, `echo_db` under the speech.
    """
    n = len(sound)
    snr = float(np.clip(rng.normal(mean_snr, 9), min(8, mean_snr - 18), 50)) if snr_db is None else snr_db
    if background is None:
        noise = coloured(rng, n)
    else:
        noise = background / max(np.sqrt((background**2).mean()), 1e-6)
    sound = sound + noise * speech_rms * 10 ** (-snr / 20)
    if rng.random() < 0.12:
        sound = sound + handling(rng, n) * speech_rms * 10 ** (-rng.uniform(14, 40) / 20)
    if rng.random() < 0.16:
        sound = denoise(rng, sound)
    if rng.random() < 0.12:
        sound = pump(rng, sound)
    if rng.random() < 0.06:
        t = np.arange(n) / RATE
        hum = sum(np.sin(2 * np.pi * rng.choice([50, 60]) * k * t + k) / k for k in (1, 2, 3, 5))
        sound = sound + hum * speech_rms * 10 ** (-rng.uniform(20, 40) / 20)
    if rng.random() < 0.08:
        delay = int(rng.uniform(0.02, 0.25) * RATE)
        sound[delay:] = sound[delay:] + sound[:-delay] * 10 ** (-rng.uniform(18, 35) / 20)
    if prompt is not None:
        sound = own_echo(rng, sound, prompt, speech_rms, echo_db)
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
    # Lost on a leg before the codecs that follow, with or without concealment there.
    if rng.random() < 0.08:
        sound, _ = lose(rng, sound, float(rng.choice([0.005, 0.01, 0.03])), str(rng.choice(["zero", "concealed"])))
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
