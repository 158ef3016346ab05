"""Running tasks with one call."""

import os
from collections.abc import Iterable
from typing import Optional, Union

from bellis.serial_server import SerialServer
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
    """Runs `tasks` and all tasks upstream of them; returns how each task ended.

    The result is true only if every block was completed. Failing blocks do not raise. A single task
    is taken as a list of one; a run without tasks succeeds.

    `multiprocessing` False: everything happens in this process, one block after the other, and an
    exception of a process_function is raised here. True: num_workers processes work on each task.

    `start_method` says where these processes come from. "fork": a helper process, forked from this
    one, forks them, so functions may be of any kind, and workers inherit shared memory. "spawn": a
    fresh interpreter forks them, and receives the functions by cloudpickle; a function that cannot
    be pickled raises TypeError before anything runs. None: "spawn" if
    multiprocessing.set_start_method("spawn") was called, else "fork".

    `progress`: "auto", "quiet" or "json", see `bellis.set_progress`.

    `state_dir`, a folder for this run alone, keeps its progress. If the run is interrupted, in
    whatever way, or blocks fail, the next run with that folder does the rest. That run raises
    BrokerError `different_layout` if it has other blocks than the stored run, and
    `different_programs` if a function (its code, or code of its module that it calls) has changed
    since it completed blocks. `resume` continues with changed functions; `fresh` starts over.

    `job_memory_max`, bytes or a text such as "4GB", bounds the memory of this run's schedule;
    BrokerError `limit` if it would take more. None: BELLIS_JOB_MEMORY_MAX in the environment, else
    half of the memory that this process may have.

    Raises ValueError for two tasks of the same name. Ctrl-C ends the run and its workers at once,
    and is raised. The run leaves no process, thread, file or descriptor, except the workers' logs.
    """
    collected = collect_tasks(tasks)
    if not multiprocessing:
        if state_dir is not None:
            raise ValueError("state_dir needs worker processes: multiprocessing is False")
        if job_memory_max is not None:
            raise ValueError("job_memory_max needs worker processes: multiprocessing is False")
        return SerialServer().run_blockwise(collected, progress=progress)
    # A serial run needs neither pyzmq nor asyncio, which take longer to load than it takes.
    from bellis.server import Server

    return Server().run_blockwise(
        collected,
        start_method=start_method,
        progress=progress,
        state_dir=state_dir,
        resume=resume,
        fresh=fresh,
        job_memory_max=job_memory_max,
    )
