"""Impostors at a dead broker's port: nobody takes one for the broker."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Optional

import bellis
import pytest
import zmq

from ..system.conftest import BIN, PATIENCE, alive, children_of, eventually, line_task
from .curve import TcpBroker, free_port, variables


class Impostor:
    """Listens at a dead broker's port. Collects every byte of the messages that it gets.

    kind: "plain", a ROUTER without CURVE; "key", a ROUTER with a key of its own; "mute", a socket
    that accepts and sends nothing.
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


@pytest.mark.parametrize("kind", ["plain", "key", "mute"])
def test_an_impostor_at_a_dead_broker_gets_no_message_and_all_peers_go_on(
    private: Path, kind: str
) -> None:
    """The peers are a launcher with its worker, an external worker with its pulse, and a client."""
    port = free_port()
    state = ("--state-dir", "state", "--reconnect-window", "60", "--lease-ms", "60000")
    broker = TcpBroker(private, port, *state)
    external = None
    try:
        with bellis.Control(access=broker.access) as control:
            task = line_task("t", 12, workers=[{"command": ["bellis", "exec", "--", "sleep", "1"]}])
            job = control.submit({"name": "held", "tasks": [task]})
            owner = broker.of("owner")
            external = start_worker(
                {**owner, "job": job},
                sys.executable,
                "-c",
                "import time, bellis; bellis.work(lambda block: time.sleep(0.5))",
            )

            def both() -> bool:
                return len(control.status(job)[0]["tasks"][0]["languages"]) == 2

            eventually(both, "both workers have completed a block")
        workers = children_of(broker.process.pid)
        broker.kill()
        impostor = Impostor(port, kind)
        with pytest.raises(bellis.BrokerError, match="no broker answers"):
            bellis.Control(access=broker.access, connect_timeout=1.0)
        asked = subprocess.run(
            [BIN / "bellis", "status", "--access", broker.access],
            env={**os.environ, "BELLIS_CONNECT_TIMEOUT": "1.5"},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert asked.returncode == 3
        if kind != "mute":  # a mute impostor is noticed only after the handshake's time limit
            assert "was sent nothing" in asked.stderr
        # Launcher, worker, its pulse, the external worker, its pulse.
        eventually(lambda: impostor.connections >= 6, "all have met the impostor")
        impostor.close()
        assert impostor.heard == []
        assert alive(workers), "the launcher and its worker wait for their broker"
        broker = TcpBroker(private, port, *state)
        with bellis.Control(access=broker.access) as control:
            status = eventually(
                lambda: next((s for s in control.status() if s["state"] == "completed"), None),
                "the job is completed",
            )
        assert status["tasks"][0]["failures_total"] == 0
        assert len(status["tasks"][0]["languages"]) == 2
        assert external.wait(PATIENCE) == 0
        assert broker.stop(signal.SIGTERM)[0] == 0
    finally:
        if external is not None:
            external.kill()
            external.wait()
        broker.process.kill()
        broker.process.communicate()
