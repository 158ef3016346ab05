"""The tutorial, as the script and as the notebook, each run once in a folder of its own."""

import json
import os
import random
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "tutorial"

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
skimage_data = pytest.importorskip("skimage.data")
zarr = pytest.importorskip("zarr")
pytest.importorskip("funlib.persistence")

sys.path.insert(0, str(EXAMPLE))
import make_notebook  # noqa: E402

# This code is put at the end of the script and of the notebook. It writes task states as their
# counts, whatever mapping holds them. Where Bellis returns states, daisy returns True.
DUMP = """
COUNTS = ("total_block", "ready", "processing", "pending", "completed", "skipped", "failed",
          "orphaned")
def as_json(value):
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_json(item) for item in value]
    if hasattr(value, "total_block_count"):
        return {name: int(getattr(value, name + "_count")) for name in COUNTS}
    return value
Path("results.json").write_text(json.dumps({
    **{name: as_json(globals()[name]) for name in NAMES},
    "truth": {name: bool(globals()[name]) for name in NAMES},
    "module": daisy.__name__, "block_id": block.block_id, "sums": sums[:],
    "squares_right": bool((squares[:] == numbers**2).all()), "elements": ELEMENTS,
    "nap_serial_s": nap_serial_s, "nap_parallel_s": nap_parallel_s,
    "with_dask": float(abs(with_dask - root["smoothed_with_context"][:]).max()),
}))
np.savez("pictures.npz", one_block=one_block, with_retries=written_with_retries,
         without_retries=written_without_retries, resumed=written_resumed)
"""
STATES = (
    "nap_serial nap_parallel failures rounds fits chain smoothing smoothing_with_context "
    "subprocess_smoothing with_retries without_retries resumed segmentation "
    "segmentation_with_context squaring summing"
).split()

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass
class Run:
    """The results of a run of the tutorial."""

    folder: Path
    output: str
    results: dict[str, Any]

    def array(self, name: str) -> Array:
        stored: Array = zarr.open_array(str(self.folder / "sample_data.zarr" / name), "r")[:]
        return stored

    def picture(self, name: str) -> Array:
        with np.load(self.folder / "pictures.npz") as pictures:
            saved: Array = pictures[name]
        return saved


def run_script(folder: Path, environment: dict[str, str], dump: str) -> str:
    with open(folder / "tutorial.py", "a") as script:
        script.write(dump)
    done = subprocess.run(
        [sys.executable, "tutorial.py"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def run_notebook(folder: Path, environment: dict[str, str], dump: str) -> str:
    notebook = nbformat.read(folder / "tutorial.ipynb", as_version=4)
    for cell in notebook.cells:
        # The script runs at full size; a tenth is enough to show that the notebook works.
        cell.source = cell.source.replace("ELEMENTS = 4096000", "ELEMENTS = 400000")
    notebook.cells.append(nbformat.v4.new_code_cell(dump))
    client = nbclient.NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.execute(env=environment)
    return "".join(
        output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", [])
    )


@pytest.fixture(scope="module", params=["script", "notebook"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp(request.param)
    for name in ("tutorial.py", "tutorial.ipynb", "tutorial_worker.py", "tutorial_config.json"):
        shutil.copy(EXAMPLE / name, folder)
    environment = {**os.environ, "MPLBACKEND": "Agg"}
    execute = run_script if request.param == "script" else run_notebook
    output = execute(folder, environment, f"\nNAMES = {STATES!r}\n{DUMP}")
    return Run(folder, output, json.loads((folder / "results.json").read_text()))


def all_done(blocks: int, skipped: int = 0) -> dict[str, int]:
    """The counts of a task whose blocks are all completed."""
    return {
        "total_block": blocks,
        "ready": 0,
        "processing": 0,
        "pending": 0,
        "completed": blocks,
        "skipped": skipped,
        "failed": 0,
        "orphaned": 0,
    }


def with_failures(failed: int, blocks: int, skipped: int = 0) -> dict[str, int]:
    return {**all_done(blocks, skipped), "completed": blocks - failed, "failed": failed}


def test_the_notebook_is_that_of_the_script() -> None:
    made = make_notebook.notebook((EXAMPLE / "tutorial.py").read_text())
    assert (EXAMPLE / "tutorial.ipynb").read_text() == made


def test_a_cell_that_begins_in_another_way_is_refused() -> None:
    with pytest.raises(ValueError, match="# %% \\[raw\\]"):
        make_notebook.notebook("# %% [raw]\ntext\n")


def test_every_task_has_the_counts_of_the_text(run: Run) -> None:
    results = run.results
    assert results["module"] == "bellis"
    assert results["nap_serial"] == {"Nap": all_done(100)}
    assert results["nap_parallel"] == {"Nap": all_done(100)}
    assert results["failures"] == {"Failures": with_failures(16, 100)}
    assert results["fits"] == {
        "overhang": all_done(20),
        "valid": all_done(19),
        "shrink": all_done(20),
    }
    assert results["chain"] == {"A_to_B": all_done(25), "B_to_C": all_done(25)}
    assert results["smoothing"] == {"Smoothing": all_done(64)}
    assert results["smoothing_with_context"] == {"Smoothing with context": all_done(64)}
    assert results["subprocess_smoothing"] == {"smoothing_subprocess": all_done(64)}
    assert results["segmentation"] == {
        "smooth_for_seg": all_done(64),
        "segmentation": all_done(16),
    }
    assert results["segmentation_with_context"] == {
        "smooth_for_seg": all_done(64, skipped=64),
        "segmentation_with_context": all_done(16),
    }
    assert results["squaring"] == {"square": all_done(250)}
    assert results["summing"] == {"sum_reduce": all_done(16)}
    assert results["block_id"] == [None, 12]


def test_the_check_function_leaves_less_to_do_in_each_round(run: Run) -> None:
    assert [states["Checked"] for states in run.results["rounds"]] == [
        with_failures(16, 100),
        with_failures(2, 100, skipped=84),
        with_failures(1, 100, skipped=98),
        all_done(100, skipped=99),
    ]


def test_results_are_true_only_when_every_block_is_done(run: Run) -> None:
    not_done = {name for name, truth in run.results["truth"].items() if not truth}
    assert not_done == {"failures", "with_retries", "without_retries", "resumed"}


def test_five_workers_are_faster_than_none(run: Run) -> None:
    assert run.results["nap_serial_s"] >= 100 * 0.05
    assert run.results["nap_parallel_s"] < run.results["nap_serial_s"]


def test_the_summaries_are_printed(run: Run) -> None:
    assert run.output.count("Execution Summary") == 1 + 1 + 1 + 4 + 3 + 1 + 1 + 1 + 1 + 3 + 2 + 2
    assert "completed ✔: 64 (skipped 64)" in run.output


# ---- failing attempts: which coin falls how is known ----


def attempts_at(number: int, first: int, attempts_max: int) -> tuple[bool, int]:
    """Whether a block completes within that many attempts from `first` on, and the next attempt."""
    for attempt in range(first, first + attempts_max):
        if random.Random(f"{number}, {attempt}").random() < 0.5:
            return True, attempt + 1
    return False, first + attempts_max


def block_number(row: int, column: int) -> int:
    """The block's Cantor number. The total ROI of the task begins 10 before row 0."""
    return (row + column) * (row + column + 1) // 2 + row


def test_the_expected_blocks_fail_with_retries_without_and_after(run: Run) -> None:
    places = [(row, column) for row in range(8) for column in range(8)]
    next_attempt = {place: 1 for place in places}
    expected: dict[str, set[tuple[int, int]]] = {}
    done: set[tuple[int, int]] = set()
    for name, attempts_max in (("with_retries", 3), ("without_retries", 1), ("resumed", 2)):
        if name != "resumed":
            done = set()
        for place in places:
            if place not in done:
                made_it, next_attempt[place] = attempts_at(
                    block_number(*place), next_attempt[place], attempts_max
                )
                if made_it:
                    done.add(place)
        expected[name] = set(done)

    for name, made in expected.items():
        skipped = len(expected["without_retries"]) if name == "resumed" else 0
        assert run.results[name] == {
            "fault tolerance test": with_failures(64 - len(made), 64, skipped)
        }
        picture = run.picture(name)
        written = {
            (row, column)
            for row, column in places
            if picture[:, row * 64 : row * 64 + 64, column * 64 : column * 64 + 64].any()
        }
        assert written == made
    assert len(expected["without_retries"]) < 44 < 50 < len(expected["with_retries"])
    assert expected["without_retries"] < expected["resumed"]


# ---- pictures ----


def whole_picture() -> Array:
    photo = np.moveaxis(np.flip(skimage_data.astronaut(), 0), -1, 0).astype(np.float64) / 255
    smoothed: Array = ndimage.gaussian_filter(photo, (0, 5, 5), mode="constant", truncate=4)
    return smoothed


def seams(picture: Array) -> float:
    """How many times larger the steps between pixels are across block borders than beside them."""
    steps = np.stack(
        [np.abs(np.diff(picture, axis=axis)).mean(axis=(0, 3 - axis)) for axis in (1, 2)]
    )
    across = steps[:, 63::64]
    beside = np.stack([steps[:, 57:448:64], steps[:, 69::64]])
    return float(across.mean() / beside.mean())


def test_one_block_alone_was_tried_first(run: Run) -> None:
    picture = run.picture("one_block").copy()
    assert picture[:, 128:192, 128:192].any()
    picture[:, 128:192, 128:192] = 0
    assert not picture.any()


def test_seams_show_without_context_and_not_with_it(run: Run) -> None:
    assert seams(run.array("raw")) == pytest.approx(1, abs=0.1)
    assert seams(run.array("smoothed")) > 3
    for name in ("smoothed_with_context", "smoothed_subprocess", "smoothed_for_seg"):
        assert seams(run.array(name)) == pytest.approx(1, abs=0.2)


def test_smoothing_with_context_is_nearly_that_of_the_whole_picture(run: Run) -> None:
    whole = whole_picture()
    inner = np.s_[:, 20:-20, 20:-20]
    with_context = run.array("smoothed_with_context")
    assert np.abs(with_context - whole)[inner].max() < 0.02
    assert np.abs(run.array("smoothed") - whole)[inner].max() > 0.1
    for name in ("smoothed_subprocess", "smoothed_for_seg"):
        assert np.array_equal(run.array(name), with_context)
    assert run.results["with_dask"] < 1e-6


def facing_pairs(labels: Array) -> Array:
    """The labels on both sides of the borders between blocks, where both are objects."""
    pairs = []
    for border in (128, 256, 384):
        pairs.append(np.stack([labels[border - 1], labels[border]], axis=1))
        pairs.append(np.stack([labels[:, border - 1], labels[:, border]], axis=1))
    facing: Array = np.concatenate(pairs)
    return facing[(facing > 0).all(axis=1)]


def test_labels_change_at_borders_without_context_and_not_with_it(run: Run) -> None:
    alone, joined = run.array("blue_objects"), run.array("blue_objects_with_context")
    assert np.array_equal(alone > 0, joined > 0)
    assert len(facing_pairs(alone)) > 50
    assert (facing_pairs(alone)[:, 0] != facing_pairs(alone)[:, 1]).all()
    assert (facing_pairs(joined)[:, 0] == facing_pairs(joined)[:, 1]).all()


def test_labels_are_the_objects_of_the_whole_picture(run: Run) -> None:
    labels = run.array("blue_objects_with_context")
    objects, count = ndimage.label(labels > 0, structure=np.ones((3, 3)))
    pairs = np.unique(np.stack([labels.ravel(), objects.ravel()], axis=1), axis=0)
    assert count > 5
    assert len(pairs) == count + 1  # 1 for the background


def test_the_figures_are_saved(run: Run) -> None:
    names = {path.stem for path in (run.folder / "figures").glob("*.png")}
    assert {"rois", "context", "smoothed", "fault_tolerance", "blue_objects_with_context"} <= names
    assert len(names) == 12


# ---- map and reduce ----


def test_squares_and_sums_are_right(run: Run) -> None:
    assert run.results["squares_right"]
    parts = np.arange(run.results["elements"], dtype=np.uint64).reshape(16, -1)
    assert run.results["sums"] == (parts**2).sum(axis=1).tolist()
    if run.results["elements"] == 4096000:
        assert run.results["sums"][0] == 5592372565376000
        assert run.results["sums"][-1] == 4032123229525376000
