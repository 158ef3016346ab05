"""The output of a run: progress bars, summaries and failures."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from bellis._report.failure_log import FailureLog
from bellis._report.headline import headline
from bellis._report.progress import open_progress, set_progress
from bellis._report.summary import summary
from bellis.convenience import run_blockwise
from bellis.logging import get_log_basedir, set_log_basedir
from bellis.task_state import TaskState
from runs import row_task

_TRACEBACK = """Traceback (most recent call last):
  File "user.py", line 3, in process
    raise {raised}
          ^^^^^^^^
{line}"""


@pytest.fixture(autouse=True)
def logs_in_a_folder(tmp_path: Path) -> Any:
    former = get_log_basedir()
    set_log_basedir(tmp_path)
    yield
    set_log_basedir(former)
    set_progress(None)


def _fail_first(block: Any) -> None:
    if block.write_roi.offset[0] == 0:
        raise ValueError("Simulating random failure")


def test_the_summary_is_the_tutorial_s(capsys: pytest.CaptureFixture[str]) -> None:
    run_blockwise([row_task("Dummy", lambda block: None, blocks=100)])
    out, err = capsys.readouterr()
    words = "Execution Summary ----------------- Task Dummy: num blocks : 100 completed ✔: 100 "
    words += "(skipped 0) failed ✗: 0 orphaned ∅: 0 all blocks processed successfully"
    assert out.split() == words.split()
    assert err == "Dummy ✔ 100 of 100 blocks completed\n"


def test_the_summary_counts_blocks_by_language_if_there_are_several() -> None:
    status: dict[str, Any] = dict.fromkeys(
        ("blocks", "ready", "leased", "completed", "skipped", "failed", "orphaned"), 0
    )
    status["languages"] = [
        {"language": "c++", "blocks": 40, "block_ms_mean": 0.5},
        {"language": "julia", "blocks": 0},
        {"language": "python", "blocks": 24},
    ]
    state = TaskState.from_status(status)
    assert state.languages == {"c++": 40, "python": 24}
    assert "    blocks by workers: c++ 40, python 24\n" in summary({"t": state})
    del state.languages["c++"]
    assert "blocks by workers" not in summary({"t": state})


def test_failed_blocks_and_their_logs_are_listed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run_blockwise([row_task("t", _fail_first, blocks=2, max_retries=0)])
    out = capsys.readouterr().out
    assert "Failed Blocks:" in out
    assert "block 0 in worker 1 with exception ValueError('Simulating random failure')" in out
    assert "See worker logs for details:" in out
    assert f"{(tmp_path / 'latest').resolve()}/t/worker_1.err / .out" in out
    assert "successfully" not in out


def test_failures_beyond_the_first_hundred_are_counted(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    def process(block: Any) -> None:
        raise ValueError(f"no {block.block_id[1]}")

    state = run_blockwise([row_task("t", process, blocks=70, max_retries=1)])["t"]
    assert (state.failed_count, len(state.failures), state.failures_total) == (70, 100, 140)
    out = capsys.readouterr().out
    assert "failed    ✗: 70" in out
    assert out.count("with exception ValueError(") == 100
    assert "(and 40 more failed attempts, which are in the workers' logs)" in out
    assert f"... and others in {(tmp_path / 'latest').resolve()}/t" in out
    logs = "".join(path.read_text() for path in (tmp_path / "t").glob("*.err"))
    assert logs.count("ValueError: no 69") == 2
    lines = [record.getMessage() for record in caplog.records if record.name == "bellis"]
    assert len(lines) == 101
    assert "Task t: more than 100 attempts have failed" in lines[-1]


def test_the_reason_for_giving_up_a_task_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    def start() -> None:
        raise ImportError("no such library")

    run_blockwise([row_task("t", start, max_worker_restarts=0)])
    out = capsys.readouterr().out
    assert "The task was given up:" in out
    assert "ImportError: no such library" in out


def test_quiet_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    run_blockwise([row_task("t", lambda block: None)], progress="quiet")
    set_progress("quiet")
    run_blockwise([row_task("t", lambda block: None)])
    assert capsys.readouterr() == ("", "")


def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    run_blockwise([row_task("t", _fail_first, max_retries=0)], progress="json")
    out, err = capsys.readouterr()
    assert err == ""
    last = [json.loads(line) for line in out.splitlines()][-1]
    assert (last["task"], last["state"], last["completed"], last["failed"]) == ("t", "failed", 3, 1)
    assert last["failures"][0]["error"].startswith("Traceback")


def test_the_environment_chooses_and_wrong_words_are_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BELLIS_PROGRESS", "quiet")
    run_blockwise([row_task("t", lambda block: None)])
    assert capsys.readouterr() == ("", "")
    monkeypatch.setenv("BELLIS_PROGRESS", "loud")
    with pytest.raises(ValueError, match="BELLIS_PROGRESS is 'loud'"):
        run_blockwise([row_task("t", lambda block: None)])
    with pytest.raises(ValueError, match="mode is 'loud'"):
        set_progress("loud")


def test_bars_are_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    states = run_blockwise([row_task("t", lambda block: None, blocks=7)])
    shown = terminal.getvalue()
    assert states
    assert "t ✔: 100%" in shown
    assert "7/7" in shown


def test_an_output_that_knows_only_ascii_gets_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    run_blockwise([row_task("größe", lambda block: None)])
    assert b"gr\\xf6\\xdfe" in raw.getvalue()


def test_a_run_without_tasks_shows_no_progress() -> None:
    progress = open_progress("quiet")
    progress.update({})
    progress.finish({})
    progress.close()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (_TRACEBACK.format(raised="ValueError('a')", line="ValueError: a"), "ValueError('a')"),
        (_TRACEBACK.format(raised="KeyError(1)", line="KeyError: 1"), "KeyError(1)"),
        (_TRACEBACK.format(raised="MyError()", line="user.MyError"), "MyError()"),
        (_TRACEBACK.format(raised="E", line="a.b.E: one\ntwo\n  three"), "E('one')"),
        ("timeout after 3 s", "timeout after 3 s"),
        ("", "no reason given"),
    ],
)
def test_a_traceback_has_a_headline(error: str, expected: str) -> None:
    assert headline(error) == expected


def test_notices_of_the_broker_about_a_task_are_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    state = TaskState()
    log = FailureLog(open_progress("quiet"))
    state.notices = ["is slowed: 1000 attempts have failed"]
    log.update({"t": state})
    state.notices.append("starts no other checkers: exited with code 1:\nTraceback\nOSError: no")
    log.update({"t": state})
    log.update({"t": state})
    assert [record.message for record in caplog.records] == [
        "Task t is slowed: 1000 attempts have failed",
        "Task t starts no other checkers: exited with code 1: ... OSError: no",
    ]
