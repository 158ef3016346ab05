"""Workers that come from elsewhere: a starter that returns at once, or a callback, starts them."""

import logging
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import bellis
import pytest
from bellis._run import absent_workers
from runs import PACKAGE_DIR, counts, row_task

WORKER = "import bellis; bellis.work(lambda block: None)"


pytestmark = pytest.mark.usefixtures("logs_in_a_folder")


@pytest.fixture
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages about absent workers come at once."""
    monkeypatch.setattr(absent_workers, "_PATIENCE_S", 0.0)


def program(gate: Path) -> "list[str]":
    """The command of a worker that comes once the file `gate` exists."""
    waits = f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.01)\n{WORKER}"
    return [sys.executable, "-c", waits]


class OpensWhenTold(logging.Handler):
    """Makes the file `gate` when the log says that no worker has come."""

    def __init__(self, gate: Path) -> None:
        super().__init__()
        self.gate = gate

    def emit(self, record: logging.LogRecord) -> None:
        if "none of its workers has come yet" in record.getMessage():
            self.gate.touch()


def run_with_gate(task: Any, gate: Path, host: "str | None" = None) -> Any:
    handler = OpensWhenTold(gate)
    logger = logging.getLogger("bellis")
    logger.addHandler(handler)
    try:
        return bellis.Server(host=host).run_blockwise([task], progress="quiet")
    finally:
        logger.removeHandler(handler)


@pytest.mark.parametrize("host", [None, "127.0.0.1"])
def test_a_starter_may_return_before_its_worker_comes(
    tmp_path: Path, no_patience: None, host: "str | None", caplog: pytest.LogCaptureFixture
) -> None:
    gate = tmp_path / "gate"
    starts = multiprocessing.Value("i", 0)

    def start() -> None:
        with starts.get_lock():
            starts.value += 1
        env = {**os.environ, "PYTHONPATH": PACKAGE_DIR}
        subprocess.Popen(program(gate), start_new_session=True, env=env)

    states = run_with_gate(row_task("t", start, blocks=10, num_workers=1), gate, host)
    assert counts(states["t"]) == (10, 0, 0, 0)
    assert starts.value == 1
    said = [r.getMessage() for r in caplog.records if "has come yet" in r.getMessage()]
    assert len(said) == 1
    assert "86400 s after its starter has returned (BELLIS_STARTER_WAIT)" in said[0]
    assert ("BELLIS_HOST" in said[0]) == (host is None)
    assert ("reach tcp://127.0.0.1:" in said[0]) == (host is not None)


def test_the_wait_for_a_worker_that_does_not_come_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BELLIS_STARTER_WAIT", "0.2")
    states = bellis.run_blockwise([row_task("t", lambda: None)], progress="quiet")
    assert counts(states["t"]) == (0, 0, 0, 4)
    assert "exited with code 0" in (states["t"].error or "")
    assert "BELLIS_STARTER_WAIT" in (states["t"].error or "")


def test_a_malformed_bound_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("soon", "-1", "nan"):
        monkeypatch.setenv("BELLIS_STARTER_WAIT", text)
        with pytest.raises(bellis.BrokerError, match=f"BELLIS_STARTER_WAIT is '{text}': expected"):
            bellis.run_blockwise([row_task("t", lambda: None)], progress="quiet")


def test_a_starter_whose_worker_has_ended_does_not_stay(tmp_path: Path) -> None:
    def start() -> None:
        env = {**os.environ, "PYTHONPATH": PACKAGE_DIR}
        subprocess.run([sys.executable, "-c", WORKER], check=True, env=env)

    assert bellis.run_blockwise([row_task("t", start, num_workers=2)], progress="quiet")
    for log in (tmp_path / "logs" / "t").glob("*.out"):
        assert "waited for" not in log.read_text()


def test_without_workers_of_its_own_a_task_is_done_by_those_of_the_callback(
    no_patience: None, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    workers: list[subprocess.Popen[bytes]] = []

    def begin(context: bellis.Context) -> None:
        env = {**os.environ, "PYTHONPATH": PACKAGE_DIR, context.ENV_VARIABLE: context.to_env()}
        workers.append(subprocess.Popen(program(tmp_path / "gate"), env=env))

    first = row_task("first", lambda block: None)
    second = row_task(
        "second", lambda block: None, num_workers=0, init_callback_fn=begin, upstream_tasks=[first]
    )
    states = run_with_gate(second, tmp_path / "gate")
    assert counts(states["second"]) == (4, 0, 0, 0)
    assert [worker.wait(60) for worker in workers] == [0]
    assert "Task second: none of its workers has come yet. They are waited for. " in caplog.text


def test_no_workers_and_no_callback_are_refused() -> None:
    with pytest.raises(ValueError, match="num_workers is 0, and there is no init_callback_fn"):
        row_task("t", lambda block: None, num_workers=0)
