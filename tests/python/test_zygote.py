"""The zygote, which forks workers; tested without a broker."""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest
from bellis._run.worker_process import TaskFunctions, WorkerOrder
from bellis._run.zygote import Zygote, ZygoteError
from runs import lives, read, said, wait_until


class Helper:
    """A zygote whose workers run the starter `function`."""

    def __init__(self, function: Callable[[], object], logs: Path) -> None:
        self.zygote = Zygote.fork({"t": TaskFunctions(function, takes_block=False)})
        self.logs = logs
        self.reports: list[dict[str, Any]] = []

    def start(self, worker: int = 1, **env: str) -> int:
        """Starts a worker; returns its pid."""
        # When a starter has returned, the helper has no broker to ask for the starter's worker.
        without_broker = {"BELLIS_STARTER_WAIT": "0", **env}
        self.zygote.start_worker(
            WorkerOrder(worker, "t", "work", without_broker, cwd="", log_dir=str(self.logs))
        )
        report = self.report("forked", worker)
        assert isinstance(report["pid"], int)
        return report["pid"]

    def report(self, of: str, worker: int = 1) -> "dict[str, Any]":
        until = time.monotonic() + 20
        while True:
            for report in self.reports:
                if (report["of"], report["worker"]) == (of, worker):
                    return report
            assert select.select([self.zygote], [], [], until - time.monotonic())[0]
            self.reports += self.zygote.receive()


@pytest.fixture
def make_helper(tmp_path: Path) -> Iterator[Callable[..., Helper]]:
    made: list[Helper] = []

    def make(function: Callable[[], object]) -> Helper:
        made.append(Helper(function, tmp_path))
        return made[-1]

    yield make
    for helper in made:
        helper.zygote.close()


MakeHelper = Callable[[Callable[[], object]], Helper]


def test_a_worker_runs_in_its_own_session_with_its_environment_and_logs(
    make_helper: MakeHelper, tmp_path: Path
) -> None:
    def show() -> None:
        print(os.getsid(0) == os.getpid(), os.environ["COLOUR"], "BELLIS_DUTY" in os.environ)
        print("to stderr", file=sys.stderr)

    helper = make_helper(show)
    helper.start(COLOUR="blau & größer = ☃")
    exited = helper.report("exited")
    assert (exited["exit_code"], exited["signal"]) == (0, 0)
    assert exited["stderr_tail"] == "to stderr\n"
    assert said(tmp_path / "t" / "worker_1.out") == "True blau & größer = ☃ False\n"


def test_exit_codes_signals_and_exceptions_are_reported(make_helper: MakeHelper) -> None:
    def end() -> None:
        how = os.environ["HOW"]
        if how == "exit":
            sys.exit(4)
        if how == "words":
            sys.exit("some words")
        if how == "signal":
            os.kill(os.getpid(), signal.SIGTERM)
        raise LookupError("nothing here")

    helper = make_helper(end)
    for worker, how in enumerate(["exit", "words", "signal", "raise"], start=1):
        helper.start(worker, HOW=how)
    assert helper.report("exited", 1)["exit_code"] == 4
    words = helper.report("exited", 2)
    assert (words["exit_code"], words["stderr_tail"]) == (1, "some words\n")
    assert helper.report("exited", 3)["signal"] == signal.SIGTERM
    raised = helper.report("exited", 4)
    assert raised["exit_code"] == 1
    assert raised["stderr_tail"].endswith("LookupError: nothing here\n")


def test_only_the_end_of_stderr_is_reported(make_helper: MakeHelper) -> None:
    helper = make_helper(lambda: print("x" * 10_000 + "end", file=sys.stderr))
    helper.start()
    tail = helper.report("exited")["stderr_tail"]
    assert len(tail) == 4096
    assert tail.endswith("xend\n")


def test_what_a_worker_leaves_behind_is_gone_before_its_end_is_reported(
    make_helper: MakeHelper, tmp_path: Path
) -> None:
    def leave_behind() -> None:
        same_group = subprocess.Popen(["sleep", "600"])
        other_session = subprocess.Popen(["sleep", "600"], start_new_session=True)
        orphan = subprocess.Popen(["sh", "-c", "sleep 600 & echo $!"], stdout=subprocess.PIPE)
        assert orphan.stdout is not None
        pids = [same_group.pid, other_session.pid, int(orphan.stdout.readline())]
        (tmp_path / os.environ["NAME"]).write_text(" ".join(str(pid) for pid in pids))
        if os.environ["NAME"] == "lives":
            time.sleep(600)

    helper = make_helper(leave_behind)
    endpoint = {"BELLIS_ENDPOINT": f"ipc://{tmp_path}"}
    helper.start(1, NAME="lives", BELLIS_WORKER_ID="1", **endpoint)
    wait_until(lambda: read(tmp_path / "lives"))
    helper.start(2, NAME="ends", BELLIS_WORKER_ID="2", **endpoint)
    helper.report("exited", 2)
    assert [pid for pid in _pids(tmp_path / "ends") if lives(pid)] == []
    living = _pids(tmp_path / "lives")
    assert [pid for pid in living if lives(pid)] == living
    helper.zygote.close()
    assert [pid for pid in living if lives(pid)] == []


def test_a_worker_is_asked_to_end_and_then_killed(make_helper: MakeHelper, tmp_path: Path) -> None:
    def resist() -> None:
        signal.signal(signal.SIGTERM, lambda number, frame: (tmp_path / "asked").touch())
        (tmp_path / "begun").touch()
        while True:
            time.sleep(600)

    helper = make_helper(resist)
    helper.start()
    wait_until((tmp_path / "begun").exists)
    helper.zygote.stop_worker(1, grace_s=0.2)
    assert helper.report("exited")["signal"] == signal.SIGKILL
    assert (tmp_path / "asked").exists()


def test_a_log_that_cannot_be_written_is_an_error_of_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    helper = Helper(lambda: None, tmp_path / "file" / "folder")
    order = WorkerOrder(1, "t", "work", {}, "", str(helper.logs))
    helper.zygote.start_worker(order)
    assert "Not a directory" in helper.report("exited")["start_error"]
    helper.zygote.close()


def test_its_death_is_noticed_and_is_the_death_of_its_workers(
    make_helper: MakeHelper, tmp_path: Path
) -> None:
    helper = make_helper(lambda: time.sleep(600))
    pid = helper.start()
    os.kill(helper.zygote.pid, signal.SIGKILL)
    with pytest.raises(ZygoteError, match="killed by signal 9"):
        helper.report("exited")
    wait_until(lambda: not lives(pid))


def test_it_is_made_among_threads_that_write_and_log(make_helper: MakeHelper) -> None:
    import logging
    import threading

    stop = threading.Event()
    logger = logging.getLogger("noise")
    logger.addHandler(logging.StreamHandler(open(os.devnull, "w")))  # noqa: SIM115
    logger.propagate = False

    def make_noise() -> None:
        while not stop.is_set():
            logger.warning("noise")
            time.sleep(0.0002)

    threads = [threading.Thread(target=make_noise) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(10):
            helper = make_helper(lambda: logger.warning("from a worker"))
            helper.start()
            assert helper.report("exited")["exit_code"] == 0
            helper.zygote.close()
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _pids(path: Path) -> "list[int]":
    return [int(word) for word in (read(path) or "").split()]


def test_a_request_to_a_helper_that_has_ended_says_why_it_ended() -> None:
    zygote = Zygote.spawn({"t": b"no pickle"})
    try:
        os.waitid(os.P_PID, zygote.pid, os.WEXITED | os.WNOWAIT)
        with pytest.raises(ZygoteError, match="functions of task 't' cannot be unpickled"):
            zygote.start_worker(WorkerOrder(1, task="t", duty="work", env={}, cwd="", log_dir=""))
    finally:
        zygote.close()
