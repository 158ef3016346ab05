"""Text of blocks and workers reaches screen and log as text, never as control sequences."""

import logging
from pathlib import Path
from typing import Any

import pytest
from bellis._report.printable import printable, printable_lines
from bellis.convenience import run_blockwise
from bellis.logging import get_log_basedir, set_log_basedir
from runs import row_task


@pytest.fixture(autouse=True)
def logs_in_a_folder(tmp_path: Path) -> Any:
    former = get_log_basedir()
    set_log_basedir(tmp_path)
    yield
    set_log_basedir(former)


def test_control_characters_are_replaced() -> None:
    assert printable("a\x1b[2Jb\r\nc\x9b\u202ed\x7f") == "a?[2Jb??c??d?"
    assert printable("smooth ✔ 平") == "smooth ✔ 平"
    assert printable_lines("a\n\tb\x1b") == "a\n b?"


def _fail_with_escapes(block: Any) -> None:
    raise ValueError("\x1b[2Jx\nWARNING forged")


def test_an_exception_moves_no_cursor_and_forges_no_line(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="bellis"):
        run_blockwise([row_task("t", _fail_with_escapes, blocks=1, max_retries=0)])
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    lines = [line for record in caplog.records for line in record.getMessage().splitlines()]
    assert any("ValueError" in line for line in lines)
    assert not any("\x1b" in line or line.startswith("WARNING") for line in lines)
