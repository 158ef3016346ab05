"""A user's own CMake project: the README's C++ worker, built with add_subdirectory(bellis)."""

import os
import re
import subprocess
from pathlib import Path

from .conftest import BIN

ROOT = Path(__file__).resolve().parents[2]

PROCESS = """
static bool Process(const bellis::Roi& read, const bellis::Roi& write) {
  return read.shape() == write.shape() && write.offset()[0] >= 0;
}
"""
PROJECT = f"""
cmake_minimum_required(VERSION 3.25)
project(mine CXX)
add_subdirectory({ROOT} bellis)
add_executable(my_worker my_worker.cc)
target_link_libraries(my_worker PRIVATE bellis_worker)
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


def test_the_worker_of_the_readme_is_built_and_works(tmp_path: Path) -> None:
    code = re.search(r"```cpp\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert code is not None
    includes, main = code[1].split("int main", 1)
    (tmp_path / "my_worker.cc").write_text(f"{includes}{PROCESS}int main{main}")
    (tmp_path / "CMakeLists.txt").write_text(PROJECT)
    (tmp_path / "pipeline.toml").write_text(PIPELINE)

    def run(*command: object) -> str:
        done = subprocess.run(
            [str(word) for word in command],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=600,
            env={**os.environ, "CCACHE_NOHASHDIR": "1"},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    run("cmake", "-S", ".", "-B", "build", "-G", "Ninja", "-Wno-dev")
    built = run("cmake", "--build", "build", "--target", "my_worker")
    assert "my_worker.cc" in built and "warning" not in built
    assert "completed ✔: 16" in run(BIN / "bellis", "run", "pipeline.toml")
