"""The time from a worker's end until another worker has its block, by the cause of the end.

    .venv/bin/python tests/bench/worker_death.py [--lease-ms 2000] [--rounds 5]

The worker is `bellis exec` with a sleeping command; the other worker is a bare connection that
waits for a block. Prints medians, and their ratio to the lease: 1 is the least that is safe when
nobody can see that the process has ended.
"""

import argparse
import os
import signal
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import bellis
import msgpack
import zmq
from bellis._wire.access import read_file

BIN = Path(os.environ.get("BELLIS_BIN_DIR", Path(__file__).parents[2] / "build/release/bin"))
ROI = {"offset": [0], "shape": [1]}
TASK = {"task_id": "t", "total_roi": ROI, "read_roi": ROI, "write_roi": ROI, "max_retries": 9}


class Relay:
    """Passes bytes on between one client and the broker. While frozen, no bytes move, and no
    connection is closed."""

    def __init__(self, port: int) -> None:
        self.frozen = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"tcp://127.0.0.1:{self.listener.getsockname()[1]}"
        self.port = port
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            client, _ = self.listener.accept()
            broker = socket.create_connection(("127.0.0.1", self.port))
            for ends in ((client, broker), (broker, client)):
                threading.Thread(target=self.copy, args=ends, daemon=True).start()

    def copy(self, source: socket.socket, target: socket.socket) -> None:
        while data := source.recv(65536):
            if self.frozen.is_set():
                return
            target.sendall(data)
        target.close()


def round_of(how: str, lease_ms: int) -> float:
    with tempfile.TemporaryDirectory(prefix="bellis-death-") as folder:
        broker = subprocess.Popen(
            [
                BIN / "bellis-broker",
                *("--endpoint", "tcp://127.0.0.1:*", "--no-launcher"),
                *("--lease-ms", str(lease_ms), "--log-level", "off"),
            ],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "XDG_RUNTIME_DIR": folder},
        )
        assert broker.stdout is not None
        endpoint = broker.stdout.readline().strip()
        relay = Relay(int(endpoint.rpartition(":")[2]))
        access = read_file(f"{folder}/bellis/access")
        with bellis.Control(access=access) as control:
            job = control.submit({"name": "death", "tasks": [{**TASK, "external_workers": True}]})
            worker = subprocess.Popen(
                [BIN / "bellis", "exec", "--", "sleep", "1000"],
                env={
                    **os.environ,
                    "BELLIS_ACCESS": f"{folder}/bellis/access",
                    "BELLIS_ENDPOINT": relay.endpoint if how == "cut off" else endpoint,
                },
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            while control.status(job)[0]["tasks"][0]["leased"] == 0:
                time.sleep(0.01)
            other = zmq.Context.instance().socket(zmq.DEALER)
            other.linger = 0
            access.secure(other)
            other.connect(endpoint)
            send(other, "hello", role="worker")
            other.recv()
            send(other, "acquire", want=1)
            time.sleep(lease_ms / 1000 * 0.6)  # somewhere between two pings
            begun = time.monotonic()
            if how == "cut off":
                relay.frozen.set()
            else:
                os.killpg(worker.pid, signal.SIGKILL if how == "killed" else signal.SIGSTOP)
            while msgpack.unpackb(other.recv())[0] != "work":
                pass
            seconds = time.monotonic() - begun
            other.close()
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
        broker.kill()
        broker.communicate()
        return seconds


def send(peer: Any, kind: str, **fields: Any) -> None:
    peer.send(msgpack.packb([kind, fields]))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--lease-ms", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    for how in ("killed", "stopped", "cut off"):
        seconds = statistics.median(round_of(how, options.lease_ms) for _ in range(options.rounds))
        ratio = seconds * 1000 / options.lease_ms
        print(
            f"{how:>8}: {seconds:6.3f} s to the next worker, {ratio:.3f} of the lease", flush=True
        )


if __name__ == "__main__":
    main()
