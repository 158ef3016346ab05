"""A connection to the broker written from PROTOCOL.md alone: pyzmq and msgpack, nothing else."""

import os
import socket
from typing import Any

import msgpack
import zmq

Fields = dict[str, Any]

_KEYS = {
    zmq.CURVE_SERVERKEY: "BELLIS_SERVER_KEY",
    zmq.CURVE_PUBLICKEY: "BELLIS_PUBLIC_KEY",
    zmq.CURVE_SECRETKEY: "BELLIS_SECRET_KEY",
}


def machine() -> str:
    """The name of this machine for the broker: its kernel's boot and its pid namespace."""
    with open("/proc/sys/kernel/random/boot_id") as file:
        return f"{file.read().strip()}:{os.readlink('/proc/self/ns/pid')}"


def identity() -> Fields:
    return {"host": socket.gethostname(), "pid": os.getpid(), "machine": machine()}


class Wire:
    """A DEALER socket. It reconnects by itself; messages that are on their way then are lost."""

    def __init__(self, endpoint: str) -> None:
        self.socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.linger = 1000
        self.socket.setsockopt(zmq.RECONNECT_IVL, 50)
        self.socket.setsockopt(zmq.RECONNECT_IVL_MAX, 400)
        for option, name in _KEYS.items():
            if os.environ.get(name):
                self.socket.setsockopt(option, os.environ[name].encode())
        self.socket.connect(endpoint)

    def send(self, kind: str, **fields: Any) -> None:
        """Queues a message; drops the message when a thousand are queued already."""
        try:
            self.socket.send(msgpack.packb([kind, fields]), zmq.NOBLOCK)
        except zmq.Again:
            return

    def receive(self, timeout_ms: float) -> tuple[str, Fields] | None:
        """The next message, or None when none came in time."""
        if not self.socket.poll(max(0, int(timeout_ms))):
            return None
        kind, fields = msgpack.unpackb(self.socket.recv())
        return kind, fields

    def close(self, linger_ms: int = 1000) -> None:
        self.socket.close(linger_ms)
