"""The page in which a worker's processes note the lease that they work on.

Their launcher reads it when they have ended. common/work_page.h describes the layout.
"""

import contextlib
import fcntl
import mmap
import os
import secrets
import struct
import weakref
from collections.abc import Iterable
from typing import NamedTuple, Optional

VARIABLE = "BELLIS_WORK_PAGE"

_BYTES = 4096
_STRIDE = max(_BYTES, mmap.PAGESIZE)  # pages are mapped one by one
_HEAD = struct.Struct("@8sQ")
_PLACE = struct.Struct("@QQ")
_WORD = struct.Struct("@Q")
_LOCK = struct.Struct("@hhqqi")  # struct flock
_MAGIC = b"BELLISWP"
_FILE = "bellis-work"
_SEVERAL = (1 << 64) - 1


class WorkPages:
    """The launcher's side: one file with a page for each worker that it starts."""

    def __init__(self) -> None:
        try:
            self._fd = os.memfd_create(_FILE)
        except OSError:
            self._fd = -1  # then there are no pages, and workers note nothing
        self._count = 0
        self._free: list[int] = []

    def take(self) -> "Optional[WorkPage]":
        """A blank page, until the caller gives it back; None if there is none."""
        if self._fd < 0:
            return None
        key = secrets.randbits(63)
        try:
            if not self._free:
                os.ftruncate(self._fd, (self._count + 1) * _STRIDE)
                self._free.append(self._count)
                self._count += 1
            blank = _HEAD.pack(_MAGIC, key).ljust(_BYTES, b"\0")
            os.pwrite(self._fd, blank, self._free[-1] * _STRIDE)
        except OSError:
            return None
        return WorkPage(self._fd, self._free.pop(), key)

    def give_back(self, page: "WorkPage") -> None:
        """The worker and all its processes are gone: another worker may have the page."""
        self._free.append(page.number)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)


class WorkPage(NamedTuple):
    fd: int  # the file of all pages
    number: int  # its place in the file
    key: int

    @property
    def name(self) -> str:
        """The value of VARIABLE for the worker, valid as long as this process lives."""
        return f"/proc/{os.getpid()}/fd/{self.fd}:{self.number * _STRIDE}:{self.key}"

    def read(self) -> "list[tuple[int, int]]":
        """(worker, lease) of each connection; lease 0: it works on none.

        Connections that work on several leases, or that are closed, are left out.
        """
        data = os.pread(self.fd, _BYTES, self.number * _STRIDE)
        places = struct.iter_unpack("@QQ", data[_HEAD.size :])
        most = 1 << 63
        return [(worker, lease) for worker, lease in places if 0 < worker < most and lease < most]


class WorkNote:
    """A connection's place in the page, until it is closed or collected."""

    def __init__(self, memory: mmap.mmap, at: int, worker: int) -> None:
        self._memory = memory
        self._at = at
        self.renumber(worker)
        self._finalizer = weakref.finalize(self, _leave, memory, at, os.getpid())

    @staticmethod
    def claim(name: str, worker: int) -> "Optional[WorkNote]":
        """Takes a place in the page that VARIABLE names; None if no page or place is free."""
        path, _, numbers = name.partition(":")
        try:
            offset, key = (int(number) for number in numbers.split(":"))
            if not worker or not os.readlink(path).startswith(f"/memfd:{_FILE}"):
                return None
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        except (OSError, ValueError):
            return None
        try:
            if os.fstat(fd).st_size < offset + _BYTES:
                return None
            _set_lock(fd, fcntl.F_WRLCK, offset)
            memory = mmap.mmap(fd, _BYTES, offset=offset)
            if _HEAD.unpack_from(memory) != (_MAGIC, key):
                return None
            for at in range(_HEAD.size, _BYTES - _PLACE.size + 1, _PLACE.size):
                if not _WORD.unpack_from(memory, at)[0]:
                    return WorkNote(memory, at, worker)
            return None
        except (OSError, ValueError, OverflowError):
            return None
        finally:
            with contextlib.suppress(OSError):
                _set_lock(fd, fcntl.F_UNLCK, offset)  # the mapping would keep the lock
            os.close(fd)

    def renumber(self, worker: int) -> None:
        """The broker knows the connection by this number from now on."""
        _WORD.pack_into(self._memory, self._at + _WORD.size, 0)
        _WORD.pack_into(self._memory, self._at, worker)

    def works_on(self, leases: Iterable[int]) -> None:
        """Notes the leases that the connection works on from now on."""
        all_of_them = list(leases)
        lease = all_of_them[0] if all_of_them else 0
        _WORD.pack_into(
            self._memory, self._at + _WORD.size, _SEVERAL if len(all_of_them) > 1 else lease
        )

    def close(self) -> None:
        self._finalizer()


def _set_lock(fd: int, kind: int, offset: int) -> None:
    """While a page is locked, nobody else takes a place in it.

    The lock belongs to the open file, not to the process: its threads have own connections.
    """
    fcntl.fcntl(fd, fcntl.F_OFD_SETLKW, _LOCK.pack(kind, os.SEEK_SET, offset, _BYTES, 0))


def _leave(memory: mmap.mmap, at: int, pid: int) -> None:
    if os.getpid() == pid:  # a forked child leaves its parent's place alone
        with contextlib.suppress(ValueError):
            _PLACE.pack_into(memory, at, 0, 0)
