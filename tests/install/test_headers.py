"""The public headers, as they are installed: each stands alone, drags nothing along, and its
examples are true."""

import re
from pathlib import Path

import pytest

from .conftest import ROOT, STAND_INS, WARNINGS, run

SOURCES = sorted((ROOT / "client/cpp/include/bellis").glob("*.h"))
NAMES = [*(header.name for header in SOURCES), "version.h"]
# Where the compiler's own headers, the C and the C++ library lie. Others of /usr/include do not
# count: a library's header would be there, too.
OF_THE_COMPILER = re.compile(
    r"/usr/(include/c\+\+|lib/gcc|include/x86_64-linux-gnu|include/[\w-]+\.h$|include/linux"
    r"|include/asm-generic|include/aarch64-linux-gnu)"
)
FOREIGN = ("msgpack", "zmq", "nlohmann", "fmt/", "toml", "sodium", "sqlite", "/common/", "/broker/")


def compiler(installed: Path) -> "list[object]":
    return ["g++", "-std=c++20", *WARNINGS, "-I", installed / "include"]


def examples(header: Path) -> "list[str]":
    """The indented blocks of its comments that follow a line which says "Example"."""
    comments = [line[2:] for line in header.read_text().split("\n") if line.startswith("//")]
    found = re.findall(
        r"^ Example[^\n]*:\n\n((?:    [^\n]*\n|\n)+)", "\n".join(comments) + "\n", re.M
    )
    return ["".join(line[4:] + "\n" for line in code.split("\n")) for code in found]


def test_all_of_them_are_installed(installed: Path) -> None:
    assert sorted(p.name for p in (installed / "include/bellis").iterdir()) == sorted(NAMES)
    assert sorted(p.name for p in (installed / "include").iterdir()) == ["bellis", "bellis.h"]


@pytest.mark.parametrize("name", NAMES)
def test_a_header_stands_alone(name: str, installed: Path, tmp_path: Path) -> None:
    (tmp_path / "user.cc").write_text(f"#include <bellis/{name}>\n#include <bellis/{name}>\n")
    run(*compiler(installed), "-fsyntax-only", "-MD", "-MF", "seen", "user.cc", cwd=tmp_path)
    seen = (tmp_path / "seen").read_text().replace("\\\n", " ").split()[1:]
    ours = str(installed / "include/bellis/")
    for path in seen:
        if path == "user.cc" or path.startswith(ours):
            continue
        assert OF_THE_COMPILER.match(path), f"{name} includes {path}"
        assert not any(word in path for word in FOREIGN), f"{name} includes {path}"
    assert f"{ours}/{name}" in seen


@pytest.mark.parametrize("name", NAMES)
def test_a_header_says_what_it_is_for(name: str, installed: Path) -> None:
    text = (installed / "include/bellis" / name).read_text()
    assert re.match(r"#pragma once\n\n// [^\n]*\n", text)
    assert name == "export.h" or examples(installed / "include/bellis" / name)


def test_the_short_examples_hold(installed: Path, tmp_path: Path) -> None:
    functions, calls = "", ""
    for name in NAMES:
        for code in examples(installed / "include/bellis" / name):
            if "#include" in code or "Worker::" in code:
                continue
            function = f"Of_{name[:-2]}"
            functions += f"#include <bellis/{name}>\nstatic int {function}() {{\n{code}}}\n"
            calls += f'  if ({function}() != 0) std::cerr << "{name}\\n", failed = 1;\n'
    assert calls.count("\n") >= 10
    includes = "#include <iostream>\n#include <string>\n"
    main = f"int main() {{\n  int failed = 0;\n{calls}  return failed;\n}}\n"
    (tmp_path / "examples.cc").write_text(includes + functions + main)
    libraries = ["-L", installed / "lib", f"-Wl,-rpath,{installed / 'lib'}", "-lbellis"]
    run(*compiler(installed), "examples.cc", "-o", "examples", *libraries, cwd=tmp_path)
    run("./examples", cwd=tmp_path)


@pytest.mark.parametrize("name", ["worker.h", "control.h"])
def test_the_long_examples_compile(name: str, installed: Path, tmp_path: Path) -> None:
    found = examples(installed / "include/bellis" / name)
    for number, code in enumerate(found):
        program = code
        if "int main" not in code:
            program = f"#include <bellis/{name}>\nint main() {{\n{code}}}\n"
        (tmp_path / f"{number}.cc").write_text(STAND_INS + program)
    files = [f"{number}.cc" for number in range(len(found))]
    run(*compiler(installed), "-fsyntax-only", *files, cwd=tmp_path)
