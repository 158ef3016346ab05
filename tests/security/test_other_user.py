"""Another user of the machine, without root's rights, beside our broker."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ..system.conftest import BIN, PATIENCE, Broker

OTHER = 54321

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None,
    reason="playing another user takes root, and setpriv",
)


def as_other(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["setpriv", f"--reuid={OTHER}", f"--regid={OTHER}", "--clear-groups", *command],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_the_socket_is_out_of_reach(private: Path) -> None:
    running = Broker(private, "--no-launcher")
    done = as_other(BIN / "bellis", "status", "--endpoint", running.endpoint)
    running.stop()
    assert done.returncode == 3
    assert "permission denied" in done.stderr


@pytest.mark.parametrize("mode", [0o700, 0o755])
def test_a_state_directory_of_the_other_is_refused(private: Path, mode: int) -> None:
    state = private / "state"
    state.mkdir(mode=mode)
    os.chown(state, OTHER, OTHER)
    running = Broker(private, "--no-launcher", "--state-dir", str(state))
    code, _ = running.stop()
    assert code == 3
    assert f"owner {OTHER}" in running.log()
    assert list(state.iterdir()) == []


def test_a_socket_in_a_directory_of_the_other_is_refused(private: Path) -> None:
    theirs = private / "theirs"
    theirs.mkdir(mode=0o700)
    os.chown(theirs, OTHER, OTHER)
    running = Broker(private, "--no-launcher", endpoint=f"ipc://{theirs}/b.sock")
    code, _ = running.stop()
    assert code == 2
    assert f"owner {OTHER}" in running.log()
