"""The truth of simulated calls for `answerd eval`, each call with the model of its fold, which has heard none of its sources.

    folds.py CALLS.csv MODELS > truth.csv
"""

import csv
import os
import sys
from pathlib import Path

calls, models = Path(sys.argv[1]), Path(sys.argv[2])
with open(calls, newline="") as file:
    rows = list(csv.DictReader(file))
writer = csv.DictWriter(sys.stdout, [*rows[0], "model"], lineterminator="\n")
writer.writeheader()
for row in rows:
    model = models / f"fold-{row['fold']}.onnx"
    writer.writerow({**row, "model": os.path.relpath(model, calls.parent)})
