"""Log files of workers: where they are, how they begin, how large they get."""

import datetime
import functools
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bellis
import pytest
from bellis import _core
from bellis._run import zygote_process
from bellis.convenience import run_blockwise
from bellis.logging import get_log_basedir, set_log_basedir
from runs import PACKAGE_DIR, lives, row_task, said, wait_until

_MIB = 1 << 20
_CUT_MAX = 32 * _MIB  # 17 MiB are kept, and the flood may go on while the file is cut
_FLOOD = "head -c 80000000 /dev/zero | tr '\\0' x; echo"  # not written by the interpreter

_BY_HAND = """
import bellis
client = bellis.Client()
bellis.redirect_stdouterr(bellis.get_worker_log_basename(client.worker_id, client.task_id))
print("by hand")
while True:
    with client.acquire_block() as block:
        if block is None:
            break
"""


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
    assert data[data.index(b"]\n") + 2 :].startswith(b"first\nxxx")
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


def test_output_before_a_crash_remains(log_dir: Path) -> None:
    def process(block: Any) -> None:
        subprocess.run(f"(echo first; {_FLOOD}) >&2", shell=True, check=True)
        os.write(2, b"no line end")
        os.kill(os.getpid(), signal.SIGKILL)

    run_blockwise([row_task("t", process, blocks=1, max_retries=0)])
    check_cut(log_dir / "t" / "worker_1.err", "no line end")


def test_each_run_has_a_folder_and_links_lead_to_the_latest(log_dir: Path) -> None:
    for task, word in (("a", "one"), ("b", "two"), ("a", "three")):
        say = functools.partial(print, word)
        assert run_blockwise([row_task(task, lambda block, say=say: say(), blocks=1)])
    runs = sorted(path for path in log_dir.iterdir() if not path.is_symlink())
    assert sorted(said(path) or "" for run in runs for path in run.rglob("*.out")) == [
        "one\n",
        "three\n",
        "two\n",
    ]
    latest = log_dir / "latest"
    assert latest.is_symlink()
    assert said(latest / "a" / "worker_1.out") == "three\n"
    assert said(log_dir / "a" / "worker_1.out") == "three\n", "where daisy has it"
    assert not (log_dir / "b").exists(), "the latest run has no such task"


def test_the_first_line_of_a_log_has_the_time_and_the_worker(log_dir: Path) -> None:
    def process(block: Any) -> None:
        print(os.getpid())

    before = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    assert run_blockwise([row_task("t/%", process, blocks=1)])
    (run,) = (path for path in log_dir.iterdir() if not path.is_symlink())
    time, job = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d{6})Z_(run_blockwise-1)_\w+", run.name).groups()  # type: ignore[union-attr]
    started = datetime.datetime.strptime(time + "+0000", "%Y-%m-%dT%H%M%S%z")
    assert before <= started <= datetime.datetime.now(datetime.timezone.utc)
    pid = (said(run / "t%2F%25" / "worker_1.out") or "").strip()
    for suffix in ("out", "err"):
        line = (run / "t%2F%25" / f"worker_1.{suffix}").read_text().splitlines()[0]
        when, _, rest = line.removeprefix("[bellis ").partition(": ")
        assert started <= datetime.datetime.fromisoformat(when)
        assert rest == (
            f"job {job}, run {run.name}, task t/%, worker 1, slot 0, host {socket.gethostname()}, "
            f"pid {pid}]"
        )


def test_a_run_inside_of_a_run_has_logs_of_its_own(log_dir: Path) -> None:
    def inner(block: Any) -> None:
        print("inner")

    def outer(block: Any) -> None:
        print("before")
        assert run_blockwise([row_task("t", inner, blocks=1)], progress="quiet")
        print("after")

    assert run_blockwise([row_task("t", outer, blocks=1)])
    logs = [said(p) for p in log_dir.rglob("worker_1.out")]
    assert sorted(map(str, logs)) == ["before\nafter\n", "inner\n"]


def test_workers_know_where_their_log_is(log_dir: Path) -> None:
    def process(block: Any) -> None:
        context = bellis.Context.from_env()
        bellis.set_log_basedir(context["logdir"])
        print(bellis.get_worker_log_basename(context["worker_id"], context["task_id"]))

    assert run_blockwise([row_task("t", process, blocks=1)])
    path = (log_dir / "latest").resolve() / "t" / "worker_1"
    assert said(path.with_suffix(".out")) == f"{path}\n"


def test_the_callback_of_a_task_knows_where_its_run_s_logs_are(log_dir: Path) -> None:
    told: list[str] = []
    task = row_task("t", lambda block: None, init_callback_fn=lambda c: told.append(c["logdir"]))
    assert run_blockwise([task])
    assert told == [str((log_dir / "latest").resolve())]

    workers = []

    def begin(context: bellis.Context) -> None:
        told.append(context["logdir"])
        env = {**os.environ, "PYTHONPATH": PACKAGE_DIR, context.ENV_VARIABLE: context.to_env()}
        workers.append(subprocess.Popen([sys.executable, "-c", _BY_HAND], env=env))

    assert run_blockwise([row_task("t", lambda: None, num_workers=0, init_callback_fn=begin)])
    assert workers[0].wait(timeout=60) == 0
    assert Path(told[1]).parent == log_dir and told[1] != told[0]
    (log,) = Path(told[1]).rglob("*.out")
    assert log.parent.name == "t" and log.read_text() == "by hand\n"


def test_files_in_the_way_of_the_links_stay_and_are_reported_once(
    log_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (log_dir / "latest").mkdir(parents=True)
    (log_dir / "t").mkdir()
    states = run_blockwise([row_task("t", lambda block: None, num_workers=2)])
    assert (
        states and not (log_dir / "latest").is_symlink() and list((log_dir / "t").iterdir()) == []
    )
    told = [r.getMessage() for r in caplog.records if "latest" in r.getMessage()]
    assert len(told) == 1
    assert f"{log_dir}/latest is not a symbolic link: remove it" in told[0]


def test_logs_of_processes_that_a_worker_left_behind_are_trimmed_during_the_run(
    log_dir: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(zygote_process, "_TRIM_LOGS_S", 0.05)
    # The daemon has its own session and an empty environment, so nobody can tell which worker it
    # belongs to.
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
        # The other worker keeps the run going.
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
