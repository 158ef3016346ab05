"""One run of tasks with worker processes: its broker, launcher and zygote, and its loop."""

import contextlib
import functools
import logging
import math
import multiprocessing
import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Optional

import zmq

from bellis._report.death_log import DeathLog
from bellis._report.failure_log import FailureLog
from bellis._report.progress import Progress
from bellis._run import native_threads, nesting
from bellis._run.absent_workers import AbsentWorkers
from bellis._run.interrupts import Interrupts
from bellis._run.job_watch import JobWatch
from bellis._run.kept_progress import KeptProgress, files_of
from bellis._run.launcher import Launcher
from bellis._run.local_broker import LocalBroker
from bellis._run.pickling import pickle_functions
from bellis._run.worker_process import TaskFunctions
from bellis._run.zygote import Zygote
from bellis._wire import endpoint as endpoints
from bellis._wire import settings
from bellis.logging import get_log_basedir
from bellis.task_state import TaskState, TaskStates

if TYPE_CHECKING:
    from bellis.task import Task

_LOG = logging.getLogger("bellis")

_CHECKERS_MAX = 4
_STOP_EVENT_EVERY_S = 0.05  # the loop polls the event: it cannot wait for it and for sockets
_WAIT_MAX_S = 60.0
# How long workers may take to leave when all blocks are done, and from TERM to KILL.
_LEAVE_GRACE_S = 3.0
_STOP_GRACE_S = 2.0
START_METHODS = ("fork", "spawn")


class JobRun:
    """Runs `tasks` once, in the calling thread. Takes over the broker, and stops it at the end.

    `stop_event` (with `is_set`) cancels the run. When `run` has returned or raised, nothing of the
    run is left, no process, thread, descriptor or file, except the workers' logs.
    """

    def __init__(
        self,
        tasks: "Sequence[Task]",
        broker: LocalBroker,
        progress: Progress,
        stop_event: Any = None,
        start_method: Optional[str] = None,
        kept: KeptProgress = KeptProgress(),  # noqa: B008
    ) -> None:
        self._tasks = tasks
        self._kept = kept
        self._broker = broker
        self._progress = progress
        self._stop_event = stop_event
        self._start_method = resolve_start_method(start_method)
        self._log_dir = _log_dir()
        self._failures = FailureLog(progress)
        threads = native_threads.names() if self._start_method == "fork" else []
        self._warning = native_threads.warning(threads)
        self._deaths = DeathLog(tasks, progress, native_threads.hint(threads))
        self._absent = AbsentWorkers(tasks, settings.starter_wait(), progress)

    def run(self) -> TaskStates:
        """Raises BrokerError (`invalid_spec` and others), ZygoteError, KeyboardInterrupt, whatever
        an init_callback_fn raises, and RuntimeError if the run would start itself without end."""
        nesting.check_bootstrapped()
        nesting.check_depth()
        pickled = None
        functions = {task.task_id: _functions_of(task) for task in self._tasks}
        if self._start_method == "spawn":
            pickled = pickle_functions(functions, self._tasks)
        if self._warning:
            _LOG.warning("%s", self._warning)
        opened = contextlib.ExitStack()
        with Interrupts() as interrupts:
            try:
                opened.callback(self._broker.stop)
                self._broker.prepare()
                folder = self._broker.folder
                zygote = (
                    Zygote.fork(functions, folder)
                    if pickled is None
                    else Zygote.spawn(pickled, folder)
                )
                opened.callback(zygote.close)
                self._broker.start()
                launcher, watch = self._connect(opened, zygote)
                interrupts.let()
                try:
                    self._loop(zygote, launcher, watch)
                finally:
                    interrupts.hold()
                states = self._states(watch.status, launcher)
            finally:
                opened.close()
        self._failures.update(states)
        return states

    def _connect(self, opened: contextlib.ExitStack, zygote: Zygote) -> "tuple[Launcher, JobWatch]":
        """Connects launcher and watch; `opened` closes them."""
        access = self._broker.access("launcher")
        launcher = Launcher(access, zygote, self._tasks, self._log_dir, self._context())
        opened.callback(launcher.close)
        launcher.send_due()
        watch = JobWatch(self._broker.access("owner"), self._progress.interval_ms)
        opened.callback(watch.close)
        watch.submit(self._job(), **self._kept.submit_fields())
        return launcher, watch

    def _context(self) -> "dict[str, Any]":
        endpoint = self._broker.endpoint
        address = endpoints.parse(endpoint)
        context = {
            "hostname": address.host or "localhost",
            "port": address.port,
            "endpoint": endpoint,
        }
        if self._log_dir is not None:
            context["logdir"] = self._log_dir
        return context

    def _job(self) -> "dict[str, Any]":
        job: dict[str, Any] = {
            "name": "run_blockwise",
            "log_dir": self._log_dir or "",
            "tasks": [_spec_of(task) for task in self._tasks],
        }
        if self._kept.state_dir:
            job["origin"] = {"files": files_of(self._tasks)}
        return job

    def _loop(self, zygote: Zygote, launcher: Launcher, watch: JobWatch) -> None:
        """Runs until the job has ended and its workers are gone, or the job was cancelled."""
        poller = zmq.Poller()
        poller.register(launcher.socket, zmq.POLLIN)
        poller.register(watch.socket, zmq.POLLIN)
        poller.register(zygote.fileno(), zmq.POLLIN)
        cancelled = False
        stop_at: Optional[float] = None
        while not (watch.ended and (cancelled or launcher.worker_count == 0)):
            launcher.send_due()
            now = time.monotonic()
            self._absent.say_due(self._broker.endpoint, now)
            wait_s = min(launcher.next_at - now, self._absent.next_at - now, _WAIT_MAX_S)
            if self._stop_event is not None and not cancelled:
                if self._stop_event.is_set():
                    watch.cancel("it was asked to stop")
                    cancelled = True
                wait_s = min(wait_s, _STOP_EVENT_EVERY_S)
            if watch.ended and launcher.worker_count > 0:
                stop_at = now + _LEAVE_GRACE_S if stop_at is None else stop_at
                if now >= stop_at:
                    launcher.stop_all(_STOP_GRACE_S)
                    stop_at = math.inf
                wait_s = min(wait_s, stop_at - now)
            poller.poll(max(0, math.ceil(wait_s * 1000)))
            launcher.take_messages()
            for report in zygote.receive():
                self._take_report(report, launcher, watch)
            if watch.take_messages() and not watch.ended:
                self._take_status(launcher, watch)

    def _take_report(self, report: "dict[str, Any]", launcher: Launcher, watch: JobWatch) -> None:
        death = launcher.on_report(report)
        order = launcher.order_of(report["worker"])
        if report["of"] == "forked" and order is not None and order.duty == "work":
            self._absent.started(order.task, order.log, time.monotonic())
        if death is not None and not watch.ended:
            self._deaths.add(death)

    def _take_status(self, launcher: Launcher, watch: JobWatch) -> None:
        states = self._states(watch.status, launcher)
        self._failures.update(states)
        self._progress.update(states)
        for task in self._tasks:
            if task.num_workers == 0 and states[task.task_id].ready_count > 0:
                launcher.begin(task, watch.job, watch.run)
                self._absent.started(task.task_id, "", time.monotonic())
        assert watch.status is not None
        self._absent.update(watch.status)

    def _states(self, status: "Optional[dict[str, Any]]", launcher: Launcher) -> TaskStates:
        assert status is not None
        starters = {task.task_id for task in self._tasks if not task.takes_block}
        states = {}
        for fields in status["tasks"]:
            task = fields["task"]
            state = TaskState.from_status(fields)
            if self._log_dir is None:
                state.log_dir = ""  # the broker would name its default
            if state.error:
                worker, tail = launcher.last_words.get(task, (0, ""))
                state.error = _explain(state.error, worker, tail, task in starters)
            states[task] = state
        return TaskStates(states)


def _log_dir() -> Optional[str]:
    """The folder of logs; None: workers write to the streams of this process."""
    base = get_log_basedir()
    if base is None:
        return None
    try:
        return os.path.abspath(base)
    except FileNotFoundError:
        _LOG.warning(
            "the working directory was removed, so there are no logs in %s: workers write where "
            "this program does. An absolute path for set_log_basedir brings them back",
            base,
        )
        return None


def resolve_start_method(given: Optional[str]) -> str:
    """None stands for "spawn" if multiprocessing was set to it, and else for "fork"."""
    if given is None:
        chosen = multiprocessing.get_start_method(allow_none=True)
        return "spawn" if chosen == "spawn" else "fork"
    if given not in START_METHODS:
        raise ValueError(f'start_method is {given!r}: expected "fork", "spawn" or None')
    return given


def _functions_of(task: "Task") -> TaskFunctions:
    return TaskFunctions(task.process_function, task.takes_block, task.pre_check, task.post_check)


def _spec_of(task: "Task") -> "dict[str, Any]":
    spec = task.to_spec()
    if task.num_workers == 0:
        spec["external_workers"] = True
    else:
        spec["workers"] = [_group(task.process_function, task.num_workers)]
    checkers = max(1, min(task.num_workers, _CHECKERS_MAX))
    if task.pre_check is not None:
        spec["check"] = _group(task.pre_check, checkers)
    if task.post_check is not None:
        spec["post_check"] = _group(task.post_check, checkers)
    if task.max_worker_restarts is not None:
        spec["max_worker_restarts"] = task.max_worker_restarts
    if task.max_failures is not None:
        spec["max_failures"] = task.max_failures
    if task.release_idle:
        spec["release_idle"] = True
    return spec


def _group(function: Any, count: int) -> "dict[str, Any]":
    """A group of workers. Its command is for people to read: the zygote knows what to call."""
    while isinstance(function, functools.partial):
        function = function.func
    name = getattr(function, "__qualname__", type(function).__qualname__)
    module = getattr(function, "__module__", None) or "?"
    return {"command": ["python", f"{module}.{name}"], "count": count}


def _explain(error: str, worker: int, tail: str, is_starter: bool) -> str:
    """Adds details that the broker does not know to its reason for giving up a task."""
    if "exited with code 0" in error and is_starter:
        error += (
            "; no worker had come of what a process_function without arguments started, within "
            "the time that BELLIS_STARTER_WAIT gives, or it had left"
        )
    if tail and "the end of its stderr" not in error:
        error += f"; the end of worker {worker}'s stderr:\n{tail}"
    return error
