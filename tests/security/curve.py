"""Brokers on tcp with their access files, and impostors that pretend to be a broker."""

import os
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, Optional

import zmq

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


class Impostor:
    """Listens at a dead broker's port. Collects every byte of the messages that it gets.

    kind: "plain", a ROUTER without CURVE; "key", a ROUTER with a key of its own; "mute", a socket
    that accepts and sends nothing; "zmtp", a server that sends a hand-written greeting, and reads
    plain text.
    """

    def __init__(self, port: int, kind: str) -> None:
        self.heard: list[bytes] = []
        self.connections = 0
        self._end = threading.Event()
        self._port = port
        self._context = zmq.Context()
        serve = self._serve_tcp if kind == "mute" else self._serve_zmq
        self._router: Optional[zmq.Socket[bytes]] = None
        self._listener: Optional[socket.socket] = None
        if kind == "mute":
            self._listener = self._bind_tcp()
        else:
            self._router = self._bind_zmq(kind)
        self._thread = threading.Thread(target=serve, daemon=True)
        self._thread.start()

    def _bind_zmq(self, kind: str) -> "zmq.Socket[bytes]":
        router = self._context.socket(zmq.ROUTER)
        router.linger = 0
        if kind == "key":
            _, secret = zmq.curve_keypair()
            router.curve_server = True
            router.curve_secretkey = secret
        self._monitor = router.get_monitor_socket(zmq.EVENT_ACCEPTED)
        end = time.monotonic() + PATIENCE
        while True:
            try:
                router.bind(f"tcp://127.0.0.1:{self._port}")
                return router
            except zmq.ZMQError:
                assert time.monotonic() < end
                time.sleep(0.05)

    def _bind_tcp(self) -> socket.socket:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return socket.create_server(("127.0.0.1", self._port))
            except OSError:
                assert time.monotonic() < end
                time.sleep(0.05)

    def _serve_zmq(self) -> None:
        assert self._router is not None
        while not self._end.is_set():
            if self._monitor.poll(0):
                self._monitor.recv_multipart()
                self.connections += 1
            if self._router.poll(20):
                self.heard.append(b"".join(self._router.recv_multipart()[1:]))

    def _serve_tcp(self) -> None:
        assert self._listener is not None
        self._listener.settimeout(0.05)
        taken = []
        while not self._end.is_set():
            try:
                taken.append(self._listener.accept()[0])
                self.connections += 1
            except TimeoutError:
                continue
        for connection in taken:
            # In CURVE, a client sends a greeting of 64 bytes, and no more before the server's.
            connection.settimeout(0.2)
            try:
                data = connection.recv(65536)
                if len(data) > 64:
                    self.heard.append(data)
            except OSError:
                pass
            connection.close()

    def close(self) -> None:
        self._end.set()
        self._thread.join()
        if self._router is not None:
            self._router.disable_monitor()
            self._monitor.close(0)
            self._router.close(0)
        if self._listener is not None:
            self._listener.close()
        self._context.term()


def start_worker(access: dict[str, str], *command: str, **more: Any) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(command, env={**os.environ, **variables(access)}, **more)
