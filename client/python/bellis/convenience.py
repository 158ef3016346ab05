"""Running tasks with one call."""

import os
from collections.abc import Iterable
from typing import Optional, Union

from bellis.serial_server import SerialServer
from bellis.server import Server
from bellis.task import Task
from bellis.task import collect_tasks as collect_tasks
from bellis.task_state import TaskStates


def run_blockwise(
    tasks: Union[Task, Iterable[Task]],
    multiprocessing: bool = True,
    *,
    start_method: Optional[str] = None,
    progress: Optional[str] = None,
    state_dir: "Optional[Union[str, os.PathLike[str]]]" = None,
    resume: bool = False,
    fresh: bool = False,
    job_memory_max: "Optional[Union[int, str]]" = None,
) -> TaskStates:
    """Runs `tasks` and all that is upstream of them; returns how each of them ended.

    What it returns is true only if every block was completed. Failing blocks do not raise. A single
    task stands for a list of it; no tasks at all are no work, which succeeds.

    `multiprocessing` False: everything happens here, one block after the other, and what a
    process_function raises comes out. True: a task's num_workers processes work on it.

    `start_method` says where those come from. "fork": from a helper that is forked off here, so
    functions can be whatever they are, and shared memory is inherited. "spawn": from a fresh
    interpreter, to which functions go by cloudpickle; TypeError, before anything runs, for one that
    cannot. None: "spawn" if multiprocessing.set_start_method("spawn") was called, else "fork".

    `progress`: "auto", "quiet" or "json", see `bellis.set_progress`.

    `state_dir`, a folder of this run's own: progress is kept there, and when the run is broken off,
    in whatever way, or blocks fail, the next one with that folder does what is left. BrokerError
    `different_layout`, when the blocks are others than those that are stored. When a function is
    another one than that by which blocks are done (its own code, and what that calls in its
    module), `different_programs`, unless `resume` (goes on with what is done) or `fresh` (starts
    over) says what is wanted.

    `job_memory_max`, bytes or a text as "4GB": so much may the schedule of this run take;
    BrokerError `limit` when it would take more. None: BELLIS_JOB_MEMORY_MAX in the environment,
    else half of the memory that this process may have.

    Raises ValueError for two tasks of one name. Ctrl-C ends the run at once, workers included, and
    is raised. No process, thread, file or descriptor is left, but for the workers' logs.
    """
    collected = collect_tasks(tasks)
    if not multiprocessing:
        if state_dir is not None:
            raise ValueError("state_dir needs worker processes: multiprocessing is False")
        if job_memory_max is not None:
            raise ValueError("job_memory_max needs worker processes: multiprocessing is False")
        return SerialServer().run_blockwise(collected, progress=progress)
    return Server().run_blockwise(
        collected,
        start_method=start_method,
        progress=progress,
        state_dir=state_dir,
        resume=resume,
        fresh=fresh,
        job_memory_max=job_memory_max,
    )
