"""Logs failed attempts when they happen."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from bellis._report.headline import headline
from bellis._report.printable import printable
from bellis._report.progress import Progress

if TYPE_CHECKING:
    from bellis.task_state import TaskState

_LINE_CHARS_MAX = 500

_LOG = logging.getLogger("bellis")


class FailureLog:
    """One line of the logger "bellis", level ERROR, for each attempt that failed.

    The broker reports the first 100 failures of a task; one more line says that there are others.
    Each notice of the broker about a task gets a line, too.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._seen: dict[str, int] = {}
        self._exceeded: set[str] = set()
        self._given_up: set[str] = set()
        self._notices: set[tuple[str, str]] = set()

    def update(self, states: "Mapping[str, TaskState]") -> None:
        lines = [line for task, state in states.items() for line in self._news(task, state)]
        if lines:
            with self._progress.aside():
                for line in lines:
                    _LOG.error("%s", printable(line))

    def _news(self, task: str, state: "TaskState") -> "list[str]":
        seen = self._seen.get(task, 0)
        self._seen[task] = len(state.failures)
        lines = [
            f"Block {task}/{failure.block_id} failed in worker {failure.worker_id} "
            f"(attempt {failure.attempt}) with {headline(failure.error)}"
            for failure in state.failures[seen:]
        ]
        if state.failures_total > len(state.failures) and task not in self._exceeded:
            self._exceeded.add(task)
            lines.append(
                f"Task {task}: more than {len(state.failures)} attempts have failed; others are "
                "counted, and in the logs of their workers only"
            )
        for notice in state.notices:
            if (task, notice) not in self._notices:
                self._notices.add((task, notice))
                lines.append(f"Task {task} {_in_one_line(notice)}")
        if state.error and task not in self._given_up:
            self._given_up.add(task)
            lines.append(f"Task {task} was given up: {_in_one_line(state.error)}")
        return lines


def _in_one_line(text: str) -> str:
    lines = text.strip().splitlines()
    line = lines[0] if len(lines) == 1 else f"{lines[0]} ... {lines[-1].strip()}"
    return line if len(line) <= _LINE_CHARS_MAX else line[:_LINE_CHARS_MAX] + "..."
