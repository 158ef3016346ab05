#!/usr/bin/env python3
"""Writes funlib_vectors.json: funlib.geometry's answers, kept for funlib_vectors_test.cc.

    pip install funlib.geometry==0.3.0
    python make_funlib_vectors.py > funlib_vectors.json

Each case holds two regions, a divisor, some distances, and the result of every operation on them.
The same seed gives the same file. As in funlib, shapes may be negative and offsets null: the test
knows where Bellis differs on purpose (bellis/roi.h).
"""

import json
import random
import sys
from dataclasses import dataclass
from importlib.metadata import version

from funlib.geometry import Coordinate, Roi

CASES = 160
LARGE = 1 << 60  # the sum of two such numbers stays within the world's bounds


@dataclass
class Operands:
    """Two regions, and what they are moved, divided, looked into and grown by."""

    a: Roi
    b: Roi
    unit: Coordinate
    by: Coordinate
    point: Coordinate
    lo: Coordinate
    hi: Coordinate
    large: bool  # products would overflow int64, and funlib's center divides in floating point


def roi_json(roi):
    return [list(roi.offset), list(roi.shape)]


def without_extent(rng, roi):
    dim = rng.randrange(roi.dims)
    return Roi(roi.offset, [0 if d == dim else s for d, s in enumerate(roi.shape)])


def random_operands(rng, number):
    rank = rng.randint(1, 4)
    large = number % 10 == 9
    span = LARGE if large else rng.choice([3, 12, 100, 10_000])

    def coordinate(low, high):
        return Coordinate(rng.randint(low, high) for _ in range(rank))

    unit = coordinate(1, rng.choice([1, 2, 5, 16, 100]))
    a = Roi(coordinate(-span, span), coordinate(1, span))
    b = Roi(coordinate(-span, span), coordinate(1, span))
    if number % 5 == 0:  # a part of a
        b = Roi(a.offset + a.shape // 4, a.shape // 2)
    if number % 7 == 0 and not large:  # on the grid
        a = Roi(a.offset * unit, a.shape * unit)
    if number % 8 == 0:  # empty
        a = without_extent(rng, a)
    if number % 6 == 0:
        b = without_extent(rng, b)
    by = coordinate(-span, span)
    point = a.offset + coordinate(-1, 3)
    lo, hi = coordinate(-span // 8 - 1, span // 8 + 1), coordinate(-span // 8 - 1, span // 8 + 1)
    return Operands(a, b, unit, by, point, lo, hi, large)


def case_of(operands):
    """A line of the file: the operands, and the results of all operations."""
    return {
        "a": roi_json(operands.a),
        "b": roi_json(operands.b),
        "unit": operands.unit,
        "by": operands.by,
        "point": operands.point,
        "lo": operands.lo,
        "hi": operands.hi,
        **coordinate_results(operands),
        **roi_results(operands),
    }


def coordinate_results(operands):
    by, unit = operands.by, operands.unit
    return {
        "add": by + operands.lo,
        "subtract": by - operands.lo,
        "product": None if operands.large else by * unit,
        "negative": -by,
        "absolute": abs(by),
        "floor": by.floor_division(unit),
        "ceil": by.ceil_division(unit),
        "round": by.round_division(unit),
        "modulo": by % unit,
        "is_multiple": by.is_multiple_of(unit),
        "coordinate_text": repr(by),
    }


def roi_results(operands):
    a, b, unit = operands.a, operands.b, operands.unit
    point, lo, hi = operands.point, operands.lo, operands.hi
    exact = a.offset.is_multiple_of(unit) and a.shape.is_multiple_of(unit)
    return {
        "end": a.end,
        "center": None if operands.large else a.center,
        "empty": a.empty,
        "size": a.size if a.size < 1 << 63 else None,
        "contains_point": a.contains(point),
        "contains": a.contains(b),
        "contained": b.contains(a),
        "contains_itself": a.contains(a),
        "intersects": a.intersects(b),
        "intersect": roi_json(a.intersect(b)),
        "union": roi_json(a.union(b)),
        "shift": roi_json(a + operands.by),
        "grow": roi_json(a.grow(lo, hi)),
        "snap_grow": roi_json(a.snap_to_grid(unit, "grow")),
        "snap_shrink": roi_json(a.snap_to_grid(unit, "shrink")),
        "snap_closest": roi_json(a.snap_to_grid(unit, "closest")),
        "multiply": None if operands.large else roi_json(a * unit),
        "divide": roi_json(a // unit) if exact else None,
        "text": repr(a),
    }


def main():
    rng = random.Random(20240601)
    lines = [json.dumps(case_of(random_operands(rng, n))) for n in range(CASES)]
    sys.stdout.write(f'{{"funlib.geometry": "{version("funlib.geometry")}", "cases": [\n')
    sys.stdout.write(",\n".join(lines))
    sys.stdout.write("\n]}\n")


if __name__ == "__main__":
    main()
