"""A run whose output cannot be written returns its states all the same."""

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from bellis._report import output
from runs import PACKAGE_DIR

_RUN = """
import time
from pathlib import Path
import bellis

task = bellis.Task("t", bellis.Roi((0,), (100,)), bellis.Roi((0,), (10,)), bellis.Roi((0,), (10,)),
                   lambda block: time.sleep(0.01), read_write_conflict=False, num_workers=2)
states = bellis.run_blockwise([task], multiprocessing=MULTIPROCESSING)
Path("returned").write_text(str(states["t"].completed_count))
"""


@pytest.mark.parametrize("multiprocessing", [True, False])
@pytest.mark.parametrize("way", [">/dev/full", "2>/dev/full", ">&-", "2>&-", "| true"])
def test_states_are_returned(way: str, multiprocessing: bool, tmp_path: Path) -> None:
    (tmp_path / "run.py").write_text(_RUN.replace("MULTIPROCESSING", str(multiprocessing)))
    ran = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f'"{sys.executable}" run.py {way}'],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": PACKAGE_DIR},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (tmp_path / "returned").read_text() == "10", ran.stderr
    assert ran.returncode == 0, ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_broken_stream_is_reported_once_on_the_other_stream(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        output.write(sys.stdout, "one\n")
        output.write(sys.stdout, "two\n")
        err = capsys.readouterr().err
    assert err == "bellis: stdout cannot be written (No space left on device); the run goes on\n"


def test_what_the_program_wrote_before_comes_first(tmp_path: Path) -> None:
    with open(tmp_path / "out", "w") as file:
        file.write("first ")
        output.write(file, "then ✔\n")
        file.write("last")
    assert (tmp_path / "out").read_text() == "first then ✔\nlast"


def test_characters_that_a_stream_lacks_are_escaped() -> None:
    raw = io.BytesIO()
    stream: Any = io.TextIOWrapper(raw, encoding="ascii")
    output.write(stream, "✔\n")
    assert raw.getvalue() == b"\\u2714\n"
