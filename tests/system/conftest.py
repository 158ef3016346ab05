"""Real brokers, launchers and workers on free ports and private sockets. A test starts those that
it uses, and they end with the test."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgpack
import pytest
import zmq

BIN = Path(os.environ.get("BELLIS_BIN_DIR", "build/release/bin")).resolve()
PATIENCE = 60  # seconds that a test waits for anything, on a busy machine


def eventually(holds: Callable[[], Any], what: str) -> Any:
    """Polls until `holds()` is true, and returns its value."""
    end = time.monotonic() + PATIENCE
    while True:
        value = holds()
        if value:
            return value
        assert time.monotonic() < end, f"it never came to this: {what}"
        time.sleep(0.02)


class Peer:
    """A bare DEALER, which can send any message, well-formed or not."""

    def __init__(self, endpoint: str) -> None:
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.connect(endpoint)

    def send(self, kind: str, **fields: Any) -> None:
        self.socket.send(msgpack.packb([kind, fields]))

    def receive(self, timeout: float = PATIENCE) -> tuple[str, dict[str, Any]]:
        assert self.socket.poll(int(timeout * 1000)), "no answer"
        kind, fields = msgpack.unpackb(self.socket.recv())
        return kind, fields

    def ask(self, kind: str, **fields: Any) -> tuple[str, dict[str, Any]]:
        self.send(kind, **fields)
        return self.receive()

    def close(self) -> None:
        self.socket.close()


class Broker:
    """A bellis-broker process."""

    def __init__(self, folder: Path, *options: str, endpoint: str = "") -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [
                BIN / "bellis-broker",
                "--endpoint",
                endpoint or f"ipc://{folder}/b.sock",
                "--log-level",
                "debug",
                *options,
            ],
            stdout=subprocess.PIPE,
            stderr=open(folder / "broker.err", "ab"),  # noqa: SIM115
            text=True,
            cwd=folder,
            env={**os.environ, "XDG_RUNTIME_DIR": str(folder)},
        )
        assert self.process.stdout is not None
        self.endpoint = self.process.stdout.readline().strip()

    def log(self) -> str:
        return (self.folder / "broker.err").read_text(errors="replace")

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Ends the broker by a signal. Returns its exit code and its output."""
        self.process.send_signal(number)
        out, _ = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out


@pytest.fixture
def private() -> Iterator[Path]:
    """A short private folder: an ipc path may have 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="bellis-test-", dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture
def broker(private: Path) -> Iterator[Broker]:
    running = Broker(private, "--no-launcher")
    yield running
    if running.process.poll() is None:
        running.process.kill()
        running.process.communicate()


def line_task(name: str = "t", blocks: int = 4, **more: Any) -> dict[str, Any]:
    return {
        "task_id": name,
        "total_roi": {"offset": [0], "shape": [blocks * 10]},
        "read_roi": {"offset": [0], "shape": [10]},
        "write_roi": {"offset": [0], "shape": [10]},
        "read_write_conflict": False,
        **more,
    }


def children_of(pid: int) -> set[int]:
    """The pids of all descendants of a process."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if fields[0] != "Z":
            parents[int(stat.parent.name)] = int(fields[1])
    found = {pid}
    while True:
        more = {child for child, parent in parents.items() if parent in found} - found
        if not more:
            return found - {pid}
        found |= more


def alive(pids: set[int]) -> set[int]:
    running = set()
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state != "Z":
            running.add(pid)
    return running
