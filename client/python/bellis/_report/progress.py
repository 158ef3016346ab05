"""The progress of a run, as its user sees it.

auto    bars on a terminal and in notebooks; elsewhere one line for each task at its end
quiet   nothing, and no summary
json    one JSON object per line on stdout for each changed task, and for all at the end
"""

import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Optional

from bellis._report import output
from bellis._report.printable import printable
from bellis._report.summary import print_summary

if TYPE_CHECKING:
    from bellis.task_state import TaskState

MODES = ("auto", "quiet", "json")
_VARIABLE = "BELLIS_PROGRESS"

_mode: Optional[str] = None


def set_progress(mode: Optional[str]) -> None:
    """Sets how runs show their progress from now on: "auto", "quiet" or "json".

    None: as the environment's BELLIS_PROGRESS says, else "auto". The argument `progress` of a run
    overrides both.
    """
    global _mode
    _mode = None if mode is None else _checked(mode, "mode")


def open_progress(mode: Optional[str] = None) -> "Progress":
    """The progress of one run. Raises ValueError for an unknown mode."""
    if mode is not None:
        mode = _checked(mode, "progress")
    elif _mode is not None:
        mode = _mode
    else:
        mode = _checked(os.environ.get(_VARIABLE) or "auto", _VARIABLE)
    if mode == "quiet":
        return Progress()
    if mode == "json":
        return JsonProgress()
    return BarProgress() if _bars_make_sense() else LineProgress()


class Progress:
    """Shows nothing; the base class of those that show progress.

    The run calls `update` when there is news, and at its end either `finish`, with the last states,
    or `close`, if it has none.
    """

    interval_ms = 200  # the shortest time between two updates

    def update(self, states: "Mapping[str, TaskState]") -> None:
        """Shows how the tasks stand now."""

    def finish(self, states: "Mapping[str, TaskState]") -> None:
        """Shows the summary: the run has ended."""
        self.close()

    def close(self) -> None:
        """Removes the bars. Does nothing the second time."""

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Within this context others may write to the terminal."""
        yield


class LineProgress(Progress):
    """For output that is not a terminal: a line for each task at its end, and the summary."""

    def __init__(self) -> None:
        self._done: set[str] = set()

    def update(self, states: "Mapping[str, TaskState]") -> None:
        for task, state in states.items():
            if task not in self._done and state.is_done():
                self._done.add(task)
                self._say(f"{printable(task)} {_symbol(state)} {_counts_text(state)}")

    def finish(self, states: "Mapping[str, TaskState]") -> None:
        self.update(states)
        print_summary(states)

    @staticmethod
    def _say(line: str) -> None:
        output.write(sys.stderr, line + "\n")


class BarProgress(Progress):
    """A tqdm bar for each task as soon as one of its blocks is ready."""

    interval_ms = 100

    def __init__(self) -> None:
        from tqdm.auto import tqdm  # slow to import, and only bars need it

        class Bar(tqdm):  # type: ignore[misc]
            monitor_interval = 0  # otherwise tqdm starts a thread that outlives the run

        # Otherwise tqdm makes a lock of multiprocessing, which may start a process.
        Bar.set_lock(threading.RLock())
        self._make_bar: Any = Bar
        self._bars: dict[str, Any] = {}

    def update(self, states: "Mapping[str, TaskState]") -> None:
        for task, state in states.items():
            bar = self._bars.get(task)
            if bar is None:
                if not (state.started or state.ready_count or state.is_done()):
                    continue
                bar = self._bars[task] = self._make_bar(
                    total=state.total_block_count,
                    desc=f"{printable(task)} ▶",
                    unit="blocks",
                    leave=True,
                    file=None if _is_notebook() else output.Courtesy(sys.stderr),
                )
            if bar.disable:
                continue
            bar.set_postfix(_postfix(state), refresh=False)
            bar.update(state.completed_count - bar.n)
            bar.refresh()
            if state.is_done():
                bar.set_description(f"{printable(task)} {_symbol(state)}")
                bar.close()

    def finish(self, states: "Mapping[str, TaskState]") -> None:
        self.update(states)
        self.close()
        print_summary(states)

    def close(self) -> None:
        for bar in self._bars.values():
            bar.close()

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        bars = [bar for bar in self._bars.values() if not bar.disable]
        for bar in bars:
            bar.clear()
        try:
            yield
        finally:
            for bar in bars:
                bar.refresh()


class JsonProgress(Progress):
    """Lines for programs: a task, its state and its counts.

    The last line of a task also has `failures` (the first of `failures_total`), `error` and
    `log_dir`.
    """

    interval_ms = 500

    def __init__(self) -> None:
        self._said: dict[str, dict[str, Any]] = {}

    def update(self, states: "Mapping[str, TaskState]") -> None:
        for task, state in states.items():
            counts = _counts(state)
            if state.started and self._said.get(task) != counts:
                self._said[task] = counts
                self._say({"task": task, "state": "running", **counts})

    def finish(self, states: "Mapping[str, TaskState]") -> None:
        for task, state in states.items():
            line = {
                "task": task,
                "state": "completed" if state.is_complete() else "failed",
                **_counts(state),
                "error": state.error or "",
                "log_dir": str(state.log_dir or ""),
                "failures_total": state.failures_total,
                "failures": [
                    {
                        "block": failure.block_id,
                        "attempt": failure.attempt,
                        "worker": failure.worker_id,
                        "error": failure.error,
                    }
                    for failure in state.failures
                ],
            }
            self._say(line)

    @staticmethod
    def _say(line: "dict[str, Any]") -> None:
        output.write(sys.stdout, json.dumps({**line, "time": round(time.time(), 3)}) + "\n")


def _counts(state: "TaskState") -> "dict[str, Any]":
    return {
        "blocks": state.total_block_count,
        "pending": state.pending_count,
        "ready": state.ready_count,
        "processing": state.processing_count,
        "completed": state.completed_count,
        "skipped": state.skipped_count,
        "failed": state.failed_count,
        "orphaned": state.orphaned_count,
        "masked": state.masked_count,
    }


def _postfix(state: "TaskState") -> "dict[str, int]":
    return {
        "⧗": state.pending_count,
        "○": state.ready_count,
        "▶": state.processing_count,
        "✔": state.completed_count,
        "✗": state.failed_count,
        "∅": state.orphaned_count,
    }


def _counts_text(state: "TaskState") -> str:
    text = f"{state.completed_count} of {state.total_block_count} blocks completed"
    for count, word in (
        (state.skipped_count, "skipped"),
        (state.failed_count, "failed"),
        (state.orphaned_count, "orphaned"),
        (state.masked_count, "masked"),
    ):
        if count:
            text += f", {count} {word}"
    return text


def _symbol(state: "TaskState") -> str:
    return "✗" if state.failed_count or state.error else "∅" if state.orphaned_count else "✔"


def _bars_make_sense() -> bool:
    if _is_notebook():
        return True
    try:
        return bool(sys.stderr.isatty())
    except (AttributeError, ValueError):  # there is no stderr, or it is closed
        return False


def _is_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    if ipython is None:
        return False
    shell = ipython.get_ipython()
    return bool(shell is not None and "IPKernelApp" in getattr(shell, "config", {}))


def _checked(mode: str, name: str) -> str:
    if mode not in MODES:
        raise ValueError(f'{name} is {mode!r}: expected "auto", "quiet" or "json"')
    return mode
