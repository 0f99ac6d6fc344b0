"""Synthesised speech: texts.py read by the voices that Debian has, into a folder of 8 kHz WAV files and an index.

A voice belongs to one fold and reads that fold's texts only, so that a fold's test calls hold neither a voice nor a
sentence (the fixed ones excepted) of its training calls. Versions of one speaker (flite's and festival's slt, kal and
kal16, all pitches of an espeak-ng variant) are one voice.
"""

import csv
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import soundfile as sf
from scipy.signal import resample_poly

import texts

SEED = 20261120

# engine, voice, language, encoding that festival wants, fold
RECORDED_VOICES = [
    ("flite", "kal16", "en", None, 0), ("flite", "kal", "en", None, 0),
    ("flite", "awb", "en", None, 1),
    ("flite", "rms", "en", None, 2),
    ("flite", "slt", "en", None, 3), ("festival", "cmu_us_slt_arctic_hts", "en", "utf-8", 3),
    ("festival", "ked_diphone", "en", "utf-8", 1),
    ("festival", "lp_diphone", "it", "latin1", 0), ("festival", "pc_diphone", "it", "latin1", 2),
    ("festival", "msu_ru_nsh_clunits", "ru", "utf-8", 1),
    ("festival", "hy_fi_mv_diphone", "fi", "latin1", 3), ("festival", "suo_fi_lj_diphone", "fi", "latin1", 0),
    ("festival", "upc_ca_ona_hts", "ca", "latin1", 2),
    ("festival", "czech_dita", "cs", "iso-8859-2", 1), ("festival", "czech_machac", "cs", "iso-8859-2", 3),
    ("festival", "czech_ph", "cs", "iso-8859-2", 0),
]
# espeak-ng's formant voices: variants by fold.
VARIANTS = [
    ["m1", "m5", "f1", "f5", "Andy", "Michael", "steph", "iven", "klatt4", "max", "Mario"],
    ["m2", "m6", "f2", "Annie", "Gene", "steph2", "iven2", "klatt2", "Denis", "belinda", "ed"],
    ["m3", "m7", "f3", "Alicia", "Lee", "steph3", "iven3", "klatt3", "Diogo", "linda", "paul"],
    ["m4", "m8", "f4", "Andrea", "Mike", "anika", "iven4", "klatt6", "Hugo", "shelby", "antonio"],
]
ESPEAK_LANGUAGES = {
    "en": ["en-us", "en-gb", "en-gb-x-rp", "en-gb-scotland", "en-us-nyc", "en-029"],
    "es": ["es", "es-419"], "fr": ["fr-fr", "fr-be"], "de": ["de"], "it": ["it"], "ru": ["ru"],
    "pt": ["pt", "pt-br"], "fi": ["fi"], "cs": ["cs"], "ca": ["ca"],
}
LANGUAGE_WEIGHT = {"en": 8, "es": 2, "fr": 2, "de": 2, "it": 1.6, "ru": 1.2, "pt": 1, "fi": 0.9, "cs": 1, "ca": 0.9}
# Clips per class and fold.
COUNTS = {"human": 240, "machine": 300, "screening": 230, "ivr": 240}


def plan(counts):
    """What is to be spoken: rows of a deterministic list."""
    rows = []
    for label, count in counts.items():
        for fold in range(texts.FOLDS):
            rng = random.Random(f"{SEED}:{label}:{fold}")
            for number in range(count):
                choices = []
                while not choices:
                    language = rng.choices(list(LANGUAGE_WEIGHT), list(LANGUAGE_WEIGHT.values()))[0]
                    choices = [t for f, t in texts.templates(label, language) if f in (None, fold)]
                real = [v for v in RECORDED_VOICES if v[2] == language and v[4] == fold]
                if real and rng.random() < 0.65:
                    engine, voice, _, encoding, _ = rng.choice(real)
                    speaker = {"kal16": "kal", "cmu_us_slt_arctic_hts": "slt"}.get(voice, voice)
                else:
                    engine, encoding = "espeak", None
                    voice = rng.choice(ESPEAK_LANGUAGES[language]) + "+" + rng.choice(VARIANTS[fold])
                    speaker = voice.split("+")[1]
                fixed = [t for f, t in texts.templates(label, language) if f is None]
                template = rng.choice(fixed) if fixed and rng.random() < 0.35 else rng.choice(choices)
                text = texts.fill(template, language, rng)
                rows.append({
                    "path": f"{label}/{fold}-{number:04d}.wav", "label": label, "fold": fold, "engine": engine,
                    "voice": voice, "speaker": f"{engine if engine == 'espeak' else 'unit'}:{speaker}",
                    "language": language, "encoding": encoding or "", "text": text,
                    "warp": round(rng.uniform(0.87, 1.15), 3), "pace": round(rng.uniform(0.85, 1.2), 3),
                    "pitch": rng.randrange(25, 75),
                })
    return rows


def speak(row, folder: Path):
    """Renders one row; returns it, or None where the engine gave nothing."""
    target = folder / row["path"]
    if target.exists():
        return row
    target.parent.mkdir(parents=True, exist_ok=True)
    raw = target.with_suffix(".raw.wav")
    if row["engine"] == "espeak":
        command = ["espeak-ng", "-v", row["voice"], "-s", str(int(160 / row["pace"])), "-p", str(row["pitch"]), "-w", str(raw), row["text"]]
        done = subprocess.run(command, capture_output=True)
    elif row["engine"] == "flite":
        command = ["flite", "-voice", row["voice"], "--setf", f"duration_stretch={row['pace']}", "-t", row["text"], "-o", str(raw)]
        done = subprocess.run(command, capture_output=True)
    else:
        spoken = row["text"].replace("¿", "").replace("«", "").encode(row["encoding"], errors="ignore")
        stretch = f"(Parameter.set 'Duration_Stretch {row['pace']})"
        done = subprocess.run(["text2wave", "-eval", f"(voice_{row['voice']})", "-eval", stretch, "-o", str(raw)], input=spoken, capture_output=True)
    if done.returncode != 0 or not raw.exists():
        print(f"voices: {row['engine']} {row['voice']} failed on {row['text']!r}: {done.stderr[-200:]!r}", file=sys.stderr)
        return None
    try:
        sound, rate = sf.read(raw, dtype="float32")
    except sf.LibsndfileError:
        return None
    raw.unlink()
    if len(sound) < rate // 5 or np.abs(sound).max() < 1e-3:
        return None
    # Another pitch and vocal tract: played at another speed (the engine's own pace makes up for part of the tempo).
    up, down = 8000, int(round(rate * row["warp"] / 50)) * 50
    sound = resample_poly(sound, up // 50, down // 50)
    sf.write(target, (sound / np.abs(sound).max() * 0.7).astype(np.float32), 8000, subtype="PCM_16")
    return row


def main(folder):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rows = plan(COUNTS)
    with ThreadPoolExecutor(2) as pool:
        spoken = [row for row in pool.map(lambda row: speak(row, folder), rows) if row]
    with open(folder / "index.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, spoken[0].keys())
        writer.writeheader()
        writer.writerows(spoken)
    print(f"voices: {len(spoken)} of {len(rows)} texts spoken")
    if len(spoken) < 0.95 * len(rows):
        sys.exit("voices: too many failures; are espeak-ng, flite and festival with its voices installed?")


if __name__ == "__main__":
    main(sys.argv[1])
