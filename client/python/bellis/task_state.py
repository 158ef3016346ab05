"""The states of tasks, while they run and at their end."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Failure(NamedTuple):
    """One failed attempt at a block."""

    block_id: int
    attempt: int  # 1 for the first
    worker_id: int
    error: str  # a traceback, or a text of the worker or the broker


class TaskState:
    """Counts of a task's blocks, its failures, and why it was given up if it was.

    `total_block_count` is always the sum of pending, ready, processing, completed, failed, orphaned
    and masked; skipped blocks are among the completed. `failures` are failed attempts. In runs with
    worker processes they are the first 100 of the task, cut to 2 KiB each, because the broker keeps
    no more (a task may have 10^9 blocks). `failures_total` is how many there were; the workers'
    logs in `log_dir` have the tracebacks of all. Blocks are counted without a limit.
    """

    def __init__(self) -> None:
        self.started = False
        self.total_block_count = 0
        self.ready_count = 0
        self.processing_count = 0
        self.completed_count = 0
        self.skipped_count = 0
        self.failed_count = 0
        self.orphaned_count = 0
        self.masked_count = 0
        self.failures: list[Failure] = []
        self.failures_total = 0
        self.error = ""  # why the task was given up
        self.notices: list[str] = []  # such as: the task is slowed, or no other worker is started
        self.log_dir = ""
        self.languages: dict[str, int] = {}  # completed blocks, by the language of their workers

    @classmethod
    def from_status(cls, status: Mapping[str, Any]) -> "TaskState":
        """Makes a TaskState from a task status (MESSAGES.md "Task status")."""
        state = cls()
        state.total_block_count = status["blocks"]
        state.ready_count = status["ready"]
        state.processing_count = status["leased"]
        state.completed_count = status["completed"]
        state.skipped_count = status["skipped"]
        state.failed_count = status["failed"]
        state.orphaned_count = status["orphaned"]
        state.masked_count = status.get("masked", 0)
        state.failures = [
            Failure(entry["block"], entry["attempt"], entry["worker"], entry["error"])
            for entry in status.get("failures", [])
        ]
        state.failures_total = status.get("failures_total", len(state.failures))
        state.error = status.get("error", "")
        state.notices = list(status.get("notices", []))
        state.log_dir = status.get("log_dir", "")
        state.languages = {
            entry["language"]: entry["blocks"]
            for entry in status.get("languages", [])
            if entry.get("blocks")
        }
        state.started = bool(
            state.processing_count or state.completed_count or state.failures_total
        )
        return state

    @property
    def pending_count(self) -> int:
        """Blocks that wait for others."""
        return self.total_block_count - (
            self.masked_count
            + self.ready_count
            + self.processing_count
            + self.completed_count
            + self.failed_count
            + self.orphaned_count
        )

    def is_done(self) -> bool:
        """Whether every block has ended, in whatever way."""
        return self.pending_count + self.ready_count + self.processing_count == 0

    def is_complete(self) -> bool:
        """Whether every block was completed."""
        return self.completed_count + self.masked_count == self.total_block_count

    def __repr__(self) -> str:
        lines = [
            f"Started: {self.started}",
            f"Total Blocks: {self.total_block_count}",
            f"Ready: {self.ready_count}",
            f"Processing: {self.processing_count}",
            f"Pending: {self.pending_count}",
            f"Completed: {self.completed_count}",
            f"Skipped: {self.skipped_count}",
            f"Failed: {self.failed_count}",
            f"Orphaned: {self.orphaned_count}",
        ]
        if self.masked_count:
            lines.append(f"Masked: {self.masked_count}")
        if self.error:
            lines.append(f"Given up: {self.error}")
        return "\n".join(lines)


class TaskStates(dict[str, TaskState]):
    """The state of each task, by its id. True only if every block of every task was completed."""

    def __bool__(self) -> bool:
        return all(state.is_complete() for state in self.values())
