"""Calls the examples' C++ libraries through the program examples_probe.

It comes from the folder $BELLIS_BIN_DIR or the newest build. Without it, the tests that need it are
skipped.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]


def find_probe() -> str | None:
    if folder := os.environ.get("BELLIS_BIN_DIR"):
        return shutil.which("examples_probe", path=folder)
    built = sorted(TOP.glob("build/*/bin/examples_probe"), key=lambda file: file.stat().st_mtime)
    return str(built[-1]) if built else None


PROBE = find_probe()
needs_probe = pytest.mark.skipif(PROBE is None, reason="examples_probe is not built")


def probe(*arguments: object, stdin: bytes = b"") -> bytes:
    done = subprocess.run(
        [str(PROBE), *map(str, arguments)],
        input=stdin,
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def numbers(values: tuple[int, ...]) -> str:
    return ",".join(map(str, values))
