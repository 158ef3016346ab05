"""A task: what is to be done with each block of a volume."""

import inspect
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Callable, Optional, Union

if TYPE_CHECKING:
    from funlib.geometry import Roi

    from bellis.context import Context

Check = Callable[..., Any]

_FITS = ("valid", "overhang", "shrink")


class Task:
    """What is to be done with each block of a volume, and by how many workers.

    - `task_id`: its name, any text of one line.
    - `total_roi`: the volume, context included, in world units. `read_roi`, `write_roi`: what one
      block reads and writes; only their shapes, and where one lies in the other, matter. The pair
      is moved over the volume in steps of the write ROI's shape.
    - `process_function`: called with each block, in worker processes. An exception fails the block,
      and so does `block.status = BlockStatus.FAILED`. One without parameters starts a worker by
      itself (with subprocess, bsub, sbatch, ...), which takes blocks through a `bellis.Client`, and
      returns when that has ended.
    - `check_function`: `check(block)`, true if the block is done already; then it is skipped. Or a
      pair of functions, either of which may be None: the second is asked after a block was done
      whether it is right; if not, that attempt has failed.
    - `init_callback_fn`: called once, with a `Context`, before the task's first worker is started.
    - `read_write_conflict`: True, blocks of which one reads where the other writes never run at the
      same time, and in the same order in every run; "exclusive", never at the same time, in any
      order; False, all at once.
    - `num_workers`: processes at most. `max_retries`: how often a failed block is tried again.
    - `fit`: what happens where no whole block fits: "valid" leaves the rest out, "overhang" lets
      the last block stick out, "shrink" cuts it.
    - `timeout`: seconds for one try at one block; then its worker is killed. None: no limit.
    - `upstream_tasks`: tasks whose results this one reads. A block starts when those blocks that
      write what it reads are completed.
    - `max_worker_restarts`: how many workers that died are replaced without a block completed in
      between, before the task is given up (10).

    Raises ValueError and TypeError for what no run could make sense of.
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
        timeout: Optional[float] = None,
        upstream_tasks: "Optional[Iterable[Task]]" = None,
        *,
        max_worker_restarts: Optional[int] = None,
    ) -> None:
        if not isinstance(task_id, str):
            raise TypeError(f"task_id is {task_id!r}: expected a string")
        if not callable(process_function):
            raise TypeError(f"process_function is {process_function!r}: expected a function")
        if fit not in _FITS:
            raise ValueError(f"fit is {fit!r}: expected one of {', '.join(_FITS)}")
        if read_write_conflict not in (True, False, "exclusive"):
            raise ValueError(
                f"read_write_conflict is {read_write_conflict!r}: expected True, False or "
                '"exclusive"'
            )
        if num_workers < 1:
            raise ValueError(f"num_workers is {num_workers}: expected at least 1")
        self.task_id = task_id
        self.total_roi = total_roi
        self.orig_total_roi = total_roi
        self.read_roi = read_roi
        self.write_roi = write_roi
        self.total_write_roi = total_roi.grow(
            -(write_roi.begin - read_roi.begin), -(read_roi.end - write_roi.end)
        )
        self.process_function = process_function
        self.takes_block = _takes_block(process_function)
        self.check_function = check_function
        self.pre_check, self.post_check = _checks(check_function)
        self.init_callback_fn = _no_callback if init_callback_fn is None else init_callback_fn
        self.read_write_conflict = read_write_conflict
        self.fit = fit
        self.num_workers = num_workers
        self.max_retries = max_retries
        self.timeout = timeout
        self.upstream_tasks: list[Task] = list(upstream_tasks or [])
        self.max_worker_restarts = max_worker_restarts

    def requires(self) -> "list[Task]":
        return self.upstream_tasks

    def to_spec(self) -> dict[str, Any]:
        """The task as a pipeline file has it, without workers and checks."""
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


def roi_spec(roi: "Roi") -> "list[list[int]]":
    """ValueError for a ROI without bounds."""
    numbers = [*roi.offset, *roi.shape]
    if any(number is None for number in numbers):
        raise ValueError(f"{roi} has no bounds in some dimension: expected numbers")
    return [[int(x) for x in roi.offset], [int(x) for x in roi.shape]]


def _no_callback(context: "Context") -> None:
    pass


def _takes_block(function: Callable[..., Any]) -> bool:
    """Whether it is a function of a block: it has a parameter, and needs no more than one."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return True  # some builtins do not tell
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    required = [p for p in positional if p.default is p.empty]
    keyword_only = [p for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
    if len(required) > 1 or keyword_only:
        names = ", ".join(p.name for p in required + keyword_only)
        raise ValueError(
            f"process_function takes ({names}): expected a function of one block, or of nothing"
        )
    return bool(positional)  # one with a default, too, as in f(block=None)


def _checks(
    given: "Union[Check, tuple[Optional[Check], Optional[Check]], None]",
) -> "tuple[Optional[Check], Optional[Check]]":
    pair = given if isinstance(given, (tuple, list)) else (given, None)
    if len(pair) != 2 or not all(check is None or callable(check) for check in pair):
        raise TypeError(
            f"check_function is {given!r}: expected a function, or a pair of functions or None"
        )
    return pair[0], pair[1]
