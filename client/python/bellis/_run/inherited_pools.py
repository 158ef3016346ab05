"""Repairs pools in a forked child that were made before the fork.

A forked child has a pool's count of threads, but not its threads, so code that gives work to the
pool waits for ever. That happens even to users who never made a pool: dask keeps one from its first
computation on, and funlib.persistence computes with dask.

Not every missing thread can be replaced. But nearly all pools are from the standard library, so
repairing these kinds is enough, whatever library uses them:

- a concurrent.futures.ThreadPoolExecutor starts threads when it needs them, so it works again once
  it has forgotten its former threads;
- a concurrent.futures.ProcessPoolExecutor and the pools of multiprocessing have processes and
  threads of the parent, and cannot be repaired: they raise an error from now on.

Running the functions of users in a fresh thread was rejected: it would help libraries that keep a
pool for each thread, but no pool in a variable, and users could not do what only a main thread may.
"""

import gc
import queue
import sys
import threading
from typing import Any

_NOT_HERE = "this pool was made before the run, in another process: make it in the function"


def mend() -> None:
    """Repairs all pools. Must be called in a child whose parent had threads. Looks at every object
    of the process."""
    thread_pool = _kind("concurrent.futures.thread", "ThreadPoolExecutor")
    process_pool = _kind("concurrent.futures.process", "ProcessPoolExecutor")
    old_pool = _kind("multiprocessing.pool", "Pool")
    if not thread_pool and not process_pool and not old_pool:
        return
    # The interpreter would join these threads at its end, but this process does not have them.
    queues = getattr(sys.modules.get("concurrent.futures.thread"), "_threads_queues", None)
    if queues is not None:
        queues.clear()
    for item in gc.get_objects():
        # isinstance would run code of proxy objects.
        kind = type(item)
        if issubclass(kind, thread_pool):
            _empty(item)
        elif issubclass(kind, process_pool):
            item._broken = getattr(item, "_broken", False) or _NOT_HERE
        elif issubclass(kind, old_pool):
            item._state = sys.modules["multiprocessing.pool"].TERMINATE


def _empty(pool: Any) -> None:
    """Drops the work that waits in the pool: the parent does it."""
    pool._threads = set()
    pool._idle_semaphore = threading.Semaphore(0)
    pool._work_queue = queue.SimpleQueue()
    pool._shutdown_lock = threading.Lock()  # another thread may have held the former one


def _kind(module: str, name: str) -> "tuple[type[Any], ...]":
    """For issubclass: the class, or nothing if its module is not imported."""
    kind = getattr(sys.modules.get(module), name, None)
    return (kind,) if isinstance(kind, type) else ()
