"""A peer's access on tcp, from an access file or from a worker's environment."""

import json
from pathlib import Path

import zmq

from .conftest import Peer


def access_of(path: Path) -> dict[str, str]:
    fields: dict[str, str] = json.loads(path.read_text())
    return fields


class KeyPeer(Peer):
    """A bare DEALER with keys, set by three socket options, as in a worker of any language."""

    def __init__(self, access: dict[str, str], identity: bytes = b"") -> None:
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.linger = 0
        if identity:
            self.socket.identity = identity
        self.socket.setsockopt(zmq.CURVE_SERVERKEY, access["server_key"].encode())
        self.socket.setsockopt(zmq.CURVE_PUBLICKEY, access["public_key"].encode())
        self.socket.setsockopt(zmq.CURVE_SECRETKEY, access["secret_key"].encode())
        self.socket.connect(access["endpoint"])

    def hears_nothing(self, timeout: float = 1.0) -> bool:
        return not self.socket.poll(int(timeout * 1000))
