"""Log lines for workers that die, as it happens."""

import logging
import signal
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple, Optional

from bellis._report.headline import headline, is_traceback
from bellis._report.printable import printable
from bellis._report.progress import Progress
from bellis.logging import log_path

if TYPE_CHECKING:
    from bellis.task import Task

_RESTARTS_MAX = 10  # the broker's default
_WORDS_CHARS_MAX = 200
_FAULTS = (signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGSEGV, signal.SIGTRAP)

_LOG = logging.getLogger("bellis")


class WorkerDeath(NamedTuple):
    """The unexpected end of a worker."""

    task: str
    worker: int
    exit_code: int
    signal: int  # 0: it exited by itself
    start_error: str  # else empty
    stderr_tail: str
    log: str  # path without .err; empty: none


class DeathLog:
    """A line of the logger "bellis", level WARNING, for the first death of a worker of each task.

    The broker starts other workers, after pauses of up to 2 s, until too many have died. A user who
    waits should see why, so the 2nd, 4th, 8th, ... death has a line as well.
    """

    def __init__(self, tasks: "Iterable[Task]", progress: Progress, hint: str = "") -> None:
        """`hint`: the likely cause when a fault (SIGABRT, SIGSEGV, ...) ends a worker."""
        self._progress = progress
        self._hint = hint
        self._limits = {task.task_id: task.max_worker_restarts for task in tasks}
        self._deaths: dict[str, int] = {}

    def add(self, death: WorkerDeath) -> None:
        count = self._deaths[death.task] = self._deaths.get(death.task, 0) + 1
        if count & (count - 1) == 0:
            with self._progress.aside():
                _LOG.warning("%s", printable(self._line(death, count)))

    def _line(self, death: WorkerDeath, count: int) -> str:
        limit = self._limits.get(death.task)
        limit = _RESTARTS_MAX if limit is None else limit
        line = f"Worker {death.worker} of task {death.task} {_how(death)}"
        words = _last_words(death.stderr_tail)
        if words:
            line += f": {words}"
        if death.log:
            line += f" (see {log_path(death.log, '.err')})"
        if count > 1:
            line += f". {count} have died so far"
        if self._hint and death.signal in _FAULTS:
            line += f". {self._hint}"
        if limit == 0:
            return f"{line}. No other one is started"
        return (
            f"{line}. Another one is started, unless more than {limit} in a row end without "
            "completing a block"
        )


def _how(death: WorkerDeath) -> str:
    if death.start_error:
        return f"could not be started: {death.start_error}"
    if death.signal:
        return f"was killed by {_name_of(death.signal)}"
    return f"exited with code {death.exit_code}"


def _name_of(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _last_words(stderr: str) -> Optional[str]:
    lines = stderr.strip().splitlines()
    if not lines:
        return None
    words = headline(stderr) if is_traceback(stderr) else lines[-1].strip()
    return words if len(words) <= _WORDS_CHARS_MAX else words[:_WORDS_CHARS_MAX] + "..."
