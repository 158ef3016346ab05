"""libbellis_c as it is installed: its header in C and in C++, and the examples by pkg-config."""

import re
from pathlib import Path

import pytest

from .conftest import ROOT, run, works_off_a_pipeline
from .test_install import needed

EXAMPLES = ("client/c/README.md", "client/c/include/bellis.h", "examples/hello/hello.c")
C99 = ("cc", "-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror")


def code_of(name: str) -> str:
    text = (ROOT / name).read_text()
    if name.endswith(".c"):
        return text
    if name.endswith(".md"):
        found = re.search(r"```c\n(.*?)```", text, re.DOTALL)
        assert found is not None
        return found[1]
    comments = "\n".join(line[2:] for line in text.splitlines() if line.startswith("//"))
    found = re.search(r" Example:\n\n((?:     [^\n]*\n|\n)+)", comments)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("compiler", [C99, ("c++", "-std=c++11", "-pedantic", "-Wall", "-Werror")])
def test_the_header_stands_alone(
    compiler: "tuple[str, ...]", installed: Path, tmp_path: Path
) -> None:
    suffix = "c" if compiler is C99 else "cc"
    user = f"user.{suffix}"
    (tmp_path / user).write_text("#include <bellis.h>\n#include <bellis.h>\nint main(void);\n")
    run(*compiler, "-fsyntax-only", "-I", installed / "include", user, cwd=tmp_path)


@pytest.mark.parametrize("name", EXAMPLES)
def test_pkg_config_builds_a_worker_in_c(name: str, installed: Path, tmp_path: Path) -> None:
    where = {"PKG_CONFIG_PATH": str(installed / "lib/pkgconfig")}
    flags = run("pkg-config", "--cflags", "--libs", "bellis_c", cwd=tmp_path, **where).split()
    (tmp_path / "build").mkdir()
    (tmp_path / "my_worker.c").write_text(code_of(name))
    run(*C99, "my_worker.c", "-o", "build/my_worker", *flags, cwd=tmp_path)
    libraries = needed(tmp_path / "build/my_worker")
    assert "libbellis_c.so.0" in libraries
    assert not any("stdc++" in library or "zmq" in library for library in libraries)
    works_off_a_pipeline(tmp_path, installed / "bin", LD_LIBRARY_PATH=str(installed / "lib"))
