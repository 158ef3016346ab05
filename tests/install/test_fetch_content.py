"""Bellis as a part of somebody else's project: FetchContent, with the sources that lie here."""

from pathlib import Path

from ..system.conftest import BIN
from .conftest import ROOT, run, worker_of_the_readme, works_off_a_pipeline

PROJECT = """
cmake_minimum_required(VERSION 3.25)
project(mine CXX)
include(FetchContent)
FetchContent_Declare(bellis GIT_REPOSITORY https://example.org/bellis.git)
FetchContent_MakeAvailable(bellis)
add_executable(my_worker my_worker.cc)
target_link_libraries(my_worker PRIVATE bellis::bellis)
# The name from before there was a namespace.
add_executable(my_former_worker EXCLUDE_FROM_ALL my_worker.cc)
target_link_libraries(my_former_worker PRIVATE bellis_worker)
"""

# As the preset "release" compiles: what it has left in the compiler cache need not be done again.
FLAGS = ("-DCMAKE_BUILD_TYPE=RelWithDebInfo", "-DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O2 -g1")


def test_the_worker_of_the_readme_is_built_and_works(tmp_path: Path) -> None:
    (tmp_path / "my_worker.cc").write_text(worker_of_the_readme())
    (tmp_path / "CMakeLists.txt").write_text(PROJECT)
    source = f"-DFETCHCONTENT_SOURCE_DIR_BELLIS={ROOT}"
    run("cmake", "-B", "build", "-G", "Ninja", "-Wno-dev", source, *FLAGS, cwd=tmp_path)
    built = run("cmake", "--build", "build", "--target", "my_worker", cwd=tmp_path)
    assert "my_worker.cc" in built and "warning" not in built
    works_off_a_pipeline(tmp_path, BIN)


def test_headers_of_bellis_are_all_that_its_users_see(tmp_path: Path) -> None:
    (tmp_path / "my_worker.cc").write_text("#include <bellis/worker.h>\nint main() {}\n")
    (tmp_path / "CMakeLists.txt").write_text(PROJECT)
    source = f"-DFETCHCONTENT_SOURCE_DIR_BELLIS={ROOT}"
    commands = "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON"
    run("cmake", "-B", "build", "-G", "Ninja", "-Wno-dev", source, commands, cwd=tmp_path)
    lines = (tmp_path / "build/compile_commands.json").read_text().splitlines()
    command = next(line for line in lines if "my_worker.dir" in line and '"command"' in line)
    folders = [word[2:] for word in command.split() if word.startswith("-I")]
    assert folders
    for folder in folders:
        assert folder.endswith("/include"), folder
