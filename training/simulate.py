"""Simulated answered calls: WAV files (8 kHz, 16 bit, mono) and their truth, from the clips and the synthesised voices.

    simulate.py DATA VOICES OUT CALLS [--seed N] [--ordinary SHARE] [--dry]

Two forms of calls: ordinary ones, as most answered calls are (and as those are that accuracy is measured on), and hard ones, made to
look like each other: people who talk without a pause, business greetings, short announcements, changed pauses, voices behind.

Every call belongs to a fold and is made of that fold's clips alone (background noise excepted, which is everybody's).
Clips are drawn by source first, then by speaker, then by clip, so that no clip makes up much of a class. All classes go
through the same channel (channel.py), with the same lead-in and the same chance of a noisy background.
"""

import argparse
import csv
import json
from collections import defaultdict
from multiprocessing import Pool
from pathlib import Path

import numpy as np
import soundfile as sf
from scipy.signal import resample_poly

import bank
import channel
import noises
import songs
import tones

RATE = 8000
LONGEST = 20.0
# Share of the calls by form and class. Menus and assistants are as rare as they are on the telephone among the ordinary calls, and
# less so among the hard ones: what they say is learned from few voices. Silent calls and music are more frequent among those, too: any noise may be taken for a word.
SHARES = {
    "ordinary": {
        "human": 0.33, "machine": 0.265, "ivr": 0.11, "screening": 0.08, "music": 0.05, "silence": 0.06,
        "fax": 0.03, "sit": 0.03, "busy": 0.025, "ringback": 0.03,
    },
    "hard": {
        "human": 0.25, "machine": 0.21, "ivr": 0.15, "screening": 0.15, "music": 0.07, "silence": 0.1,
        "fax": 0.015, "sit": 0.02, "busy": 0.015, "ringback": 0.02,
    },
}

CLIPS = None
INDEX = None


def index(clips):
    """(label, fold) -> source -> speaker -> clips."""
    table = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for label, members in clips.items():
        for clip in members:
            table[label, clip.fold][clip.source][clip.speaker].append(clip)
    return table


class Call:
    """One call under construction."""

    def __init__(self, rng, fold, ordinary=False):
        self.rng, self.fold, self.ordinary = rng, fold, ordinary
        self.parts = []  # (start sample, sound)
        self.at = 0
        self.used = []
        # The whole call a little faster or slower, and so higher or lower: recorded speech is scarcer than voices are.
        self.pace = int(rng.integers(18, 24)) if rng.random() < 0.6 else 20
        # End of what is said without waiting for an answer, in seconds, where the caller knows it.
        self.end = None

    def chance(self, p):
        return self.rng.random() < p

    def uniform(self, a, b):
        return float(self.rng.uniform(a, b))

    def choose(self, items):
        return items[int(self.rng.integers(len(items)))]

    def source(self, labels, wanted=None):
        """A source of one of the labels in this fold: chance by the root of its size or less, so that large ones do not rule."""
        found = [(label, source) for label in labels for source in INDEX[label, self.fold]]
        if wanted:
            found = [x for x in found if wanted(INDEX[x[0], self.fold][x[1]])]
        weight = np.array([sum(map(len, INDEX[label, self.fold][source].values())) ** 0.35 for label, source in found])
        if self.ordinary and "greeting_machine" in labels:
            weight = weight**2
        return found[int(self.rng.choice(len(found), p=weight / weight.sum()))]

    def clip(self, *labels):
        label, source = self.source(labels)
        speakers = INDEX[label, self.fold][source]
        return self.choose(speakers[self.choose(sorted(speakers))])

    def long_clip(self, label, least):
        """A clip of at least `least` seconds; any after many tries."""
        for _ in range(30):
            clip = self.clip(label)
            if len(clip.sound) >= least * RATE:
                break
        return clip

    def voice(self, labels, least, mean=0.0):
        """Clips of one known speaker who has spoken at least `least` seconds, `mean` or more a clip."""
        def enough(speaker, clips):
            seconds = sum(len(clip.sound) for clip in clips) / RATE
            return speaker and seconds > least and seconds > mean * len(clips)
        label, source = self.source(labels, lambda speakers: any(enough(*item) for item in speakers.items()))
        speakers = INDEX[label, self.fold][source]
        return speakers[self.choose([s for s, clips in sorted(speakers.items()) if enough(s, clips)])]

    def wait(self, seconds):
        self.at += int(seconds * RATE)

    def put(self, sound, clip=None):
        if clip is not None and clip.label != "music" and self.pace != 20:
            sound = resample_poly(sound, 20, self.pace)
        self.parts.append((self.at, sound))
        self.at += len(sound)
        if clip is not None:
            self.used.append(clip)

    def seconds(self):
        return self.at / RATE


def stretch(call, clip, low, high):
    """A part of the clip of about `low` to `high` seconds that begins and ends at pauses; the whole if it is short."""
    if len(clip.sound) <= high * RATE:
        return clip.sound
    want = call.uniform(low, high) * RATE
    first = call.choose(range(len(clip.spans)))
    begin = clip.spans[first][0]
    end = begin
    for a, b in clip.spans[first:]:
        if b - begin > want and end > begin:
            break
        end = b
    sound = clip.sound[begin : min(end, begin + int(high * RATE))].copy()
    return tones.edges(sound, 0.005)


def breathe(call, clip):
    """The clip with its pauses changed: announcers and callers take breath, think, and turn pages."""
    if not call.chance(0.6):
        return clip.sound
    out, last = [], 0
    for (_, end), (start, _) in zip(clip.spans, clip.spans[1:]):
        middle = (end + start) // 2
        out.append(clip.sound[last:middle])
        last = middle
        if call.chance(0.5):
            longer = call.uniform(1.0, 2.0) if call.chance(0.08) else call.uniform(0.05, 0.7)
            out.append(np.zeros(int(longer * RATE), np.float32))
    return np.concatenate([*out, clip.sound[last:]])


# ---- who answers; each returns (detail, class-bearing sound put into the call)


def ordinary_human(call):
    """A word or a name, a sentence, or several; then waiting, and at times another word."""
    kind = str(call.rng.choice(["short", "long", "talker"], p=[0.55, 0.29, 0.16]))
    tts = call.chance(0.12)
    if kind == "talker" and not tts:
        members = call.voice(["human"] if call.chance(0.9) else ["speech_other"], 3)
        until = call.seconds() + call.uniform(1.8, 6.5)
        first = None
        while call.seconds() < until:
            clip = call.choose(members)
            first = first or clip
            call.put(stretch(call, clip, 0.4, 3.5), clip)
            call.wait(call.choose([call.uniform(0.15, 0.6), call.uniform(0.3, 1.2)]))
        call.at = call.parts[-1][0] + len(call.parts[-1][1])
    else:
        low, high = {"short": (0.2, 1.5), "long": (1.3, 4.0), "talker": (2.6, 8.0)}[kind]
        for _ in range(12):
            first = call.clip("tts_human") if tts else call.clip("human") if kind == "short" or call.chance(0.92) else call.clip("speech_other")
            if low * RATE <= len(first.sound) <= high * RATE:
                break
        call.put(stretch(call, first, low, high), first)
    call.end = call.seconds()
    for _ in range(int(call.rng.choice([0, 1, 2], p=[0.55, 0.3, 0.15]))):
        call.wait(call.uniform(0.9, 3.5))
        members = INDEX[first.label, call.fold][first.source][first.speaker] if first.speaker else [first]
        again = call.choose(members)
        call.put(stretch(call, again, 0.3, 1.6), again)
    return kind


def ordinary_ivr(call):
    """Prompts of one voice, one after the other."""
    if call.chance(0.2):
        members = [call.long_clip("tts_ivr", 6.0)]
    else:
        members = call.voice(["ivr_prompt"], 4)
    until = call.seconds() + call.uniform(8.5, 12)
    while call.seconds() < until:
        clip = call.choose(members)
        call.put(stretch(call, clip, 2.0, 12.0), clip)
        if len(members) == 1:
            break
        call.wait(call.uniform(0.1, 0.9))
    call.at = call.parts[-1][0] + len(call.parts[-1][1])
    return ""


def human(call):
    if call.ordinary:
        return ordinary_human(call)
    kind = call.rng.choice(["short", "long", "business", "talker"], p=[0.5, 0.2, 0.12, 0.18])
    if kind == "short":
        clip = call.clip("tts_human") if call.chance(0.22) else call.clip("human")
        call.put(stretch(call, clip, 0.3, 2.0), clip)
        if call.chance(0.35):  # nobody answers: "hello?" once more
            call.wait(call.uniform(0.9, 4.0))
            again = clip if call.chance(0.6) or not clip.speaker else call.choose(INDEX[clip.label, call.fold][clip.source][clip.speaker])
            call.put(stretch(call, again, 0.3, 2.0), again)
    elif kind == "long":
        clip = call.clip("human", "speech_other")
        call.put(stretch(call, clip, 1.2, 4.5), clip)
        if call.chance(0.3):
            call.wait(call.uniform(1.0, 4.0))
            again = call.clip("human") if not clip.speaker else call.choose(INDEX[clip.label, call.fold][clip.source][clip.speaker])
            if clip.speaker:
                call.put(stretch(call, again, 0.5, 2.0), again)
            else:
                call.put(stretch(call, clip, 0.5, 1.5), clip)
    elif kind == "business":
        if call.chance(0.55):
            clips = [c for source in INDEX["tts_human", call.fold].values() for s in source.values() for c in s if len(c.sound) > 1.6 * RATE]
            clip = call.choose(clips)
            call.put(breathe(call, clip), clip)
        else:
            members = call.voice(["speech_other", "human"], 5)
            call.put(stretch(call, call.choose(members), 2.0, 5.0), members[0])
        if call.chance(0.4):
            call.wait(call.uniform(1.0, 3.5))
            call.put(call.used[0].sound[: int(call.uniform(0.5, 1.5) * RATE)].copy(), call.used[0])
    else:
        # Turns of one voice, hurried or hesitant: no long pause to wait for.
        members = call.voice(["human", "speech_other"], 4) if call.chance(0.85) else [call.clip("tts_human")]
        until = call.seconds() + call.uniform(4, 13)
        while call.seconds() < until:
            clip = call.choose(members)
            call.put(stretch(call, clip, 0.4, 4.0), clip)
            call.wait(call.choose([call.uniform(0.1, 0.5), call.uniform(0.4, 1.3), call.uniform(1.0, 2.5)]))
        call.at = call.parts[-1][0] + len(call.parts[-1][1])
    return kind


def machine(call):
    if call.ordinary:
        # What an answering machine says in less than two seconds is among the hard calls.
        clip = call.long_clip("tts_machine" if call.chance(0.3) else "greeting_machine", 2.0)
        call.put(clip.sound, clip)
        return ""
    kind = str(call.rng.choice(["recorded", "tts", "personal"], p=[0.37, 0.45, 0.18]))
    if kind == "recorded":
        clip = call.clip("greeting_machine")
        call.put(breathe(call, clip), clip)
        if len(clip.sound) < 2.5 * RATE and clip.speaker and call.chance(0.6):
            # Short announcements of an answering machine come in twos.
            other = call.choose(INDEX[clip.label, call.fold][clip.source][clip.speaker])
            call.wait(call.uniform(0.1, 0.9))
            call.put(other.sound, other)
    elif kind == "tts":
        clip = call.clip("tts_machine")
        call.put(breathe(call, clip), clip)
    else:
        # One person's voice that reads on: a greeting recorded by oneself.
        members = call.voice(["speech_other", "human"], 6, 1.3)
        until = call.seconds() + call.choose([call.uniform(2.5, 6), call.uniform(4, 10), call.uniform(7, 16)])
        while call.seconds() < until:
            clip = call.choose(members)
            call.put(stretch(call, clip, 1.0, min(10.0, until - call.seconds() + 1.2)), clip)
            call.wait(call.choose([call.uniform(0.03, 0.25), call.uniform(0.15, 0.6), call.uniform(0.3, 1.1)]))
        call.at = call.parts[-1][0] + len(call.parts[-1][1])
    return kind


def after_greeting(call):
    """The beep, most times; returns when it began, in seconds."""
    if not call.chance(0.67):
        return None
    call.wait(call.choose([call.uniform(0.0, 0.4), call.uniform(0.2, 1.0), call.uniform(0.5, 2.2 if not call.ordinary else 1.8)]))
    at = call.seconds()
    beep = tones.beep(call.rng)
    call.put(beep * 0.14 * 10 ** (call.uniform(-12, 8) / 20))
    return at, at + len(beep) / RATE


def ivr(call):
    if call.ordinary:
        return ordinary_ivr(call)
    recorded = call.chance(0.5)
    if call.chance(0.08):
        clip = call.clip("music")
        call.put(tones.edges(clip.sound[: int(call.uniform(0.8, 3) * RATE)].copy() * 0.7, 0.05), clip)
        call.wait(call.uniform(0, 0.4))
    members = call.voice(["ivr_prompt"], 4) if recorded else [call.clip("tts_ivr")]
    until = call.seconds() + call.uniform(2.5, 15)
    first = len(call.parts)
    while call.seconds() < until:
        clip = call.choose(members)
        call.put(breathe(call, clip) if len(clip.sound) < 14 * RATE else stretch(call, clip, 3.0, 14.0), clip)
        if not recorded and len(call.parts) - first >= 2:
            break
        call.wait(call.choose([call.uniform(0.1, 0.6), call.uniform(0.4, 1.5), call.uniform(1.5, 5.0)]))
    call.at = call.parts[-1][0] + len(call.parts[-1][1])
    if call.chance(0.12):
        call.wait(call.uniform(0.2, 1.2))
        clip = call.clip("music")
        call.put(clip.sound[: int(call.uniform(3, 8) * RATE)] * 0.8, clip)
    return "recorded" if recorded else "tts"


def screening(call):
    if call.ordinary:
        clip = call.long_clip("tts_screening", 3.5)
        call.put(clip.sound, clip)
        return ""
    if call.chance(0.06) and any(clip.fold == call.fold for clip in CLIPS["asks_name"]):
        clip = call.clip("asks_name")
        call.put(clip.sound, clip)
        return "recorded"
    clip = call.clip("tts_screening")
    call.put(breathe(call, clip), clip)
    if call.chance(0.25):  # a tone that asks to speak
        call.wait(call.uniform(0.1, 0.6))
        call.put(tones.sine(call.uniform(500, 1400), call.uniform(0.1, 0.35)) * 0.1)
    if call.chance(0.3):
        call.wait(call.uniform(3.0, 7.0))
        call.put(clip.sound, clip)
    return "tts"


def music(call):
    if call.chance(0.4 if call.ordinary else 0.6):
        if call.ordinary or call.chance(0.25):
            sound = tones.music(call.rng, call.uniform(6, 16))
        else:
            singer = call.long_clip("tts_human" if call.chance(0.5) else "speech_other", 2.0) if call.chance(0.5) else None
            sound = songs.song(call.rng, call.uniform(6, 16), singer and singer.sound)
        call.put(tones.edges(sound, call.uniform(0.01, 0.5)) * 0.1)
        return "made"
    clip = call.clip("music")
    begin = int(call.uniform(0, max(0, len(clip.sound) / RATE - 6)) * RATE)
    sound = clip.sound[begin : begin + int(call.uniform(6, 16) * RATE)].copy()
    call.put(tones.edges(sound, call.uniform(0.01, 0.8)), clip)
    return ""


def sit(call):
    recorded = [clip for clip in CLIPS["tone_sit"] if clip.fold == call.fold]
    if recorded and call.chance(0.4):
        clip = call.choose(recorded)
        call.put(clip.sound, clip)
        return "recorded"
    tone = tones.sit(call.rng) * 0.14 * 10 ** (call.uniform(-6, 6) / 20)
    call.put(tone)
    if call.chance(0.6):
        call.wait(call.uniform(0.05, 1.0))
        clip = call.clip("tts_ivr") if call.chance(0.6) else call.clip("ivr_prompt")
        call.put(stretch(call, clip, 3, 9), clip)
    if call.chance(0.3):
        call.wait(call.uniform(0.5, 3.0))
        call.put(tone)
    return "specification"


def tone_only(make):
    def build(call):
        call.put(make(call.rng, call.uniform(6, 14)) * 0.14)
        return "specification"
    return build


def silence(call):
    """Nobody: a noise now and then, clicks, keys."""
    for _ in range(int(call.rng.integers(0, 4 if call.ordinary else 7))):
        call.wait(call.uniform(0.5, 3.0))
        if call.chance(0.5):
            call.put(click(call.rng))
        elif call.ordinary:
            # These calls, which accuracy is measured on, stay as they were.
            call.put(tones.edges(call.choose(CLIPS["noise"]).sound[: int(call.uniform(0.1, 2.0) * RATE)].copy() * 10 ** (call.uniform(-30, -8) / 20), 0.05))
        else:
            call.put(tones.edges(noise(call, call.choose([call.uniform(0.1, 2.0), call.uniform(0.5, 6.0)])), 0.05) * 0.1 * 10 ** (call.uniform(-30, -4) / 20))
    return ""


BUILD = {
    "human": human, "machine": machine, "ivr": ivr, "screening": screening, "music": music, "sit": sit,
    "fax": tone_only(tones.fax), "busy": tone_only(tones.busy), "ringback": tone_only(tones.ringback), "silence": silence,
}


def click(rng):
    """A handset or a relay."""
    n = int(rng.uniform(0.003, 0.06) * RATE)
    return rng.normal(0, 1, n) * np.exp(-5 * np.arange(n) / n) * 10 ** (rng.uniform(-30, -8) / 20)


def beep_snr_db(sound, on_s, off_s):
    """How far a beep is over the noise: the level of its loudest frequency in its louder half, against all from 250 to 3450 Hz in the
    second after it, or, where the call is over then, in the half second before it.
    """
    window, size = np.hanning(256), 256
    def spectra(start, stop):
        places = range(max(0, start), min(stop, len(sound)) - size + 1, 80)
        return np.array([np.abs(np.fft.rfft(window * sound[n : n + size])) ** 2 for n in places]).reshape(-1, size // 2 + 1)
    on, off = int(on_s * RATE), int(off_s * RATE)
    tone, noise = spectra(on - 64, max(off + 64, on + size + 16)), spectra(off + 400, off + 400 + RATE)
    if len(noise) < 5:
        noise = spectra(on - 4000, on - 400)
    if not len(tone) or not len(noise):
        return None
    louder = np.median(np.sort(tone, 0)[len(tone) // 2 :], 0)
    peak = 8 + int(louder[8:110].argmax())
    return float(10 * np.log10((louder[peak - 1 : peak + 2].sum() + 1e-12) / (noise.mean(0)[8:110].sum() + 1e-12)))


def noise(call, seconds):
    """A noise, RMS about 1: recorded, recorded and changed, or made up."""
    if call.chance(0.5):
        return noises.made(call.rng, seconds)
    sound = call.choose(CLIPS["noise"]).sound
    begin = int(call.rng.integers(max(1, len(sound) - RATE // 2)))
    sound = sound[begin : begin + int(2 * seconds * RATE)]
    return (noises.changed(call.rng, sound) if call.chance(0.6) else sound * 10.0)[: int(seconds * RATE)].copy()


def background(call, n):
    """Recorded noise, or one made up, for the whole call; None for a steady one."""
    if not call.chance(0.5):
        return None
    if not call.ordinary and call.chance(0.5):
        return np.resize(noise(call, n / RATE), n).astype(np.float64)
    clip = call.choose(CLIPS["noise"] + CLIPS["music"][:4])
    begin = int(call.rng.integers(len(clip.sound)))
    return np.resize(np.roll(clip.sound, -begin), n).astype(np.float64)


def make(job):
    number, label, fold, ordinary, seed, out, dry = job
    rng = np.random.default_rng([seed, number])
    call = Call(rng, fold, ordinary)
    segments = [(0.0, "silence")]
    # Before anybody speaks: nothing, the end of the ringing, a click.
    if ordinary:
        call.wait(call.choose([call.uniform(0.1, 0.8), call.uniform(0.1, 2.0)]))
    elif label != "silence" and call.chance(0.08 if label != "ringback" else 0.0):
        call.wait(call.uniform(0, 0.6))
        segments.append((call.seconds(), "ringback"))
        call.put(tones.edges(tones.ringback(rng, call.uniform(0.6, 4.0)), 0.003) * 0.14 * 10 ** (call.uniform(-8, 4) / 20))
        segments.append((call.seconds(), "silence"))
        call.wait(call.uniform(0.05, 1.5))
    else:
        call.wait(call.choose([call.uniform(0.0, 0.5), call.uniform(0.2, 1.2), call.uniform(0.3, 1.5), call.uniform(0.5, 2.2), call.uniform(1, 4)]))
        if call.chance(0.04):
            call.wait(call.uniform(2, 5))
    for _ in range(0 if ordinary else int(call.chance(0.25)) + int(call.chance(0.1))):
        at = call.uniform(0, max(call.seconds(), 0.05))
        call.parts.append((int(at * RATE), click(rng)))
    onset = call.seconds()
    first = len(call.parts)
    detail = BUILD[label](call)
    if label == "silence":
        onset, end = None, None
    else:
        if not ordinary and label in ("human", "machine") and call.chance(0.06):
            # The beginning is not heard: cut through, late media.
            start, sound = call.parts[first]
            longest = call.uniform(0.5, 5.0) if label == "machine" and call.chance(0.4) else call.uniform(0.05, 0.4)
            cut = int(min(longest * RATE, len(sound) * 0.3))
            call.parts[first] = (start, tones.edges(sound[cut:].copy(), 0.002))
            for n in range(first + 1, len(call.parts)):
                call.parts[n] = (call.parts[n][0] - cut, call.parts[n][1])
            call.at -= cut
        end = call.end or call.seconds()
        segments.append((onset, label))
    beep = after_greeting(call) if label == "machine" else None
    call.wait(call.uniform(2.0, 7.0) if label != "silence" else call.uniform(4, 9))
    n = min(call.at, int(LONGEST * RATE))
    if beep:
        # One that begins after the recording's end is none.
        beep = (beep[0], min(beep[1], n / RATE)) if beep[0] < n / RATE - 0.07 else None
    foreground = np.zeros(n)
    for start, sound in call.parts:
        length = min(len(sound), n - start)
        if length > 0:
            foreground[start : start + length] += sound[:length]
    if label in ("human", "machine", "ivr", "screening", "music") and not (ordinary and call.chance(0.6)):
        foreground = channel.shape(rng, foreground)
    active = np.concatenate([foreground[start : start + len(sound)] for start, sound in call.parts[first:] if start < n] or [np.zeros(0)])
    rms = float(np.sqrt((active**2).mean())) if len(active) and label != "silence" else 0.1
    rms = max(rms, 0.01)
    name = f"{number:05d}.wav"
    if dry:
        near = foreground * 0.1 / max(rms, np.abs(foreground).max() * 0.11)
        sf.write(Path(out) / "dry" / name, near.astype(np.float32), RATE, subtype="PCM_16")
    around = background(call, n)
    extra = {}
    if not ordinary and label in ("human", "machine") and call.chance(0.2 if label == "human" else 0.15):
        # People or television behind the speaker.
        babble = np.concatenate([call.choose(CLIPS["speech_other"]).sound for _ in range(4)])
        babble = np.resize(babble, n) * 10 ** (-call.uniform(9, 24) / 20)
        foreground = foreground + babble * rms / 0.1
        extra["babble"] = True
    # Our own words come back in some calls, of every class; where nobody speaks, faintly.
    prompt = call.choose(CLIPS["speech_other"]).sound[: int(call.uniform(0.8, 8) * RATE)] if call.chance(0.02 if ordinary else 0.1) else None
    echo_db = (15, 45) if label != "silence" else (34, 55)
    sound, done = channel.transmit(rng, foreground, around, rms, 30 if label != "silence" else 21, prompt, echo_db)
    if label == "machine" and ordinary:
        detail = "beep" if beep else "nobeep"
    sf.write(Path(out) / name, sound.astype(np.float32), RATE, subtype="PCM_16")
    snr_db = beep_snr_db(sound, *beep) if beep else None
    return {
        "file": name, "label": label, "detail": detail, "form": "ordinary" if ordinary else "hard", "fold": fold, "duration_s": round(n / RATE, 3),
        "speech_on_s": "" if onset is None else round(onset, 3), "greeting_end_s": "" if end is None else round(min(end, n / RATE), 3),
        "beep_on_s": "" if beep is None else round(beep[0], 3), "beep_off_s": "" if beep is None else round(beep[1], 3), "beep_hz": "",
        "beep_snr_db": "" if snr_db is None else round(snr_db, 1),
        "segments": json.dumps([(round(t, 3), c) for t, c in segments]),
        "source": "|".join(sorted({clip.source for clip in call.used})), "clips": "|".join(sorted({clip.name for clip in call.used})),
        "tts": int(any(clip.tts for clip in call.used)), **done,
    }


def plan(calls, seed, out, ordinary, dry):
    """The calls to make: the share `ordinary` of the ordinary form, shares by class in each form, folds in turn."""
    jobs = []
    for form, of_form in (("ordinary", ordinary), ("hard", 1 - ordinary)):
        for label, share in SHARES[form].items():
            jobs += [(label, n % bank.FOLDS, form == "ordinary") for n in range(round(share * of_form * calls))]
    order = np.random.default_rng(seed).permutation(len(jobs))
    return [(number, *jobs[n], seed, str(out), dry) for number, n in enumerate(order)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("voices", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("calls", type=int)
    parser.add_argument("--seed", type=int, default=20261120)
    parser.add_argument("--ordinary", type=float, default=0.5, help="share of ordinary calls (default 0.5)")
    parser.add_argument("--dry", action="store_true", help="what is said without the telephone, too, into OUT/dry")
    arguments = parser.parse_args()
    global CLIPS, INDEX
    CLIPS = bank.load(arguments.data, arguments.voices)
    INDEX = index(CLIPS)
    print({label: len(clips) for label, clips in CLIPS.items()}, flush=True)
    (arguments.out / "dry" if arguments.dry else arguments.out).mkdir(parents=True, exist_ok=True)
    jobs = plan(arguments.calls, arguments.seed, arguments.out, arguments.ordinary, arguments.dry)
    with Pool(2) as pool:
        rows = pool.map(make, jobs, chunksize=16)
    with open(arguments.out / "calls.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    print(f"simulate: {len(rows)} calls, {sum(row['duration_s'] for row in rows) / 3600:.1f} h")


if __name__ == "__main__":
    main()
