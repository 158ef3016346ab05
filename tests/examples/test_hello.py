"""The smallest workers, one in each language: each runs, and does every block once.

The programs come from the folder $BELLIS_BIN_DIR or the newest build. Without them, the test is
skipped.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
EXAMPLE = TOP / "examples" / "hello"
LINES_MAX = 25


def programs() -> "Path | None":
    if folder := os.environ.get("BELLIS_BIN_DIR"):
        return Path(folder).resolve()
    built = sorted(TOP.glob("build/*/bin/hello_worker"), key=lambda file: file.stat().st_mtime)
    return built[-1].parent if built else None


BIN = programs()


@pytest.mark.parametrize("language", ["c", "cpp", "python", "shell"])
@pytest.mark.skipif(BIN is None, reason="hello_worker is not built")
def test_each_block_says_hello_once(language: str, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE, tmp_path / "hello")
    done = subprocess.run(
        [f"{BIN}/bellis", "run", f"{language}.toml"],
        cwd=tmp_path / "hello",
        env={
            **os.environ,
            "PATH": f"{BIN}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(TOP / "client" / "python"),
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "completed ✔: 16" in done.stdout + done.stderr
    logs = tmp_path.glob("hello/bellis_logs/latest/hello/*.out")
    said = "".join(log.read_text() for log in logs)
    assert len(set(re.findall(r"^hello from block (\d+):", said, re.MULTILINE))) == 16
    assert said.count("hello from block") == 16


@pytest.mark.parametrize("file", sorted(EXAMPLE.iterdir()), ids=lambda file: file.name)
def test_it_is_small(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= LINES_MAX
