"""The processes below this one, from Linux's /proc. All functions are safe after a fork."""

import contextlib
import ctypes
import os
import signal
import time

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

_LIBC = ctypes.CDLL(None, use_errno=True)  # loaded before any fork


def become_subreaper() -> None:
    """Makes orphans among the descendants of this process its children, so that none escapes."""
    _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with(parent_pid: int) -> None:
    """Asks the kernel to kill this process when its parent ends; exits if it has ended already."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent_pid:
        os._exit(1)


def live_on() -> None:
    """Takes back the request of `die_with`."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, 0, 0, 0, 0)


def children_of(pid: int) -> "list[int]":
    """The children of a process, zombies too; only those of its main thread."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    except FileNotFoundError:
        if os.path.exists(f"/proc/{pid}"):
            return _scan_for_children_of(pid)
        return []
    except OSError:
        return []


def descendants_of(pid: int) -> "list[int]":
    """The descendants of a process. They may come and go while this looks."""
    found = children_of(pid)
    seen = set(found)
    for parent in found:  # the loop appends to it
        for child in _children_of_all_threads(parent):
            if child not in seen:
                seen.add(child)
                found.append(child)
    return found


def environment_has(pid: int, entries: "list[bytes]") -> bool:
    """Whether a process was executed with all of these `NAME=value`."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            environment = file.read().split(b"\0")
    except OSError:
        return False
    return all(entry in environment for entry in entries)


def kill(pid: int, sig: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, sig)


def kill_group(leader: int, sig: int) -> bool:
    """Signals a process group; returns whether it has any process."""
    try:
        os.killpg(leader, sig)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def end_descendants(bound_s: float) -> bool:
    """Kills and reaps all descendants of this process, a subreaper; False if some are left."""
    until = time.monotonic() + bound_s
    pause_s = 0.0005
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return True
        for pid in descendants_of(os.getpid()):
            kill(pid, signal.SIGKILL)
        if time.monotonic() > until:
            return False
        time.sleep(pause_s)  # SIGCHLD does not report grandchildren, so this polls
        pause_s = min(2 * pause_s, 0.02)


def _children_of_all_threads(pid: int) -> "list[int]":
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    children = []
    for thread in threads:
        try:
            with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:
                children += [int(word) for word in file.read().split()]
        except FileNotFoundError:
            return children_of(pid)
        except OSError:
            continue
    return children


def _scan_for_children_of(parent: int) -> "list[int]":
    """For kernels that do not list children (CONFIG_PROC_CHILDREN)."""
    children = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                after_name = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        if int(after_name[1]) == parent:
            children.append(int(name))
    return children
