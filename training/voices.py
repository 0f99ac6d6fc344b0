"""Synthesised speech: texts.py read by the voices that Debian has, into a folder of 8 kHz WAV files and an index.

    voices.py FOLDER [CLIPS]        CLIPS of each class (default 3200)

A voice belongs to one fold and reads that fold's texts only, so that a fold's test calls hold neither a voice nor a
sentence (the fixed ones excepted) of its training calls. Versions of one speaker (flite's and festival's slt, kal and
kal16, all pitches of an espeak-ng variant, all transformations) are one voice. Every class draws its languages, voices and
transformations from the same distribution. A clip depends on its class, fold and number alone: with more CLIPS the first
ones stay as they are, and files that are there are not rendered again.
"""

import csv
import os
import random
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import soundfile as sf
from scipy.signal import resample_poly

import channel
import texts

SEED = 20261120
RATE = 8000
FEW = 40  # utterances that one festival process speaks

# engine, voice, language, encoding that festival wants, fold
RECORDED_VOICES = [
    ("flite", "kal16", "en", None, 0), ("flite", "kal", "en", None, 0), ("festival", "kal_diphone", "en", "utf-8", 0),
    ("flite", "awb", "en", None, 1),
    ("flite", "rms", "en", None, 2),
    ("flite", "slt", "en", None, 3), ("festival", "cmu_us_slt_arctic_hts", "en", "utf-8", 3),
    ("festival", "ked_diphone", "en", "utf-8", 1),
    ("festival", "lp_diphone", "it", "latin1", 0), ("festival", "pc_diphone", "it", "latin1", 2),
    ("festival", "msu_ru_nsh_clunits", "ru", "utf-8", 1),
    ("festival", "hy_fi_mv_diphone", "fi", "latin1", 3), ("festival", "suo_fi_lj_diphone", "fi", "latin1", 0),
    ("festival", "upc_ca_ona_hts", "ca", "latin1", 2),
    ("festival", "czech_dita", "cs", "iso-8859-2", 1), ("festival", "czech_machac", "cs", "iso-8859-2", 3),
    ("festival", "czech_ph", "cs", "iso-8859-2", 0), ("festival", "czech_krb", "cs", "iso-8859-2", 2),
    # One speaker each as far as their names tell; kept in one fold.
    ("festival", "hindi_NSK_diphone", "hi", "utf-8", 2), ("festival", "marathi_NSK_diphone", "mr", "utf-8", 2),
    ("festival", "telugu_NSK_diphone", "te", "utf-8", 2),
]
SPEAKER = {"kal16": "kal", "kal_diphone": "kal", "cmu_us_slt_arctic_hts": "slt"}
# espeak-ng's formant voices: variants by fold.
VARIANTS = [
    ["m1", "m5", "f1", "f5", "Andy", "Michael", "steph", "iven", "klatt4", "max", "Mario", "adam", "Jacky", "quincy", "sandro", "norbert"],
    ["m2", "m6", "f2", "Annie", "Gene", "steph2", "iven2", "klatt2", "Denis", "belinda", "ed", "benjamin", "travis", "Henrique", "pedro", "zac"],
    ["m3", "m7", "f3", "Alicia", "Lee", "steph3", "iven3", "klatt3", "Diogo", "linda", "paul", "grandpa", "boris", "gustave", "pablo", "rob"],
    ["m4", "m8", "f4", "Andrea", "Mike", "anika", "iven4", "klatt6", "Hugo", "shelby", "antonio", "grandma", "caleb", "michel", "john", "victor"],
]
ESPEAK_LANGUAGES = {
    "en": ["en-us", "en-us", "en-us", "en-gb", "en-gb-x-rp", "en-gb-scotland", "en-gb-x-gbclan", "en-us-nyc", "en-029"],
    "es": ["es", "es-419"], "fr": ["fr-fr", "fr-be", "fr-ch"], "pt": ["pt", "pt-br"],
}
LANGUAGE_WEIGHT = {
    "en": 14, "es": 2, "fr": 1.8, "de": 1.8, "it": 1.6, "ru": 1.3, "pt": 1.2, "fi": 1, "cs": 1.4, "ca": 0.9, "sv": 0.8, "nl": 0.8, "pl": 0.8,
    "tr": 0.7, "da": 0.5, "nb": 0.5, "hu": 0.5, "ro": 0.5, "el": 0.5, "ja": 0.8, "cmn": 0.7, "hi": 0.8, "mr": 0.4, "te": 0.4, "uk": 0.4,
}
FIXED = 0.2
"""Chance of a sentence that all folds share, where a class has one."""


def choice(label, fold, number):
    """What one clip says, and how."""
    rng = random.Random(f"{SEED}:{label}:{fold}:{number}")
    found = []
    while not found:
        language = rng.choices(list(LANGUAGE_WEIGHT), list(LANGUAGE_WEIGHT.values()))[0]
        found = [t for t in texts.templates(label, language) if t[0] == fold]
    fixed = [t for t in texts.templates(label, language) if t[0] is None]
    # By kind first: a kind with many lines is not a frequent one.
    kinds = sorted({kind for _, kind, _ in found})
    kind = rng.choice(kinds)
    _, kind, template = rng.choice(fixed) if fixed and rng.random() < FIXED else rng.choice([t for t in found if t[1] == kind])
    real = [v for v in RECORDED_VOICES if v[2] == language and v[4] == fold]
    if real and rng.random() < 0.72:
        engine, voice, _, encoding, _ = rng.choice(real)
        speaker = f"unit:{SPEAKER.get(voice, voice)}"
    else:
        engine, encoding = "espeak", None
        voice = rng.choice(ESPEAK_LANGUAGES.get(language, [language])) + "+" + rng.choice(VARIANTS[fold])
        speaker = f"espeak:{voice.split('+')[1]}"
    return {
        "path": f"{label}/{fold}-{number:04d}.wav", "label": label, "fold": fold, "engine": engine, "voice": voice, "speaker": speaker,
        "language": language, "encoding": encoding or "", "text": texts.fill(template, language, fold, rng),
        "warp": round(rng.uniform(0.85, 1.18), 3), "pace": round(rng.uniform(0.82, 1.22), 3), "pitch": rng.randrange(25, 75),
        # The vocal tract's length apart from the pitch; the span of the intonation; the silence between sentences.
        "formants": round(rng.uniform(0.88, 1.14), 3) if rng.random() < 0.5 else 1.0,
        "melody": round(rng.choice((1.0, 1.0, rng.uniform(0.1, 0.6), rng.uniform(1.2, 1.8))), 2),
        "pause": round(rng.choice((rng.uniform(0.08, 0.3), rng.uniform(0.2, 0.6), rng.uniform(0.4, 1.1))), 2), "kind": kind,
    }


def plan(clips):
    """What is to be spoken: rows of a deterministic list."""
    return [choice(label, fold, number) for number in range(clips // texts.FOLDS) for label in texts.LABELS for fold in range(texts.FOLDS)]


def sentences(text):
    """The text in pieces that end at a full stop, a question or an exclamation mark."""
    return [part for part in re.split(r"(?<=[.?!;]) +|(?<=[。？。।])", text) if re.search(r"\w", part)]


def command(row, text, out):
    """The program that speaks one sentence into the file `out`."""
    if row["engine"] == "espeak":
        said = f'<prosody range="{int(row["melody"] * 100)}%">{text}</prosody>' if row["melody"] != 1.0 else text
        return ["espeak-ng", "-m", "-v", row["voice"], "-s", str(int(160 / row["pace"])), "-p", str(row["pitch"]), "-w", str(out), said]
    melody = ["--setf", f"int_f0_target_stddev={12 * row['melody']:.1f}"] if row["voice"].startswith("kal") else []
    return ["flite", "-voice", row["voice"], "--setf", f"duration_stretch={row['pace']}", *melody, "-t", text, "-o", str(out)]


def festival(rows, folder):
    """Some rows of one festival voice, spoken by one process: row's path -> its sentences' files."""
    files = {}
    script = []
    encoding = rows[0]["encoding"]
    for n, row in enumerate(rows):
        said = []
        for m, sentence in enumerate(sentences(row["text"])):
            sentence = re.sub(r'[¿¡«»"\\]', "", sentence)
            said.append(folder / f"{n}-{m}.wav")
            script.append(f"(set! u (Utterance Text \"{sentence}\")) (utt.synth u) (utt.save.wave u \"{said[-1]}\" 'riff)")
        script.insert(len(script) - len(said), f"(Parameter.set 'Duration_Stretch {row['pace']})")
        files[row["path"]] = said
    scheme = folder / "say.scm"
    scheme.write_bytes("\n".join([f"(voice_{rows[0]['voice']})", *script]).encode(encoding, errors="ignore"))
    subprocess.run(["festival", "-b", str(scheme)], capture_output=True, timeout=600)
    return files


def finish(row, parts, target):
    """Sentences joined, pitch and vocal tract changed, at 8 kHz. False where there is nothing to hear."""
    sounds = []
    for part in parts:
        try:
            sound, rate = sf.read(part, dtype="float32")
        except sf.LibsndfileError:
            continue
        loud = np.flatnonzero(np.abs(sound) > 0.01 * max(np.abs(sound).max(), 1e-3))
        if len(loud) < rate // 20:
            continue
        sound = sound[max(0, loud[0] - rate // 50) : loud[-1] + rate // 25]
        # Another pitch: played at another speed (the engine's own pace makes up for part of the tempo).
        sounds.append(resample_poly(sound, 16000 // 50, int(round(rate * row["warp"] / 50))))
    if not sounds or sum(map(len, sounds)) < 3200:
        return False
    pause = np.zeros(int(16000 * row["pause"]))
    joined = np.concatenate([piece for sound in sounds for piece in (pause, sound)][1:])
    if row["formants"] != 1.0:
        joined = channel.tract(joined, row["formants"], 16000)
    sound = resample_poly(joined, 1, 2)
    sf.write(target, (sound / np.abs(sound).max() * 0.7).astype(np.float32), RATE, subtype="PCM_16")
    return True


def speak(job):
    """Renders rows of one voice; returns those that gave sound."""
    rows, folder = job
    spoken = []
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        todo = []
        for row in rows:
            if (folder / row["path"]).exists():
                spoken.append(row)
            else:
                todo.append(row)
        if todo and todo[0]["engine"] == "festival":
            files = festival(todo, scratch)
        for n, row in enumerate(todo):
            if row["engine"] == "festival":
                parts = files[row["path"]]
            else:
                parts = []
                for m, sentence in enumerate(sentences(row["text"])):
                    parts.append(scratch / f"{n}-{m}.wav")
                    subprocess.run(command(row, sentence, parts[-1]), capture_output=True)
            parts = [part for part in parts if part.exists()]
            if finish(row, parts, folder / row["path"]):
                spoken.append(row)
            for part in parts:
                part.unlink()
    return spoken


def jobs(rows, folder):
    """Rows in groups of one voice; the groups in the order of their first rows, so that what comes first is a whole."""
    groups = {}
    done = []
    for row in rows:
        key = (row["engine"], row["voice"] if row["engine"] == "festival" else "")
        group = groups.setdefault(key, [])
        group.append(row)
        if len(group) == FEW:
            done.append((groups.pop(key), folder))
    return done + [(group, folder) for group in groups.values()]


def write(folder, spoken):
    """The index of what has been spoken so far, in one step."""
    with open(folder / "index.new", "w", newline="") as file:
        writer = csv.DictWriter(file, spoken[0].keys())
        writer.writeheader()
        writer.writerows(sorted(spoken, key=lambda row: row["path"]))
    os.replace(folder / "index.new", folder / "index.csv")


def main(folder, clips=3200):
    folder = Path(folder)
    for label in texts.LABELS:
        (folder / label).mkdir(parents=True, exist_ok=True)
    rows = plan(clips)
    spoken = []
    with ProcessPoolExecutor(2) as pool:
        for number, group in enumerate(pool.map(speak, jobs(rows, folder)), 1):
            spoken += group
            if number % 10 == 0:
                write(folder, spoken)  # usable before the end
    write(folder, spoken)
    print(f"voices: {len(spoken)} of {len(rows)} texts spoken")
    if len(spoken) < 0.95 * len(rows):
        sys.exit("voices: too many failures; are espeak-ng, flite and festival with its voices installed?")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:3]))
