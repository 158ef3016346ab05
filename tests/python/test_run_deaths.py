"""Workers that cannot be started, that die, or that stand still, seen from run_blockwise."""

import functools
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from bellis import _core
from bellis.convenience import run_blockwise
from runs import counts, row_task

pytestmark = pytest.mark.usefixtures("logs_in_a_folder")


def test_a_starter_whose_program_is_missing_ends_the_run_with_one_message(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def start() -> None:
        subprocess.run(["/no/such/program"], check=True)

    with caplog.at_level(logging.ERROR, "bellis"):
        states = run_blockwise([row_task("t", start, max_worker_restarts=1)])
    state = states["t"]
    assert not states
    assert counts(state) == (0, 0, 0, 4)
    assert "/no/such/program" in (state.error or "")
    assert "FileNotFoundError" in (state.error or "")
    assert len([record for record in caplog.records if record.name == "bellis"]) == 1


def test_a_starter_without_a_worker_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BELLIS_STARTER_WAIT", "0.1")

    def start() -> None:
        subprocess.run([sys.executable, "-c", "import no_such_module_at_all"], check=False)

    error = run_blockwise([row_task("t", start)])["t"].error or ""
    assert "exited with code 0" in error
    assert "no worker had come" in error
    assert "No module named 'no_such_module_at_all'" in error


def test_a_worker_that_dies_at_start_ends_the_run() -> None:
    def start() -> None:
        os._exit(7)

    error = run_blockwise([row_task("t", start, max_worker_restarts=1)])["t"].error or ""
    assert "exited with code 7" in error


def test_the_first_deaths_are_logged_while_others_are_started(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    def start() -> None:
        raise ImportError("no such library")

    with caplog.at_level(logging.WARNING, "bellis"):
        run_blockwise([row_task("t", start, max_worker_restarts=2)])
    lines = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert [level for level, _ in lines] == ["WARNING", "WARNING", "ERROR"]
    run = (tmp_path / "logs" / "latest").resolve()
    assert run.parent == tmp_path / "logs"
    assert lines[0][1] == (
        "Worker 1 of task t exited with code 1: ImportError('no such library') "
        f"(see {run}/t/worker_1.err). Another one is started, unless more than 2 in a "
        "row end without completing a block"
    )
    assert "Worker 2 of task t exited with code 1" in lines[1][1]
    assert "2 have died so far" in lines[1][1]
    assert "given up" in lines[2][1]


def test_ends_that_were_asked_for_are_not_deaths(caplog: pytest.LogCaptureFixture) -> None:
    def process(block: Any) -> None:
        if block.write_roi.offset[0] == 1:
            time.sleep(60)

    with caplog.at_level(logging.WARNING, "bellis"):
        states = run_blockwise([row_task("t", process, max_retries=0, timeout=0.3)])
    assert counts(states["t"]) == (3, 0, 1, 0)
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_a_worker_that_exits_holding_a_block_fails_the_attempt() -> None:
    def process(block: Any) -> None:
        if block.write_roi.offset[0] == 1:
            os._exit(5)

    states = run_blockwise([row_task("t", process, max_retries=1)])
    assert counts(states["t"]) == (3, 0, 1, 0)
    errors = [failure.error for failure in states["t"].failures if failure.block_id == 1]
    assert ["code 5" in error for error in errors] == [True, True]


def test_sys_exit_in_a_block_fails_the_attempt() -> None:
    def process(block: Any) -> None:
        if block.write_roi.offset[0] == 1:
            sys.exit(3)

    states = run_blockwise([row_task("t", process, max_retries=0)])
    assert counts(states["t"]) == (3, 0, 1, 0)


def test_a_block_that_takes_longer_than_the_timeout_is_killed(tmp_path: Path) -> None:
    def process(block: Any) -> None:
        if block.write_roi.offset[0] == 1:
            (tmp_path / "pid").write_text(str(os.getpid()))
            time.sleep(60)

    begun = time.monotonic()
    states = run_blockwise([row_task("t", process, max_retries=0, timeout=0.3)])
    assert time.monotonic() - begun < 30
    assert counts(states["t"]) == (3, 0, 1, 0)
    assert "timeout" in states["t"].failures[0].error
    assert not Path("/proc", (tmp_path / "pid").read_text()).exists()


@pytest.fixture
def short_lease_s(monkeypatch: pytest.MonkeyPatch) -> float:
    """Makes the leases of runs short; returns their length in seconds."""
    monkeypatch.setattr(_core, "Broker", functools.partial(_core.Broker, lease_ms=700))
    return 0.7


def test_a_block_that_holds_the_interpreter_for_many_leases_is_kept(short_lease_s: float) -> None:
    import ctypes

    done = multiprocessing.Array("i", 2)

    def process(block: Any) -> None:
        # PyDLL keeps the GIL: no Python thread of this process runs meanwhile.
        ctypes.PyDLL(None).usleep(int(3 * short_lease_s * 1e6))
        with done.get_lock():
            done[block.block_id[1]] += 1

    # A third worker could take a lost block, and there are no second attempts.
    begun = time.monotonic()
    states = run_blockwise([row_task("t", process, blocks=2, max_retries=0, num_workers=3)])
    assert time.monotonic() - begun > 3 * short_lease_s
    assert states, states["t"].failures
    assert (states["t"].failures_total, done[:]) == (0, [1, 1])


def test_a_worker_that_is_stopped_for_a_lease_loses_its_block(short_lease_s: float) -> None:
    """This shows that the leases of the test above really are that short."""
    stopped = multiprocessing.Value("i", 0)

    def process(block: Any) -> None:
        with stopped.get_lock():
            stopped.value += 1
        if stopped.value == 1:
            os.kill(os.getpid(), signal.SIGSTOP)

    begun = time.monotonic()
    states = run_blockwise([row_task("t", process, blocks=1, num_workers=2)])
    assert short_lease_s < time.monotonic() - begun < 15, "the default is 20 s"
    assert states
    assert "lost" in states["t"].failures[0].error
