"""Bellis as strangers get it. The release build is installed once, in a folder of its own; the
projects of strangers are made beside it."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from ..system.conftest import BIN

ROOT = Path(__file__).resolve().parents[2]
BUILD = BIN.parent
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Werror"]

# What the examples in README.md and in the headers use without defining it.
STAND_INS = """#include <bellis/roi.h>

struct Image {};
inline Image Load(const bellis::Roi& /*roi*/) { return {}; }
inline Image Smooth(const Image& image) { return image; }
inline void Store(const Image& /*image*/, const bellis::Roi& /*roi*/) {}
inline bool Process(const bellis::Roi& read, const bellis::Roi& write) {
  return read.shape() == write.shape() && write.offset()[0] >= 0;
}
"""

PIPELINE = """
[[tasks]]
task_id = "mine"
total_roi = { offset = [0, 0], shape = [40, 40] }
read_roi = { offset = [0, 0], shape = [10, 10] }
write_roi = { offset = [0, 0], shape = [10, 10] }
[[tasks.workers]]
command = ["build/my_worker"]
count = 2
"""


def run(*command: object, cwd: Path, **variables: str) -> str:
    """What the command prints. It must end well."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "CCACHE_NOHASHDIR": "1", **variables},
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def version() -> str:
    """As CMakeLists.txt says it."""
    found = re.search(r"project\(bellis VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text())
    assert found is not None
    return found[1]


def worker_of_the_readme() -> str:
    code = re.search(r"```cpp\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert code is not None
    return STAND_INS + code[1]


def works_off_a_pipeline(folder: Path, programs: Path, **variables: str) -> None:
    """Runs `build/my_worker` of that folder on 16 blocks."""
    (folder / "pipeline.toml").write_text(PIPELINE)
    summary = run(programs / "bellis", "run", "pipeline.toml", "--fresh", cwd=folder, **variables)
    assert "completed ✔: 16" in summary


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    prefix = tmp_path_factory.mktemp("installed") / "usr"
    run("cmake", "--install", BUILD, "--prefix", prefix, cwd=ROOT)
    return prefix
