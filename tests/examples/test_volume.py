"""The 3-D example, run once, against the same computation on the whole volume at once."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "volume"

pytest.importorskip("nibabel")
zarr = pytest.importorskip("zarr")
pytest.importorskip("funlib.persistence")

Array = np.ndarray[Any, np.dtype[Any]]

# Runs the example and prints, last, the counts of its tasks.
RUN = """
import json, sys
from pathlib import Path
import volume
states = volume.run(Path(sys.argv[1]))
print(json.dumps([
    {task: [int(state.total_block_count), int(state.completed_count), int(state.failed_count)]
     for task, state in run.items()} for run in states]))
"""


def test_it_imports_nothing_that_its_requirements_do_not_bring() -> None:
    """A developer has pytest installed, and nibabel.testing needs it; a user may not have it."""
    program = "import sys; sys.modules['pytest'] = None; import volume"
    subprocess.run([sys.executable, "-c", program], cwd=EXAMPLE, check=True, timeout=120)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("volume")
    done = subprocess.run(
        [sys.executable, "-c", RUN, "volume.zarr"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(EXAMPLE)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    (folder / "counts.json").write_text(done.stdout.strip().splitlines()[-1])
    return folder / "volume.zarr"


def array(store: Path, name: str) -> Array:
    values: Array = zarr.open_array(str(store / name), "r")[:]
    return values


def whole_volume_objects(store: Path) -> tuple[Array, int]:
    objects, count = ndimage.label(array(store, "smoothed") > 600, np.ones((3, 3, 3)))
    return objects, count


def pairs_at_same_voxel(labels: Array, others: Array) -> Array:
    pairs: Array = np.unique(
        np.stack([labels.ravel().astype(np.int64), others.ravel().astype(np.int64)], axis=1), axis=0
    )
    return pairs


def test_all_blocks_of_all_tasks_are_done(store: Path) -> None:
    assert json.loads((store.parent / "counts.json").read_text()) == [
        {"smooth": [36, 36, 0], "segment": [140, 140, 0]},
        {"join": [140, 140, 0]},
    ]


def test_the_scan_has_three_dimensions_of_content(store: Path) -> None:
    scan = array(store, "scan")
    assert scan.shape == (128, 96, 24)
    assert all(scan.any(axis=axis).mean() > 0.3 for axis in range(3))


def test_smoothing_in_blocks_is_that_of_the_whole_volume(store: Path) -> None:
    scan = array(store, "scan").astype(np.float64)
    whole = ndimage.gaussian_filter(scan, (1, 1, 20 / 22), mode="constant", truncate=4)
    difference = np.abs(array(store, "smoothed") - whole.astype(np.float32))
    assert difference.max() <= 1e-6


def test_objects_are_those_of_the_whole_volume(store: Path) -> None:
    objects = array(store, "objects")
    whole, count = whole_volume_objects(store)
    assert count == 22
    pairs = pairs_at_same_voxel(objects, whole)
    assert len(pairs) == count + 1  # one to one; 1 more for the background
    assert pairs[0].tolist() == [0, 0]


def test_labels_before_joining_are_parts_of_the_objects(store: Path) -> None:
    labels = array(store, "labels")
    whole, count = whole_volume_objects(store)
    pairs = pairs_at_same_voxel(labels, whole)
    assert len(pairs) == len(np.unique(labels)) >= count + 1
    assert np.array_equal(labels > 0, whole > 0)


def test_blocks_took_the_labels_of_their_neighbours(store: Path) -> None:
    """Without the conflict, each block would use labels of its own; with it, most objects need no
    joining."""
    labels = array(store, "labels")
    own = np.zeros(labels.shape, np.int64)
    for axis, size in enumerate((20, 20, 6)):
        shape = [1, 1, 1]
        shape[axis] = -1
        own = own * 8 + (np.arange(labels.shape[axis]) // size).reshape(shape)
    blocks_of_labels = pairs_at_same_voxel(labels[labels > 0], own[labels > 0])
    _, blocks = np.unique(blocks_of_labels[:, 0], return_counts=True)
    assert blocks.max() >= 4
    # An object that reaches a block from two sides has two labels, which `join` joins.
    assert 22 < len(np.unique(labels)) - 1 < len(blocks_of_labels) / 2


def test_a_second_attempt_at_a_block_keeps_the_objects(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLE))
    import bellis
    import volume

    copy = Path(shutil.copytree(store, tmp_path / "volume.zarr"))
    block = bellis.Block(
        total_roi=bellis.Roi((-20, -20, -22), (2600, 1960, 572)),
        read_roi=bellis.Roi((1180, 780, 242), (440, 440, 176)),
        write_roi=bellis.Roi((1200, 800, 264), (400, 400, 132)),
        task_id="segment",
    )
    volume.segment_block(copy, block)
    labels, objects = volume.joined_labels(copy)
    joined = objects[np.searchsorted(labels, array(copy, "labels"))]
    whole, count = whole_volume_objects(store)
    assert len(pairs_at_same_voxel(joined, whole)) == count + 1
