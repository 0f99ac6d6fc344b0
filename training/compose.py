"""Greetings and menus joined anew from the recorded prompts of one speaker, as a PBX joins them.

The folder of recordings holds default greetings that were joined of exact prompts ("the person at extension", digits, "is
unavailable", "please leave your message ..."). Where two of one speaker agree sample by sample, the pieces begin and end:
the digits in between are cut apart and other numbers are read with them. Menus are joined of an opening prompt, options
(with a digit behind those that name no key) and a closing one. What is composed keeps the source, speaker and fold of its pieces.
"""

import re
import zlib
from collections import defaultdict

import numpy as np

RATE = 8000
EACH = 24
"""Greetings, and menus, of each speaker."""

OPENS = re.compile(r"welcome|hello|greeting$|dir-intro|queue-(thankyou|youarenext|callswaiting)|registration|this_is_a_call|you_have_reached")
OPTION = re.compile(r"menu|opts|options|press|instruct|review|vm-to|[-_]to[-_]|for[-_]|onefor|starmain|advanced|reachoper|helpexit|listen|choose|dec-|re?st-")
CLOSES = re.compile(r"transfer|hold|connect|goodbye|bye$|pls-wait|queue-(thankyou|reporthold)|nomore|no_more|calldiff|one-moment|wait")
NAMES_KEY = re.compile(r"press|menu|opts|options|onefor|review|instruct")


def same_until(a, b):
    """Samples that `a` and `b` have in common from their beginnings, and the shift of `b`; both are trimmed at a level."""
    best = (0, 0)
    length = min(len(a), len(b), RATE // 2)
    shifts = range(-240, 241)
    scores = [float(np.dot(a[max(0, -s) : length - 240], b[max(0, -s) + s : length - 240 + s])) if s >= 0 or -s < length else 0.0 for s in shifts]
    shift = shifts[int(np.argmax(scores))]
    start = max(0, -shift)
    n = min(len(a), len(b) - shift)
    x, y = a[start:n], b[start + shift : n + shift]
    head = min(len(x), RATE // 2)
    gain = float(np.dot(x[:head], y[:head]) / max(np.dot(y[:head], y[:head]), 1e-9))
    frames = len(x) // 80
    apart = ((x[: frames * 80] - gain * y[: frames * 80]).reshape(-1, 80) ** 2).mean(1)
    own = (x[: frames * 80].reshape(-1, 80) ** 2).mean(1)
    differ = np.flatnonzero((apart > 0.05 * own) & (apart > 1e-5))
    differ = differ[differ > 2]  # clips fade in
    return start + (int(differ[0]) if len(differ) else frames) * 80


def cut(sound, count):
    """`sound` in `count` parts of about equal length, cut where it is quietest."""
    if count == 1:
        return [sound]
    frames = len(sound) // 80
    level = np.log10(np.convolve((sound[: frames * 80].reshape(-1, 80) ** 2).mean(1), np.ones(5) / 5, "same") + 1e-7)
    mean = frames / count
    cost = np.full((count, frames), np.inf)
    back = np.zeros((count, frames), int)
    for at in range(frames):
        cost[0, at] = level[at] + 6 * ((at - mean) / mean) ** 2
    for k in range(1, count - 1):
        for at in range(frames):
            before = np.arange(at)
            if not len(before):
                continue
            total = cost[k - 1, before] + 6 * ((at - before - mean) / mean) ** 2
            back[k, at] = int(np.argmin(total))
            cost[k, at] = total[back[k, at]] + level[at]
    last = cost[count - 2] + 6 * ((frames - np.arange(frames) - mean) / mean) ** 2
    ends = [int(np.argmin(last))]
    for k in range(count - 2, 0, -1):
        ends.append(int(back[k, ends[-1]]))
    edges = [0, *(80 * e for e in reversed(ends)), len(sound)]
    return [sound[a:b] for a, b in zip(edges, edges[1:])]


def quiet_edges(sound):
    """Without the silence before and behind, faded at its ends."""
    if len(sound) < 400:
        return sound[:0]
    power = np.convolve(sound**2, np.ones(80) / 80, "same")
    loud = np.flatnonzero(power > max(power.max() * 10**-3.2, 1e-7))
    sound = sound[max(0, loud[0] - 160) : loud[-1] + 240].copy()
    n = min(80, len(sound) // 2)
    sound[:n] *= np.linspace(0, 1, n, dtype=np.float32)
    sound[-n:] *= np.linspace(1, 0, n, dtype=np.float32)
    return sound


class Pack:
    """The pieces of one speaker."""

    def __init__(self, greetings, prompts):
        self.prompts = {re.sub(r"\.\w+$", "", clip.name.split("/")[-1]).split("__")[-1]: clip.sound for clip in prompts}
        self.head = self.away = self.intro = None
        self.digits = defaultdict(list)
        numbered = [(m.group(1), clip.sound) for clip in greetings if (m := re.search(r"(?:isunavail|fs)_(\d+)", clip.name))]
        alone = [clip.sound for clip in greetings if "intro_only" in clip.name]
        heads = [same_until(x, y) for n, x in numbered for m, y in numbered if n[0] != m[0]]
        tails = [same_until(x[::-1], y[::-1]) for n, x in numbered for m, y in numbered if n[-1] != m[-1]]
        if not heads or not tails:
            return
        head, tail = min(heads), min(tails)
        sound = numbered[0][1]
        if not 0.4 * RATE < head < 6 * RATE or not RATE < tail < len(sound) - head:
            return
        end = sound[-tail:]
        begins = len(end) - same_until(end[::-1], alone[0][::-1]) if alone else self.longest_pause(end)
        if not 0.3 * RATE < begins < len(end) - RATE:
            return  # "is unavailable" is not apart from the digits or from what follows
        self.head, self.away, self.intro = quiet_edges(sound[:head]), quiet_edges(end[:begins]), quiet_edges(end[begins:])
        for number, sound in numbered:
            for digit, part in zip(number, cut(sound[head : len(sound) - tail], len(number))):
                part = quiet_edges(part)
                if 0.12 * RATE < len(part) < 1.2 * RATE:
                    self.digits[digit].append(part)

    @staticmethod
    def longest_pause(sound):
        """The middle of the longest quiet stretch."""
        power = np.convolve(sound**2, np.ones(400) / 400, "same") > 10**-5
        edges = np.flatnonzero(np.diff(power.astype(int)))
        gaps = [(b - a, (a + b) // 2) for a, b in zip(edges, edges[1:]) if power[a] and not power[a + 1]]
        return max(gaps)[1] if gaps else 0

    def number(self, rng, count):
        """A number read digit by digit."""
        keys = sorted(self.digits)
        out = []
        for _ in range(count):
            said = self.digits[keys[rng.integers(len(keys))]]
            out.append(said[rng.integers(len(said))])
        return join(rng, out, 0.0, rng.uniform(0.03, 0.3))

    def greeting(self, rng):
        """(kind, sound) of one greeting."""
        kind = str(rng.choice(["unavailable", "no-intro", "intro", "number-first"], p=[0.66, 0.18, 0.04, 0.12]))
        if kind == "intro":
            return kind, self.intro
        away = [self.away] + [self.prompts[name] for name in ("vm-isonphone",) if name in self.prompts]
        said = [self.number(rng, int(rng.choice([2, 3, 3, 4, 4, 4, 5, 6, 7, 10]))), away[rng.integers(len(away))]]
        if kind != "number-first":
            said.insert(0, self.head)
        if kind != "no-intro":
            said.append(self.intro)
        return kind, join(rng, said, 0.05, rng.uniform(0.1, 0.6))

    def menu(self, rng):
        """One menu, or None where there are few options."""
        options = sorted(name for name, sound in self.prompts.items() if OPTION.search(name) and len(sound) < 8 * RATE)
        opens = sorted(name for name in self.prompts if OPENS.search(name) and name not in options)
        closes = sorted(name for name in self.prompts if CLOSES.search(name) and name not in options)
        if len(options) < 4:
            return None
        said = []
        if opens and rng.random() < 0.6:
            said.append(self.prompts[opens[rng.integers(len(opens))]])
        for name in rng.permutation(options)[: int(rng.integers(2, 6))]:
            if sum(map(len, said)) > 14 * RATE:
                break
            said.append(self.prompts[str(name)])
            if self.digits and not NAMES_KEY.search(str(name)) and rng.random() < 0.7:
                said.append(self.number(rng, 1))
        if closes and rng.random() < 0.4:
            said.append(self.prompts[closes[rng.integers(len(closes))]])
        return join(rng, said, 0.05, rng.uniform(0.15, 0.7))


def join(rng, sounds, shortest, longest):
    """One after the other, with pauses."""
    out = []
    for sound in sounds:
        out += [np.zeros(int(rng.uniform(shortest, longest) * RATE), np.float32), sound]
    return np.concatenate(out[1:]).astype(np.float32)


def composed(clips):
    """(clip to take source, speaker and fold from, label, kind, name, sound) of everything that is joined anew."""
    packs = defaultdict(lambda: ([], []))
    for label, place in (("greeting_machine", 0), ("ivr_prompt", 1)):
        for clip in clips[label]:
            if clip.speaker:
                packs[clip.source, clip.speaker][place].append(clip)
    for (source, speaker), (greetings, prompts) in sorted(packs.items()):
        rng = np.random.default_rng(zlib.crc32(f"{source}|{speaker}".encode()))
        pack = Pack(greetings, prompts)
        if pack.head is not None and pack.digits:
            for n in range(EACH):
                kind, sound = pack.greeting(rng)
                yield greetings[0], "greeting_machine", f"composed-{kind}", f"composed/greeting/{source}/{speaker}/{n}", sound
        for n in range(EACH):
            sound = pack.menu(rng)
            if sound is not None:
                yield prompts[0], "ivr_prompt", "composed-menu", f"composed/menu/{source}/{speaker}/{n}", sound[: 25 * RATE]
