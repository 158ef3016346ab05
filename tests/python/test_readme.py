"""The Python programs on the pages run as they are printed."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from fake_broker import FakeBroker, completed, serve_blocks
from runs import PACKAGE_DIR

ROOT = Path(__file__).parents[2]


def programs() -> "list[str]":
    """The fenced programs of README.md, and the indented ones of the package's README."""
    found = re.findall("```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    page = (ROOT / "client/python/README.md").read_text("utf-8")
    for text in re.findall("^    import bellis\n(?:(?:    .*)?\n)*", page, re.MULTILINE):
        found.append(textwrap.dedent(text))
    return found


RUNS = [text for text in programs() if "run_blockwise(" in text]
WORKERS = [text for text in programs() if text not in RUNS]


def run(text: str, folder: Path, **env: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", text],
        env={**os.environ, "PYTHONPATH": PACKAGE_DIR, **env},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.parametrize("text", RUNS)
def test_runs_complete_every_block(text: str, tmp_path: Path) -> None:
    run(text + "\nassert states, states\n", tmp_path)


@pytest.mark.parametrize("text", WORKERS)
def test_workers_complete_every_block(text: str, tmp_path: Path) -> None:
    log: list[Any] = []
    with FakeBroker(serve_blocks(5, log)) as broker:
        run(text, tmp_path, BELLIS_ENDPOINT=broker.endpoint)
    assert log == [completed(lease) for lease in range(1, 6)]


def test_there_are_programs_of_both_kinds() -> None:
    assert len(RUNS) == 2
    assert len(WORKERS) == 3
