"""What the synthesised voices say: templates by class, kind and language, with slots for names, numbers and the like.

texts/LANGUAGE.txt holds sections. "[class kind]" is followed by templates, one a line: `{slot}` is filled at random,
`(one|another|)` is one of its alternatives. "[slot name]" is followed by what may fill it, "|" between the fillings.
`{digits4}` is four digits; `{options}` is a menu of two to five of the slot "option", counting its `{key}` up.

Every template belongs to one fold (by its place in its section), and so does every line of the slot "option", so that a
fold's test calls say other sentences than its training calls. Sentences that are the same on every phone of the world
(marked with a leading "=") belong to all.
"""

import random
import re
from functools import cache
from pathlib import Path

FOLDS = 4
LABELS = ("human", "machine", "screening", "ivr")
FOLDER = Path(__file__).parent / "texts"
LANGUAGES = sorted(path.stem for path in FOLDER.glob("*.txt"))
ALTERNATIVES = re.compile(r"\(([^()]*)\)")
SLOT = re.compile(r"\{(\w+)\}")


@cache
def sections(language):
    """Section name -> its lines."""
    found = {}
    lines = None
    for line in (FOLDER / f"{language}.txt").read_text(encoding="utf-8").splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            lines = found.setdefault(line[1:-1], [])
        else:
            lines.append(line)
    return found


@cache
def templates(label, language):
    """(fold or None for all folds, kind, template) of one class and language."""
    out = []
    place = 0
    for name, lines in sections(language).items():
        if name.split()[0] != label:
            continue
        for line in lines:
            # Counted on through all sections: a short section does not always fill the first folds.
            out.append((None if line.startswith("=") else place % FOLDS, name.split()[1], line.lstrip("=")))
            place += not line.startswith("=")
    return out


@cache
def fillings(slot, language, fold):
    """What may fill a slot, in this language or else in English."""
    lines = sections(language).get(f"slot {slot}") or sections("en").get(f"slot {slot}")
    if lines is None:
        raise KeyError(f"no slot {slot!r} in {language} or en")
    if slot == "option":
        return [line for place, line in enumerate(lines) if place % min(FOLDS, len(lines)) == fold % min(FOLDS, len(lines))]
    return [filling for line in lines for filling in split(line)]


def split(line):
    """Parts between the "|" that stand in no parentheses."""
    parts, depth, last = [], 0, 0
    for place, sign in enumerate(line):
        depth += (sign == "(") - (sign == ")")
        if sign == "|" and depth == 0:
            parts.append(line[last:place])
            last = place + 1
    return [*parts, line[last:]]


def fill(template, language, fold, rng: random.Random):
    """The template with its alternatives chosen and its slots filled."""

    def filled(match):
        slot = match.group(1)
        if slot.startswith("digits"):
            return " ".join(str(rng.randrange(10)) for _ in range(int(slot[6:])))
        if slot == "options":
            line = rng.choice(fillings("option", language, fold))
            keys = fillings("key", language, fold)
            roles = fillings("role", language, fold)
            count = min(rng.choice((2, 2, 3, 3, 4, 5)), len(keys), len(roles))
            return " ".join(line.replace("{key}", keys[n]).replace("{role}", role) for n, role in
                            enumerate(rng.sample(roles, count)))
        return rng.choice(fillings(slot, language, fold))

    text = template
    while ALTERNATIVES.search(text) or SLOT.search(text):
        text = ALTERNATIVES.sub(lambda match: rng.choice(match.group(1).split("|")), text)
        text = SLOT.sub(filled, text)
    text = re.sub(r"\s+", " ", text).strip()
    # Fillings that begin a sentence.
    return re.sub(r"(^|[.?!] )(\w)", lambda match: match.group(1) + match.group(2).upper(), text)


if __name__ == "__main__":
    for each in LABELS:
        print(each, {language: len(templates(each, language)) for language in LANGUAGES})
