"""The files of this tree, for the tests that read them as text."""

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@cache
def tracked() -> "tuple[str, ...]":
    """All files under version control, and new ones that git does not ignore, by path from ROOT."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return tuple(sorted(name for name in listed.stdout.splitlines() if (ROOT / name).is_file()))


@cache
def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")
