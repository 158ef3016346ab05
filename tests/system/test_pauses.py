"""A broker is stopped for longer than leases last, so its workers end themselves."""

import os
import signal
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import bellis
import pytest

from .conftest import Broker, alive, eventually, line_task

PACKAGE_DIR = str(Path(bellis.__file__).resolve().parents[1])
PAUSES = 3
WORKER = """
import os, time, bellis

def work(block):
    with open("pids", "a") as file:
        file.write(f"{os.getpid()} {os.environ['BELLIS_SLOT']}\\n")
    while not os.path.exists("go"):
        time.sleep(0.01)

bellis.work(work)
"""


@pytest.fixture
def broker(private: Path) -> Iterator[Broker]:
    running = Broker(private, "--lease-ms", "1500")
    yield running
    running.process.send_signal(signal.SIGCONT)
    if running.process.poll() is None:
        running.stop()


def started(broker: Broker) -> list[tuple[int, str]]:
    """Each worker that has begun a block: its pid and its slot."""
    path = broker.folder / "pids"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(int(line.split()[0]), line.split()[1]) for line in lines]


def more_started(broker: Broker, count: int) -> bool:
    return len(started(broker)) > count


def is_gone(pid: int) -> bool:
    return not alive({pid})


def test_a_stopped_broker_costs_blocks_no_attempt(broker: Broker) -> None:
    (broker.folder / "worker.py").write_text(WORKER)
    task = line_task(
        blocks=2,
        max_retries=0,
        max_worker_restarts=1,
        workers=[
            {
                "command": [sys.executable, "worker.py"],
                "env": {"PYTHONPATH": PACKAGE_DIR},
            }
        ],
    )
    with bellis.Control(endpoint=broker.endpoint) as control:
        job = control.submit({"name": "job", "tasks": [task]})
        for pause in range(PAUSES):
            eventually(partial(more_started, broker, pause), f"worker {pause} has a block")
            pid = started(broker)[-1][0]
            os.kill(broker.process.pid, signal.SIGSTOP)
            eventually(partial(is_gone, pid), "it ends itself: its lease is over")
            os.kill(broker.process.pid, signal.SIGCONT)
        eventually(lambda: len(started(broker)) > PAUSES, "another worker has the block")
        (broker.folder / "go").touch()
        done = control.wait(job)
    assert done["state"] == "completed"
    task = done["tasks"][0]
    assert (task["completed"], task["failed"], task["failures_total"]) == (2, 0, 0)
    assert {slot for _, slot in started(broker)} == {"0"}, "each took the place of the one before"
