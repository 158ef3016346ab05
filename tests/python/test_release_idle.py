"""Workers that leave before the task is done, since fewer blocks are left than workers."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable

import pytest
from bellis.convenience import run_blockwise
from runs import counts, row_task

WORKERS = 4


def poll(what: str, holds: "Callable[[], bool]") -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.01)


def runs(pid: str) -> bool:
    return Path("/proc", pid).exists()


def work(folder: Path, number: int) -> None:
    """Block 0 lasts until all other workers have gone; then the first worker that has it dies."""
    came, gone, died = folder / "came", folder / "gone", folder / "died"
    (came / str(os.getpid())).touch()
    if died.exists():
        return
    poll("all workers take part", lambda: len(list(came.iterdir())) >= WORKERS)
    if number != 0:
        return
    for other in came.iterdir():
        if other.name == str(os.getpid()):
            continue
        poll(f"worker {other.name} leaves", lambda pid=other.name: not runs(pid))  # type: ignore[misc]
        (gone / other.name).touch()
    died.touch()
    os._exit(3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("came", "gone"):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.mark.parametrize("start_method", ["fork", "spawn"])
def test_idle_workers_are_gone_while_the_last_block_runs(folder: Path, start_method: str) -> None:
    def process(block: Any) -> None:
        work(folder, block.block_id[1])

    task = row_task("t", process, blocks=12, num_workers=WORKERS, release_idle=True, max_retries=1)
    states = run_blockwise([task], start_method=start_method)
    assert counts(states["t"]) == (12, 0, 0, 0), states["t"].failures
    assert len(list((folder / "gone").iterdir())) == WORKERS - 1
    assert len(list((folder / "came").iterdir())) == WORKERS + 1, "one came for the one that died"
    assert states["t"].failures_total == 1


def test_workers_that_a_function_starts_leave_too(folder: Path) -> None:
    script = f"""
import sys
sys.path[:0] = {[str(Path(__file__).parent), *sys.path]!r}
from pathlib import Path
import bellis
from test_release_idle import work
client = bellis.Client()
while True:
    with client.acquire_block() as block:
        if block is None:
            break
        work(Path({str(folder)!r}), block.block_id[1])
"""

    def start() -> None:
        subprocess.run([sys.executable, "-c", script])

    task = row_task("t", start, blocks=12, num_workers=WORKERS, release_idle=True, max_retries=1)
    states = run_blockwise([task])
    assert counts(states["t"]) == (12, 0, 0, 0), states["t"].failures
    assert len(list((folder / "gone").iterdir())) == WORKERS - 1


def test_workers_stay_without_release_idle() -> None:
    assert row_task("t", print).release_idle is False
