"""Blocks/s of no-op blocks with a real broker, for 1, 2, 4 and 8 Python workers.

For comparison, in turns: the bare loop of PROTOCOL.md (pyzmq and msgpack, nothing else) with the
same broker.
"""

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bellis

LIBRARY = """
import bellis
client = bellis.Client()
client.process(lambda block: None)
"""

BARE = """
import os, msgpack, zmq
socket = zmq.Context().socket(zmq.DEALER)
socket.linger = 1000
socket.connect(os.environ["BELLIS_ENDPOINT"])
def send(kind, **fields):
    socket.send(msgpack.packb([kind, fields]))
send("hello", role="worker", language="python")
while True:
    kind, fields = msgpack.unpackb(socket.recv())
    if kind == "welcome":
        send("acquire", want=1)
    elif kind == "work":
        for block in fields["blocks"]:
            send("release", results=[{"lease": block["lease"], "status": "completed"}], want=1)
    else:
        break
"""

ROI = {"offset": [0, 0, 0], "shape": [10, 10, 10]}
JOB: dict[str, Any] = {
    "name": "no-op",
    "tasks": [
        {
            "task_id": "t",
            "total_roi": {"offset": [0, 0, 0], "shape": [10_000, 10_000, 10_000]},
            "read_roi": ROI,
            "write_roi": ROI,
            "read_write_conflict": False,
            "external_workers": True,
        }
    ],
}


@contextmanager
def broker() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        endpoint = f"ipc://{folder}/broker.sock"
        process = subprocess.Popen(
            ["bellis-broker", "--endpoint", endpoint, "--no-launcher", "--log-level", "off"],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            process.stdout.readline()  # the broker listens
            yield endpoint
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate()


def rate(script: str, workers: int, seconds: float) -> float:
    with broker() as endpoint:
        control = bellis.Control(endpoint=endpoint)
        job = control.submit(JOB)
        env = {**os.environ, "BELLIS_ENDPOINT": endpoint}
        processes = [
            subprocess.Popen([sys.executable, "-c", script], env=env) for _ in range(workers)
        ]

        def completed() -> tuple[int, float]:
            status = control.status(job)[0]
            return status["tasks"][0]["completed"], status["elapsed_s"]

        while control.status(job)[0]["tasks"][0]["workers_live"] < workers:
            time.sleep(0.02)
        time.sleep(0.3)
        blocks, start = completed()
        time.sleep(seconds)
        more, end = completed()
        control.cancel(job)
        for process in processes:
            process.wait(10)
        return (more - blocks) / (end - start)


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    print(f"{Path(sys.executable).name} {sys.version.split()[0]}; 3 rounds of {seconds} s")
    print(f"{'workers':>8} {'blocks/s':>12} {'bare loop/s':>12} {'ratio':>6}")
    for workers in (1, 2, 4, 8):
        pairs = [(rate(LIBRARY, workers, seconds), rate(BARE, workers, seconds)) for _ in range(3)]
        blocks = statistics.median(a for a, _ in pairs)
        bare = statistics.median(b for _, b in pairs)
        ratio = statistics.median(a / b for a, b in pairs)
        print(f"{workers:8} {blocks:12.0f} {bare:12.0f} {ratio:6.2f}", flush=True)


if __name__ == "__main__":
    main()
