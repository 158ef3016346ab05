"""A task: what to do with each block of a volume."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Callable, Optional, Union

from bellis._base import task_values

if TYPE_CHECKING:
    import datetime

    from funlib.geometry import Roi

    from bellis.context import Context

Check = Callable[..., Any]


class Task:
    """What to do with each block of a volume, and with how many workers.

    - `task_id`: its name, any text of one line.
    - `total_roi`: the volume, context included, in world units. `read_roi`, `write_roi`: what one
      block reads and writes; only their shapes and their positions relative to each other matter.
      The pair is moved over the volume in steps of the write ROI's shape. Each is a Roi, or
      (offset, shape).
    - `process_function`: called with each block, in worker processes. An exception fails the block,
      and so does `block.status = BlockStatus.FAILED`. A function without parameters starts a worker
      itself (with subprocess, bsub, sbatch, ...), which takes blocks through a `bellis.Client`. The
      function returns when that worker has ended.
    - `check_function`: `check(block)` returns true if the block is done already; then it is
      skipped. Or a pair of functions, either of which may be None: the second one is called after a
      block was done, and returns whether its output is right; if not, that attempt has failed.
    - `init_callback_fn`: called once, with a `Context`, before the task's first worker is started.
    - `read_write_conflict`: blocks conflict if one reads where the other writes. True: they never
      run at the same time, and run in the same order in every run. "exclusive": they never run at
      the same time, but in any order. False: they may run at the same time.
    - `num_workers`: the most processes. 0: none is started here; `init_callback_fn` starts the
      workers, with the context that it gets. `max_retries`: how often a failed block is tried
      again.
    - `fit`: what happens where no whole block fits: "valid" leaves the rest out, "overhang" lets
      the last block extend beyond the end, "shrink" cuts it.
    - `timeout`: seconds, or a timedelta, for one attempt at a block, after which its worker is
      killed. None: no limit.
    - `upstream_tasks`: tasks whose results this one reads. A block starts when all blocks that
      write what it reads are completed.
    - `max_worker_restarts`: how many workers that died in a row, without a completed block in
      between, are replaced before the task is given up (10).
    - `max_failures`: how many attempts at its blocks may fail in all; after one more the task is
      given up, and its remaining blocks are orphaned. None: no limit.
    - `release_idle`: True: surplus workers leave when fewer blocks than workers are left, so that
      their resources (a GPU, say) are free while the last blocks run. False: they stay until the
      task is done.

    Raises ValueError and TypeError for arguments that no run could use, such as a function whose
    body does not run in a call (async functions, generators). Attributes have the converted values:
    NumPy's numbers become Python's.
    """

    def __init__(
        self,
        task_id: str,
        total_roi: "Roi",
        read_roi: "Roi",
        write_roi: "Roi",
        process_function: Callable[..., Any],
        check_function: "Union[Check, tuple[Optional[Check], Optional[Check]], None]" = None,
        init_callback_fn: "Optional[Callable[[Context], Any]]" = None,
        read_write_conflict: "Union[bool, str]" = True,
        num_workers: int = 1,
        max_retries: int = 2,
        fit: str = "valid",
        timeout: "Union[float, datetime.timedelta, None]" = None,
        upstream_tasks: "Optional[Iterable[Task]]" = None,
        *,
        max_worker_restarts: Optional[int] = None,
        max_failures: Optional[int] = None,
        release_idle: bool = False,
    ) -> None:
        self.task_id = task_values.text("task_id", task_id)
        self.total_roi = task_values.roi("total_roi", total_roi)
        self.orig_total_roi = self.total_roi
        self.read_roi = task_values.roi("read_roi", read_roi)
        self.write_roi = task_values.roi("write_roi", write_roi)
        task_values.same_rank(
            total_roi=self.total_roi, read_roi=self.read_roi, write_roi=self.write_roi
        )
        self.total_write_roi = self.total_roi.grow(
            -(self.write_roi.begin - self.read_roi.begin), -(self.read_roi.end - self.write_roi.end)
        )
        self.process_function = task_values.function("process_function", process_function)
        self.takes_block = task_values.takes_block(process_function)
        self.check_function = check_function
        self.pre_check, self.post_check = task_values.checks(check_function)
        self.init_callback_fn = (
            _no_callback
            if init_callback_fn is None
            else task_values.function("init_callback_fn", init_callback_fn)
        )
        self.read_write_conflict = task_values.conflict(read_write_conflict)
        self.fit = task_values.fit(fit)
        self.num_workers = task_values.count("num_workers", num_workers, least=0)
        if self.num_workers == 0 and init_callback_fn is None:
            raise ValueError(
                "num_workers is 0, and there is no init_callback_fn that could start workers: "
                "expected at least 1"
            )
        self.max_retries = task_values.count("max_retries", max_retries, least=0)
        self.timeout = task_values.seconds("timeout", timeout)
        self.upstream_tasks: list[Task] = task_values.tasks("upstream_tasks", upstream_tasks, Task)
        self.max_worker_restarts = task_values.count_or_none(
            "max_worker_restarts", max_worker_restarts, least=0
        )
        self.max_failures = task_values.count_or_none("max_failures", max_failures, least=0)
        self.release_idle = task_values.flag("release_idle", release_idle)

    def requires(self) -> "list[Task]":
        return self.upstream_tasks

    def to_spec(self) -> dict[str, Any]:
        """The task with the keys of a pipeline file, without workers and checks."""
        return {
            "task_id": self.task_id,
            "total_roi": roi_spec(self.total_roi),
            "read_roi": roi_spec(self.read_roi),
            "write_roi": roi_spec(self.write_roi),
            "fit": self.fit,
            "read_write_conflict": self.read_write_conflict,
            "max_retries": self.max_retries,
            "timeout": self.timeout or 0,
            "upstream": [task.task_id for task in self.upstream_tasks],
        }

    def __repr__(self) -> str:
        return f"Task({self.task_id!r}, {self.total_roi})"


def collect_tasks(tasks: Union[Task, Iterable[Task]]) -> list[Task]:
    """`tasks` and all tasks upstream of them, each once, in the order in which they are met.

    A single task is taken as a list of one. Raises TypeError for anything that is not a task, and
    ValueError for two tasks of the same name.
    """
    collected: dict[str, Task] = {}
    queue: list[Task] = task_values.tasks("tasks", tasks, Task)
    for task in queue:  # the loop appends to it
        known = collected.setdefault(task.task_id, task)
        if known is not task:
            raise ValueError(
                f"two different tasks are called {task.task_id!r}: expected a task_id of its own "
                "for each"
            )
        queue += [other for other in task.upstream_tasks if other not in queue]
    return list(collected.values())


def roi_spec(roi: "Roi") -> "list[list[int]]":
    """Offset and shape of a ROI. Raises ValueError for a ROI without bounds."""
    numbers = [*roi.offset, *roi.shape]
    if any(number is None for number in numbers):
        raise ValueError(f"{roi} has no bounds in some dimension: expected numbers")
    return [[int(x) for x in roi.offset], [int(x) for x in roi.shape]]


def _no_callback(context: "Context") -> None:
    pass
