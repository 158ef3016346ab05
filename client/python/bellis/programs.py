"""The programs that come with the package: bellis, bellis-broker, bellis-launcher."""

import os
import shutil
import sys
from pathlib import Path
from typing import NoReturn


def find(name: str) -> str:
    """The path of a program, in the package or else in PATH. Raises FileNotFoundError."""
    inside = Path(__file__).parent / "bin" / name
    if inside.is_file():
        return str(inside)
    own_script = Path(sys.argv[0]).resolve()
    path = shutil.which(name)
    if path is None or Path(path).resolve() == own_script:
        raise FileNotFoundError(f"{name}: neither in {inside.parent} nor in PATH")
    return path


def bellis() -> NoReturn:
    _become("bellis")


def broker() -> NoReturn:
    _become("bellis-broker")


def launcher() -> NoReturn:
    _become("bellis-launcher")


def _become(name: str) -> NoReturn:
    program = find(name)
    os.execv(program, [program, *sys.argv[1:]])
