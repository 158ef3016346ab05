"""Files and directories that other users of the machine must not read, plant or replace.

This does the same as common/files in C++. A path is walked from descriptor to descriptor, and the
*opened* file is checked, never its name, so that nobody can put another file in its place between
two calls. A refused file raises PermissionError, which names the path, what was found, and what to
do.
"""

import contextlib
import errno
import os
import stat
from typing import Optional

_LINKS_MAX = 40
_IPC = "ipc://"
_NO_FILE = "is not a regular file: remove it, or choose another path"
# A directory on the way need not be readable.
_ON_THE_WAY = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LINK = getattr(os, "O_PATH", os.O_RDONLY) | os.O_NOFOLLOW | os.O_CLOEXEC
# Names of descriptors that this process has already.
_OWN = {"/dev/stdout": 1, "/dev/fd/1": 1, "/dev/stderr": 2, "/dev/fd/2": 2}


def open_by_walk(path: str, flags: int, mode: int = 0o666, *, trusted: bool = False) -> int:
    """A descriptor of `path`, which the caller closes.

    Symbolic links of root and of this user are followed. `trusted`: root or this user owns every
    directory on the way, and nobody else may rename its entries. This is needed if a library opens
    the path by name again. Raises OSError.
    """
    shown, left = path, _parts(os.path.join(os.getcwd(), path) if path else path)
    if not left:
        raise PermissionError(errno.EISDIR, "a file is expected", shown)
    at = os.open("/", _ON_THE_WAY)
    links = 0
    try:
        while True:
            name, last = left.pop(0), not left
            try:
                how = flags | os.O_NOFOLLOW | os.O_CLOEXEC if last else _ON_THE_WAY
                found = os.open(name, how, mode, dir_fd=at)
            except OSError as error:
                if error.errno == errno.ENXIO:  # a FIFO without a reader, or a socket
                    raise _refused(shown, _NO_FILE) from error
                target = _target_of_link(name, at, shown)
                if target is None:
                    if error.errno == errno.ENOENT and trusted and _anybody_may_make(at):
                        raise _refused(
                            shown,
                            f'there is no "{name}", and any user of this machine could make it '
                            "meanwhile, so nobody waits for it; is bellis-broker running?",
                        ) from error
                    raise OSError(error.errno, os.strerror(error.errno or 0), shown) from error
                links += 1
                if links > _LINKS_MAX:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), shown) from error
                if target.startswith("/"):
                    os.close(at)
                    at = os.open("/", _ON_THE_WAY)
                left[:0] = _parts(target)
                if not left:
                    return os.open(".", flags | os.O_CLOEXEC, mode, dir_fd=at)
                continue
            if last:
                return found
            os.close(at)
            at = found
            if trusted:
                _check_on_the_way(at, name, shown)
    finally:
        os.close(at)


def open_log(path: str, flags: int) -> int:
    """A descriptor to append to, which the caller closes. The file must be a regular file of this
    user with one name.

    Also accepted: /dev/null, and our own stdout and stderr by the names that the system gives them.
    A FIFO is refused, not waited for. Raises OSError.
    """
    if path in _OWN:
        return os.dup(_OWN[path])
    # The file is checked before it is cut.
    wanted = (flags & ~os.O_TRUNC) | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY
    found = open_by_walk(path, wanted)
    try:
        status = os.fstat(found)
        if not stat.S_ISREG(status.st_mode):
            if not _may_take_lines(status):
                raise _refused(path, _NO_FILE)
        elif status.st_uid != os.geteuid():
            raise _refused(
                path,
                f"belongs to another user (uid {status.st_uid}; you are {os.geteuid()}): choose "
                "another log directory",
            )
        elif status.st_nlink > 1:
            raise _refused(path, f"is one of {status.st_nlink} names of a file: remove it")
        elif flags & os.O_TRUNC:
            os.ftruncate(found, 0)
        os.set_blocking(found, True)
    except BaseException:
        os.close(found)
        raise
    return found


def read_private(path: str, bytes_max: int) -> bytes:
    """Reads a file with a secret or an order: it must be root's or this user's, and closed to
    others."""
    found = open_by_walk(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        status = os.fstat(found)
        if not stat.S_ISREG(status.st_mode):
            raise _refused(path, _NO_FILE)
        if not _is_trusted(status.st_uid):
            raise _refused(
                path,
                f"belongs to another user (uid {status.st_uid}); it must be yours (uid "
                f"{os.geteuid()})",
            )
        if status.st_mode & 0o077:
            mode = f"{stat.S_IMODE(status.st_mode):04o}"
            raise _refused(path, f"has mode {mode}; it must be closed to others (chmod 600)")
        if status.st_nlink > 1:
            names = f"is one of {status.st_nlink} names of a file"
            raise _refused(path, f"{names}: put a copy in its place")
        data = b""
        while len(data) <= bytes_max:
            more = os.read(found, bytes_max + 1 - len(data))
            if not more:
                return data
            data += more
        raise _refused(path, f"has more than {bytes_max} bytes")
    finally:
        os.close(found)


def check_socket(endpoint: str) -> None:
    """Raises PermissionError if another user listens in the broker's place, or could.

    Checks nothing else: a missing socket is fine if no other user can make it.
    """
    path = endpoint[len(_IPC) :]
    if not endpoint.startswith(_IPC) or not path or path.startswith("@"):
        return
    try:
        found = open_by_walk(path, getattr(os, "O_PATH", os.O_RDONLY), trusted=True)
    except PermissionError as error:
        if error.errno == errno.EPERM:
            raise
        return  # this user may not look; connecting will report that
    except OSError:
        return
    try:
        owner = os.fstat(found).st_uid
    finally:
        os.close(found)
    if not _is_trusted(owner):
        raise _refused(
            path, f"the socket belongs to another user (uid {owner}; you are {os.geteuid()})"
        )


def is_private_dir(path: str) -> bool:
    """Whether a folder is private to this user, and no other user can replace it."""
    with contextlib.suppress(OSError):
        found = open_by_walk(path, os.O_RDONLY | os.O_DIRECTORY, trusted=True)
        try:
            status = os.fstat(found)
            return status.st_uid == os.geteuid() and not status.st_mode & 0o077
        finally:
            os.close(found)
    return False


def is_of_another(path: str) -> bool:
    """Whether another user owns `path`; False if it does not exist or cannot be read."""
    try:
        return os.stat(path).st_uid != os.geteuid()
    except OSError:
        return False


def _parts(path: str) -> "list[str]":
    return [part for part in path.split("/") if part not in ("", ".")]


def _is_trusted(owner: int) -> bool:
    return owner in (0, os.geteuid())


def _refused(path: str, why: str) -> PermissionError:
    return PermissionError(errno.EPERM, why, path)


def _target_of_link(name: str, at: int, shown: str) -> Optional[str]:
    """The target of a symbolic link; None for any other file."""
    try:
        link = os.open(name, _LINK, dir_fd=at)
    except OSError:
        return None
    try:
        status = os.fstat(link)
        if not stat.S_ISLNK(status.st_mode):
            return None
        if status.st_uid not in (0, os.geteuid(), os.stat("/").st_uid):
            raise _refused(
                shown,
                f'"{name}" is a symbolic link of another user (uid {status.st_uid}): remove it, or '
                "choose another path",
            )
        if status.st_nlink > 1:
            raise _refused(shown, f'"{name}" is a symbolic link with more names: remove it')
        return os.readlink("", dir_fd=link)
    finally:
        os.close(link)


def _check_on_the_way(at: int, name: str, shown: str) -> None:
    status = os.fstat(at)
    # By convention, the group with the user's own number has only this user in it, and root's group
    # only root.
    own_group = status.st_gid in (0, os.geteuid())
    others = stat.S_IWOTH if own_group else stat.S_IWGRP | stat.S_IWOTH
    trusted = status.st_uid in (0, os.geteuid(), os.stat("/").st_uid)
    if trusted and (not status.st_mode & others or status.st_mode & stat.S_ISVTX):
        return
    raise _refused(
        shown,
        f'the directory "{name}" on the way has mode {stat.S_IMODE(status.st_mode):04o} and owner '
        f"{status.st_uid}: another user can put something else there. Choose a path in directories "
        f"of root and your own (uid {os.geteuid()}) that others cannot write",
    )


def _anybody_may_make(at: int) -> bool:
    return bool(os.fstat(at).st_mode & stat.S_IWOTH)


def _may_take_lines(status: os.stat_result) -> bool:
    if stat.S_ISCHR(status.st_mode) and status.st_rdev == os.makedev(1, 3):
        return True
    for own in (1, 2):
        with contextlib.suppress(OSError):
            if os.path.samestat(os.fstat(own), status):
                return True
    return False
