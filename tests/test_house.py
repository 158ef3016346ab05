"""The house rules, so that nobody has to know them by heart (CONTRIBUTING.md, "The house").

Sizes of files and functions, which room may include from which, no circles, no dead files. The
tests only read text, and take seconds.
"""

import ast
import os
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter

import pytest

from .tree import text_of, tracked

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60

# Files that are longer than allowed. The list may only shrink: the test fails when a file has
# become short enough to leave the list, and when it has grown beyond its number.
LONG_FILES = {
    # A page of prose with code between, read from top to bottom, and the source of the notebook.
    "examples/tutorial/tutorial.py": 837,
}
LONG_FUNCTIONS: "dict[str, int]" = {}

# The public headers: the one place where a Roi, a JobSpec or an Error is declared. They include
# nothing but one another, so that a user who includes one sees no other header of ours. All but
# these two are words that users and rooms share.
PUBLIC = "client/cpp/include"
CLIENT = ("bellis/worker.h", "bellis/control.h")

# Room (folder) -> our folders or files that it may include from. A file's room: the longest match.
# Every room may include the words.
ROOMS = {
    PUBLIC: [],
    "common": ["common"],
    "broker/schedule": ["broker/schedule", "common"],
    "broker/core": ["broker/core", "broker/schedule", "common"],
    "broker/net": ["broker/net", "common"],
    "broker/journal": ["broker/journal", "broker/core/record.h", "broker/schedule", "common"],
    "broker/launcher": ["broker/launcher", "common"],
    "broker": ["broker", "common"],
    "client/cpp": [*CLIENT, "client/cpp", "common"],
    "client/c": [*CLIENT, "client/c", "common"],
    "client/python/native": [
        "client/python/native",
        "client/cpp",
        *CLIENT,
        # The same scheduler, not a second one.
        "broker/schedule",
        "broker/server.h",
        # The same log files, links and bounds.
        "broker/launcher/ended_logs.h",
        "broker/launcher/run_links.h",
        "broker/launcher/worker_log.h",
        "common",
    ],
    "tools": [
        "tools",
        "client/cpp",
        *CLIENT,
        "broker/server.h",
        "broker/launcher",
        # `bellis plan` says what the scheduler would do, without a broker.
        "broker/schedule",
        "common",
    ],
    # The checks play broker to workers, so they use messages and sockets.
    "tools/conformance": ["tools/conformance", "broker/launcher", "common"],
    # The benchmark measures sockets and pings beside blocks.
    "tools/bench": ["tools/bench", "client/cpp", *CLIENT, "common"],
    # As any user's code.
    "examples": ["examples", *CLIENT],
}

# Libraries that only these folders and files may include, at any depth.
LIBRARIES = {
    r"zmq\.hpp|zmq\.h": [
        "broker/net",
        "broker/launcher",
        "client/cpp",
        "common/access",
        "tools/bench",
        "tools/conformance",
        "tools/wire",
    ],
    r"sodium\.h": ["broker/net"],
    r"sqlite3\.h": ["broker/journal/database.cc"],
    r"msgpack": ["common/protocol"],
    # Tools are ordinary clients: they know of no message. Only what shows messages does.
    r"common/protocol": [
        "broker",
        "client/cpp",
        "client/python/native",
        "common",
        "tools/bench",
        "tools/conformance",
        "tools/wire",
    ],
    r"toml\+\+": ["common/task"],
    r"spdlog/": [
        "broker/server.cc",
        "broker/main.cc",
        "broker/log_file.cc",
        "broker/launcher",
        "tools",
        "client/python/native/broker_thread.cc",
    ],
    r"nanobind|Python\.h": ["client/python/native"],
    r"CLI/": ["broker/main.cc", "broker/launcher/main.cc", "tools"],
}

# Calls that would make the scheduler impure: it opens nothing, reads no clock, starts no thread.
PURE = ("broker/schedule", "broker/core")
IMPURE = re.compile(
    r"(chrono|thread|mutex|atomic|condition_variable|random|fstream|filesystem|iostream|future|"
    r"unistd\.h|sys/.*|fcntl\.h|time\.h|ctime)$"
)

INCLUDE = re.compile(r'^\s*#include\s+([<"])([^>"]+)[>"]', re.MULTILINE)
PRODUCT = ("common", "broker", "client", "tools", "examples")


def files(*suffixes: str, folders: "tuple[str, ...]" = (*PRODUCT, "tests", "scripts")) -> list[str]:
    return [
        name
        for name in tracked()
        if name.endswith(suffixes) and name.startswith(tuple(f + "/" for f in folders))
    ]


# Comments, raw strings, strings and characters: braces in them mean nothing.
NOT_CODE = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(?P<end>[^(]*)\(.*?\)(?P=end)"|"(?:\\.|[^"\\\n])*"|\b\d[\d\']*|'
    r"'(?:\\.|[^'\\\n])+'|^[ \t]*#(?:[^\n]*\\\n)*[^\n]*",
    re.DOTALL | re.MULTILINE,
)
SCOPE = re.compile(r"\b(namespace|class|struct|union|extern)\b")


def cpp_functions(text: str) -> Iterator[tuple[str, int]]:
    """The name and number of lines of each function in a file that clang-format has laid out.

    A function starts at a `{` after a `)`, within nothing but namespaces and classes.
    """
    code = NOT_CODE.sub(lambda m: "\n" * m[0].count("\n"), text)
    scopes: list[tuple[str, int]] = []  # what each open `{` is: scope, function or other; its line
    head, line, head_line = "", 1, 1
    for i, c in enumerate(code):
        if c == "\n":
            line += 1
        if c == "{" and i > 0 and not code[i - 1].isspace():
            scopes.append(("other", line))  # an initializer: part of the scope around it
        elif c == "{":
            inside = all(kind == "scope" for kind, _ in scopes)
            name = re.search(r"\b(?:TEST\w*|TYPED_TEST)\(([\w, ]+)\)", head) or re.search(
                r"(operator\W+|[\w:~]+)\s*\(", head
            )
            if SCOPE.search(head) and not name:
                scopes.append(("scope", line))
            else:
                scopes.append((f"{name[1]}" if inside and name else "other", head_line))
            head = ""
        elif c == "}" and scopes:
            kind, start = scopes.pop()
            if kind not in ("scope", "other"):
                yield kind, line - start + 1
            if kind != "other":
                head = ""
        elif c == ";":
            head = ""
        else:
            if not head.strip():
                head_line = line
            head += c


def python_functions(text: str) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def go_functions(text: str) -> Iterator[tuple[str, int]]:
    """As gofmt lays them out."""
    for match in re.finditer(r"^func (?:\([^)]*\) )?(\w+).*?\n}$", text, re.DOTALL | re.MULTILINE):
        yield match[1], match[0].count("\n") + 1


def check_sizes(sizes: dict[str, int], bound: int, known: dict[str, int], what: str) -> None:
    grown = {k: n for k, n in sizes.items() if n > max(bound, known.get(k, 0))}
    assert not grown, f"{what} of more than {bound} lines: {grown}; divide them by noun"
    shrunk = {k: sizes.get(k, 0) for k, n in known.items() if sizes.get(k, 0) < n}
    assert not shrunk, f"shorter than the list says, so that the list can shrink: {shrunk}"


def test_files_are_short() -> None:
    sizes = {name: text_of(name).count("\n") for name in files(".h", ".cc", ".py", ".go")}
    assert len(sizes) > 300
    check_sizes(sizes, FILE_LINES_MAX, LONG_FILES, "files")


def test_functions_are_short() -> None:
    sizes: dict[str, int] = {}
    readers = {
        ".h": cpp_functions,
        ".cc": cpp_functions,
        ".py": python_functions,
        ".go": go_functions,
    }
    for name in files(*readers):
        for function, lines in readers[os.path.splitext(name)[1]](text_of(name)):
            key = f"{name}: {function}"
            sizes[key] = max(lines, sizes.get(key, 0))
    assert len(sizes) > 3000
    check_sizes(sizes, FUNCTION_LINES_MAX, LONG_FUNCTIONS, "functions")


def room_of(name: str) -> str:
    return max((room for room in ROOMS if name.startswith(room + "/")), key=len)


def is_word(include: str) -> bool:
    return include.startswith("bellis/") and include not in CLIENT


def path_of(include: str) -> str:
    """From the root, of what an include in quotes names."""
    if include == "bellis.h":
        return "client/c/include/bellis.h"
    return f"{PUBLIC}/{include}" if include.startswith("bellis/") else include


@pytest.mark.parametrize("room", ROOMS)
def test_includes_go_with_the_arrows(room: str) -> None:
    names = [n for n in files(".h", ".cc", folders=PRODUCT) if room_of(n) == room]
    assert names
    for name in names:
        for kind, include in INCLUDE.findall(text_of(name)):
            if kind == '"' and not is_word(include):
                assert include.startswith(tuple(ROOMS[room])), f"{name} includes {include}"
            for pattern, homes in LIBRARIES.items():
                if re.match(pattern, include):
                    assert name.startswith(tuple(homes)), f"{name} includes {include}"
            if room in PURE:
                assert not IMPURE.match(include), f"{name} is not pure: <{include}>"


def check_no_circles(arrows: dict[str, set[str]]) -> None:
    """Raises graphlib.CycleError, which names the nodes of a circle."""
    TopologicalSorter(arrows).prepare()


def test_headers_include_one_another_without_circles() -> None:
    arrows = {
        name: {path_of(i) for kind, i in INCLUDE.findall(text_of(name)) if kind == '"'}
        for name in files(".h")
    }
    check_no_circles(arrows)


def test_folders_of_a_room_have_no_circles() -> None:
    """Folders within one room, such as those of `common`, have no circles, either."""
    # The files that lie in these folders themselves are of one library with the folders below.
    libraries = {"common", "broker"}
    arrows: dict[str, set[str]] = {}
    for name in files(".h", ".cc", folders=PRODUCT):
        folder = name.rpartition("/")[0]
        for kind, include in INCLUDE.findall(text_of(name)):
            other = path_of(include).rpartition("/")[0]
            if kind == '"' and other != folder and not libraries & {folder, other}:
                arrows.setdefault(folder, set()).add(other)
    check_no_circles(arrows)


def test_every_header_says_what_it_is_for() -> None:
    silent = []
    for name in files(".h", folders=PRODUCT):
        lines = (line.strip() for line in text_of(name).splitlines())
        first = next(line for line in lines if line and not line.startswith(("#", "namespace")))
        if not first.startswith("//"):
            silent.append(name)
    assert silent == []


def test_no_file_is_dead() -> None:
    """Every header is included, every source is built, every script is named somewhere."""
    included = {
        path_of(i) for name in files(".h", ".cc") for _, i in INCLUDE.findall(text_of(name))
    }
    assert [name for name in files(".h") if name not in included] == []
    built = []
    for name in files("CMakeLists.txt"):
        for source in re.findall(r"[\w./${}]+\.cc", text_of(name)):
            path = os.path.normpath(os.path.join(os.path.dirname(name), source))
            built.append(re.sub(r"\\\$\\\{\w+\\\}", r"\\w+", re.escape(path)))
    source_is_built = re.compile("|".join(built))
    assert [name for name in files(".cc") if not source_is_built.fullmatch(name)] == []
    said = "".join(
        text_of(name)
        for name in tracked()
        if name.startswith(("scripts/", ".ci/", ".github/"))
        or name in ("Makefile", "CONTRIBUTING.md")
    )
    for name in files("", folders=("scripts",)):
        assert name in said, f"nothing names {name}"


# Manifests whose build tool reads the version from nowhere else: a test in tests/clients compares.
WITH_VERSION = (
    "client/node/package-lock.json",
    "client/node/package.json",
    "client/rust/Cargo.toml",
)


def test_the_version_is_in_one_place() -> None:
    version = re.search(r"project\(bellis VERSION ([0-9.]+)", text_of("CMakeLists.txt"))
    assert version is not None
    manifests = [name for name in tracked() if name.endswith((".toml", ".cfg", ".cff", ".json"))]
    assert len(manifests) > 5
    with_version = [name for name in manifests if f'"{version[1]}"' in text_of(name)]
    assert set(with_version) <= set(WITH_VERSION)
