"""How many no-op blocks a second one Python worker does; not a test.

    python bench_round_trips.py [blocks] [rounds]

The broker is a minimal one, in a process of its own, so the figures are those of the worker and
ZeroMQ (CPU time includes ZeroMQ's I/O thread). `bare` is the worker of PROTOCOL.md without checks
or objects. The rate of a worker depends on the CPUs that the two processes run on: compare within
one run, and try `taskset -c 0`, too.
"""

import multiprocessing
import statistics
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Callable

sys.path.insert(0, str(Path(__file__).parents[2] / "client" / "python"))

import msgpack
import zmq
from bellis import Client
from fake_broker import block


def serve(endpoint: str, blocks: int, bound: Connection) -> None:
    """Serves workers, one after the other, `blocks` blocks each, until killed."""
    router = zmq.Context().socket(zmq.ROUTER)
    router.bind(endpoint)
    address = router.getsockopt(zmq.LAST_ENDPOINT)
    assert isinstance(address, bytes)
    bound.send(address.rstrip(b"\0").decode())
    left = blocks
    while True:
        peer, data = router.recv_multipart()
        kind, fields = msgpack.unpackb(data)
        if kind == "hello":
            left = blocks
            answer = ["welcome", {"version": 1, "job": "job-1", "task": "A", "worker": 1}]
        elif kind == "bye" or not fields["want"]:
            continue
        elif left == 0:
            answer = ["leave", {"reason": "the task is done"}]
        else:
            left -= 1
            answer = ["work", {"blocks": [block(blocks - left)]}]
        router.send_multipart([peer, msgpack.packb(answer)])


def bare(endpoint: str) -> None:
    context = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.connect(endpoint)
    socket.send(msgpack.packb(["hello", {"role": "worker"}]))
    socket.recv()
    socket.send(msgpack.packb(["acquire", {"want": 1}]))
    while True:
        kind, fields = msgpack.unpackb(socket.recv())
        if kind == "leave":
            break
        result = {"lease": fields["blocks"][0]["lease"], "status": "completed"}
        socket.send(msgpack.packb(["release", {"results": [result], "want": 1}]))
    context.destroy(1000)


def by_process(endpoint: str) -> None:
    with Client(endpoint=endpoint) as client:
        client.process(lambda block: None)


def by_acquire_block(endpoint: str) -> None:
    with Client(endpoint=endpoint) as client:
        while True:
            with client.acquire_block() as block:
                if block is None:
                    break


def main() -> None:
    blocks = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    workers: list[Callable[[str], None]] = [bare, by_process, by_acquire_block]
    with tempfile.TemporaryDirectory() as folder:
        for endpoint in ("tcp://127.0.0.1:*", f"ipc://{folder}/broker.sock"):
            here, there = multiprocessing.Pipe()
            arguments = (endpoint, blocks, there)
            broker = multiprocessing.Process(target=serve, args=arguments, daemon=True)
            broker.start()
            address = here.recv()
            rates: dict[str, list[float]] = {worker.__name__: [] for worker in workers}
            cpu: dict[str, list[float]] = {worker.__name__: [] for worker in workers}
            for _ in range(rounds):  # in turns, so that a noisy moment disturbs all workers
                for worker in workers:
                    cpu_begin = time.process_time()
                    begin = time.perf_counter()
                    worker(address)
                    rates[worker.__name__].append(blocks / (time.perf_counter() - begin))
                    cpu[worker.__name__].append((time.process_time() - cpu_begin) / blocks)
            broker.kill()
            for name, values in rates.items():
                low, middle, high = min(values), statistics.median(values), max(values)
                cpu_us = 1e6 * statistics.median(cpu[name])
                print(
                    f"{address[:3]} {name:17} {middle:8,.0f} blocks/s ({low:,.0f} - {high:,.0f}), "
                    f"{cpu_us:4.0f} us of CPU a block",
                    flush=True,
                )


if __name__ == "__main__":
    main()
