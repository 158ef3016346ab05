"""The caller's end of the zygote: starts it, sends it orders, and reads its reports."""

import contextlib
import json
import logging
import os
import pickle
import select
import signal
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, Optional

from bellis._run import nesting, process_tree
from bellis._run.worker_process import TaskFunctions, WorkerOrder
from bellis._run.zygote_process import MESSAGE_BYTES_MAX, serve_forked

# First the process asks the kernel to end it with its maker (process_tree.die_with), because the
# modules that it imports next may be the user's.
_SPAWNED = (
    "import ctypes, json, os, sys; ctypes.CDLL(None).prctl(1, 9, 0, 0, 0); "
    "os.getppid() == int(sys.argv[4]) or os._exit(1); sys.path[:] = json.loads(sys.argv[3]); "
    "from bellis._run.zygote_process import serve_spawned; "
    "serve_spawned(int(sys.argv[1]), int(sys.argv[2]))"
)
_END_PATIENCE_MS = 8000
_LOG_LINE_S = 1.0  # at most, and rarely


class ZygoteError(RuntimeError):
    """The process that starts workers is gone, or could not be started."""


class Zygote:
    """A helper process that forks workers (see zygote_process.py).

    One thread uses it. When `close` returns, the helper and all workers are gone.
    """

    def __init__(
        self, link: socket.socket, pid: int, process: "Optional[subprocess.Popen[bytes]]" = None
    ) -> None:
        self.pid = pid
        self._link = link
        self._link.settimeout(None)
        self._process = process
        self._worker_pids: dict[int, int] = {}  # by worker
        self._closed = False

    @classmethod
    def fork(cls, functions: Mapping[str, TaskFunctions], scratch_dir: str = "") -> "Zygote":
        """Forks a zygote. Call it before the run has threads, sockets or database handles."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        maker_pid = os.getpid()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()  # otherwise the child would write it again
        # A Ctrl-C in the child would raise an exception in the caller's code there.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        had_threads = threading.active_count() > 1
        zygote = None
        try:
            with warnings.catch_warnings(), _nobody_logging():
                # Python 3.12 warns when a process with threads forks, as Jupyter's kernel does.
                # The child touches nothing that another thread may have locked.
                warnings.simplefilter("ignore", DeprecationWarning)
                pid = os.fork()
                if pid == 0:
                    nesting.deepen()
                    serve_forked(theirs, ours, functions, maker_pid, scratch_dir, had_threads)
            zygote = cls(ours, pid)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        except BaseException:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            if zygote is not None:
                zygote.close()
            ours.close()
            raise
        finally:
            theirs.close()
        return zygote

    @classmethod
    def spawn(cls, pickled: Mapping[str, bytes], scratch_dir: str = "") -> "Zygote":
        """Starts a fresh interpreter, with functions from `pickling.pickle_functions`."""
        if not sys.executable:
            raise ZygoteError("sys.executable is empty: a new interpreter cannot be started")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        payload_fd = os.memfd_create("bellis-functions")
        try:
            payload = {
                "functions": dict(pickled),
                "argv": sys.argv,
                "maker_pid": os.getpid(),
                "scratch_dir": scratch_dir,
            }
            with os.fdopen(os.dup(payload_fd), "wb") as file:
                pickle.dump(payload, file)
            flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
            descriptors = (theirs.fileno(), payload_fd)
            process = subprocess.Popen(
                [sys.executable, *flags, "-c", _SPAWNED]
                + [str(descriptor) for descriptor in descriptors]
                + [json.dumps([os.path.abspath(path) for path in sys.path]), str(os.getpid())],
                pass_fds=descriptors,
                env={**os.environ, nesting.VARIABLE: str(nesting.depth() + 1)},
                stdin=subprocess.DEVNULL,
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
            os.close(payload_fd)
        return cls(ours, process.pid, process)

    def fileno(self) -> int:
        """A descriptor that is readable when `receive` has a report."""
        return self._link.fileno()

    def start_worker(self, order: WorkerOrder) -> None:
        self._send({"do": "fork", **order._asdict()})

    def stop_worker(self, worker: int, grace_s: float) -> None:
        """Sends TERM to the worker's process group, and KILL after `grace_s`."""
        self._send({"do": "stop", "worker": worker, "grace_s": grace_s})

    def receive(self) -> "list[dict[str, Any]]":
        """The reports that have arrived. Raises ZygoteError if the zygote is gone; then no worker
        is left, either."""
        reports: list[dict[str, Any]] = []
        while True:
            data = self._read()
            if data is None:
                return reports
            if not data:
                raise self._gone()
            report = json.loads(data)
            if report["of"] == "failed":
                self._end()
                raise ZygoteError(report["error"])
            if report["of"] == "forked":
                self._worker_pids[report["worker"]] = report["pid"]
            else:
                self._worker_pids.pop(report["worker"], None)
            reports.append(report)

    def _read(self) -> Optional[bytes]:
        """The next report; None if none has arrived, b"" if none will come any more."""
        while True:
            try:
                return self._link.recv(MESSAGE_BYTES_MAX, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return None
            except ConnectionResetError:
                # The kernel reports this once if the zygote ended without reading all orders. The
                # zygote's reports can still be read.
                continue
            except OSError:
                return b""

    def close(self) -> None:
        """Ends all workers and the zygote at once. Does nothing the second time."""
        if self._closed:
            return
        with contextlib.suppress(OSError):
            self._link.send(b'{"do": "end"}', socket.MSG_DONTWAIT)
        self._end()

    def _send(self, request: "dict[str, Any]") -> None:
        try:
            self._link.send(json.dumps(request).encode())
        except OSError as error:
            raise self._last_words() from error

    def _last_words(self) -> ZygoteError:
        """The error for a zygote that takes no more orders: what it reported, or else how it
        ended."""
        try:
            self.receive()
        except ZygoteError as error:
            return error
        return self._gone()

    def _gone(self) -> ZygoteError:
        status = self._end()
        how = "ended"
        if status is not None:
            how = (
                f"was killed by signal {os.WTERMSIG(status)}"
                if os.WIFSIGNALED(status)
                else f"exited with code {os.WEXITSTATUS(status)}"
            )
        return ZygoteError(
            f"the helper process {self.pid} that starts workers {how} unexpectedly; "
            "the run was ended"
        )

    def _end(self) -> Optional[int]:
        """Ends the zygote; returns its wait status, or None if that is unknown."""
        if self._closed:
            return None
        self._closed = True
        self._link.close()
        status = self._wait()
        # The zygote kills its workers itself, unless it was killed.
        for pid in self._worker_pids.values():
            process_tree.kill_group(pid, signal.SIGKILL)
        self._worker_pids.clear()
        return status

    def _wait(self) -> Optional[int]:
        try:
            descriptor = os.pidfd_open(self.pid)
        except (AttributeError, OSError):
            pass
        else:
            poller = select.poll()
            poller.register(descriptor, select.POLLIN)
            if not poller.poll(_END_PATIENCE_MS):
                process_tree.kill(self.pid, signal.SIGKILL)
            os.close(descriptor)
        if self._process is not None:
            code = self._process.wait()
            return -code if code < 0 else code << 8
        try:
            return os.waitpid(self.pid, 0)[1]
        except ChildProcessError:
            return None  # other code of this process has reaped it


@contextlib.contextmanager
def _nobody_logging() -> Iterator[None]:
    """A context in which no other thread is in the middle of a log line, unless the line takes
    long.

    Otherwise the file to which the thread writes would stay locked for ever in a forked child.
    (Python itself makes new locks for logging.)
    """
    held = []
    # In the order in which logging itself takes them.
    locks = [getattr(logging, "_lock", None)]
    locks += [getattr(reference(), "lock", None) for reference in list(logging._handlerList)]  # type: ignore[attr-defined]
    for lock in locks:
        if lock is not None:
            if not lock.acquire(timeout=_LOG_LINE_S):
                break
            held.append(lock)
    try:
        yield
    finally:
        for lock in held:
            lock.release()
