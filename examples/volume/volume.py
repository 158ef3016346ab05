"""Finds the bright structures of a brain scan, in 3-D: smooth, segment, join.

    python volume.py [STORE.zarr]

The scan is an EPI image of a head, 128 x 96 x 24 voxels of 2 x 2 x 2.2 mm, from nibabel's own
tests. Regions are in tenths of a millimetre, so that a voxel is (20, 20, 22).

    task      blocks (voxels)                   reads                       writes
    smooth    4 x 3 x 3 of 32 x 32 x 8          scan, 4 sigma around        smoothed
    segment   7 x 5 x 4 of 20 x 20 x 6, the     smoothed and labels,        labels, and pairs of
              last ones cut ("shrink")          1 voxel around, conflict    labels of one object
    join      as segment                        labels                      objects

A block of `segment` sees what its neighbours wrote, so that an object keeps its label where it
crosses a border. An object may reach a block from two sides, with two labels. Then the block notes
that the two labels are one object. After the run, the notes are joined, and `join` applies them.
"""

import sys
from functools import partial
from pathlib import Path
from typing import Any

import bellis
import nibabel
import numpy as np
from bellis import Coordinate, Roi
from funlib.persistence import Array, open_ds, prepare_ds
from scipy import ndimage, sparse

Values = np.ndarray[Any, np.dtype[Any]]

VOXEL = Coordinate(20, 20, 22)
SIGMA = 20  # 2 mm, in every direction
TRUNCATE = 4.0
BRIGHT = 600.0
TOUCHING = np.ones((3, 3, 3))

SMOOTH_BLOCK = Coordinate(32, 32, 8)
SEGMENT_BLOCK = Coordinate(20, 20, 6)
LABELS_PER_BLOCK = 22 * 22 * 8  # the voxels of a read ROI: no block has more objects


def scan() -> Values:
    """The first of the two volumes of nibabel's example."""
    image = nibabel.load(Path(nibabel.__file__).parent / "tests" / "data" / "example4d.nii.gz")
    return np.asarray(image.dataobj[..., 0]).astype(np.float32)


def sigma_in_voxels() -> list[float]:
    return [SIGMA / size for size in VOXEL]


def smoothing_context() -> Coordinate:
    """The radius of scipy's Gaussian filter, in world units."""
    return Coordinate(int(TRUNCATE * sigma + 0.5) for sigma in sigma_in_voxels()) * VOXEL


def prepare(store: Path) -> Roi:
    """Writes the scan and makes the other arrays, empty. Returns the region of all arrays."""
    values = scan()
    for name, dtype, chunks in (
        ("scan", np.float32, SMOOTH_BLOCK),
        ("smoothed", np.float32, SMOOTH_BLOCK),
        ("labels", np.uint64, SEGMENT_BLOCK),
        ("objects", np.uint64, SEGMENT_BLOCK),
    ):
        array = prepare_ds(
            str(store / name),
            shape=values.shape,
            voxel_size=VOXEL,
            dtype=dtype,
            chunk_shape=tuple(chunks),
            mode="w",
        )
    pairs_dir(store).mkdir(exist_ok=True)
    scan_array = open_ds(str(store / "scan"), "a")
    scan_array[scan_array.roi] = values
    return array.roi


def pairs_dir(store: Path) -> Path:
    return store / "one_object"


def write_inner(array: Array, block: bellis.Block, values: Values) -> None:
    """Writes the part of `values` in the block's write ROI. `values` fill its read ROI."""
    read = Array(values, offset=block.read_roi.offset, voxel_size=VOXEL)
    array[block.write_roi] = read[block.write_roi]


def smooth_block(store: Path, block: bellis.Block) -> None:
    values = open_ds(str(store / "scan")).to_ndarray(block.read_roi)
    smoothed = ndimage.gaussian_filter(
        values.astype(np.float64), sigma_in_voxels(), mode="constant", truncate=TRUNCATE
    )
    write_inner(open_ds(str(store / "smoothed"), "a"), block, smoothed.astype(np.float32))


def segment_block(store: Path, block: bellis.Block) -> None:
    labels_array = open_ds(str(store / "labels"), "a")
    smoothed = open_ds(str(store / "smoothed")).to_ndarray(block.read_roi)
    found, count = ndimage.label(smoothed > BRIGHT, TOUCHING)

    # Ignore what an earlier attempt at this block may have written: only neighbours count.
    around = Array(
        labels_array.to_ndarray(block.read_roi), offset=block.read_roi.offset, voxel_size=VOXEL
    )
    around[block.write_roi] = np.zeros(block.write_roi.shape / VOXEL, np.uint64)
    written = around[block.read_roi]

    names = np.arange(count + 1, dtype=np.uint64)
    names[1:] += np.uint64(block.block_id[1] * LABELS_PER_BLOCK)
    same = []
    for number in range(1, count + 1):
        met = np.unique(written[(found == number) & (written > 0)])
        if met.size:
            names[number] = met[0]
            same.extend((met[0], other) for other in met[1:])
    write_inner(labels_array, block, names[found])
    np.save(pairs_dir(store) / f"{block.block_id[1]}.npy", np.array(same, np.uint64).reshape(-1, 2))


def joined_labels(store: Path) -> tuple[Values, Values]:
    """All labels, ascending, with 0 first, and the number of each one's object; 0 stays 0."""
    labels = np.unique(np.append(open_ds(str(store / "labels"))[:], np.uint64(0)))
    pairs = np.concatenate([np.load(path) for path in sorted(pairs_dir(store).glob("*.npy"))])
    first, second = np.searchsorted(labels, pairs).T
    graph = sparse.coo_array((np.ones(len(pairs)), (first, second)), shape=(labels.size,) * 2)
    _, objects = sparse.csgraph.connected_components(graph, directed=False)
    return labels, (objects - objects[0]).astype(np.uint64)


def join_block(store: Path, labels: Values, objects: Values, block: bellis.Block) -> None:
    values = open_ds(str(store / "labels")).to_ndarray(block.read_roi)
    array = open_ds(str(store / "objects"), "a")
    array[block.write_roi] = objects[np.searchsorted(labels, values)]


def run(store: Path, num_workers: int = 3) -> list[Any]:
    """Runs all three tasks. Returns the states of the two runs, true if all blocks are done."""
    total = prepare(store)
    context = smoothing_context()
    smooth = bellis.Task(
        "smooth",
        total_roi=total.grow(context, context),
        read_roi=Roi((0, 0, 0), SMOOTH_BLOCK * VOXEL).grow(context, context),
        write_roi=Roi((0, 0, 0), SMOOTH_BLOCK * VOXEL),
        process_function=partial(smooth_block, store),
        read_write_conflict=False,
        num_workers=num_workers,
    )
    segment_roi = Roi((0, 0, 0), SEGMENT_BLOCK * VOXEL)
    segment = bellis.Task(
        "segment",
        total_roi=total.grow(VOXEL, VOXEL),
        read_roi=segment_roi.grow(VOXEL, VOXEL),
        write_roi=segment_roi,
        process_function=partial(segment_block, store),
        read_write_conflict=True,
        fit="shrink",
        num_workers=num_workers,
        upstream_tasks=[smooth],
    )
    states = [bellis.run_blockwise([segment])]
    if states[0]:
        join = bellis.Task(
            "join",
            total_roi=total,
            read_roi=segment_roi,
            write_roi=segment_roi,
            process_function=partial(join_block, store, *joined_labels(store)),
            read_write_conflict=False,
            fit="shrink",
            num_workers=num_workers,
        )
        states.append(bellis.run_blockwise([join]))
    return states


def main() -> int:
    store = Path(sys.argv[1] if len(sys.argv) > 1 else "volume.zarr")
    if not all(run(store)):
        return 1
    objects = open_ds(str(store / "objects"))[:]
    sizes = np.sort(np.unique(objects[objects > 0], return_counts=True)[1])[::-1]
    millilitres = sizes * float(np.prod(np.array(VOXEL) / 10)) / 1000
    print(f"{sizes.size} bright structures; the largest, in ml: {millilitres[:5].round(2)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
