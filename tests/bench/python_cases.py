"""One measurement in one process: python python_cases.py MODULE CASE ARGUMENTS

MODULE is "bellis" or "daisy", or "daisy-nodelay" for daisy 1.2 whose sockets have TCP_NODELAY set.
ARGUMENTS are those of the function CASE, as a JSON object. Prints a JSON object. Imports nothing
from Bellis' tree, so that daisy's interpreters can run this, too.
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

Result = dict[str, float]


def no_op(block: Any) -> None:
    pass


def tasks_of(daisy: Any, blocks: int, workers: int, count: int, name: str = "task") -> list[Any]:
    """A chain of tasks, each of `blocks` blocks of one pixel."""
    tasks: list[Any] = []
    for number in range(count):
        tasks.append(
            daisy.Task(
                f"{name}{number}",
                total_roi=daisy.Roi((0,), (blocks,)),
                read_roi=daisy.Roi((0,), (1,)),
                write_roi=daisy.Roi((0,), (1,)),
                process_function=no_op,
                read_write_conflict=False,
                num_workers=workers,
                upstream_tasks=tasks[-1:],
            )
        )
    return tasks


def run(daisy: Any, blocks: int, workers: int, tasks: int = 1, before: int = 0) -> Result:
    """Runs a chain of tasks with no-op blocks, after `before` runs of one block."""
    for number in range(before):
        daisy.run_blockwise(tasks_of(daisy, 1, workers, 1, f"before{number}_"))
    chain = tasks_of(daisy, blocks, workers, tasks)
    begin = time.perf_counter()
    done = daisy.run_blockwise(chain)
    seconds = time.perf_counter() - begin
    if not done:
        raise RuntimeError(f"run_blockwise returned {done!r}")
    return {"seconds": seconds}


def serial(daisy: Any, blocks: int) -> Result:
    """Runs a task of no-op blocks without worker processes."""
    (task,) = tasks_of(daisy, blocks, 1, 1)
    begin = time.perf_counter()
    daisy.run_blockwise([task], multiprocessing=False)
    return {"seconds": time.perf_counter() - begin}


def enumerate_dependencies(daisy: Any, side: int, conflict: bool) -> Result:
    """Lists every block of a cube of side^3 blocks, with the blocks that it waits for."""
    graph = daisy.BlockwiseDependencyGraph(
        "t",
        daisy.Roi((0, 0, 0), (12, 12, 12)),
        daisy.Roi((1, 1, 1), (10, 10, 10)),
        conflict,
        "valid",
        total_read_roi=daisy.Roi((0, 0, 0), (side * 10 + 2,) * 3),
    )
    begin = time.perf_counter()
    blocks = 0
    dependencies = 0
    for _, upstream in graph.enumerate_all_dependencies():
        blocks += 1
        dependencies += len(upstream)
    seconds = time.perf_counter() - begin
    if blocks != side**3:
        raise RuntimeError(f"{blocks} blocks instead of {side**3}")
    return {"seconds": seconds, "dependencies": dependencies}


def schedule(daisy: Any, side: int) -> Result:
    """Takes a cube of side^3 blocks with conflict through the in-process Scheduler."""
    task = daisy.Task(
        "t",
        total_roi=daisy.Roi((0, 0, 0), (side * 10 + 2,) * 3),
        read_roi=daisy.Roi((0, 0, 0), (12, 12, 12)),
        write_roi=daisy.Roi((1, 1, 1), (10, 10, 10)),
        process_function=no_op,
        read_write_conflict=True,
    )
    begin = time.perf_counter()
    scheduler = daisy.Scheduler([task])
    blocks = 0
    while (block := scheduler.acquire_block("t")) is not None:
        block.status = daisy.BlockStatus.SUCCESS
        scheduler.release_block(block)
        blocks += 1
    seconds = time.perf_counter() - begin
    if blocks != side**3:
        raise RuntimeError(f"{blocks} blocks instead of {side**3}")
    return {"seconds": seconds}


def square(daisy: Any, elements: int, workers: int) -> Result:
    """Computes the squares of many integers, one by one, in 250 blocks of a Zarr array."""
    import numpy as np

    zarr: Any = importlib.import_module("zarr")  # has no types
    inputs = np.arange(elements, dtype=np.int64)
    squares = zarr.open_array(
        "squares.zarr", mode="w", shape=(elements,), chunks=(elements // 250,), dtype=np.int64
    )

    def square_block(block: Any) -> None:
        (where,) = block.read_roi.to_slices()
        with np.nditer([inputs[where], None]) as pairs:
            for value, result in pairs:
                result[...] = value * value
            squares[where] = pairs.operands[1]

    part = daisy.Roi((0,), (elements // 250,))
    task = daisy.Task(
        "square",
        total_roi=daisy.Roi((0,), (elements,)),
        read_roi=part,
        write_roi=part,
        process_function=square_block,
        num_workers=workers,
    )
    begin = time.perf_counter()
    done = daisy.run_blockwise([task])
    seconds = time.perf_counter() - begin
    if not done or not (squares[:] == inputs**2).all():
        raise RuntimeError("the squares are wrong")
    return {"seconds": seconds}


CASES: dict[str, Callable[..., Result]] = {
    case.__name__: case for case in (run, serial, enumerate_dependencies, schedule, square)
}


def set_nodelay() -> None:
    """Sets TCP_NODELAY on both ends of every connection of daisy 1.2. Forked workers inherit it."""
    stream_class: Any = importlib.import_module("daisy.tcp.tcp_stream").TCPStream
    init = stream_class.__init__

    def init_with_nodelay(self: Any, stream: Any, address: Any) -> None:
        init(self, stream, address)
        stream.set_nodelay(True)

    stream_class.__init__ = init_with_nodelay


def main() -> None:
    module, case, arguments = sys.argv[1:4]
    # The run's own output, on stdout or stderr, is no part of the measurement.
    output = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    if "BENCH_KEEP_STDERR" not in os.environ:
        errors = os.open("errors.txt", os.O_WRONLY | os.O_CREAT)
        os.dup2(errors, 2)
    daisy = importlib.import_module(module.partition("-")[0])
    if module.endswith("-nodelay"):
        set_nodelay()
    result = CASES[case](daisy, **json.loads(arguments))
    os.write(output, json.dumps(result).encode())
    os.close(output)


if __name__ == "__main__":
    main()
