"""The files that workers' output goes to: how large they get, and what the next run does."""

import functools
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bellis import _core, zygote_process
from bellis.convenience import run_blockwise
from bellis.logging import get_log_basedir, set_log_basedir
from runs import lives, read, row_task, wait_until

_MIB = 1 << 20
_CUT_MAX = 32 * _MIB  # 17, and what is left of the flood when it is cut in the middle of it
_FLOOD = "head -c 80000000 /dev/zero | tr '\\0' x; echo"  # by others than the interpreter


@pytest.fixture(autouse=True)
def log_dir(tmp_path: Path) -> Iterator[Path]:
    before = get_log_basedir()
    set_log_basedir(tmp_path / "logs")
    yield tmp_path / "logs"
    set_log_basedir(before)


def check_cut(path: Path, end: str) -> None:
    assert path.stat().st_blocks * 512 < _CUT_MAX
    data = path.read_bytes()
    notice = _core.LOG_CUT_NOTICE.encode()
    assert data.startswith(b"first\nxxx")
    assert data[:_MIB].endswith(b"x" + notice)
    assert data.count(notice) == 1
    assert data.endswith(b"x\n" + end.encode())
    assert len(data) - _MIB >= 16 * _MIB


def test_a_log_loses_its_middle_while_its_worker_goes_on(
    log_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zygote_process, "_TRIM_LOGS_S", 0.05)
    path = log_dir / "t" / "worker_1.out"

    def process(block: Any) -> None:
        print("first")
        subprocess.run(_FLOOD, shell=True, check=True)  # 76 MiB
        wait_until(lambda: path.stat().st_blocks * 512 < _CUT_MAX)
        print("last")

    states = run_blockwise([row_task("t", process, blocks=1, max_retries=0)])
    assert states, states["t"].failures
    check_cut(path, "last\n")


def test_what_was_said_before_a_crash_remains(log_dir: Path) -> None:
    def process(block: Any) -> None:
        subprocess.run(f"(echo first; {_FLOOD}) >&2", shell=True, check=True)
        os.write(2, b"no line end")
        os.kill(os.getpid(), signal.SIGKILL)

    run_blockwise([row_task("t", process, blocks=1, max_retries=0)])
    check_cut(log_dir / "t" / "worker_1.err", "no line end")


def test_the_next_run_of_a_task_overwrites_its_logs_and_no_others(log_dir: Path) -> None:
    for task, word in (("a", "one"), ("b", "two"), ("a", "three")):
        say = functools.partial(print, word)
        assert run_blockwise([row_task(task, lambda block, say=say: say(), blocks=1)])
    assert read(log_dir / "a" / "worker_1.out") == "three\n"
    assert read(log_dir / "b" / "worker_1.out") == "two\n"


def test_a_log_that_another_run_writes_to_is_not_overwritten(log_dir: Path) -> None:
    def inner(block: Any) -> None:
        print("inner")

    def outer(block: Any) -> None:
        print("before")
        assert run_blockwise([row_task("t", inner, blocks=1)], progress="quiet")
        print("after")

    assert run_blockwise([row_task("t", outer, blocks=1)])
    lines = (read(log_dir / "t" / "worker_1.out") or "").splitlines()
    assert lines[0] == "before"
    assert "another run" in lines[1]
    assert lines[2:] == ["inner", "after"]


def test_what_a_worker_has_left_behind_writes_to_is_trimmed_while_the_run_goes_on(
    log_dir: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(zygote_process, "_TRIM_LOGS_S", 0.05)
    # Nobody can tell whose it is: it has a session of its own, and no environment.
    daemon = tmp_path / "daemon"
    daemon.write_text(
        f"#!/bin/sh\ncd {tmp_path}; echo first; touch child\n"
        f"while [ ! -e go ]; do sleep 0.01; done; {_FLOOD}; touch told\n"
        "while [ -d logs ] && [ ! -e end ]; do sleep 0.01; done\n"
    )
    daemon.chmod(0o700)

    def process(block: Any) -> None:
        if block.block_id[1] == 0:
            command = f"env -i PATH=$PATH setsid {daemon} &"
            subprocess.run(command, shell=True, check=True, stdin=subprocess.DEVNULL)
            wait_until(lambda: (tmp_path / "child").exists())
            (tmp_path / "worker").write_text(str(os.getpid()))
            os._exit(3)
        # The other worker sees to it that the run goes on.
        wait_until(lambda: (tmp_path / "worker").exists())
        wait_until(lambda: not lives(int((tmp_path / "worker").read_text())))
        (tmp_path / "go").touch()
        wait_until(lambda: (tmp_path / "told").exists())
        wait_until(lambda: not any(is_large(path) for path in log_dir.rglob("*.out")))
        (tmp_path / "cut").touch()

    def is_large(path: Path) -> bool:
        return path.stat().st_blocks * 512 > _CUT_MAX

    task = row_task("t", process, blocks=2, num_workers=2, max_retries=0)
    run_blockwise([task])
    assert (tmp_path / "cut").exists()
    assert sum(_core.LOG_CUT_NOTICE.encode() in p.read_bytes() for p in log_dir.rglob("*.out")) == 1
