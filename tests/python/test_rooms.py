"""The rooms of the Python package depend on one another in one direction only."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import bellis
import pytest

PACKAGE = Path(bellis.__file__).parent

# The public modules are two rooms. Values are the objects that users hold, and every room uses
# them. Calls are what users call; they may use every room.
VALUES = {
    "block",
    "blocks",
    "context",
    "coordinate",
    "errors",
    "logging",
    "roi",
    "task",
    "task_state",
}
CALLS = {
    "__init__",
    "access",
    "as_daisy",
    "cl_monitor",
    "client",
    "control",
    "convenience",
    "dependency_graph",
    "programs",
    "scheduler",
    "serial_server",
    "server",
}

# Each room with the rooms that it may import from, besides itself. `_core` is the native module.
ALLOWED = {
    "_base": set(),
    "values": {"_base", "_core"},
    "_wire": {"_base", "values"},
    "_report": {"_base", "values"},
    "_worker": {"_base", "values", "_wire", "_core"},
    "_run": {"_base", "values", "_wire", "_report", "_worker", "_core"},
    "calls": {"_base", "values", "_wire", "_report", "_worker", "_run", "_core"},
}

# Libraries that only these modules, or all modules of these rooms, may import.
RESERVED = {
    "zmq": {"_wire", "_run.job_run"},
    "msgpack": {"_wire.protocol"},
}


class Import(NamedTuple):
    module: str  # a name below `bellis` ("__init__": the package itself), or another package's name
    names: "tuple[str, ...]"
    is_ours: bool
    line: int


def modules() -> "list[str]":
    paths = sorted(PACKAGE.rglob("*.py"))
    return [".".join(p.relative_to(PACKAGE).with_suffix("").parts) for p in paths]


def tree_of(module: str) -> ast.Module:
    return ast.parse((PACKAGE / (module.replace(".", "/") + ".py")).read_text())


def imports_of(module: str) -> "Iterator[Import]":
    """All imports in a module, also those in functions and those for the type checker."""
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first, _, rest = alias.name.partition(".")
                ours = first == "bellis"
                yield Import((rest or "__init__") if ours else first, (), ours, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: a relative import"
            first, _, rest = (node.module or "").partition(".")
            if first != "bellis":
                yield Import(first, (), False, node.lineno)
                continue
            for alias in node.names:
                inner = f"{rest}.{alias.name}" if rest else alias.name
                if is_module(inner):
                    yield Import(inner, (), True, node.lineno)
                else:
                    yield Import(rest or "__init__", (alias.name,), True, node.lineno)


def is_module(name: str) -> bool:
    path = PACKAGE / name.replace(".", "/")
    return name == "_core" or path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def room_of(module: str) -> str:
    first, _, rest = module.partition(".")
    if rest or first in ALLOWED or first == "_core":
        return first
    assert (first in VALUES) != (first in CALLS), f"bellis.{module} is in no room, or in two"
    return "values" if first in VALUES else "calls"


@pytest.mark.parametrize("module", modules())
def test_imports_go_with_the_arrows(module: str) -> None:
    room = room_of(module)
    for other in imports_of(module):
        if other.is_ours:
            theirs = room_of(other.module)
            assert theirs in ALLOWED[room] | {room}, f"{module}:{other.line}: {other.module}"
        elif other.module in RESERVED:
            homes = RESERVED[other.module]
            assert room in homes or module in homes, f"{module}:{other.line}: {other.module}"


@pytest.mark.parametrize("module", modules())
def test_no_private_name_is_imported(module: str) -> None:
    for other in imports_of(module):
        names = [name for name in other.names if not name.startswith("__")]
        private = [name for name in names if name.startswith("_") and other.is_ours]
        assert not private, f"{module}:{other.line}: {private} of {other.module}"


def test_there_are_no_circles() -> None:
    """Imports in functions and for the type checker count, too."""
    graph = {
        module: {other.module for other in imports_of(module) if other.is_ours}
        for module in modules()
    }
    TopologicalSorter(graph).prepare()  # raises CycleError, which names a circle


def test_late_imports_have_a_reason() -> None:
    """An import inside of a function has a comment on its line or above it."""
    for module in modules():
        lines = (PACKAGE / (module.replace(".", "/") + ".py")).read_text().splitlines()
        for function in ast.walk(tree_of(module)):
            if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            for node in ast.walk(function):
                if isinstance(node, (ast.Import, ast.ImportFrom)):
                    said = "#" in lines[node.lineno - 1] or "#" in lines[node.lineno - 2]
                    assert said, f"{module}:{node.lineno}: a late import without a reason"


def test_each_room_says_what_it_is() -> None:
    for room in ALLOWED:
        if room.startswith("_"):
            assert ast.get_docstring(tree_of(f"{room}.__init__")), room


def test_the_table_lists_only_existing_rooms() -> None:
    here = {room_of(module) for module in modules()}
    assert here == set(ALLOWED)
    assert set(modules()) >= VALUES | CALLS
