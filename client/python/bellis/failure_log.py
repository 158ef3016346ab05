"""Failures in the log as they happen, and in few words."""

import logging
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from bellis.printable import printable
from bellis.progress import Progress

if TYPE_CHECKING:
    from bellis.task_state import Failure, TaskState

_LINE_CHARS_MAX = 500
_TRACEBACK = "Traceback (most recent call last):"
_BOX = re.compile(r"^((?:  )+)[|+] ?")
_EXCEPTION = re.compile(r"^[A-Za-z_][\w.<>]*(: |$)")

_LOG = logging.getLogger("bellis")


class FailureLog:
    """One line of the logger "bellis", level ERROR, for each failed attempt that is reported.

    The broker reports the first 100 of a task. When there are more, a last line says so. What the
    broker has to say of a task while it runs has a line of its own.
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


def describe(failure: "Failure") -> str:
    """As in the summary."""
    how = headline(failure.error)
    joint = " with exception" if is_traceback(failure.error) else ":"
    return f"block {failure.block_id} in worker {failure.worker_id}{joint} {how}"


def is_traceback(error: str) -> bool:
    return _TRACEBACK in error


def headline(error: str) -> str:
    """The exception that a traceback ends with, as `ValueError('what')`; else the last line."""
    lines = error.rstrip().splitlines()
    if not lines:
        return "no reason given"
    if not is_traceback(error):
        return lines[0]
    found = member = ""
    wanted = False  # the exception stands after the last frame: the first line not indented
    for line in lines:
        depth, text = _unboxed(line)
        if _TRACEBACK in text or text.startswith("  File "):
            wanted = True
        elif text and text[0] not in " \t-+" and depth <= 1 and wanted:
            found, member, wanted = _as_call(text), "", False
        elif depth > 1 and not member and _EXCEPTION.match(text):
            member = _as_call(text)
    if not found:
        return lines[-1].strip()
    return f"{found}: {member}" if member else found


def _unboxed(line: str) -> "tuple[int, str]":
    """Without the box that Python draws around the members of an exception group; how deep it is
    in boxes: 0, 1 for the group itself, 2 for its members, ..."""
    box = _BOX.match(line)
    return (len(box.group(1)) // 2, line[box.end() :]) if box else (0, line)


def _in_one_line(text: str) -> str:
    lines = text.strip().splitlines()
    line = lines[0] if len(lines) == 1 else f"{lines[0]} ... {lines[-1].strip()}"
    return line if len(line) <= _LINE_CHARS_MAX else line[:_LINE_CHARS_MAX] + "..."


def _as_call(line: str) -> str:
    name, separator, message = line.partition(": ")
    if not name.replace(".", "").replace("<locals>", "").isidentifier():
        return line
    name = name.rpartition(".")[2]
    if not separator:
        return f"{name}()"
    # The text of a KeyError is a repr already.
    return f"{name}({message if name == 'KeyError' else repr(message)})"
