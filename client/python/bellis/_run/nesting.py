"""Runs inside of runs: how deep this process is in them, and whether it may start another."""

import multiprocessing.process
import os

from bellis._run.process_tree import die_with, live_on

VARIABLE = "BELLIS_DEPTH"  # of every process that a run has started, whatever its language
DEPTH_MAX = 8

_BOOTSTRAPPING = (
    "An attempt has been made to start a run before the current process has finished its "
    "bootstrapping phase. This process was started for another run or by multiprocessing, imports "
    "the module that its functions are from, and that module makes a run while it is imported: it "
    "would go on so without end. Put the run into a function, and call that in the main module "
    'under `if __name__ == "__main__":`'
)

_unpickling = False


class Unpickling:
    """A helper process receives functions: modules of the user's are imported.

    Meanwhile no run can be started, and the process ends with the one that has started it.
    """

    def __init__(self, maker_pid: int) -> None:
        self._maker_pid = maker_pid

    def __enter__(self) -> None:
        global _unpickling
        die_with(self._maker_pid)
        _unpickling = True

    def __exit__(self, *_: object) -> None:
        global _unpickling
        _unpickling = False
        live_on()  # whoever goes on sees to the end of its own


def depth() -> int:
    """How many runs this process is inside of."""
    text = os.environ.get(VARIABLE, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0


def deepen() -> None:
    """This process is one of a run's."""
    os.environ[VARIABLE] = str(depth() + 1)


def check_bootstrapped() -> None:
    """RuntimeError in a process that still imports what it is to call."""
    if _unpickling or getattr(multiprocessing.process.current_process(), "_inheriting", False):
        raise RuntimeError(_BOOTSTRAPPING)


def check_depth() -> None:
    """RuntimeError in a process of a run that is too deep inside of others."""
    if depth() >= DEPTH_MAX:
        raise RuntimeError(
            f"this run would be inside of {depth()} others, each started by a worker of the one "
            f"before it ({VARIABLE}): expected {DEPTH_MAX - 1} at most. A process_function, or a "
            "module that workers import, probably starts the run that it belongs to"
        )
