"""The error says why no broker answers."""

import os
import socket
from pathlib import Path

import pytest
from bellis._wire.no_broker import why_no_broker

_OTHER = 65534


def as_other(path: Path) -> str:
    os.seteuid(_OTHER)
    try:
        return why_no_broker(f"ipc://{path}")
    finally:
        os.seteuid(0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_another_users_socket_is_said_to_be_that() -> None:
    folder = Path("/tmp") / f"bellis-test-{os.getpid()}"
    path = folder / "socket"
    folder.mkdir()
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(path))
            path.chmod(0o600)
            folder.chmod(0o755)
            belongs = "belongs to user root, and this is user "
            assert as_other(path).startswith(f"permission denied: {path} {belongs}")
            path.chmod(0o666)
            assert as_other(path) == "is bellis-broker running?"
            folder.chmod(0o700)
            assert as_other(path).startswith(f"permission denied: {folder} {belongs}")
    finally:
        path.unlink(missing_ok=True)
        folder.rmdir()


@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:9", "ipc://relative"])
def test_without_another_reason_the_broker_may_not_be_running(endpoint: str) -> None:
    assert why_no_broker(endpoint) == "is bellis-broker running?"
