"""Pools that were made before a fork, in the child.

The threads of a pool do not exist in the child, but its count of them does, and so who hands it
work waits for ever. That hurts those who have never heard of pools: dask keeps one from the first
computation on, and funlib.persistence computes with dask.

There is no cure for every thread that is missing. But nearly all pools are of the standard library,
and who knows that one needs to know none of the libraries that use it:

- a concurrent.futures.ThreadPoolExecutor starts its threads when they are needed, and is as new
  once it has forgotten those it had;
- a concurrent.futures.ProcessPoolExecutor and the pools of multiprocessing have processes, or
  threads from their beginning on, which are the parent's: they raise an error from now on.

Running the functions of users in a fresh thread, for the sake of who keeps pools by thread, was
rejected: it helps no pool that is a variable, and takes from users what only a main thread may do.
"""

import gc
import queue
import sys
import threading
from typing import Any

_NOT_HERE = "this pool was made before the run, in another process: make it in the function"


def mend() -> None:
    """In a child whose parent had threads. Cost: that of a look at every object that there is."""
    thread_pool = _kind("concurrent.futures.thread", "ThreadPoolExecutor")
    process_pool = _kind("concurrent.futures.process", "ProcessPoolExecutor")
    old_pool = _kind("multiprocessing.pool", "Pool")
    if not thread_pool and not process_pool and not old_pool:
        return
    # Their threads are not here: joining them at the end would fail, or never end.
    queues = getattr(sys.modules.get("concurrent.futures.thread"), "_threads_queues", None)
    if queues is not None:
        queues.clear()
    for item in gc.get_objects():
        # Not isinstance, which asks proxies of all kinds what they are.
        kind = type(item)
        if issubclass(kind, thread_pool):
            _empty(item)
        elif issubclass(kind, process_pool):
            item._broken = getattr(item, "_broken", False) or _NOT_HERE
        elif issubclass(kind, old_pool):
            item._state = sys.modules["multiprocessing.pool"].TERMINATE


def _empty(pool: Any) -> None:
    """What was waiting in it is the parent's to do."""
    pool._threads = set()
    pool._idle_semaphore = threading.Semaphore(0)
    pool._work_queue = queue.SimpleQueue()
    pool._shutdown_lock = threading.Lock()  # somebody may have held it


def _kind(module: str, name: str) -> "tuple[type[Any], ...]":
    """For issubclass; nothing when nobody has imported it."""
    kind = getattr(sys.modules.get(module), name, None)
    return (kind,) if isinstance(kind, type) else ()
