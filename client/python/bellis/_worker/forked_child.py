"""What becomes of a process that a block's function forks, and that returns from the function."""

import os
import sys
import traceback
from typing import Any, NoReturn, Optional


def end(block: Any, error: Optional[BaseException]) -> NoReturn:
    """Ends this process, which is a copy of a worker and no worker itself.

    Exit code: 0 when the function returned, what SystemExit said, 1 after another exception, with
    its traceback on stderr. Nothing is cleaned up: the worker does that.
    """
    code = 0
    try:
        if isinstance(error, SystemExit):
            code = error.code if isinstance(error.code, int) else 0 if error.code is None else 1
        elif error is not None:
            code = 1
            traceback.print_exception(type(error), error, error.__traceback__)
        print(
            f"bellis: process {os.getpid()} was forked while block {block.block_id} was worked on, "
            "and is no worker: it ends here. End such a process with os._exit",
            file=sys.stderr,
        )
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    finally:
        os._exit(code)
