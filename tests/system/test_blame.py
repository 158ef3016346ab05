"""When a worker dies that holds many blocks, only the block that it died of is blamed."""

import sys
from pathlib import Path
from typing import Any

import pytest

from .conftest import BIN
from .test_groups import run

BLOCKS = 600
BAD = 250

# A worker that holds eight blocks and notes nothing for its launcher, as a worker in any language
# that is written from PROTOCOL.md alone.
MUTE = """
import os, sys, msgpack, zmq
bad, file = int(sys.argv[1]), sys.argv[2]
socket = zmq.Context.instance().socket(zmq.DEALER)
socket.connect(os.environ["BELLIS_ENDPOINT"])
send = lambda kind, **fields: socket.send(msgpack.packb([kind, fields]))
send("hello", role="worker", job=os.environ["BELLIS_JOB"], task=os.environ["BELLIS_TASK"],
     worker=int(os.environ["BELLIS_WORKER_ID"]), token=os.environ.get("BELLIS_TOKEN", ""))
send("acquire", want=8)
while True:
    kind, fields = msgpack.unpackb(socket.recv())
    if kind in ("leave", "drain", "error"):
        break
    for block in fields.get("blocks", []):
        if block["index"] == bad:
            with open(file, "a") as out:
                out.write("x")
            os.abort()
        send("release", results=[{"lease": block["lease"], "status": "completed"}], want=1)
send("bye")
"""


def outcome(folder: Path, command: "list[str]", max_retries: int) -> "tuple[dict[str, Any], int]":
    """Runs a task whose blocks take microseconds, and one of whose blocks kills its worker. Returns
    how the task ended, and how often a worker was killed."""
    count = folder / "count"
    words = ", ".join(f"'''{word}'''" for word in [*command, str(BAD), str(count)])
    workers = f"[[tasks.workers]]\ncommand = [{words}]\ncount = 2\n"
    code, task = run(folder, workers, blocks=BLOCKS, max_retries=max_retries)
    assert code == 1
    assert {failure["index"] for failure in task["failures"]} == {BAD}
    assert (task["completed"], task["failed"]) == (BLOCKS - 1, 1)
    assert task["failures_total"] == max_retries + 1
    return task, len(count.read_text())


@pytest.mark.parametrize("max_retries", [0, 2])
def test_a_cpp_worker_notes_its_block(private: Path, max_retries: int) -> None:
    _, deaths = outcome(private, [f"{BIN}/dying_worker"], max_retries)
    assert deaths == max_retries + 1


@pytest.mark.parametrize("max_retries", [0, 2])
def test_no_innocent_block_fails_when_a_worker_notes_nothing(
    private: Path, max_retries: int
) -> None:
    _, deaths = outcome(private, [sys.executable, "-c", MUTE], max_retries)
    assert deaths - (max_retries + 1) in (0, 1), "once it may be out with others, then alone"
