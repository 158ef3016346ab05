"""Runs to test with: tasks in one dimension, scripts, and the processes that these leave."""

import os
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any, Callable, Optional

import bellis
from bellis.task import Task
from bellis.task_state import TaskState
from funlib.geometry.roi import Roi

PACKAGE_DIR = str(Path(bellis.__file__).parents[1])
_MARK = "BELLIS_TEST_MARK"


def row_task(task_id: str, function: Callable[..., Any], blocks: int = 4, **arguments: Any) -> Task:
    """A task of blocks of one unit side by side, without conflict."""
    unit = Roi((0,), (1,))
    arguments.setdefault("read_write_conflict", False)
    return Task(task_id, Roi((0,), (blocks,)), unit, unit, function, **arguments)


def counts(state: TaskState) -> "tuple[int, int, int, int]":
    """The counts of completed, skipped, failed and orphaned blocks."""
    return (
        state.completed_count,
        state.skipped_count,
        state.failed_count,
        state.orphaned_count,
    )


class Script:
    """A Python process that runs `text`; a mark finds it and all its descendants."""

    def __init__(self, text: str, cwd: Path, **env: str) -> None:
        self.mark = uuid.uuid4().hex
        path = [PACKAGE_DIR, str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
        self.temp_dir = cwd / "temp"
        self.temp_dir.mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, "-c", text],
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(filter(None, path)),
                "TMPDIR": str(self.temp_dir),
                _MARK: self.mark,
                **env,
            },
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
        )

    def wait(self, timeout_s: float = 60) -> "tuple[int, str, str]":
        """Waits for the end; returns exit code, stdout, stderr."""
        out, err = self.process.communicate(timeout=timeout_s)
        return self.process.returncode, out, err

    def processes(self) -> "list[int]":
        """The pids of the script and its descendants that live."""
        return processes_with(f"{_MARK}={self.mark}")


def processes_with(entry: str) -> "list[int]":
    """The pids of processes with this in their environment, without zombies."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            if entry.encode() in Path("/proc", name, "environ").read_bytes().split(b"\0"):
                found.append(int(name))
        except OSError:
            continue
    return found


def lives(pid: int) -> bool:
    stat = read(Path(f"/proc/{pid}/stat"))
    return stat is not None and stat.rpartition(")")[2].split()[0] != "Z"


def wait_until(condition: Callable[[], Any], timeout_s: float = 20.0) -> None:
    until = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.005)


def said(path: Path) -> Optional[str]:
    """A worker's log without its first line, which says whose log it is."""
    text = read(path)
    if text is None:
        return None
    first, _, rest = text.partition("\n")
    assert first.startswith("[bellis ") and first.endswith("]"), first
    return rest


def read(path: Path) -> Optional[str]:
    """The file's text; None when there is no such file (any more)."""
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return None


def done(block: Any) -> None:
    pass
