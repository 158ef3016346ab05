"""Threads of libraries, which a forked child does not have.

TensorStore ends a forked child that uses it; gRPC, CUDA and the pools of Rust libraries wait there
for ever. Bellis cannot repair that, but it can find such threads, and name the remedy.
"""

import contextlib
import threading
from pathlib import Path

CURE = 'start_method="spawn": its workers start with a fresh interpreter'

# Prefixes of the names of threads whose pools forked children cannot use. The kernel cuts names
# after 15 bytes. A thread without a name, such as OpenBLAS's, has the name of the thread that made
# it.
_POOLS = {
    "ts_pool_worker": "TensorStore",
    "grpc_": "gRPC",
    "event_engine": "gRPC",
    "tf_": "TensorFlow or JAX",
    "cuda": "CUDA",
    "pt_": "PyTorch",
    "polars-": "Polars",
    "tokio-runtime": "a Rust library (Tokio)",
    "AwsEventLoop": "the AWS runtime",
    "C2 CompilerThre": "a Java machine",
}
_AWARE_OF_FORKS = ("ZMQbg", "jemalloc")


def names() -> "list[str]":
    """The names that libraries gave to their threads, sorted, each once.

    Empty if the kernel does not provide them. Reads a file for each thread of this process.
    """
    python = {thread.native_id for thread in threading.enumerate()}
    found = set()
    for task in Path("/proc/self/task").glob("*"):
        if int(task.name) not in python:
            # The thread may end meanwhile.
            with contextlib.suppress(OSError):
                found.add((task / "comm").read_text("utf-8", "replace").rstrip("\n"))
    with contextlib.suppress(OSError):
        found.discard(Path("/proc/self/comm").read_text("utf-8", "replace").rstrip("\n"))
    return sorted(name for name in found if not name.startswith(_AWARE_OF_FORKS))


def warning(threads: "list[str]") -> str:
    """A warning for a program with `threads` that is about to fork; empty if none is due."""
    used = {of for name in threads for begin, of in _POOLS.items() if name.startswith(begin)}
    if not used:
        return ""
    return (
        f"this program has used {' and '.join(sorted(used))} before the run. Forked workers do not "
        "have the threads of it: a function that uses it there dies, or waits for ever. Give the "
        f"run {CURE}"
    )


def hint(threads: "list[str]") -> str:
    """A hint about a forked worker that was ended by a fault; empty if there were no such
    threads."""
    if not threads:
        return ""
    return (
        f"The program had threads of libraries ({', '.join(threads)}), which forked workers do not "
        f"have: if that is why, give the run {CURE}"
    )
