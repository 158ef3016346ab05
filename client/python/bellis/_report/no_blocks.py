"""A warning for tasks without blocks, which users seldom want."""

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Optional

if TYPE_CHECKING:
    from bellis.task import Task

_LOG = logging.getLogger("bellis")


def warn_of_no_blocks(tasks: "Iterable[Task]") -> None:
    """A line of the logger "bellis", level WARNING, for each of `tasks` in which no block fits."""
    for task in tasks:
        why = why_no_blocks(task)
        if why is not None:
            _LOG.warning("Task %s has no blocks: %s", task.task_id, why)


def why_no_blocks(task: "Task") -> Optional[str]:
    """Why `task` has no blocks, with the sizes that leave no room; None if it has some."""
    least = task.write_roi.shape if task.fit == "valid" else [1] * task.write_roi.dims
    for dim, (room, needed) in enumerate(zip(task.total_write_roi.shape, least)):
        if room is None or needed is None or room >= needed:
            continue
        total, block = task.total_roi.shape[dim], task.write_roi.shape[dim]
        why = (
            f"in dimension {dim}, total_roi has {total} units, {max(0, room)} of them "
            f"can be written to without the context (read_roi beyond write_roi), and a block "
            f"writes {block}"
        )
        if room > 0:
            why += '. With fit "overhang" or "shrink" there would be one'
        return why
    return None
