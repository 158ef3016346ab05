"""The log files of workers."""

import io
import os
import sys
from pathlib import Path
from typing import Optional, Union

from bellis._base.private_files import open_log

PathLike = Union[str, "os.PathLike[str]"]

_log_basedir: Optional[Path] = Path("./bellis_logs")


def set_log_basedir(path: Optional[PathLike]) -> None:
    """From the next run on, workers' output goes to files below `path`; None: to this process's
    streams."""
    global _log_basedir
    _log_basedir = None if path is None else Path(path)


def get_log_basedir() -> Optional[Path]:
    """The folder that was set last; initially `./bellis_logs`."""
    return _log_basedir


def task_dir_name(task_id: str) -> str:
    """The name of a task's folder of logs (LAUNCHERS.md "Log files")."""
    if task_id in (".", ".."):
        return "%2E" * len(task_id)
    return task_id.replace("%", "%25").replace("/", "%2F")


def get_worker_log_basename(
    worker_id: Union[int, str], task_id: Optional[str] = None
) -> Optional[Path]:
    """The path of a worker's logs without `.out` and `.err`; None if there are none."""
    if _log_basedir is None:
        return None
    folder = _log_basedir if task_id is None else _log_basedir / task_dir_name(task_id)
    return folder / f"worker_{worker_id}"


def log_path(basename: PathLike, suffix: str) -> str:
    return os.fspath(basename) + suffix


def redirect_stdouterr(basename: Optional[PathLike], mode: str = "w") -> None:
    """From now on the output of this process and its children goes to `<basename>.out` and `.err`.

    Makes the folder. `mode` is "w" or "a". Does nothing for None. If a file cannot be opened, this
    raises OSError and redirects nothing.
    """
    if basename is None:
        return
    files = open_logs(basename, mode)
    try:
        renew_stdouterr(*files)
    finally:
        for file in files:
            os.close(file)


def open_logs(basename: PathLike, mode: str = "w") -> "tuple[int, int]":
    """Descriptors of `<basename>.out` and `.err`, which the caller closes."""
    # The folder of a task may be a link to a folder that the latest run did not make.
    os.makedirs(os.path.dirname(os.path.realpath(os.fspath(basename))), exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT
    if mode == "w":
        flags |= os.O_TRUNC
    out = open_log(log_path(basename, ".out"), flags)
    try:
        return out, open_log(log_path(basename, ".err"), flags)
    except OSError:
        os.close(out)
        raise


def renew_stdouterr(out: Optional[int] = None, err: Optional[int] = None) -> None:
    """Makes new objects sys.stdout and sys.stderr on descriptors 1 and 2.

    `out` and `err` replace these descriptors before. The former objects, with their locks and
    buffers, stay as they are.
    """
    for number, descriptor in ((1, out), (2, err)):
        if descriptor is not None:
            os.dup2(descriptor, number)
    sys.stdout = sys.__stdout__ = _text_file(1)  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _text_file(2)  # type: ignore[misc]


def _text_file(descriptor: int) -> io.TextIOWrapper:
    """A text file that is written line by line: a killed worker loses no whole line."""
    raw = io.FileIO(descriptor, "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw), encoding="utf-8", errors="backslashreplace", line_buffering=True
    )
