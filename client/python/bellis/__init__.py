"""Bellis, the blockwise task scheduler: tasks, workers and scripts.

    import bellis

    task = bellis.Task(
        "smooth",
        total_roi=bellis.Roi((0, 0), (512, 512)),
        read_roi=bellis.Roi((0, 0), (84, 84)),
        write_roi=bellis.Roi((10, 10), (64, 64)),
        process_function=smooth,      # smooth(block), with block.read_roi and block.write_roi
        num_workers=4,
    )
    states = bellis.run_blockwise([task])

The same calls as daisy's. A worker of a pipeline file, or of another broker, is
`bellis.work(smooth)`, or a loop around `bellis.Client().acquire_block()`; `bellis.Control` submits
jobs and follows them. `bellis.install_as_daisy()` gives programs that import daisy this package.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from funlib.geometry import Coordinate, Roi

    from bellis import logging
    from bellis._core import __version__
    from bellis._report.progress import set_progress
    from bellis.as_daisy import install_as_daisy
    from bellis.block import Block, BlockStatus
    from bellis.blocks import (
        expand_request_roi_to_grid,
        expand_roi_to_grid,
        expand_write_roi_to_grid,
    )
    from bellis.client import Client, check, work
    from bellis.context import Context
    from bellis.control import Control
    from bellis.convenience import run_blockwise
    from bellis.dependency_graph import BlockwiseDependencyGraph, DependencyGraph
    from bellis.errors import BrokerError
    from bellis.logging import (
        get_log_basedir,
        get_worker_log_basename,
        redirect_stdouterr,
        set_log_basedir,
    )
    from bellis.scheduler import Scheduler
    from bellis.serial_server import SerialServer
    from bellis.server import Server
    from bellis.task import Task
    from bellis.task_state import Failure, TaskState, TaskStates

# The home of each name, which is loaded when it is first used. A worker's pulse, a separate
# process, needs few of them, and starts faster this way.
_HOMES = {
    "__version__": "bellis._core",
    "Block": "bellis.block",
    "BlockStatus": "bellis.block",
    "BlockwiseDependencyGraph": "bellis.dependency_graph",
    "BrokerError": "bellis.errors",
    "Client": "bellis.client",
    "Context": "bellis.context",
    "Control": "bellis.control",
    "Coordinate": "funlib.geometry",
    "DependencyGraph": "bellis.dependency_graph",
    "Failure": "bellis.task_state",
    "Roi": "funlib.geometry",
    "Scheduler": "bellis.scheduler",
    "SerialServer": "bellis.serial_server",
    "Server": "bellis.server",
    "Task": "bellis.task",
    "TaskState": "bellis.task_state",
    "TaskStates": "bellis.task_state",
    "check": "bellis.client",
    "expand_request_roi_to_grid": "bellis.blocks",
    "expand_roi_to_grid": "bellis.blocks",
    "expand_write_roi_to_grid": "bellis.blocks",
    "get_log_basedir": "bellis.logging",
    "get_worker_log_basename": "bellis.logging",
    "install_as_daisy": "bellis.as_daisy",
    "redirect_stdouterr": "bellis.logging",
    "run_blockwise": "bellis.convenience",
    "set_log_basedir": "bellis.logging",
    "set_progress": "bellis._report.progress",
    "work": "bellis.client",
}

# Submodules that exist without an import, as daisy's do.
_MODULES = (
    "block",
    "blocks",
    "cl_monitor",
    "client",
    "context",
    "convenience",
    "coordinate",
    "dependency_graph",
    "logging",
    "roi",
    "scheduler",
    "serial_server",
    "server",
    "task",
    "task_state",
)

__all__ = [
    "Block",
    "BlockStatus",
    "BlockwiseDependencyGraph",
    "BrokerError",
    "Client",
    "Context",
    "Control",
    "Coordinate",
    "DependencyGraph",
    "Failure",
    "Roi",
    "Scheduler",
    "SerialServer",
    "Server",
    "Task",
    "TaskState",
    "TaskStates",
    "__version__",
    "check",
    "expand_request_roi_to_grid",
    "expand_roi_to_grid",
    "expand_write_roi_to_grid",
    "get_log_basedir",
    "get_worker_log_basename",
    "install_as_daisy",
    "logging",
    "redirect_stdouterr",
    "run_blockwise",
    "set_log_basedir",
    "set_progress",
    "work",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        value: Any = importlib.import_module(f"bellis.{name}")
    elif name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module 'bellis' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> "list[str]":
    return sorted(__all__)
