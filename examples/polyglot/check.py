"""Compares mean.raw to the mean of the whole scan, byte for byte:

python3 check.py FOLDER
"""

import itertools
import sys
from pathlib import Path

import numpy as np

SHAPE = (128, 96, 24)

folder = Path(sys.argv[1])
scan = np.fromfile(folder / "scan.raw", np.uint8).reshape(SHAPE).astype(int)
mean = np.fromfile(folder / "mean.raw", np.uint8).reshape(SHAPE)

total = np.zeros([n - 2 for n in SHAPE], int)
for shift in itertools.product(range(3), repeat=3):
    total += scan[tuple(slice(s, s + n - 2) for s, n in zip(shift, SHAPE, strict=True))]
expected = np.zeros(SHAPE, np.uint8)
expected[1:-1, 1:-1, 1:-1] = (total + 13) // 27

wrong = np.argwhere(mean != expected)
if len(wrong):
    sys.exit(f"{len(wrong)} of {mean.size} voxels are wrong, the first at {wrong[0]}")
print(f"all {mean.size} voxels are right")
