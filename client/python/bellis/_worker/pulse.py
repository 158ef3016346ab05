"""Keeps a worker's leases alive while its user's code computes, and ends it when it cannot.

A thread would not do: code that holds the interpreter's lock for an hour stops all Python threads
of the process. So the pulse is a process of its own (`pulse_process.py`), with a connection of its
own. The two share a page of memory (`LeaseBoard`), so that a block costs no message between them.

What is guaranteed: when no ping has been answered for a lease, less a margin, the pulse kills the
worker, and its process group when it leads one, by SIGKILL, if the user's code has a block. When
the pulse itself dies, the kernel kills the worker (the signal of a pipe that closes). What is not:
a pulse that alone is stopped (SIGSTOP), or a machine that gives it no time.
"""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
from typing import Callable, Optional

import msgpack

from bellis._wire.access import Access
from bellis._worker.lease_board import Held, LeaseBoard

# From the word to on_fence to the end of the process; at most a quarter of a lease.
FENCE_S = 1.0

_START = (
    "import json,sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from bellis._worker import pulse_process as p"
)


def is_possible() -> bool:
    """Whether this platform has what a pulse needs: Linux, and an interpreter that can be run."""
    return hasattr(os, "memfd_create") and hasattr(os, "pidfd_open") and bool(sys.executable)


class Pulse:
    """The worker's side: starts the process, tells it what is held, ends it.

    Starting one costs some 100 ms of a core, in the background.
    """

    def __init__(
        self,
        access: Access,
        on_fence: Optional[Callable[[], object]] = None,
    ) -> None:
        self._board = LeaseBoard.make()
        self._owner = os.getpid()
        alive_read, alive_write = os.pipe()
        self._alive_fd = alive_read
        warn_read, warn_write = os.pipe() if on_fence else (-1, -1)
        settings = {
            "access": access._asdict(),
            "worker_pid": self._owner,
            "board_fd": self._board.fd,
            "warn_fd": warn_write,
        }
        # A terminal's Ctrl-C, or a TERM to the process group, is for the worker to answer.
        ours = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT}
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ours)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", f"{_START}; p.main()", json.dumps(sys.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                pass_fds=[fd for fd in (self._board.fd, alive_write, warn_write) if fd >= 0],
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            os.close(alive_write)
            if on_fence:
                os.close(warn_write)
        assert self._process.stdin is not None
        self._process.stdin.write(msgpack.packb(settings))
        self._process.stdin.close()
        self._die_with_the_pulse()
        if on_fence:
            threading.Thread(target=_await_fence, args=(warn_read, on_fence), daemon=True).start()

    @property
    def board(self) -> LeaseBoard:
        return self._board

    def tell(
        self,
        worker: int,
        session: int,
        hello_sent_ns: int,
        lease_ms: int,
        heartbeat_ms: int,
        held: list[Held],
        working: bool,
    ) -> None:
        self._board.write(worker, session, hello_sent_ns, lease_ms, heartbeat_ms, held, working)

    @property
    def expired(self) -> bool:
        return self._board.expired

    def renew(self) -> None:
        self._board.renew()

    def close(self) -> None:
        """Ends the pulse without a word. In a forked child it does nothing: it is the parent's."""
        if os.getpid() != self._owner or self._alive_fd < 0:
            return
        fcntl.fcntl(self._alive_fd, fcntl.F_SETFL, 0)
        os.close(self._alive_fd)
        self._alive_fd = -1
        self._process.kill()
        self._process.wait()
        self._board.close()

    def _die_with_the_pulse(self) -> None:
        """The kernel is to end this process when the other end of the pipe closes."""
        fd = self._alive_fd
        fcntl.fcntl(fd, fcntl.F_SETOWN, self._owner)
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(fd, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
        with contextlib.suppress(BlockingIOError):
            if not os.read(fd, 1):  # it has ended before the kernel was asked
                raise RuntimeError("the pulse of this worker could not be started")


def _await_fence(fd: int, on_fence: Callable[[], object]) -> None:
    with os.fdopen(fd, "rb", buffering=0) as pipe:
        if pipe.read(1):
            on_fence()
