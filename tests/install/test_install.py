"""`cmake --install`, and what a project of somebody else's makes of it."""

import re
from pathlib import Path

from .conftest import ROOT, run, version, worker_of_the_readme, works_off_a_pipeline

PROJECT = """
cmake_minimum_required(VERSION 3.25)
project(mine CXX)
find_package(bellis {version} CONFIG REQUIRED {components})
add_executable(my_worker my_worker.cc)
target_link_libraries(my_worker PRIVATE bellis::bellis)
"""


def needed(program: Path) -> "list[str]":
    """The shared libraries that the loader looks for."""
    return re.findall(r"NEEDED.*\[(.*)\]", run("readelf", "-d", program, cwd=program.parent))


def build_by_cmake(folder: Path, installed: Path, components: str = "") -> Path:
    folder.mkdir()
    (folder / "my_worker.cc").write_text(worker_of_the_readme())
    project = PROJECT.format(version=version(), components=components)
    (folder / "CMakeLists.txt").write_text(project)
    run("cmake", "-B", "build", "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={installed}", cwd=folder)
    assert "warning" not in run("cmake", "--build", "build", cwd=folder)
    return folder / "build/my_worker"


def test_find_package_gives_the_shared_library(installed: Path, tmp_path: Path) -> None:
    worker = build_by_cmake(tmp_path / "project", installed)
    soname = "libbellis.so." + ".".join(version().split(".")[:2])
    assert soname in needed(worker)
    assert "libzmq.so.5" not in needed(worker)
    works_off_a_pipeline(tmp_path / "project", installed / "bin")


def test_find_package_gives_the_static_library_on_request(installed: Path, tmp_path: Path) -> None:
    worker = build_by_cmake(tmp_path / "project", installed, "COMPONENTS static")
    assert not any("bellis" in library for library in needed(worker))
    works_off_a_pipeline(tmp_path / "project", installed / "bin")


def test_pkg_config_gives_both(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "build").mkdir()
    (tmp_path / "my_worker.cc").write_text(worker_of_the_readme())
    where = {"PKG_CONFIG_PATH": str(installed / "lib/pkgconfig")}

    def flags(*options: str) -> "list[str]":
        return run("pkg-config", *options, "bellis", cwd=tmp_path, **where).split()

    assert flags("--modversion") == [version()]
    assert flags("--libs")[-1] == "-lbellis"
    build = ["g++", "-std=c++20", "my_worker.cc", *flags("--cflags"), "-o", "build/my_worker"]
    run(*build, *flags("--libs"), cwd=tmp_path)
    works_off_a_pipeline(tmp_path, installed / "bin", LD_LIBRARY_PATH=str(installed / "lib"))

    # Only Bellis itself is linked statically, because not all of its dependencies are available as
    # archives.
    libraries = ["-l:libbellis.a" if f == "-lbellis" else f for f in flags("--static", "--libs")]
    run(*build, *libraries, cwd=tmp_path)
    assert not any("bellis" in library for library in needed(tmp_path / "build/my_worker"))
    works_off_a_pipeline(tmp_path, installed / "bin")


def test_the_shared_library_shows_what_its_headers_mark(installed: Path) -> None:
    marked = {"hash"}
    for header in (installed / "include/bellis").glob("*.h"):
        marked.update(
            re.findall(
                r"^\s*(?:\[\[noreturn\]\] )?BELLIS_API (?:friend )?[^;{]*?(\w+|operator\S+?)"
                r"(?:\(| :| \{)",
                header.read_text(),
                re.M,
            )
        )
        marked.update(re.findall(r"(?:class|struct) BELLIS_API (\w+)", header.read_text()))
    library = installed / "lib/libbellis.so"
    shown = run("nm", "-DC", "--defined-only", library, cwd=ROOT).splitlines()
    names = [re.sub(r"^\w+ \w ", "", line) for line in shown]
    strange = [name for name in names if "::Impl::" in name]
    for name in names:
        found = re.search(r"\bbellis::(\w+\S*?)(?:\(|::|\[|$)", name)
        if found is None or found[1] not in marked:
            strange.append(name)
    assert not strange
    assert any("bellis::Worker::Acquire()" in name for name in names)


def test_there_is_one_version(installed: Path) -> None:
    for program in ("bellis", "bellis-broker", "bellis-launcher"):
        assert version() in run(installed / "bin" / program, "--version", cwd=installed)
    header = (installed / "include/bellis/version.h").read_text()
    assert f'#define BELLIS_VERSION "{version()}"' in header
    regex = r"regex = \'(.*)\'\n"
    python = re.search(regex, (ROOT / "client/python/pyproject.toml").read_text())
    assert python is not None
    found = re.search(python[1], (ROOT / "CMakeLists.txt").read_text())
    assert found is not None and found["value"] == version()
