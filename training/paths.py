"""The list that `answerd features` reads: each call's path, and after a tab the packets that did not arrive."""

import csv
import sys
from pathlib import Path

folder = Path(sys.argv[1]).resolve()
with open(folder / "calls.csv", newline="") as file:
    for row in csv.DictReader(file):
        print(f"{folder / row['file']}\t{row['holes']}")
