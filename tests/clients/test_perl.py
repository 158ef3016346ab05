"""The worker in Perl of examples/perl: the checks of the protocol, a run, ends of processes."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.conftest import BIN, Broker, Peer, alive, children_of, eventually, private

__all__ = ["private"]

FOLDER = Path(__file__).parents[2] / "examples" / "perl"
WORKER = ["perl", str(FOLDER / "worker.pl")]


def has_packages() -> bool:
    try:
        tried = subprocess.run(
            ["perl", "-MZMQ::FFI", "-MData::MessagePack", "-e", "1"],
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        return False
    return tried.returncode == 0


pytestmark = pytest.mark.skipif(not has_packages(), reason="Perl's packages are not installed")


def run(*command: Any, **env: str) -> str:
    done = subprocess.run(
        [str(word) for word in command],
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_is_a_worker_of_level_2() -> None:
    checks = [BIN / "bellis", "conformance", "--level", "2", "--strict", "--", *WORKER]
    run(*checks, BELLIS_PREFETCH="8")


def test_two_of_them_work_on_a_hundred_blocks(private: Path) -> None:
    out = run(
        *(BIN / "bellis", "run", "--json", FOLDER / "pipeline.toml"),
        *("--log-dir", private / "logs", "--state-dir", private / "state"),
    )
    (task,) = json.loads(out)["tasks"]
    assert (task["completed"], task["failures_total"]) == (100, 0)
    assert [(each["language"], each["blocks"]) for each in task["languages"]] == [("perl", 100)]
    printed = [path.read_text() for path in private.glob("logs/latest/perl/*.out")]
    assert sum(text.count("block ") for text in printed) == 100


@pytest.fixture
def client(private: Path) -> Iterator[tuple[Broker, Peer]]:
    """A broker, with a client that has submitted a job for external workers."""
    broker = Broker(private, "--no-launcher")
    client = Peer(broker.endpoint)
    assert client.ask("hello", role="client")[0] == "welcome"
    task = {
        "task_id": "t",
        "total_roi": {"offset": [0], "shape": [20]},
        "read_roi": {"offset": [0], "shape": [10]},
        "write_roi": {"offset": [0], "shape": [10]},
        "max_retries": 0,
        "external_workers": True,
    }
    assert client.ask("submit", req=1, job={"name": "j", "tasks": [task]})[0] == "submitted"
    yield broker, client
    client.close()
    broker.process.kill()
    broker.process.communicate()


def status(client: Peer) -> Any:
    return client.ask("status", req=2)[1]["jobs"][0]["tasks"][0]


def start(broker: Broker, *command: str, **env: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        command,
        env={**os.environ, "BELLIS_ENDPOINT": broker.endpoint, **env},
        stderr=subprocess.PIPE,
        text=True,
    )


def computing(worker: "subprocess.Popen[str]", client: Peer) -> set[int]:
    """The processes that the worker has started, when it works on a block."""
    eventually(lambda: status(client)["leased"] == 1, "it has a block")
    return set(eventually(lambda: len(c := children_of(worker.pid)) == 2 and c, "two processes"))


def test_nothing_is_left_of_a_worker_that_was_killed(client: tuple[Broker, Peer]) -> None:
    worker = start(client[0], *WORKER, BELLIS_CONFORMANCE_MS="600000")
    children = computing(worker, client[1])
    worker.kill()
    worker.communicate()
    eventually(lambda: not alive(children), "its processes are gone")


def test_a_worker_that_is_told_to_end_hands_its_block_back(client: tuple[Broker, Peer]) -> None:
    worker = start(client[0], *WORKER, BELLIS_CONFORMANCE_MS="600000")
    children = computing(worker, client[1])
    worker.send_signal(signal.SIGTERM)
    worker.communicate()
    assert worker.returncode == 128 + signal.SIGTERM
    assert not alive(children)
    task = eventually(lambda: (s := status(client[1]))["ready"] == 2 and s, "it is ready again")
    assert task["failures_total"] == 0


def test_a_block_that_ends_its_process_fails_and_the_worker_goes_on(
    client: tuple[Broker, Peer],
) -> None:
    code = "exit Bellis::Worker->run(sub { $_[0]{index} or exit 7 })"
    worker = start(client[0], "perl", f"-I{FOLDER}", "-MBellis::Worker", "-e", code)
    worker.communicate()
    assert worker.returncode == 0
    task = status(client[1])
    assert (task["completed"], task["failed"]) == (1, 1)
    assert task["failures"][0]["error"] == "the process that works on blocks exited with code 7"
