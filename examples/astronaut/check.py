"""Checks the pipeline's output, without using the code that wrote it.

    python3 check.py STORE [STORE2] [--picture FILE.png]

- `smoothed` is compared to the whole image smoothed at once;
- `labels` is compared to a serial run of the same method, block by block, in Bellis' order of
  levels;
- an object must have the same label on both sides of a border between blocks;
- with STORE2, the result of a second run, both stores must have the same contents.

If a check fails, the exit code is 1 and a sentence on stderr says why. The picture shows the input
and the results.
"""

import argparse
import colorsys
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

Array = np.ndarray[Any, np.dtype[Any]]

SIGMA = 5.0
DIFFERENCE_MAX = 1e-6
BLOCK = 128
CONTEXT = 10
LABELS_PER_BLOCK = 128 * 128


class CheckError(Exception):
    """A result is wrong. The text says which one, where, and what was expected."""


@dataclass(frozen=True)
class Arrays:
    """The three arrays of a store, in memory."""

    raw: Array
    smoothed: Array
    labels: Array


def load(store: Path) -> Arrays:
    arrays = []
    for name in ("raw", "smoothed", "labels"):
        try:
            arrays.append(zarr.open_array(str(store / name), mode="r")[:])
        except Exception as error:  # zarr raises many kinds
            raise CheckError(f"{store}: array {name} cannot be read: {error}") from error
    raw, smoothed, labels = arrays
    if raw.ndim != 3 or smoothed.shape != raw.shape or labels.shape != raw.shape[1:]:
        raise CheckError(
            f"{store}: raw, smoothed and labels have shapes {raw.shape}, {smoothed.shape} and "
            f"{labels.shape}; expected (3, rows, columns) twice and (rows, columns)"
        )
    return Arrays(raw, smoothed, labels)


def check_smoothed(arrays: Arrays) -> str:
    expected = ndimage.gaussian_filter(
        arrays.raw.astype(np.float64), (0, SIGMA, SIGMA), mode="constant", cval=0, truncate=4
    )
    difference = np.abs(arrays.smoothed - expected)
    worst = np.unravel_index(np.argmax(difference), difference.shape)  # a NaN counts as largest
    if not difference[worst] <= DIFFERENCE_MAX:
        wrong = np.count_nonzero(~(difference <= DIFFERENCE_MAX))
        raise CheckError(
            f"smoothed differs from whole-image smoothing in {wrong:,} values by more than "
            f"{DIFFERENCE_MAX:g}, most at (channel, row, column) {tuple(map(int, worst))}: "
            f"{arrays.smoothed[worst]:.9g} instead of {expected[worst]:.9g}"
        )
    return (
        f"{difference.size:,} values, largest difference from whole-image smoothing "
        f"{difference[worst]:.2e} (at most {DIFFERENCE_MAX:g})"
    )


# ---- the serial reference ----


@dataclass(frozen=True)
class Block:
    """One block of the task "segment": its position in the grid, its read ROI, its write ROI."""

    row: int
    column: int
    read: tuple[slice, slice]
    write: tuple[slice, slice]

    @property
    def level(self) -> int:
        """Conflicting blocks run by level. The stride is 2 in both dimensions: 4 levels."""
        return 3 - (2 * (self.row % 2) + self.column % 2)

    @property
    def block_id(self) -> int:
        """The block's id, as users see it: the Cantor number of its position."""
        diagonal = self.row + self.column
        return diagonal * (diagonal + 1) // 2 + self.row


def blocks(shape: tuple[int, ...]) -> list[Block]:
    """All blocks, in an order in which Bellis may run them: by level, and by rows in a level."""

    def box(row: int, column: int, context: int) -> tuple[slice, slice]:
        rows, columns = (
            slice(max(0, at * BLOCK - context), min(size, (at + 1) * BLOCK + context))
            for at, size in zip((row, column), shape)
        )
        return rows, columns

    grid = [
        Block(row, column, box(row, column, CONTEXT), box(row, column, 0))
        for row in range(shape[0] // BLOCK)
        for column in range(shape[1] // BLOCK)
    ]
    return sorted(grid, key=lambda block: block.level)


def blue_mask(smoothed: Array) -> Array:
    """Hue from 199 to 301 degrees, saturation from 29.5 of 255, of the 8-bit colours; in integers.

    In OpenCV's 8-bit units, after rounding: H from 100 to 150 and S from 30.
    """
    red, green, blue = (smoothed * 255).astype(np.uint8).astype(np.int64)
    value = np.maximum(np.maximum(red, green), blue)
    chroma = value - np.minimum(np.minimum(red, green), blue)
    hue_from_199_to_301 = np.where(
        value == blue,
        60 * (red - green) >= -41 * chroma,
        (value == red) & (60 * (blue - green) >= 59 * chroma),
    )
    mask: Array = hue_from_199_to_301 & (chroma > 0) & (510 * chroma >= 59 * value)
    return mask


def components(mask: Array) -> Iterator[tuple[int, Array]]:
    """The connected objects of a mask, each as a mask, numbered from 1 by their first pixel."""
    found, count = ndimage.label(mask, structure=np.ones((3, 3)))
    numbers, first_pixels = np.unique(found, return_index=True)
    by_first_pixel = [n for _, n in sorted(zip(first_pixels, numbers)) if n != 0]
    assert len(by_first_pixel) == count
    for number, label in enumerate(by_first_pixel, start=1):
        yield number, found == label


def serial_labels(smoothed: Array) -> Array:
    """The labels that the task "segment" finds in `smoothed` if one process does all blocks."""
    mask = blue_mask(smoothed)
    labels = np.zeros(mask.shape, np.uint32)
    for block in blocks(mask.shape):
        existing = labels[block.read]
        found = np.zeros_like(existing)
        for number, where in components(mask[block.read]):
            met = existing[where & (existing != 0)]
            found[where] = met.min() if met.size else block.block_id * LABELS_PER_BLOCK + number
        own = np.zeros(mask.shape, np.uint32)
        own[block.read] = found
        labels[block.write] = own[block.write]
    return labels


def check_labels(arrays: Arrays) -> str:
    expected = serial_labels(arrays.smoothed)
    wrong = np.argwhere(arrays.labels != expected)
    if wrong.size:
        row, column = map(int, wrong[0])
        raise CheckError(
            f"labels differs from the serial run in {len(wrong):,} pixels, first at (row, column) "
            f"({row}, {column}): {arrays.labels[row, column]} instead of {expected[row, column]}"
        )
    whole_image = ndimage.label(expected != 0, structure=np.ones((3, 3)))[1]
    return (
        f"equal to the serial run; {len(np.unique(expected)) - 1} labels for {whole_image} blue "
        f"objects, {np.count_nonzero(expected):,} pixels"
    )


# ---- the borders ----


def check_borders(arrays: Arrays) -> str:
    """Compares the labels of facing pixels, both blue, across each border between two blocks.

    The labels may differ only where the object already had two or more labels when the later of
    the two blocks saw it: such an object needs a second pass.
    """
    mask = blue_mask(arrays.smoothed)
    level = np.zeros(mask.shape, np.int64)
    for block in blocks(mask.shape):
        level[block.write] = block.level
    joined = 0
    beyond_method = 0
    for block in blocks(mask.shape):
        earlier = np.where(level < block.level, arrays.labels, 0)[block.read]
        meets_several = np.zeros(mask.shape, bool)
        meets_several[block.read] = sum(
            (where & (len(np.unique(earlier[where & (earlier != 0)])) > 1))
            for _, where in components(mask[block.read])
        )
        for inner, outer in facing_pixels(block, mask.shape):
            if level[outer][0] > block.level:
                continue
            both = mask[inner] & mask[outer]
            differ = both & (arrays.labels[inner] != arrays.labels[outer])
            broken = np.flatnonzero(differ & ~meets_several[inner])
            if broken.size:
                raise CheckError(
                    "labels breaks an object at a border between blocks: (row, column) "
                    f"{position(inner, broken[0])} has {arrays.labels[inner][broken[0]]}, "
                    f"{position(outer, broken[0])} has {arrays.labels[outer][broken[0]]}"
                )
            joined += int(np.count_nonzero(both & ~differ))
            beyond_method += int(np.count_nonzero(differ))
    return (
        f"{joined} facing pairs of blue pixels have the same label, {beyond_method} differ where "
        "an object already had several"
    )


Line = tuple[Any, Any]  # an index of a line of pixels: a row and columns, or rows and a column


def facing_pixels(block: Block, shape: tuple[int, ...]) -> Iterator[tuple[Line, Line]]:
    """For each side of the block inside the image: the block's pixels and the facing ones."""
    rows, columns = block.write
    if rows.start > 0:
        yield (rows.start, columns), (rows.start - 1, columns)
    if rows.stop < shape[0]:
        yield (rows.stop - 1, columns), (rows.stop, columns)
    if columns.start > 0:
        yield (rows, columns.start), (rows, columns.start - 1)
    if columns.stop < shape[1]:
        yield (rows, columns.stop - 1), (rows, columns.stop)


def position(line: Line, at: int) -> tuple[int, ...]:
    return tuple(int(i.start + at) if isinstance(i, slice) else int(i) for i in line)


# ---- two runs, the picture, the command ----


def check_same(first: Arrays, second: Arrays) -> str:
    for name in ("smoothed", "labels"):
        a, b = getattr(first, name), getattr(second, name)
        if a.shape != b.shape or a.tobytes() != b.tobytes():
            count = np.count_nonzero(a != b) if a.shape == b.shape else a.size
            raise CheckError(f"the two runs differ in {count:,} values of {name}")
    return "the same smoothed and labels, to the last bit"


def draw_picture(arrays: Arrays, file: Path) -> None:
    def rgb(image: Array) -> Array:
        scaled: Array = np.rint(np.clip(image, 0, 1).transpose(1, 2, 0) * 255)
        return scaled.astype(np.uint8)

    numbers, dense, sizes = np.unique(arrays.labels, return_inverse=True, return_counts=True)
    colours = np.zeros((len(numbers), 3), np.uint8)
    by_size = [at for at in np.argsort(-sizes, kind="stable") if numbers[at] != 0]
    for rank, at in enumerate(by_size):
        # Multiples of the golden ratio keep the hues of the largest objects far apart.
        colour = colorsys.hsv_to_rgb(rank * 0.618034 % 1.0, 0.75 - 0.3 * (rank % 2), 1.0)
        colours[at] = np.array(colour) * 255
    panels = [
        ("input", rgb(arrays.raw)),
        ("smoothed", rgb(arrays.smoothed)),
        (
            f"blue objects, {np.count_nonzero(numbers)} labels",
            colours[dense.reshape(arrays.labels.shape)],
        ),
    ]
    height, width = arrays.labels.shape
    caption_height, gap = 28, 6
    picture_size = (width * len(panels) + gap * (len(panels) - 1), height + caption_height)
    picture = Image.new("RGB", picture_size, "white")
    draw = ImageDraw.Draw(picture)
    for i, (caption, pixels) in enumerate(panels):
        left = i * (width + gap)
        picture.paste(Image.fromarray(pixels), (left, caption_height))
        draw.text((left + 8, 4), caption, fill="black", font=ImageFont.load_default(18))
    file.parent.mkdir(parents=True, exist_ok=True)
    picture.save(file)


def main() -> int:
    parser = argparse.ArgumentParser(description="Checks the results of pipeline.toml.")
    parser.add_argument("store", type=Path, help="the store that a run wrote")
    parser.add_argument("store2", type=Path, nargs="?", help="that of a second run")
    parser.add_argument("--picture", type=Path, metavar="FILE.png", help="draw the results")
    arguments = parser.parse_args()
    try:
        arrays = load(arguments.store)
        if arguments.picture:
            draw_picture(arrays, arguments.picture)
        print(f"smoothed    {check_smoothed(arrays)}")
        print(f"labels      {check_labels(arrays)}")
        print(f"borders     {check_borders(arrays)}")
        if arguments.store2:
            print(f"second run  {check_same(arrays, load(arguments.store2))}")
    except CheckError as failure:
        print(f"check.py: FAILED: {failure}", file=sys.stderr)
        return 1
    print("all checks passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
