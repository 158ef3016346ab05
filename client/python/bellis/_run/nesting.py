"""Runs inside of runs: how many this process is in, and whether it may start another."""

import os
import sys

from bellis._run.process_tree import die_with, live_on

VARIABLE = "BELLIS_DEPTH"  # set in every process that a run starts
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
    """A context in which a helper process unpickles functions, and so imports the user's modules.

    Meanwhile the process cannot start a run, and it ends with the process that has started it.
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
        live_on()  # from now on the zygote watches its maker itself


def depth() -> int:
    """How many runs this process is in."""
    text = os.environ.get(VARIABLE, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0


def deepen() -> None:
    """Counts one more run, to which this process belongs."""
    os.environ[VARIABLE] = str(depth() + 1)


def check_bootstrapped() -> None:
    """Raises RuntimeError in a process that is still importing the functions that it will call."""
    # A process that multiprocessing started has loaded this; a serial run need not.
    process = sys.modules.get("multiprocessing.process")
    inheriting = process and getattr(process.current_process(), "_inheriting", False)
    if _unpickling or inheriting:
        raise RuntimeError(_BOOTSTRAPPING)


def check_depth() -> None:
    """Raises RuntimeError in a process that is in too many runs."""
    if depth() >= DEPTH_MAX:
        raise RuntimeError(
            f"this run would be inside of {depth()} others, each started by a worker of the one "
            f"before it ({VARIABLE}): expected {DEPTH_MAX - 1} at most. A process_function, or a "
            "module that workers import, probably starts the run that it belongs to"
        )
