"""Programs with threads of libraries: a forked worker does not have these threads."""

from pathlib import Path

import pytest
from runs import Script

# A thread that Python does not know of, with a name such as libraries give.
HAS_THREAD = """
import ctypes, os, signal
import bellis
from runs import row_task

libc = ctypes.CDLL(None)
thread = ctypes.c_ulong()
assert libc.pthread_create(ctypes.byref(thread), None, libc.pause, None) == 0
assert libc.pthread_setname_np(thread, {name!r}) == 0
bellis.set_log_basedir(None)


def run(function, **arguments):
    task = row_task("t", function, max_retries=0, max_worker_restarts=0, num_workers=1)
    bellis.run_blockwise([task], progress="quiet", **arguments)


def fault(block):
    signal.raise_signal(signal.SIGABRT)


def nothing(block):
    pass

"""


def said(tmp_path: Path, name: bytes, run: str) -> str:
    code, _, err = Script(HAS_THREAD.format(name=name) + run, tmp_path).wait(120)
    assert code == 0, err
    return err


def test_threads_of_a_known_pool_are_reported_before_the_fork(tmp_path: Path) -> None:
    err = said(tmp_path, b"ts_pool_worker", "run(nothing)")
    assert "has used TensorStore before the run" in err
    assert err.count('start_method="spawn"') == 1


def test_spawned_workers_need_no_warning(tmp_path: Path) -> None:
    assert "TensorStore" not in said(
        tmp_path, b"ts_pool_worker", 'run(nothing, start_method="spawn")'
    )


@pytest.mark.parametrize("name", [b"ZMQbg/IO/0", b"some_library"])
def test_harmless_threads_are_ignored(tmp_path: Path, name: bytes) -> None:
    assert "spawn" not in said(tmp_path, name, "run(nothing)")


def test_the_fault_of_a_worker_names_threads_that_may_be_why(tmp_path: Path) -> None:
    err = said(tmp_path, b"some_library", "run(fault)")
    assert "was killed by SIGABRT" in err
    assert "threads of libraries (some_library), which forked workers do not have" in err


@pytest.mark.parametrize("name", [b"ZMQbg/IO/0", b"python"])
def test_a_fault_without_such_threads_has_no_hint(tmp_path: Path, name: bytes) -> None:
    comm = Path("/proc/self/comm").read_bytes().strip()
    err = said(tmp_path, comm if name == b"python" else name, "run(fault)")
    assert "was killed by SIGABRT" in err
    assert "threads of libraries" not in err
