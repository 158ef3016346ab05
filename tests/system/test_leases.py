"""How long workers keep their blocks: while they compute for long, are frozen, dead or cut off, and
over a restart of the broker. The workers are real processes of both clients."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bellis
import pytest

from .conftest import BIN, PATIENCE, Broker, Peer, alive, children_of, eventually, line_task

PACKAGE_DIR = str(Path(bellis.__file__).resolve().parents[1])
LEASE_MS = 1500

# A job has two blocks, and the one with index 1 runs first. Workers write "begin <index>" and
# "end <index>" around their work on a block.
PYTHON_WORKER = """
import ctypes, os, sys, bellis

libc = ctypes.PyDLL(None)  # keeps the interpreter's lock during calls
def note(text):
    with open("history", "a") as file:
        file.write(text + "\\n")

def work(block):
    note(f"begin {block.index}")
    while not os.path.exists("go"):
        libc.usleep(10_000)
        if os.path.exists("hold"):
            libc.sleep(int(open("hold").read()))
    note(f"end {block.index}")

bellis.work(work)
"""
SHELL_BLOCK = """
echo "begin $BELLIS_BLOCK_INDEX" >> history
while [ ! -e go ]; do sleep 0.01; done
echo "end $BELLIS_BLOCK_INDEX" >> history
"""


class Site:
    """A folder with a durable broker and workers that wait in their blocks for the file `go`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "worker.py").write_text(PYTHON_WORKER)
        (folder / "block.sh").write_text(SHELL_BLOCK)
        (folder / "history").write_text("")
        self.workers: list[subprocess.Popen[bytes]] = []
        self.broker = self.start_broker()

    def start_broker(self, *options: str, lease_ms: int = LEASE_MS) -> Broker:
        common = ("--state-dir", "state", "--lease-ms", str(lease_ms))
        return Broker(self.folder, *common, *(options or ("--no-launcher",)))

    def control(self) -> bellis.Control:
        return bellis.Control(endpoint=self.broker.endpoint)

    def submit(self, **more: Any) -> str:
        task = line_task(
            blocks=2,
            external_workers=True,
            read_write_conflict=True,
            read_roi={"offset": [-2], "shape": [14]},
            fit="shrink",
            **more,
        )
        with self.control() as control:
            return control.submit({"name": "job", "tasks": [task]})

    def worker(self, language: str) -> "subprocess.Popen[bytes]":
        command: list[Any] = [sys.executable, "worker.py"]
        if language == "c++":
            command = [BIN / "bellis", "exec", "--", "sh", "block.sh"]
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env={**os.environ, "BELLIS_ENDPOINT": self.broker.endpoint, "PYTHONPATH": PACKAGE_DIR},
            stderr=open(self.folder / "worker.err", "ab"),  # noqa: SIM115
            start_new_session=True,
        )
        self.workers.append(process)
        return process

    def history(self) -> list[str]:
        return (self.folder / "history").read_text().split("\n")[:-1]

    def await_history(self, *lines: str) -> None:
        eventually(lambda: self.history() == list(lines), f"history {lines}")

    def go(self) -> None:
        (self.folder / "go").touch()

    def await_completed(self) -> dict[str, Any]:
        def completed() -> Any:
            with self.control() as control:
                (job,) = control.status()
            return job["state"] == "completed" and job

        job: dict[str, Any] = eventually(completed, "the job completes")
        return job

    def close(self) -> None:
        for process in self.workers:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if self.broker.process.poll() is None:
            self.broker.process.kill()
            self.broker.process.communicate()


@pytest.fixture
def site(private: Path) -> Iterator[Site]:
    made = Site(private)
    yield made
    made.close()


def exit_of(process: "subprocess.Popen[bytes]") -> int:
    return process.wait(timeout=PATIENCE)


languages = pytest.mark.parametrize("language", ["python", "c++"])


@languages
def test_a_worker_that_computes_for_many_leases_keeps_its_block(site: Site, language: str) -> None:
    site.submit()
    (site.folder / "hold").write_text("4")  # the interpreter's lock is not let go of meanwhile
    worker = site.worker(language)
    site.await_history("begin 1")
    time.sleep(2 * LEASE_MS / 1000)
    site.go()
    job = site.await_completed()
    assert site.history() == ["begin 1", "end 1", "begin 0", "end 0"]
    assert job["tasks"][0]["failures_total"] == 0
    assert exit_of(worker) == 0


@languages
@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_the_block_of_a_dead_or_frozen_worker_is_done_by_another(
    site: Site, language: str, how: str
) -> None:
    site.submit()
    lost = site.worker(language)
    site.await_history("begin 1")
    os.killpg(lost.pid, signal.SIGKILL if how == "killed" else signal.SIGSTOP)
    site.worker(language)
    site.await_history("begin 1", "begin 1")
    site.go()
    job = site.await_completed()
    assert site.history()[1:] == ["begin 1", "end 1", "begin 0", "end 0"]
    assert job["tasks"][0]["failures_total"] == 1
    assert "worker lost" in job["tasks"][0]["failures"][0]["error"]
    if how == "stopped":
        (site.folder / "go").unlink()
        os.killpg(lost.pid, signal.SIGCONT)
        assert exit_of(lost) == -signal.SIGKILL, "it ends itself when it is continued"
        assert site.history().count("end 1") == 1


def test_a_python_worker_is_one_process(site: Site) -> None:
    site.submit()
    worker = site.worker("python")
    site.await_history("begin 1")
    assert children_of(worker.pid) == set(), "its heartbeats come from a thread"


@languages
def test_a_worker_with_a_block_is_ended_when_no_broker_can_be_reached(
    site: Site, language: str
) -> None:
    site.submit()
    worker = site.worker(language)
    site.await_history("begin 1")
    family = children_of(worker.pid)
    site.broker.process.kill()
    assert exit_of(worker) == -signal.SIGKILL
    eventually(lambda: not alive(family), "its children end with it")
    assert "leases end" in (site.folder / "worker.err").read_text()


@languages
def test_workers_go_on_over_a_restart_of_the_broker(site: Site, language: str) -> None:
    site.submit()
    worker = site.worker(language)
    site.await_history("begin 1")
    site.broker.stop(signal.SIGKILL)
    site.broker = site.start_broker()
    other = site.worker(language)  # gets no block while block 1 is out
    time.sleep(2 * LEASE_MS / 1000)
    assert site.history() == ["begin 1"]
    site.go()
    job = site.await_completed()
    assert site.history() == ["begin 1", "end 1", "begin 0", "end 0"]
    assert job["tasks"][0]["failures_total"] == 0
    assert exit_of(worker) == exit_of(other) == 0


@languages
def test_workers_go_on_when_the_next_broker_has_shorter_leases(site: Site, language: str) -> None:
    site.broker.stop(signal.SIGKILL)
    site.broker = site.start_broker(lease_ms=30_000)
    site.submit()
    worker = site.worker(language)
    site.await_history("begin 1")
    site.broker.stop(signal.SIGKILL)
    site.broker = site.start_broker(lease_ms=500)
    time.sleep(2)  # four leases
    site.go()
    job = site.await_completed()
    assert site.history() == ["begin 1", "end 1", "begin 0", "end 0"]
    assert job["tasks"][0]["failures_total"] == 0
    assert exit_of(worker) == 0


@languages
def test_results_from_while_no_broker_ran_count(site: Site, language: str) -> None:
    site.submit()
    worker = site.worker(language)
    site.await_history("begin 1")
    site.broker.stop(signal.SIGKILL)
    site.go()
    site.await_history("begin 1", "end 1")
    site.broker = site.start_broker()
    job = site.await_completed()
    assert site.history() == ["begin 1", "end 1", "begin 0", "end 0"]
    assert job["tasks"][0]["failures_total"] == 0
    assert exit_of(worker) == 0


def test_launched_workers_go_on_over_a_restart_of_the_broker(site: Site) -> None:
    site.broker.stop(signal.SIGKILL)
    site.broker = site.start_broker("--launcher")
    python = {"command": [sys.executable, "worker.py"], "env": {"PYTHONPATH": PACKAGE_DIR}}
    shell = {"command": [str(BIN / "bellis"), "exec", "--", "sh", "block.sh"]}
    task = line_task(blocks=4, workers=[python, shell])
    with site.control() as control:
        control.submit({"name": "job", "tasks": [task], "cwd": str(site.folder)})
    eventually(lambda: len(site.history()) == 2, "both have a block")
    before = site.history()
    family = children_of(site.broker.process.pid)
    site.broker.stop(signal.SIGKILL)
    site.broker = site.start_broker("--launcher")
    time.sleep(2 * LEASE_MS / 1000)
    assert site.history() == before
    site.go()
    job = site.await_completed()
    assert sorted(site.history()) == sorted(
        [f"{what} {index}" for what in ("begin", "end") for index in range(4)]
    )
    assert job["tasks"][0]["failures_total"] == 0
    assert job["tasks"][0]["worker_restarts"] == 0
    eventually(lambda: not alive(family), "the launcher of the former broker ends with its workers")


def test_launched_workers_end_when_no_broker_comes_back(site: Site) -> None:
    site.broker.stop(signal.SIGKILL)
    site.broker = site.start_broker("--launcher", "--reconnect-window", "1")
    task = line_task(workers=[{"command": ["sleep", "1000"]}])
    with site.control() as control:
        control.submit({"name": "job", "tasks": [task], "cwd": str(site.folder)})
    pid = site.broker.process.pid
    family = eventually(lambda: len(children_of(pid)) >= 2 and children_of(pid), "the worker runs")
    site.broker.stop(signal.SIGKILL)
    eventually(lambda: not alive(family), "the launcher and its worker end")


def test_lease_ids_only_grow_over_restarts(site: Site) -> None:
    site.submit()
    seen = []
    for _ in range(3):
        client = bellis.Client(endpoint=site.broker.endpoint)
        with client, client.acquire_block() as block:
            assert block is not None
            seen.append(block.lease)
            block.status = bellis.BlockStatus.FAILED
        site.broker.stop(signal.SIGKILL)
        site.broker = site.start_broker()
    assert seen == sorted(set(seen))


def test_stored_progress_is_not_ignored_with_durability_off(site: Site) -> None:
    site.submit()
    site.broker.stop(signal.SIGKILL)
    refused = site.start_broker("--durability", "off")
    assert refused.process.wait(timeout=PATIENCE) == 2
    assert "holds some" in refused.log()


def test_a_worker_without_heartbeats_is_refused_where_blocks_conflict(site: Site) -> None:
    site.submit()
    with pytest.raises(bellis.BrokerError, match="unsafe_leases") as refused:
        bellis.Client(endpoint=site.broker.endpoint, heartbeat_ms=0)
    assert refused.value.code == "limit"


def test_the_broker_waits_for_a_worker_without_heartbeats_until_worker_gone(
    site: Site,
) -> None:
    task = line_task(blocks=1, external_workers=True)
    with site.control() as control:
        control.submit({"name": "job", "tasks": [task]})
    hello = {"role": "worker", "session": 5, "host": "far", "machine": "far", "pid": 77}
    silent = Peer(site.broker.endpoint)
    worker = silent.ask("hello", **hello)[1]["worker"]
    work = silent.ask("acquire", want=1)[1]
    with site.control() as control, pytest.raises(bellis.BrokerError) as refused:
        control.worker_gone(worker)
    assert refused.value.code == "worker_alive"
    site.broker.stop(signal.SIGKILL)
    silent.close()
    site.broker = site.start_broker("--no-launcher", "--reconnect-window", "0.2")
    other = site.worker("python")
    site.go()
    time.sleep(1)
    assert site.history() == []

    def run(*arguments: str) -> str:
        command = [str(BIN / "bellis"), *arguments, "--endpoint", site.broker.endpoint]
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout

    command = f"bellis worker-gone {worker}"
    assert command in run("explain", "job-1", "0")
    run(*command.split()[1:])
    job = site.await_completed()
    assert site.history() == ["begin 0", "end 0"]
    assert exit_of(other) == 0
    # The worker was not dead, but its hello is refused and its results do not count any more.
    late = Peer(site.broker.endpoint)
    (block,) = work["blocks"]
    held = [{"lease": block["lease"], "index": 0, "attempt": 1}]
    kind, answer = late.ask("hello", **hello, job=job["job"], worker=worker, held=held)
    assert (kind, answer["code"]) == ("error", "unknown_task"), answer
    late.close()


def test_on_fence_is_called_before_the_end(site: Site) -> None:
    site.submit()
    script = site.folder / "worker.py"
    script.write_text(
        """
import time, bellis

def fence():
    with open("fenced", "w") as file:
        file.write("yes")

with bellis.Client(on_fence=fence) as client:
    with client.acquire_block() as block:
        with open("history", "a") as file:
            file.write(f"begin {block.index}\\n")
        time.sleep(600)
"""
    )
    worker = site.worker("python")
    site.await_history("begin 1")
    site.broker.process.kill()
    assert exit_of(worker) == -signal.SIGKILL
    assert (site.folder / "fenced").read_text() == "yes"
