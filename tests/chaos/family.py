"""A worker whose children do the work: each has a connection of its own under the worker's id."""

import os
import sys

from tests.chaos import worker

CHILDREN = 2


def _fork() -> int:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = worker.main()
        finally:
            os._exit(code)
    return pid


def main() -> int:
    children = [_fork() for _ in range(CHILDREN)]
    statuses = [os.waitpid(pid, 0)[1] for pid in children]
    return max(abs(os.waitstatus_to_exitcode(status)) for status in statuses)


if __name__ == "__main__":
    sys.exit(main())
