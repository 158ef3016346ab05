"""Plays another user of this machine: processes with a user id of their own, which needs no
account. Only root can start them."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Union

import pytest

from tests.system.conftest import BIN, PATIENCE, private

__all__ = ["private"]  # the fixture

Words = Union[str, Path]

STRANGER = 54321
# Other users may not be able to read the interpreter. So it starts as us, and then becomes the
# other user.
BECOME = f"""
import ctypes, encodings.idna, os, pathlib, socket, sys
os.setgroups([])
os.setresgid({STRANGER}, {STRANGER}, {STRANGER})
os.setresuid({STRANGER}, {STRANGER}, {STRANGER})
"""

LISTENER = """
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
pathlib.Path(sys.argv[1]).chmod(0o777)
listener.listen()
print("listens", flush=True)
while True:
    listener.accept()
    print("somebody came", flush=True)
"""


class Stranger:
    """Another user of the machine, with a folder that anybody may write."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started: list[subprocess.Popen[str]] = []

    def start(self, *command: Words, **more: Any) -> "subprocess.Popen[str]":
        become = {"user": STRANGER, "group": STRANGER, "extra_groups": []}
        process = subprocess.Popen(
            [*map(str, command)],
            cwd="/",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **(more or become),
        )
        self._started.append(process)
        return process

    def does(self, *command: Words) -> str:
        process = self.start(*command)
        output, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, output
        return output

    def python(self, code: str, *arguments: Words) -> "subprocess.Popen[str]":
        script = BECOME + textwrap.dedent(code)
        return self.start(sys.executable, "-I", "-c", script, *arguments, user=0)

    def listens(self, path: Path) -> "subprocess.Popen[str]":
        process = self.python(LISTENER, path)
        assert process.stdout is not None
        assert process.stdout.readline() == "listens\n"
        return process

    def heard(self, listener: "subprocess.Popen[str]") -> bool:
        """Whether anybody connected to the listener, which is then ended."""
        listener.terminate()
        output, _ = listener.communicate(timeout=PATIENCE)
        return "somebody came" in output

    def end(self) -> None:
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.communicate()


@pytest.fixture
def stranger(private: Path) -> Iterator[Stranger]:
    """The other user, with a folder that anybody may write, without the sticky bit."""
    if os.geteuid() != 0:
        pytest.skip("only root can play another user")
    private.chmod(0o755)
    shared = private / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    other = Stranger(shared)
    yield other
    other.end()


def own(program: str, *words: Words, **environment: str) -> tuple[int, str]:
    """Exit code and output of one of our programs, which must not hang."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("BELLIS_")}
    done = subprocess.run(
        [BIN / program, *map(str, words)],
        env={**kept, "BELLIS_CONNECT_TIMEOUT": "0.3", **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        cwd="/",
    )
    return done.returncode, done.stdout + done.stderr


def own_python(code: str, *arguments: Any, **environment: str) -> str:
    """The last line that a script of ours prints, which uses the package."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("BELLIS_")}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        env={**kept, "BELLIS_CONNECT_TIMEOUT": "0.3", **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    return (done.stdout + done.stderr).strip().splitlines()[-1]


def plant(stranger: Stranger, kind: str, path: Path, victim: Path) -> None:
    """Puts something at `path`, in the place of a file that we shall open."""
    if kind == "symbolic link":
        stranger.does("ln", "-s", victim, path)
    elif kind == "FIFO":
        stranger.does("mkfifo", "-m", "600", path)
    elif kind == "file of another":
        stranger.does("sh", "-c", f"umask 077; echo secret > {path}")
    else:
        # The other user could do this where fs.protected_hardlinks is off.
        assert kind == "hard link"
        os.link(victim, path)


PLANTED = ["symbolic link", "FIFO", "file of another", "hard link"]
WORDS = {
    "symbolic link": ("is a symbolic link of another user (uid 54321)", "remove it"),
    "FIFO": ("is not a regular file", "remove it"),
    "file of another": ("belongs to another user (uid 54321", ""),
    "hard link": ("is one of 2 names of a file", ""),
}
