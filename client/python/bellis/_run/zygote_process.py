"""The zygote: a process with one thread that forks workers, and makes sure that they end.

The zygote is made before the run has threads, sockets or handles, so its own forks are harmless,
and its workers inherit what they call (closures, lambdas, shared memory). It speaks JSON over a
socket pair with the process that made it, its maker (zygote.py):

    to it    {"do": "fork", ...WorkerOrder}, {"do": "stop", "worker", "grace_s"}, {"do": "end"}
    from it  {"of": "forked", "worker", "pid", "warning"}, {"of": "exited", "worker", "exit_code",
             "signal", "start_error", "stderr_tail", "working"}, {"of": "failed", "error"}

When the maker ends, however it ends, the zygote ends all workers and all processes that they
started.
"""

import gc
import json
import os
import pickle
import select
import shutil
import signal
import socket
import sys
import time
import traceback
from collections import deque
from collections.abc import Mapping
from typing import Any, NoReturn, Optional

from bellis import _core
from bellis._run import inherited_pools, nesting
from bellis._run.process_tree import (
    become_subreaper,
    children_of,
    end_descendants,
    environment_has,
    kill,
    kill_group,
)
from bellis._run.worker_process import TaskFunctions, WorkerOrder, run_worker

MESSAGE_BYTES_MAX = 1 << 21
_END_BOUND_S = 5.0
_LOOK_AGAIN_S = 0.002
_LOOK_AGAIN_MAX_S = 0.1
_TRIM_LOGS_S = 5.0


class _Child:
    """A worker, from its fork until its end is reported."""

    def __init__(
        self,
        order: WorkerOrder,
        pid: int,
        log: Optional[_core.WorkerLog],
        page: Optional[int],
    ) -> None:
        self.order = order
        self.pid = pid
        self.log = log
        self.page = page  # where the worker notes the lease that it works on
        self.wait_status: Optional[int] = None  # of the leader, once it has ended
        self.kill_at: Optional[float] = None  # when KILL is due, once the worker was asked to end
        self.look_at: Optional[float] = None  # when to look again for processes that it left behind
        self.pause_s = _LOOK_AGAIN_S


class ZygoteProcess:
    """Serves one socket. Removes `scratch_dir` if the maker ends without saying "end"."""

    def __init__(
        self,
        link: socket.socket,
        functions: Mapping[str, TaskFunctions],
        maker_pid: int,
        scratch_dir: str,
    ) -> None:
        self._link = link
        self._functions = functions
        self._maker_pid = maker_pid
        self._scratch_dir = scratch_dir
        self._pid = os.getpid()
        self._children: dict[int, _Child] = {}  # by worker
        self._by_pid: dict[int, _Child] = {}  # workers that have not ended
        self._unsent: deque[bytes] = deque()
        self._trim_logs_at = 0.0
        self._run_links = _core.RunLinks()
        self._ended_logs = _core.EndedLogs()
        self._pages = _core.WorkPages()
        self._told_to_end = False
        self._done = False
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._maker_fd = _watch(maker_pid)
        self._done = os.getppid() != maker_pid  # the maker had ended before it was watched

    def serve(self) -> None:
        """Serves until the maker says "end", or is gone."""
        self._prepare()
        poller = select.poll()
        poller.register(self._wake_read, select.POLLIN)
        if self._maker_fd >= 0:
            poller.register(self._maker_fd, select.POLLIN)
        while not self._done:
            poller.register(self._link, select.POLLIN | (select.POLLOUT if self._unsent else 0))
            for descriptor, _ in poller.poll(self._wait_ms()):
                if descriptor == self._maker_fd:
                    self._done = True
                elif descriptor == self._wake_read:
                    os.read(self._wake_read, 4096)
            self._take_requests()
            self._reap()
            self._keep_deadlines()
            self._trim_logs()
            self._send_reports()
        for child in self._by_pid.values():
            kill_group(child.pid, signal.SIGKILL)
            kill(child.pid, signal.SIGKILL)
        end_descendants(_END_BOUND_S)
        self._trim_logs_at = 0.0
        self._trim_logs()  # once more, now that no process is left that could write
        if not self._told_to_end and self._scratch_dir:
            shutil.rmtree(self._scratch_dir, ignore_errors=True)

    def _prepare(self) -> None:
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        os.setsid()
        become_subreaper()
        self._link.setblocking(False)
        # The maker's objects must not be finalized in this process, too.
        gc.disable()
        gc.freeze()

    def _wait_ms(self) -> Optional[float]:
        due = [
            at
            for child in self._children.values()
            for at in (child.kill_at, child.look_at)
            if at is not None
        ]
        if self._ended_logs.watched() or any(c.log for c in self._children.values()):
            due.append(self._trim_logs_at)
        return max(0.0, (min(due) - time.monotonic()) * 1000) if due else None

    # ---- requests ----

    def _take_requests(self) -> None:
        while not self._done:
            try:
                data = self._link.recv(MESSAGE_BYTES_MAX)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._done = True
                return
            request = json.loads(data)
            if request["do"] == "fork":
                del request["do"]
                self._fork(WorkerOrder(**request))
            elif request["do"] == "stop":
                self._stop(request["worker"], request["grace_s"])
            else:
                self._done = self._told_to_end = True

    def _fork(self, order: WorkerOrder) -> None:
        log, warning = None, ""
        page = self._pages.take()
        page_name = "" if page is None else self._pages.name_of(page)
        order = order._replace(env={**order.env, _core.WORK_PAGE_VARIABLE: page_name})
        try:
            functions = self._functions[order.task]
            if order.log_dir:
                label = order.label()
                log = _core.WorkerLog.open(label)
                warning = self._run_links.point(label)
            pid = os.fork()
        except (OSError, KeyError) as error:
            self._report(of="exited", worker=order.worker, start_error=f"{error}")
            if page is not None:
                self._pages.give_back(page)
            return
        if pid == 0:
            self._link.close()
            os.close(self._wake_read)
            if self._maker_fd >= 0:
                os.close(self._maker_fd)
            del self._pages  # closes them
            run_worker(order, functions, self._pid, log)
        if log:
            log.started(pid)
        child = _Child(order, pid, log, page)
        self._children[order.worker] = self._by_pid[pid] = child
        self._report(of="forked", worker=order.worker, pid=pid, warning=warning)

    def _stop(self, worker: int, grace_s: float) -> None:
        child = self._children.get(worker)
        if child is None or child.wait_status is not None:
            return
        if grace_s <= 0:
            self._kill(child)
            return
        if not kill_group(child.pid, signal.SIGTERM):
            kill(child.pid, signal.SIGTERM)
        kill_at = time.monotonic() + grace_s
        child.kill_at = kill_at if child.kill_at is None else min(child.kill_at, kill_at)

    def _kill(self, child: _Child) -> None:
        if not kill_group(child.pid, signal.SIGKILL):
            kill(child.pid, signal.SIGKILL)  # the worker has not made its group yet
        child.kill_at = None

    # ---- ends ----

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            child = self._by_pid.pop(pid, None)
            if child is not None:
                child.wait_status = status
                child.kill_at = None
                child.look_at = 0.0

    def _keep_deadlines(self) -> None:
        now = time.monotonic()
        for child in list(self._children.values()):
            if child.kill_at is not None and now >= child.kill_at:
                self._kill(child)
            if child.look_at is None or now < child.look_at:
                continue
            if self._end_leftovers(child):
                child.look_at = now + child.pause_s
                child.pause_s = min(2 * child.pause_s, _LOOK_AGAIN_MAX_S)
            else:
                del self._children[child.order.worker]
                self._report_exit(child)

    def _trim_logs(self) -> None:
        """Cuts log files that are too large. A file may exceed its bound until then, so that no
        worker is slowed down."""
        now = time.monotonic()
        if now < self._trim_logs_at:
            return
        self._trim_logs_at = now + _TRIM_LOGS_S
        for child in self._children.values():
            if child.log:
                child.log.trim()
        self._ended_logs.sweep()

    def _end_leftovers(self, child: _Child) -> bool:
        """Kills the processes that an ended worker left behind; returns whether there were any."""
        left = kill_group(child.pid, signal.SIGKILL)
        for pid in children_of(self._pid):
            if pid not in self._by_pid and self._belongs_to(pid, child):
                kill(pid, signal.SIGKILL)
                left = True
        return left

    def _belongs_to(self, stray: int, child: _Child) -> bool:
        try:
            session = os.getsid(stray)
        except ProcessLookupError:
            return False
        if session == child.pid or not self._by_pid:
            return True
        if session in self._by_pid:
            return False
        return environment_has(
            stray,
            [
                f"{name}={child.order.env.get(name, '')}".encode("utf-8", "surrogateescape")
                for name in ("BELLIS_ENDPOINT", "BELLIS_WORKER_ID")
            ],
        )

    def _report_exit(self, child: _Child) -> None:
        assert child.wait_status is not None
        working = []
        if child.page is not None:
            working = self._pages.read(child.page)
            self._pages.give_back(child.page)
        by_signal = os.WIFSIGNALED(child.wait_status)
        self._report(
            of="exited",
            worker=child.order.worker,
            exit_code=0 if by_signal else os.WEXITSTATUS(child.wait_status),
            signal=os.WTERMSIG(child.wait_status) if by_signal else 0,
            stderr_tail=child.log.stderr_tail().decode("utf-8", "replace") if child.log else "",
            working=working,
        )
        if child.log:
            self._ended_logs.add(child.log.stem)

    # ---- reports ----

    def _report(self, **report: Any) -> None:
        self._unsent.append(json.dumps(report).encode())

    def _send_reports(self) -> None:
        while self._unsent:
            try:
                self._link.send(self._unsent[0])
            except BlockingIOError:
                return
            except OSError:
                self._done = True
                return
            self._unsent.popleft()


def serve_forked(
    link: socket.socket,
    makers_link: Optional[socket.socket],
    functions: Mapping[str, TaskFunctions],
    maker_pid: int,
    scratch_dir: str,
    had_threads: bool,
) -> NoReturn:
    """Runs the zygote in a child that was forked with all signals blocked.

    `had_threads`: the parent had more than one thread.
    """
    code = 1
    try:
        if makers_link is not None:
            makers_link.close()
        if had_threads:
            inherited_pools.mend()
        ZygoteProcess(link, functions, maker_pid, scratch_dir).serve()
        code = 0
    except BaseException:
        # A thread of the parent, which does not exist here, may have locked sys.stderr.
        os.write(2, traceback.format_exc().encode("utf-8", "backslashreplace"))
    finally:
        os._exit(code)


def serve_spawned(link_fd: int, payload_fd: int) -> NoReturn:
    """Runs the zygote in a fresh interpreter; zygote.py wrote the functions to `payload_fd`."""
    link = socket.socket(fileno=link_fd)
    with os.fdopen(payload_fd, "rb") as file:
        file.seek(0)
        payload = pickle.load(file)
        pickled = payload["functions"]
    sys.argv = payload["argv"]
    maker_pid, scratch_dir = payload["maker_pid"], payload["scratch_dir"]
    functions = {}
    for task, data in pickled.items():
        try:
            with nesting.Unpickling(maker_pid):
                functions[task] = TaskFunctions(*pickle.loads(data))
        except BaseException as error:
            trace = traceback.format_exc()
            text = f"the functions of task {task!r} cannot be unpickled: {error!r}\n{trace}"
            link.send(json.dumps({"of": "failed", "error": text}).encode())
            os._exit(1)
    serve_forked(link, None, functions, maker_pid, scratch_dir, had_threads=False)


def _watch(pid: int) -> int:
    """A descriptor that is readable once the process has ended; -1 if the kernel has none."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return -1
