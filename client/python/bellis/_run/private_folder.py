"""Temporary folders for the sockets of runs, which no other user may enter.

`bellis run` makes the same ones (tools/private_dir.h); each removes those that the other left.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile

from bellis._base.private_files import is_private_dir, open_by_walk

_PREFIX = "bellis-run-"
_LOCK = "lock"


class PrivateFolder:
    """A new folder (mode 0700), in `base` or where temporary files go.

    A file in it is locked as long as this process or a child forked from it lives. The next run
    removes the folders of runs that were killed with all their processes.
    """

    def __init__(self, base: str = "") -> None:
        base = base or tempfile.gettempdir()
        sweep(base)
        self.path = tempfile.mkdtemp(prefix=_PREFIX, dir=base)
        try:
            self._lock_fd = _lock(self.path)
        except OSError:
            shutil.rmtree(self.path, ignore_errors=True)
            raise

    def remove(self) -> None:
        """Removes the folder. Does nothing the second time."""
        if self._lock_fd < 0:
            return
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock_fd)
        self._lock_fd = -1


def sweep(base: str) -> None:
    """Removes the folders of dead runs of this user in `base`."""
    try:
        with os.scandir(base) as entries:
            paths = [entry.path for entry in entries if entry.name.startswith(_PREFIX)]
    except OSError:
        return
    for path in paths:
        with contextlib.suppress(OSError):
            _remove_if_dead(path)


def _lock(folder: str) -> int:
    """Makes the lock file, which gets its name only when it is locked."""
    hidden = os.path.join(folder, "lock.new")
    lock_fd = os.open(hidden, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.rename(hidden, os.path.join(folder, _LOCK))
    except OSError:
        os.close(lock_fd)
        raise
    return lock_fd


def _remove_if_dead(path: str) -> None:
    if not is_private_dir(path):  # another user could put something else in its place
        return
    lock_fd = open_by_walk(os.path.join(path, _LOCK), os.O_RDWR | os.O_NONBLOCK, trusted=True)
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(lock_fd)
