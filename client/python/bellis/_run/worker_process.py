"""A worker's process, from its fork to its end."""

import contextlib
import gc
import logging
import multiprocessing.process
import multiprocessing.util
import os
import random
import signal
import sys
import traceback
from collections.abc import Mapping
from typing import Any, Callable, NamedTuple, NoReturn, Optional

from bellis import _core
from bellis._run.process_tree import die_with
from bellis._run.starter import run_starter
from bellis._worker import loop, options, session
from bellis.logging import renew_stdouterr

# The caller may itself be a worker of another broker.
_NOT_INHERITED = (
    "BELLIS_ACCESS",
    "BELLIS_SERVER_KEY",
    "BELLIS_PUBLIC_KEY",
    "BELLIS_SECRET_KEY",
    "BELLIS_TOKEN",
    "BELLIS_JOB",
    "BELLIS_TASK",
    "BELLIS_WORKER_ID",
    "BELLIS_SLOT",
    "BELLIS_DUTY",
    "BELLIS_CONTEXT",
    "BELLIS_WORK_PAGE",
)


class TaskFunctions(NamedTuple):
    """The functions that the workers of a task call."""

    process: Callable[..., Any]
    takes_block: bool  # otherwise `process` is a starter
    pre_check: Optional[Callable[..., Any]] = None
    post_check: Optional[Callable[..., Any]] = None


class WorkerOrder(NamedTuple):
    """A worker to be started."""

    worker: int
    task: str
    duty: str  # work, check or post_check
    env: "dict[str, str]"
    cwd: str  # empty: that of the caller
    log_dir: str  # empty: output goes to the caller's streams
    run: str = ""  # the folder of the run in it
    job: str = ""

    def label(self) -> _core.LogLabel:
        slot = self.env.get("BELLIS_SLOT", "")
        return _core.LogLabel(
            self.log_dir, self.run, self.job, self.task, self.worker, slot, self.duty
        )

    @property
    def log(self) -> str:
        """The path of its logs without .out and .err; empty if it has none."""
        return _core.log_stem(self.label()) if self.log_dir else ""


class _Process(multiprocessing.process.BaseProcess):
    _start_method = None  # multiprocessing in the worker keeps its start method


def perform(functions: TaskFunctions, duty: str) -> None:
    """Works until there are no more blocks. The environment says where the broker is."""
    if duty == "work" and not functions.takes_block:
        run_starter(functions.process)
        return
    worker = session.connect(options.resolve(None))
    try:
        if duty == "check":
            assert functions.pre_check is not None
            loop.check(worker, functions.pre_check, "the check")
        elif duty == "post_check":
            assert functions.post_check is not None
            loop.check(worker, functions.post_check, "the check")
        else:
            loop.work(worker, functions.process, "process_function")
    finally:
        worker.close()


def run_worker(
    order: WorkerOrder,
    functions: TaskFunctions,
    parent_pid: int,
    log: Optional[_core.WorkerLog],
) -> NoReturn:
    """Runs a worker in a forked child, which gets a new session and ends with its parent.

    The exit code is 0, or the argument of sys.exit, or 1 after a traceback on stderr.
    """
    code = 1
    try:
        os.setsid()
        die_with(parent_pid)
        _reset_signals()
        _redirect(log)
        _set_environment(order.env)
        if order.cwd:
            os.chdir(order.cwd)
        _reseed()
        gc.enable()
        # A process as multiprocessing makes it, so that multiprocessing's queues, pools and locks
        # work in it.
        process = _Process(
            target=perform, args=(functions, order.duty), name=f"bellis-worker-{order.worker}"
        )
        code = process._bootstrap()  # type: ignore[attr-defined]
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _reset_signals() -> None:
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE, signal.SIGXFSZ):
            continue  # Python ignores the last two
        if signal.getsignal(number) not in (signal.SIG_DFL, None):
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def _redirect(log: Optional[_core.WorkerLog]) -> None:
    """Opens new stdin, stdout and stderr, also for handlers that log to the former ones."""
    if log:
        first_line = log.first_line(os.getpid()).encode("utf-8", "surrogateescape")
        for descriptor in (log.stdout_fd, log.stderr_fd):
            with contextlib.suppress(OSError):  # a full disk must not end the worker
                os.write(descriptor, first_line)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    former = {id(stream): 1 for stream in (sys.stdout, sys.__stdout__)}
    former.update({id(stream): 2 for stream in (sys.stderr, sys.__stderr__)})
    renew_stdouterr(*((log.stdout_fd, log.stderr_fd) if log else (None, None)))
    if log:
        log.started(os.getpid())
    shown = False
    ours = logging.getLogger("bellis")
    for reference in list(logging._handlerList):  # type: ignore[attr-defined]
        handler = reference()
        if not isinstance(handler, logging.StreamHandler) or "stream" not in vars(handler):
            continue  # such as logging's last resort, which follows sys.stderr
        number = former.get(id(handler.stream))
        if number:
            handler.stream = sys.stdout if number == 1 else sys.stderr
            shown |= handler in logging.getLogger().handlers + ours.handlers
    if not shown:  # no handler of the user writes to a stream
        ours.addHandler(logging.StreamHandler(sys.stderr))


def _set_environment(env: Mapping[str, str]) -> None:
    for name in _NOT_INHERITED:
        os.environ.pop(name, None)
    for name, value in env.items():
        # `settings` reads UTF-8, whatever the locale says.
        os.environb[name.encode("utf-8", "surrogateescape")] = value.encode(
            "utf-8", "surrogateescape"
        )


def _reseed() -> None:
    """Gives this worker random numbers that differ from those of its siblings."""
    random.seed()
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()
