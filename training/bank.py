"""The recorded clips and the synthesised ones, trimmed, with the fold that each belongs to.

Folds are made of whole sources: the greetings and the prompts of one speaker, and corpora that share their origin
(all excerpts of LibriSpeech), stay together. `speaker` is empty where a corpus does not tell who speaks: clips of it
are never joined.
"""

import csv
import zlib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf

import compose

RATE = 8000
FOLDS = 4

# Repository (or package) -> fold; the rest by a checksum of the name.
FOLD_OF = {
    # people
    "wake-up-word/wuw-corpus-ii": 0, "Picovoice/porcupine": 0, "auspicious3000/autovc": 0, "Azure-Samples/cognitive-services-speech-sdk": 0,
    "Picovoice/wake-word-benchmark": 1, "abdulkaderghandoura/arabic-speech-commands-dataset": 1, "resemble-ai/Resemblyzer": 1,
    "NVIDIA/DALI_extra": 1, "speechbrain/speechbrain": 1, "i4Ds/whisper-prep": 1, "openai/whisper": 1,
    "MycroftAI/Precise-Community-Data": 2, "Picovoice/rhino": 2, "dscripka/openWakeWord": 2, "bunyaminergen/Callytics": 2,
    "GoogleCloudPlatform/python-docs-samples": 2, "voxserv/audio_quality_testing_samples": 2, "Azure-Samples/azure-ai-speech-voicemail2text": 2,
    "Picovoice/speech-to-intent-benchmark": 3, "Jakobovski/free-spoken-digit-dataset": 3, "vinsis/speech-commands-recognition": 3,
    "asterisk/testsuite": 3, "snakers4/silero-vad": 3, "cmusphinx/pocketsphinx": 3, "LCAV/pyroomacoustics": 3, "drowe67/codec2": 3,
    "joinly-ai/joinly": 3, "freeswitch/spandsp": 3,
    # machines and prompts
    "debian:asterisk-core-sounds-en-wav": 0, "debian:asterisk-core-sounds-es-wav": 0, "FreePBX/core": 0, "Praxxxer/rotary-phone-audio-guestbook-Pi-Py3": 0,
    "debian:asterisk-core-sounds-fr-wav": 1, "debian:asterisk-prompt-fr-armelle": 1, "roycewilliams/callattendant-resources": 1,
    "nickpourazima/rotary-phone-audio-guestbook": 1, "ashleyhindle/myconferenceisonfire": 1,
    "debian:asterisk-core-sounds-it-wav": 2, "doghouch/python-voicemail-greeting": 2, "emxsys/callattendant": 2, "thess/callattendant": 2,
    "racitup/freeswitch-sounds-en-gb-richard": 2, "zunichky/wedding_phone_recorder": 2, "baresip/baresip": 2,
    "debian:asterisk-core-sounds-ru-wav": 3, "debian:asterisk-prompt-es-co": 3, "brian-slate/rotary-phone-audio-guestbook": 3,
    "sems-server/sems": 3, "irontec/ivozprovider": 3, "ValtteriL/inmatebridge": 3,
    # music
    "savoirfairelinux/jami-daemon": 1, "IBM/MAX-Audio-Classifier": 2, "iver56/audiomentations": 2,
}
# Prompts that ask a caller to name himself.
ASKS_NAME = ("priv-recordintro", "vm-rec-name", "priv-callpending", "privacy-unident", "call-screening")


@dataclass
class Clip:
    label: str
    source: str
    speaker: str
    fold: int
    name: str
    licence: str
    tts: bool
    sound: np.ndarray
    """float32, active RMS 0.1, first to last activity."""
    spans: list
    """Activity within `sound`: (from, to) in samples, pauses of less than 0.2 s bridged."""
    kind: str = ""
    """What is said, within the class: texts.py's kind of a synthesised clip, or how it was composed; empty for a recording as it is."""


def activity(sound):
    """Spans of speech by level, relative to the loudest parts; (from, to) in samples."""
    frames = sound[: len(sound) // 80 * 80].reshape(-1, 80)
    if len(frames) == 0:
        return []
    level = 10 * np.log10((frames**2).mean(1) + 1e-10)
    level = np.convolve(level, np.ones(3) / 3, "same")
    top, floor = np.percentile(level, 95), np.percentile(level, 5)
    threshold = max(top - 32, min(floor + 9, top - 14))
    loud = level > threshold
    spans = []
    start = None
    for n, on in enumerate(list(loud) + [False]):
        if on and start is None:
            start = n
        elif not on and start is not None:
            spans.append([start, n])
            start = None
    merged = []
    for span in spans:
        if merged and span[0] - merged[-1][1] < 20:
            merged[-1][1] = span[1]
        else:
            merged.append(span)
    return [(a * 80, b * 80) for a, b in merged if b - a >= 6]


def source_of(row):
    """The repository, or the package of a distribution."""
    parts = row["source"].split(":")
    return ":".join(parts[:2]) if parts[0] == "debian" else parts[0]


def fold_of(source, name):
    """The fold of a source (of a tune, for hold music that comes in one package)."""
    if source == "debian:asterisk-moh-opsound-wav":
        return 0 if zlib.crc32(name.rsplit("_", 1)[0].encode()) % 2 else 3
    return FOLD_OF.get(source, zlib.crc32(source.encode()) % FOLDS)


def beep_cut(row, sound):
    """The sound before the clip's own beep: beeps are added anew."""
    if not row["beep_s"]:
        return sound
    first = float(row["beep_s"].split(",")[0].split(";")[0].split("+")[0])
    return sound[: max(0, int((first - 0.03) * RATE))]


def prepare(sound):
    """Trimmed to its activity, levelled; None if there is none."""
    sound = sound - sound.mean()
    spans = activity(sound)
    if not spans:
        return None
    start, end = spans[0][0], spans[-1][1]
    rms = np.sqrt(np.mean(np.concatenate([sound[a:b] for a, b in spans]) ** 2))
    if rms < 1e-4:
        return None
    sound = (sound[start:end] * (0.1 / rms)).astype(np.float32)
    n = min(40, len(sound) // 2)
    sound[:n] *= np.linspace(0, 1, n, dtype=np.float32)
    sound[-n:] *= np.linspace(1, 0, n, dtype=np.float32)
    return sound, [(a - start, b - start) for a, b in spans]


def load(data: Path, voices: Path):
    """Label -> clips; labels as in the manifest, and "tts_human", "tts_machine" and so on for what was synthesised."""
    clips = defaultdict(list)
    with open(data / "manifest.csv", newline="") as file:
        for row in csv.DictReader(file):
            sound, rate = sf.read(data / row["path"], dtype="float32")
            assert rate == RATE, row["path"]
            label, source, name = row["class"], source_of(row), row["path"]
            speaker = "" if "unlabelled" in row["speaker"] else row["speaker"]
            fold = fold_of(source, name)
            if label in ("music", "noise"):
                if len(sound) < RATE or np.abs(sound).max() < 1e-3:
                    continue
                sound = sound / np.sqrt((sound**2).mean()) * 0.1
                clips[label].append(Clip(label, source, "", fold, name, row["licence"], False, sound.astype(np.float32), [(0, len(sound))]))
                continue
            if label not in ("greeting_machine", "human", "ivr_prompt", "speech_other", "tone_sit", "tone_fax"):
                continue
            if "Callytics" in source and row["channel"] == "voip call":
                continue  # two people in a conversation
            prepared = prepare(beep_cut(row, sound))
            if prepared is None:
                continue
            clips[label].append(Clip(label, source, speaker, fold, name, row["licence"], row["origin"] == "tts", *prepared))
            if label == "ivr_prompt" and any(word in name for word in ASKS_NAME):
                clips["asks_name"].append(clips[label][-1])
    for like, label, kind, name, sound in list(compose.composed(clips)):
        prepared = prepare(sound)
        if prepared is not None:
            clips[label].append(Clip(label, like.source, like.speaker, like.fold, name, like.licence, like.tts, *prepared, kind))
    with open(voices / "index.csv", newline="") as file:
        for row in csv.DictReader(file):
            sound, rate = sf.read(voices / row["path"], dtype="float32")
            prepared = prepare(sound)
            if prepared is None:
                continue
            label = "tts_" + row["label"]
            # Sources are drawn first: the many languages of espeak-ng's one engine count as two, not as forty.
            source = f"{row['engine']}:{row['voice'] if row['engine'] != 'espeak' else 'en' if row['language'] == 'en' else 'other'}"
            speaker = f"{row['speaker']}:{row['voice']}:{row['warp']}"
            clips[label].append(Clip(label, source, speaker, int(row["fold"]), row["path"], "synthesised here", True, *prepared, row.get("kind", "")))
    return clips
