"""Puts what `answerd eval` and `answerd points` printed into the tables of docs/accuracy.md.

    tables.py WORK DOC.md

WORK holds answer.txt, voicemail.txt, development-answer.txt, development-voicemail.txt and points.txt, as training/run leaves
them. Under each heading below, the first fenced block of DOC.md becomes the named parts of the file; all other text stays.
"""

import sys
from pathlib import Path

TABLES = {
    "## Folds, builtin:speech/answer": ("answer.txt", ("Against the aims", "Compared", "Told of each kind", "right:", "Decided", "By fold", "By codec", "By source")),
    "## Folds, builtin:speech/voicemail": ("voicemail.txt", ("Against the aims", "Beeps", "Moments to speak", "By fold")),
    "## Operating points": ("points.txt", ("row",)),
    "## Development calls, builtin:speech/answer": ("development-answer.txt", ("Against the aims", "Compared", "Told of each kind", "right:", "Decided")),
    "## Development calls, builtin:speech/voicemail": ("development-voicemail.txt", ("Against the aims", "Told of each kind", "Moments to speak")),
}


def parts(text, names):
    """The paragraphs that begin with one of the names."""
    found = [part for part in text.strip().split("\n\n") if part.startswith(names)]
    missing = [name for name in names if not any(part.startswith(name) for part in found)]
    if missing:
        sys.exit(f"tables: nothing begins with {missing}")
    return "\n\n".join(found)


def main(work, doc):
    text = doc.read_text()
    for heading, (name, names) in TABLES.items():
        start = text.index("\n```\n", text.index(heading + "\n")) + len("\n```\n")
        end = text.index("\n```\n", start)
        text = text[:start] + parts((work / name).read_text(), names) + text[end:]
    doc.write_text(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
