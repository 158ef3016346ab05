"""The scheduler in this process: which block is next, and what follows from each block's end."""

import logging
from collections.abc import Iterable
from typing import Any

from bellis import _core
from bellis._base.answers import truth_of
from bellis._base.showing import reason_of
from bellis._report.headline import headline
from bellis.block import Block, BlockStatus
from bellis.dependency_graph import BLOCK_MAKER, DependencyGraph
from bellis.task import Task
from bellis.task_state import Failure, TaskState, TaskStates

_LOG = logging.getLogger("bellis")


class Scheduler:
    """Hands out blocks of `tasks` (and of all tasks upstream of them) in strict order.

    First come the blocks that wait for no other, by ascending index; then others, in the order in
    which they became ready; retries come last. One thread uses it. `count_all_orphans` is accepted
    for compatibility with daisy: orphans are always counted.

    A block costs some microseconds, however many blocks there are.
    """

    def __init__(self, tasks: Iterable[Task], count_all_orphans: bool = True) -> None:
        self.dependency_graph = DependencyGraph(tasks)
        self.task_map = self.dependency_graph.task_map
        self.count_all_orphans = count_all_orphans
        self._numbers = self.dependency_graph.numbers
        self._names = list(self._numbers)
        self._tilings = [g.tiling for g in self.dependency_graph.task_dependency_graphs.values()]
        self._schedule = _core.Schedule(self.dependency_graph.native)
        self._attempts: dict[
            tuple[int, int], int
        ] = {}  # failed attempts of blocks that will be tried again
        self._started: set[str] = set()
        self._failures: dict[str, list[Failure]] = {name: [] for name in self._names}
        self._errors: dict[
            str, str
        ] = {}  # why tasks with more failures than max_failures were given up

    @property
    def task_states(self) -> TaskStates:
        """The state of every task now."""
        return TaskStates({name: self.task_state(name) for name in self._names})

    def task_state(self, task_id: str) -> TaskState:
        state = TaskState()
        (
            state.total_block_count,
            state.masked_count,
            _,
            state.ready_count,
            state.processing_count,
            state.completed_count,
            state.skipped_count,
            state.failed_count,
            state.orphaned_count,
        ) = self._schedule.counts(self._number(task_id))
        state.started = task_id in self._started
        state.failures = list(self._failures[task_id])
        state.error = self._errors.get(task_id, "")
        state.failures_total = len(state.failures)
        return state

    def get_ready_tasks(self) -> list[Task]:
        """The tasks that have a block to acquire."""
        has_ready = self._schedule.has_ready
        return [
            task
            for name, task in self.task_map.items()
            if name not in self._errors and has_ready(self._numbers[name])
        ]

    def acquire_block(self, task_id: str) -> "Block | None":
        """The next block of that task; None if no block is ready.

        Skips blocks that are done according to the task's check.
        """
        number = self._number(task_id)
        if task_id in self._errors:
            return None
        check = self.task_map[task_id].pre_check
        if check is None:
            index = self._schedule.acquire(number)
            if index is None:
                return None
            block = BLOCK_MAKER.make(self._tilings[number], index)
        else:
            while True:
                index = self._schedule.pop(number)
                if index is None:
                    return None
                block = BLOCK_MAKER.make(self._tilings[number], index)
                if not ask_check(check, block, "check"):
                    self._schedule.lease(number, index)
                    break
                self._schedule.skip(number, index)
        self._started.add(task_id)
        if self._attempts:
            block.attempt = self._attempts.get((number, index), 0) + 1
        return block  # type: ignore[no-any-return]

    def release_block(self, block: Block, error: str = "") -> dict[str, TaskState]:
        """Takes back a block whose `status` is SUCCESS or FAILED.

        Returns the states of the tasks that have more ready blocks than before. `error` says why
        the block failed. Raises ValueError for a block that is not leased.
        """
        before = self._ready()
        self.take_back(block, error)
        after = self._ready()
        return {
            other: self.task_state(other)
            for other, had, has in zip(self._names, before, after)
            if has > had
        }

    def take_back(self, block: Block, error: str = "") -> None:
        """Does the same as release_block, but returns nothing."""
        name = str(block.task_id)
        number = self._number(name)
        index = block.index
        if index < 0:
            index = self.dependency_graph.task_dependency_graphs[name].index_of(block)
        status = block.status
        if status is BlockStatus.SUCCESS:
            self._schedule.complete(number, index)
            if self._attempts:
                self._attempts.pop((number, index), None)
        elif status is BlockStatus.FAILED:
            self._fail(name, number, index, block, error)
        else:
            raise ValueError(f"the status of {block} is {status}: expected SUCCESS or FAILED")
        self._give_up(name)

    def _fail(self, name: str, number: int, index: int, block: Block, error: str) -> None:
        failed = self._attempts.get((number, index), 0) + 1
        if failed > self.task_map[name].max_retries:
            self._schedule.fail(number, index)
            self._attempts.pop((number, index), None)
        else:
            self._schedule.requeue(number, index)
            self._attempts[number, index] = failed
        why = error or reason_of(block.error, "the block's status was set to FAILED")
        self._failures[name].append(Failure(block.block_id[1], failed, 0, why))
        count, limit = len(self._failures[name]), self.task_map[name].max_failures
        if limit is not None and count > limit and name not in self._errors:
            self._errors[name] = (
                f"max_failures is {limit}, and {count} attempts have failed; the last: block "
                f"{block.block_id[1]}: {headline(why)}"
            )

    def _give_up(self, name: str) -> None:
        """Orphans the rest of a task with too many failures, once none of its blocks is leased."""
        number = self._numbers[name]
        leased = self._schedule.counts(number)[4]
        if name in self._errors and leased == 0 and not self._schedule.done(number):
            self._schedule.abandon(number)

    def is_done(self, task_id: str) -> bool:
        return bool(self._schedule.done(self._number(task_id)))

    def _ready(self) -> "list[int]":
        counts = self._schedule.counts
        return [counts(number)[3] for number in range(len(self._names))]

    def _number(self, task_id: str) -> int:
        try:
            return self._numbers[task_id]
        except KeyError:
            raise KeyError(f"no task {task_id!r}: expected one of {self._names}") from None


def ask_check(check: Any, block: Block, kind: str) -> bool:
    """Asks a check function about a block. An exception is logged, and counts as no."""
    try:
        return truth_of(kind, check(block))
    except Exception:
        _LOG.exception("the %s of block %s failed, which counts as no", kind, block)
        return False
