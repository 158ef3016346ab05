"""Runs tasks in this process, one block after the other."""

import os
import time
import traceback
from collections.abc import Iterable
from typing import Optional

from bellis._base.answers import refuse_undone
from bellis._report.no_blocks import warn_of_no_blocks
from bellis._report.progress import open_progress
from bellis._run import nesting
from bellis._worker import forked_child
from bellis.block import Block, BlockStatus
from bellis.scheduler import Scheduler, ask_check
from bellis.task import Task, collect_tasks
from bellis.task_state import TaskStates

_UPDATE_EVERY_S = 0.1


class SerialServer:
    """Calls process_function in this process, in strict order: for debuggers and short jobs.

    An exception of a process_function is raised unchanged, after the progress bars were closed; so
    is Ctrl-C. A block whose status was set to FAILED is tried again, and so is one that the second
    of two check functions refuses.
    """

    def run_blockwise(
        self,
        tasks: Iterable[Task],
        scheduler: Optional[Scheduler] = None,
        *,
        progress: Optional[str] = None,
    ) -> TaskStates:
        """Runs `tasks` and all tasks upstream of them; returns how each task ended.

        Raises ValueError for a task whose process_function takes no block: such a function starts a
        worker, which would find no broker.
        """
        nesting.check_bootstrapped()
        if scheduler is None:
            collected = collect_tasks(tasks)
            if not collected:
                return TaskStates()
            scheduler = Scheduler(collected)
        for task in scheduler.task_map.values():
            if not task.takes_block:
                raise ValueError(
                    f"task {task.task_id!r}: its process_function takes no block, but starts a "
                    "worker; that needs multiprocessing=True"
                )
        warn_of_no_blocks(scheduler.task_map.values())
        shown = open_progress(progress)
        next_update = 0.0
        try:
            while True:
                found = _next_block(scheduler)
                if found is None:
                    break
                _work_on(scheduler, *found)
                now = time.monotonic()
                if now >= next_update:
                    next_update = now + _UPDATE_EVERY_S
                    shown.update(scheduler.task_states)
        except BaseException:
            shown.close()
            raise
        states = scheduler.task_states
        shown.finish(states)
        return states


def _next_block(scheduler: Scheduler) -> "Optional[tuple[Task, Block]]":
    """The next block, with its task; None if there are no more."""
    while ready := scheduler.get_ready_tasks():
        for task in ready:
            block = scheduler.acquire_block(task.task_id)
            if block is not None:
                return task, block
        # The checks skipped all ready blocks, which may have made others ready.
    return None


def _work_on(scheduler: Scheduler, task: Task, block: Block) -> None:
    """Calls the functions of `task` for `block`, and gives the block back to the scheduler.

    Raises what process_function raises; an Exception also fails the block.
    """
    block.status = BlockStatus.PROCESSING
    error = ""
    pid = os.getpid()
    try:
        refuse_undone("process_function", task.process_function(block))
    except BaseException as raised:
        if os.getpid() != pid:
            forked_child.end(block, raised)
        if not isinstance(raised, Exception):
            raise
        block.status = BlockStatus.FAILED
        scheduler.take_back(block, traceback.format_exc())
        raise
    if os.getpid() != pid:
        forked_child.end(block, None)
    if block.status is not BlockStatus.FAILED:
        block.status = BlockStatus.SUCCESS
        if task.post_check is not None and not ask_check(task.post_check, block, "post-check"):
            block.status = BlockStatus.FAILED
            error = "the check after the block said that it is not right"
    scheduler.take_back(block, error)
