"""Checks, post-checks, masks and exclusive mode: a whole run, with real processes and files."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy
import pytest

from .conftest import BIN, PATIENCE

PACKAGE_DIR = str(Path(__file__).parents[2] / "client" / "python")


def run(folder: Path, pipeline: str, *options: str) -> "subprocess.CompletedProcess[str]":
    (folder / "job.toml").write_text(pipeline)
    return subprocess.run(
        [BIN / "bellis", "run", "job.toml", *options],
        cwd=folder,
        env={
            **os.environ,
            "XDG_RUNTIME_DIR": str(folder),
            "PYTHONPATH": PACKAGE_DIR,
            "PATH": f"{BIN}:{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def python(folder: Path, name: str, text: str) -> str:
    """Writes a Python program. Returns its command, as TOML."""
    (folder / name).write_text(textwrap.dedent(text))
    return json.dumps([sys.executable, name])


@pytest.fixture
def folder(private: Path) -> Path:
    return private


WORKER = """
    import os, bellis

    def process(block):
        with open(f"did_{block.index}", "a") as file:
            file.write(f"{block.attempt}\\n")

    bellis.work(process)
"""


def test_blocks_with_existing_output_are_skipped(folder: Path) -> None:
    worker = python(folder, "worker.py", WORKER)
    check = python(
        folder,
        "check.py",
        """
        import os, bellis

        def done(block):
            if block.index == 13:
                raise OSError("stale file handle")
            return os.path.exists(f"did_{block.index}")

        bellis.check(done, batch=8)
        """,
    )
    pipeline = f"""
        [[tasks]]
        task_id = "t"
        total_roi = [[0], [1000]]
        read_roi = [[0], [10]]
        write_roi = [[0], [10]]
        read_write_conflict = false
        check = {{ command = {check}, count = 2 }}
        [[tasks.workers]]
        command = {worker}
        count = 2
    """
    for index in range(0, 100, 2):
        (folder / f"did_{index}").write_text("before\n")
    ended = run(folder, pipeline)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    texts = [(folder / f"did_{i}").read_text() for i in range(100)]
    assert texts == ["before\n" if i % 2 == 0 else "1\n" for i in range(100)]
    log = "".join(p.read_text() for p in (folder / "bellis_logs" / "t").glob("*.err"))
    assert "stale file handle" in log
    # Run the job once more: all outputs are there, and the check fails for one block only.
    ended = run(folder, pipeline, "--fresh")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "99" in ended.stdout
    assert (folder / "did_13").read_text() == "1\n1\n"
    assert sum((folder / f"did_{i}").read_text().count("\n") for i in range(100)) == 101


def test_a_post_check_by_any_program_has_the_last_word(folder: Path) -> None:
    worker = python(folder, "worker.py", WORKER)
    ended = run(
        folder,
        f"""
        [[tasks]]
        task_id = "t"
        total_roi = [[0], [40]]
        read_roi = [[0], [10]]
        write_roi = [[0], [10]]
        max_retries = 1
        post_check = ["bellis", "exec", "--", "sh", "-c", '''
            case $BELLIS_BLOCK_INDEX in
              1) grep -q 2 did_1 ;;
              3) false ;;
            esac''']
        [[tasks.workers]]
        command = {worker}
        count = 2
        """,
    )
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert [(folder / f"did_{i}").read_text() for i in range(4)] == [
        "1\n",
        "1\n2\n",
        "1\n",
        "1\n2\n",
    ]
    assert "post_check says that the output is wrong" in ended.stdout


def test_masked_blocks_are_left_alone(folder: Path) -> None:
    mask = numpy.zeros((4, 5), dtype=bool)
    mask[1, 2] = mask[3, 4] = True
    numpy.save(folder / "mask.npy", mask)
    worker = python(folder, "worker.py", WORKER)
    ended = run(
        folder,
        f"""
        [[tasks]]
        task_id = "t"
        total_roi = [[0, 0], [80, 100]]
        read_roi = [[0, 0], [10, 10]]
        write_roi = [[0, 0], [10, 10]]
        mask = {{ file = "mask.npy", offset = [0, 0], voxel_size = [20, 20] }}
        read_write_conflict = "exclusive"
        [[tasks.workers]]
        command = {worker}
        """,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    done = sorted(int(p.name.removeprefix("did_")) for p in folder.glob("did_*"))
    expected = [
        y * 10 + x for y, x in [(2, 4), (2, 5), (3, 4), (3, 5), (6, 8), (6, 9), (7, 8), (7, 9)]
    ]
    assert done == expected
    assert "72" in ended.stdout, "masked blocks are told"
