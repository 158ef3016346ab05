"""The two files that a worker's output goes to, as the process that forks it sees them.

The worker and what it starts write to them directly, so that what was said before a crash is there.
Nobody reads along: whoever is to keep them small looks at their size now and then.
"""

import contextlib
import fcntl
import os

from bellis import _core
from bellis.logging import log_path, open_logs
from bellis.private_files import open_log

_SUFFIXES = (".out", ".err")
_STDERR_TAIL_BYTES = 4096
_IN_USE = b"[bellis: a worker of another run that goes on writes to this file, too]\n"


def open_fresh(basename: str) -> "tuple[int, int]":
    """Descriptors of both files, for a worker to have, and for us to close.

    What an earlier run left in a file is gone, as with daisy. A file that a worker of another run
    has open at this moment is appended to instead, with a line that says so. How it is known: a
    lock that lasts as long as a process has the descriptor. Raises OSError.
    """
    files = open_logs(basename, "a")
    for file in files:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with contextlib.suppress(OSError):
                os.write(file, _IN_USE)
            continue
        except OSError:
            pass  # a file system without locks
        with contextlib.suppress(OSError):  # a pipe, or /dev/null
            os.ftruncate(file, 0)
    return files


def trim(basename: str) -> None:
    """Cuts the middle out of a file that has grown beyond 64 MiB, and writes there that it did."""
    for suffix in _SUFFIXES:
        _core.trim_log_file(log_path(basename, suffix))


def stderr_tail(basename: str) -> str:
    """The last 4 KiB of what it said on stderr; empty without logs."""
    if not basename:
        return ""
    try:
        with os.fdopen(open_log(log_path(basename, ".err"), os.O_RDONLY), "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _STDERR_TAIL_BYTES))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""
