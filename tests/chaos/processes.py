"""Finds the processes of a run in /proc."""

import contextlib
import os
from pathlib import Path

_KINDS = (
    b"tests.chaos.worker",
    b"tests.chaos.family",
    b"tests.chaos.raw_worker",
    b"tests.chaos.block_command",
)


def _command(pid: int) -> list[bytes]:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return []


def _mark(pid: int, folder: Path) -> bool:
    """Whether the process belongs to the run in `folder`."""
    with contextlib.suppress(OSError):
        return f"CHAOS_HISTORY={folder}/".encode() in Path(f"/proc/{pid}/environ").read_bytes()
    return False


def workers_of(folder: Path) -> list[int]:
    """The pids of processes that work on blocks and write histories."""
    return [
        pid
        for pid in (int(path.name) for path in Path("/proc").glob("[0-9]*"))
        if any(kind in _command(pid) for kind in _KINDS)
        and not _command(pid)[0].endswith(b"bellis")
        and _mark(pid, folder)
    ]


def group_of(pid: int) -> list[int]:
    """All processes of the process group of `pid`."""
    group = os.getpgid(pid)
    members = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.getpgid(int(path.name)) == group:
                members.append(int(path.name))
    return members


def child_named(parent: int, name: bytes) -> int | None:
    """A child of `parent` whose program ends in `name`."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError):
            fields = path.read_text().rpartition(")")[2].split()
            pid = int(path.parent.name)
            if int(fields[1]) == parent and _command(pid)[0].endswith(name):
                return pid
    return None
