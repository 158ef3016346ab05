"""The summary that is printed at the end of a run."""

import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from bellis._report import output
from bellis._report.headline import describe
from bellis._report.printable import printable_lines
from bellis.logging import task_dir_name

if TYPE_CHECKING:
    from bellis.task_state import TaskState

_FAILURES_MAX = 100
_LOGS_MAX = 10


def print_summary(states: "Mapping[str, TaskState]", stream: Any = None) -> None:
    """Prints to `stream`, by default sys.stdout; characters that it cannot write are escaped."""
    stream = sys.stdout if stream is None else stream
    output.write(stream, printable_lines(summary(states)) + "\n")


def summary(states: "Mapping[str, TaskState]") -> str:
    lines = ["", "Execution Summary", "-----------------"]
    for task, state in states.items():
        lines += ["", f"  Task {task}:", ""]
        lines += [f"    {line}" if line else "" for line in _task_lines(task, state)]
    return "\n".join(lines)


def _task_lines(task: str, state: "TaskState") -> Iterator[str]:
    yield f"num blocks : {state.total_block_count}"
    yield f"completed ✔: {state.completed_count} (skipped {state.skipped_count})"
    yield f"failed    ✗: {state.failed_count}"
    yield f"orphaned  ∅: {state.orphaned_count}"
    if state.masked_count:
        yield f"masked     : {state.masked_count}"
    if len(state.languages) > 1:
        shares = [f"{language} {blocks}" for language, blocks in state.languages.items()]
        yield f"blocks by workers: {', '.join(shares)}"
    yield ""
    if state.error:
        yield "The task was given up:"
        yield ""
        for line in state.error.rstrip().splitlines():
            yield f"  {line}"
        yield ""
    if state.failures:
        yield from _failure_lines(state)
    logs = list(_log_lines(task, state))
    if logs:
        yield "See worker logs for details:"
        yield ""
        yield from logs
        yield ""
    if state.total_block_count == 0:
        yield "no blocks: nothing was done"
    elif state.is_complete():
        yield "all blocks processed successfully"


def _failure_lines(state: "TaskState") -> Iterator[str]:
    yield "Failed Blocks:"
    yield ""
    for failure in state.failures[:_FAILURES_MAX]:
        yield f"  {describe(failure)}"
    more = state.failures_total - len(state.failures[:_FAILURES_MAX])
    if more > 0:
        where = ", which are in the workers' logs" if state.log_dir else ""
        yield f"  (and {more} more failed attempts{where})"
    yield ""


def _log_lines(task: str, state: "TaskState") -> Iterator[str]:
    if not state.log_dir:
        return
    folder = f"{state.log_dir}/{task_dir_name(task)}"
    workers = list(dict.fromkeys(failure.worker_id for failure in state.failures))
    for worker in workers[:_LOGS_MAX]:
        yield f"  {folder}/worker_{worker}.err / .out"
    if len(workers) > _LOGS_MAX or state.failures_total > len(state.failures):
        yield f"  ... and others in {folder}"
    if state.error and not workers:
        yield f"  {folder}"
