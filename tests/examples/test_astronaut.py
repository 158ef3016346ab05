"""The example `astronaut` without a broker: its arithmetic, its two languages, and its check."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

TOP = Path(__file__).parents[2]
EXAMPLE = TOP / "examples" / "astronaut"
sys.path[:0] = [str(EXAMPLE), str(TOP / "client" / "python")]

zarr = pytest.importorskip("zarr", reason="see examples/astronaut/requirements.txt")
pytest.importorskip("skimage")

import bellis  # noqa: E402
import check  # noqa: E402
import prepare  # noqa: E402
import segment  # noqa: E402
import smooth  # noqa: E402
import store  # noqa: E402
from examples_probe import needs_probe, probe  # noqa: E402
from scipy import ndimage  # noqa: E402

Array = np.ndarray[Any, np.dtype[Any]]


# ---- the regions of store.py ----


@pytest.mark.parametrize("begin", [(-4, -4), (0, 0), (3, 5), (-20, 0), (0, 30), (8, 8)])
@pytest.mark.parametrize("name", ["channels", "plane"])
def test_store_reads_zero_outside_of_the_array(begin: tuple[int, int], name: str) -> None:
    whole = np.arange(1, 241).reshape((2, 10, 12) if name == "channels" else (20, 12))
    padded = np.pad(whole, [(0, 0)] * (whole.ndim - 2) + [(40, 40), (40, 40)])
    row, column = begin
    expected = padded[..., 40 + row : 46 + row, 40 + column : 49 + column]
    got = store.read(zarr.array(whole), bellis.Roi(begin, (6, 9)))
    assert np.array_equal(got, expected)


# ---- smoothing ----


@pytest.fixture(scope="module")
def astronaut() -> Array:
    image: Array = prepare.skimage.data.astronaut()
    return np.ascontiguousarray(image.transpose(2, 0, 1)).astype(np.float32) / 255.0


def test_smoothing_is_the_gaussian_filter_of_scipy(astronaut: Array) -> None:
    expected = ndimage.gaussian_filter(
        astronaut.astype(np.float64), (0, 5, 5), mode="constant", truncate=4
    )
    assert np.abs(smooth.gaussian_smooth(astronaut) - expected).max() <= 1e-6


@needs_probe
@pytest.mark.parametrize("corner", [(-20, -20), (172, 108), (428, 428)])
def test_cpp_and_python_smooth_a_block_to_the_same_bits(
    astronaut: Array, corner: tuple[int, int]
) -> None:
    read = bellis.Roi(corner, (104, 104))
    image = store.read(zarr.array(astronaut), read)
    python = smooth.gaussian_smooth(image)[:, 20:84, 20:84]
    written = probe("smooth", "3,104,104", "0,20,20", "3,64,64", stdin=image.tobytes())
    cpp = np.frombuffer(written, np.float32).reshape(3, 64, 64)
    assert np.abs(cpp - python).max() <= 1e-6
    assert np.array_equal(cpp, python)


# ---- segmentation ----

BLUE = np.array([0.1, 0.1, 0.9], np.float32)


def image_of(mask: Array) -> Array:
    return mask.astype(np.float32) * BLUE[:, None, None]


def segment_in_blocks(image: Array) -> Array:
    """The labels that the task's workers give an image whose sides are multiples of 128."""
    labels = zarr.array(np.zeros(image.shape[1:], np.uint32))
    for block in check.blocks(image.shape[1:]):
        write = bellis.Roi((block.row * 128, block.column * 128), (128, 128))
        read = bellis.Roi((b - 10 for b in write.begin), (148, 148))
        found = segment.segment(
            store.read(zarr.array(image), read), store.read(labels, read), block.block_id
        )
        store.write(labels, write, store.crop(found, read, write))
    return np.asarray(labels[:])


def labels_in(labels: Array) -> set[int]:
    return set(map(int, np.unique(labels))) - {0}


@pytest.mark.parametrize(
    ("rgb", "blue"),
    [
        ((0, 0, 255), True),
        ((0, 80, 255), True),  # 221 degrees
        ((0, 200, 255), False),  # 193 degrees, cyan
        ((200, 0, 255), True),  # 287 degrees
        ((255, 0, 200), False),  # 313 degrees, magenta
        ((230, 230, 255), False),  # too pale
        ((0, 0, 1), True),  # as dark as it may be
        ((0, 0, 0), False),
        ((255, 255, 255), False),
    ],
)
def test_blue_is_what_the_thresholds_say(rgb: tuple[int, int, int], blue: bool) -> None:
    image = (np.array(rgb, np.float32).reshape(3, 1, 1) + 0.5) / 256
    assert segment.blue_mask(image).item() is blue
    assert check.blue_mask(image).item() is blue


def test_an_object_across_two_blocks_has_one_label() -> None:
    mask = np.zeros((256, 256), bool)
    mask[60:70, 100:150] = True
    mask[200:210, 100:110] = True
    labels = segment_in_blocks(image_of(mask))
    assert len(labels_in(labels[60:70])) == 1
    assert len(labels_in(labels)) == 2
    assert np.array_equal(labels != 0, mask)


def test_an_object_around_a_corner_of_four_blocks_has_one_label() -> None:
    mask = np.zeros((256, 256), bool)
    mask[120:136, 120:136] = True
    assert len(labels_in(segment_in_blocks(image_of(mask)))) == 1


def test_an_object_that_met_two_labels_keeps_both_and_the_borders_are_excused() -> None:
    mask = np.zeros((256, 384), bool)
    mask[60:70, 20:364] = True  # the middle block runs first, then both neighbours: one label
    mask[100:110, 20:364] = True
    mask[100:110, 160:220] = False  # a gap: the two neighbours see different parts of the middle
    mask[60:110, 20:30] = True  # the left block joins the two bars
    labels = segment_in_blocks(image_of(mask))
    arrays = check.Arrays(image_of(mask), image_of(mask), labels)
    assert len(labels_in(labels[60:110, :128])) == 1
    assert len(labels_in(labels[60:110, :160])) == 2
    assert check.check_borders(arrays).startswith("30 facing pairs of blue pixels")
    assert "10 differ" in check.check_borders(arrays)


@pytest.mark.parametrize("seed", range(5))
def test_the_serial_reference_gives_the_labels_of_the_workers(seed: int) -> None:
    noise = np.random.default_rng(seed).random((384, 512))
    mask = ndimage.gaussian_filter(noise, 2 + 2 * seed) > 0.5
    image = image_of(mask)
    labels = segment_in_blocks(image)
    assert np.array_equal(check.serial_labels(image), labels)
    assert np.array_equal(labels != 0, mask)
    check.check_borders(check.Arrays(image, image, labels))


def test_a_second_attempt_at_a_block_changes_nothing() -> None:
    mask = ndimage.gaussian_filter(np.random.default_rng(9).random((148, 148)), 3) > 0.5
    existing = np.zeros((148, 148), np.uint32)
    existing[:10] = segment.segment(image_of(mask), existing, 7)[:10]
    first = segment.segment(image_of(mask), existing, 3)
    existing[10:138, 10:138] = first[10:138, 10:138]
    second = segment.segment(image_of(mask), existing, 3)
    assert np.array_equal(first[10:138, 10:138], second[10:138, 10:138])


# ---- check.py on a whole store ----


@pytest.fixture(scope="module")
def finished_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A store as the pipeline leaves it, made block by block by the workers' functions."""
    path = tmp_path_factory.mktemp("finished") / "astronaut.zarr"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASTRONAUT_ZARR", str(path))
        prepare.prepare()
        raw, smoothed = store.open_array("raw"), store.open_array("smoothed", "r+")
        for row in range(0, 512, 64):
            for column in range(0, 512, 64):
                read = bellis.Roi((row - 20, column - 20), (104, 104))
                smooth.smooth_block(raw, smoothed, read, bellis.Roi((row, column), (64, 64)))
        for block in check.blocks((512, 512)):
            corner = (block.row * 128, block.column * 128)
            segment.segment_block(
                bellis.Block(
                    None,
                    bellis.Roi((c - 10 for c in corner), (148, 148)),
                    bellis.Roi(corner, (128, 128)),
                    block_id=block.block_id,
                    task_id="segment",
                )
            )
        yield path


@pytest.fixture
def copied_store(finished_store: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished_store, tmp_path / "copy.zarr"))


def run_check(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(EXAMPLE / "check.py"), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_check_accepts_a_finished_store_and_draws_it(finished_store: Path, tmp_path: Path) -> None:
    picture = tmp_path / "new" / "astronaut.png"
    done = run_check(finished_store, finished_store, "--picture", picture)
    assert done.returncode == 0, done.stderr
    assert "all checks passed" in done.stdout
    assert "38 labels for 38 blue objects" in done.stdout
    assert "to the last bit" in done.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")


def plant(path: Path, name: str, at: tuple[int, ...], change: Callable[[Any], Any]) -> None:
    array = zarr.open_array(str(path / name), mode="r+")
    array[at] = change(array[at])


def test_check_catches_a_wrong_pixel(copied_store: Path) -> None:
    plant(copied_store, "smoothed", (1, 300, 17), lambda value: value + 2e-6)
    done = run_check(copied_store)
    assert done.returncode == 1
    assert "smoothed differs from whole-image smoothing in 1 values" in done.stderr
    assert "(1, 300, 17)" in done.stderr


def test_check_catches_a_pixel_that_is_no_number(copied_store: Path) -> None:
    plant(copied_store, "smoothed", (2, 0, 511), lambda _: np.nan)
    done = run_check(copied_store)
    assert done.returncode == 1
    assert "(2, 0, 511): nan instead of" in done.stderr


def test_check_catches_a_wrong_label(copied_store: Path) -> None:
    plant(copied_store, "labels", (400, 170), lambda value: value + 1)
    done = run_check(copied_store)
    assert done.returncode == 1
    assert "labels differs from the serial run in 1 pixels" in done.stderr
    assert "(400, 170)" in done.stderr


def test_check_catches_a_block_that_was_never_written(copied_store: Path) -> None:
    (copied_store / "labels" / "2.1").unlink()
    assert "labels differs from the serial run" in run_check(copied_store).stderr


def test_check_catches_two_runs_that_differ(finished_store: Path, copied_store: Path) -> None:
    plant(copied_store, "smoothed", (0, 5, 5), lambda value: np.nextafter(value, np.float32(1)))
    done = run_check(finished_store, copied_store)
    assert done.returncode == 1
    assert "the two runs differ in 1 values of smoothed" in done.stderr


def test_check_says_which_array_is_missing(copied_store: Path) -> None:
    shutil.rmtree(copied_store / "labels")
    done = run_check(copied_store)
    assert done.returncode == 1
    assert "array labels cannot be read" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_border_check_alone_catches_a_broken_object(finished_store: Path) -> None:
    arrays = check.load(finished_store)
    below = arrays.labels[384:, 128:256]  # the lower part of the crest, in a block of its own
    below[below == arrays.labels[383, 170]] = 12345
    with pytest.raises(check.CheckError, match="breaks an object at a border"):
        check.check_borders(arrays)


def test_the_pipeline_file_gives_the_tasks_the_context_that_they_need() -> None:
    tomllib = pytest.importorskip("tomllib")
    job = tomllib.loads((EXAMPLE / "pipeline.toml").read_text())
    contexts = {"smooth": smooth.RADIUS, "segment": check.CONTEXT}
    shapes = {"smooth": prepare.SMOOTH_BLOCK, "segment": prepare.SEGMENT_BLOCK}
    assert [task["task_id"] for task in job["tasks"]] == ["smooth", "segment"]
    for task in job["tasks"]:
        context, shape = contexts[task["task_id"]], shapes[task["task_id"]]
        assert task["write_roi"] == {"offset": [0, 0], "shape": list(shape)}
        for roi, inner in ((task["read_roi"], shape), (task["total_roi"], (512, 512))):
            assert roi["offset"] == [-context, -context]
            assert roi["shape"] == [size + 2 * context for size in inner]
        for group in task["workers"]:
            if group["command"][0] == "python3":
                assert (EXAMPLE / group["command"][1]).exists()
