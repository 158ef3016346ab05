"""Brokers on tcp, with their access files."""

import socket
from pathlib import Path

from ..system.access import access_of
from ..system.conftest import PATIENCE, Broker

KEYS = ("server_key", "public_key", "secret_key")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def variables(access: dict[str, str]) -> dict[str, str]:
    """The environment variables for an access."""
    named = {f"BELLIS_{name.upper()}": access.get(name, "") for name in (*KEYS, "token")}
    return {"BELLIS_ENDPOINT": access["endpoint"], **named}


class TcpBroker(Broker):
    """A broker that listens at the same port after every start; its files are in `folder`."""

    def __init__(self, folder: Path, port: int, *options: str) -> None:
        self.access = folder / "access"
        super().__init__(
            folder, "--access", str(self.access), *options, endpoint=f"tcp://127.0.0.1:{port}"
        )
        assert self.endpoint, self.log()

    def of(self, role: str) -> dict[str, str]:
        return access_of(Path(f"{self.access}.{role}") if role != "owner" else self.access)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=PATIENCE)
