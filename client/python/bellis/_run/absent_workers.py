"""Log lines for workers that have not come yet."""

import logging
import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from bellis._report.progress import Progress
from bellis._wire import endpoint as endpoints

if TYPE_CHECKING:
    from bellis.task import Task

_PATIENCE_S = 5.0

_LOG = logging.getLogger("bellis")


class AbsentWorkers:
    """A line of the logger "bellis", level WARNING, for each task whose workers are started
    elsewhere, if none of them has come some seconds after the first starter.

    The line says how long the run waits for them, and what they need to find this run.
    """

    def __init__(self, tasks: "Iterable[Task]", wait_s: float, progress: Progress) -> None:
        self._progress = progress
        self._wait_s = wait_s
        # The run waits without limit for tasks that have no workers of their own.
        self._waiting = {
            task.task_id: task.num_workers == 0
            for task in tasks
            if not task.takes_block or task.num_workers == 0
        }
        self._begun: set[str] = set()
        self._due: dict[str, tuple[float, str]] = {}  # by task: time of the line, and log

    @property
    def next_at(self) -> float:
        """When `say_due` next has a line to log."""
        return min((at for at, _ in self._due.values()), default=math.inf)

    def started(self, task: str, log: str, now: float) -> None:
        """A starter has been started, or the workers come by themselves."""
        if task in self._waiting and task not in self._begun:
            self._begun.add(task)
            self._due[task] = (now + _PATIENCE_S, log)

    def update(self, status: "Mapping[str, Any]") -> None:
        """Takes a job's status, which says whose workers have come."""
        for task in status["tasks"]:
            # A job that has ended does not wait for workers.
            over = status["state"] != "running" or task["completed"] or task["failures_total"]
            if over or task["workers_live"] or task["leased"]:
                self._due.pop(task["task"], None)

    def say_due(self, endpoint: str, now: float) -> None:
        due = [task for task, (at, _) in self._due.items() if now >= at]
        for task in due:
            _, log = self._due.pop(task)
            with self._progress.aside():
                _LOG.warning("%s", self._line(task, log, endpoint))

    def _line(self, task: str, log: str, endpoint: str) -> str:
        line = f"Task {task}: none of its workers has come yet"
        if log:
            line += f" (see {log}.out and .err)"
        line += ". They are waited for"
        if not self._waiting[task]:
            line += f", {self._wait_s:g} s after its starter has returned (BELLIS_STARTER_WAIT)"
        line += ". "
        if endpoints.parse(endpoint).host:
            return line + f"From where they run, they must be able to reach {endpoint}"
        return line + (
            "This run can be reached from this machine only; if they are on others, set "
            'BELLIS_HOST to "auto", or to a name or address of this machine that those can reach'
        )
