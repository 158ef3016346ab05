"""Soak: many blocks through real sockets, with workers that come and go; shows what grows.

    python -m tests.soak [--blocks 10000000] [--workers 200]

One broker with a state directory, one job. The workers are connections of this process, each with a
session of its own. A worker takes a batch of blocks and releases it. After some batches it says
bye, breaks off without a word, or reconnects with the leases that it holds; another worker takes
its place. Prints the broker's memory, open files and the size of its state at every tenth of the
job.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import bellis
import msgpack
import zmq

BIN = Path(os.environ.get("BELLIS_BIN_DIR", Path(__file__).parents[1] / "build/release/bin"))
BATCH = 64


class Worker:
    def __init__(self, context: zmq.Context[Any], endpoint: str, luck: random.Random) -> None:
        self.socket = context.socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.connect(endpoint)
        self.luck = luck
        self.batches_left = luck.randrange(5, 200)
        self.send("hello", role="worker", session=luck.randrange(1, 1 << 62), heartbeat_ms=1000)

    def send(self, kind: str, **fields: Any) -> None:
        self.socket.send(msgpack.packb([kind, fields]))

    def answer(self) -> str:
        """Reads the messages that have come. Returns "go on", or how the worker ends."""
        while True:
            try:
                kind, fields = msgpack.unpackb(self.socket.recv(zmq.NOBLOCK))
            except zmq.Again:
                return "go on"
            if kind == "welcome":
                self.send("acquire", want=BATCH)
            elif kind == "work":
                results = [{"lease": block["lease"]} for block in fields["blocks"]]
                self.batches_left -= 1
                if self.batches_left == 0 and self.luck.random() < 0.3:
                    return "broken off"
                self.send("release", results=results, want=len(results))
                if self.batches_left <= 0:
                    self.send("bye")
                    return "bye"
            elif kind in ("leave", "drain"):
                self.send("bye")
                return "left"
            elif kind == "error":
                return "refused"

    def close(self, in_order: bool) -> None:
        self.socket.close(linger=1000 if in_order else 0)


class Crowd:
    """`count` workers at a time: another takes the place of each that ends."""

    def __init__(self, endpoint: str, count: int) -> None:
        self.endpoint = endpoint
        self.count = count
        self.luck = random.Random(1)
        self.context = zmq.Context()
        self.context.set(zmq.MAX_SOCKETS, 4 * count + 100)
        self.poller = zmq.Poller()
        self.workers: dict[Any, Worker] = {}
        self.ends: Counter[str] = Counter()

    def work(self, seconds: float) -> None:
        """All of them work for so long, and ping once."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.fill_up()
            for socket, _ in self.poller.poll(100):
                end = self.workers[socket].answer()
                if end != "go on":
                    self.remove(socket, end)
        for worker in self.workers.values():
            worker.send("ping", nonce=1)

    def fill_up(self) -> None:
        # A worker has left because there is no more to do.
        while len(self.workers) < self.count and "left" not in self.ends:
            worker = Worker(self.context, self.endpoint, self.luck)
            self.workers[worker.socket] = worker
            self.poller.register(worker.socket, zmq.POLLIN)

    def remove(self, socket: Any, end: str) -> None:
        self.ends[end] += 1
        self.poller.unregister(socket)
        self.workers.pop(socket).close(in_order=end != "broken off")


def sizes(pid: int, state: Path) -> str:
    status = Path(f"/proc/{pid}/status").read_text()
    rss = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    files = len(os.listdir(f"/proc/{pid}/fd"))
    stored = sum(file.stat().st_size for file in state.iterdir())
    return f"RSS {int(rss) / 1024:.1f} MiB, {files} open files, state {stored / 1e6:.2f} MB"


def start_broker(folder: Path, state: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [
            BIN / "bellis-broker",
            *("--endpoint", f"ipc://{folder}/b.sock"),
            *("--state-dir", state),
            "--no-launcher",
            *("--lease-ms", "5000"),
            *("--log-level", "error"),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )


def line_job(blocks: int) -> dict[str, Any]:
    roi = {"offset": [0], "shape": [1]}
    task = {
        "task_id": "t",
        "total_roi": {"offset": [0], "shape": [blocks]},
        "read_roi": roi,
        "write_roi": roi,
        "read_write_conflict": False,
        "external_workers": True,
        "max_retries": 1000,
    }
    return {"name": "soak", "tasks": [task]}


def soak(folder: Path, blocks: int, count: int) -> int:
    state = folder / "state"
    broker = start_broker(folder, state)
    assert broker.stdout is not None
    endpoint = broker.stdout.readline().strip()
    control = bellis.Control(endpoint=endpoint)
    job = control.submit(line_job(blocks))
    crowd = Crowd(endpoint, count)
    begun = time.monotonic()
    next_tenth = 0
    job_state = "running"
    while job_state == "running":
        crowd.work(0.5)
        (status,) = control.status(job)
        job_state = status["state"]
        counts = status["tasks"][0]
        done = counts["completed"]
        if done * 10 >= next_tenth * blocks or job_state != "running":
            next_tenth = done * 10 // blocks + 1
            rate = done / (time.monotonic() - begun)
            ends = ", ".join(f"{count} {end}" for end, count in sorted(crowd.ends.items()))
            print(
                f"{done:>10} blocks, {sizes(broker.pid, state)}, {rate:,.0f} blocks/s;"
                f" workers: {ends}",
                flush=True,
            )
    print(
        f"soak: {job_state}: {counts['completed']} completed, {counts['failed']} failed,"
        f" {counts['failures_total']} attempts lost with their worker"
    )
    control.close()
    broker.terminate()
    broker.communicate(timeout=30)
    return 0 if job_state == "completed" and counts["completed"] == blocks else 1


def main() -> int:
    parser = argparse.ArgumentParser(prog="soak", description=__doc__.split("\n")[0])
    parser.add_argument("--blocks", type=int, default=10_000_000)
    parser.add_argument("--workers", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bellis-soak-") as folder:
        os.chmod(folder, 0o700)
        return soak(Path(folder), options.blocks, options.workers)


if __name__ == "__main__":
    sys.exit(main())
