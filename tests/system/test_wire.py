"""`bellis wire`: what peers and a broker say to one another, shown and not changed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from .conftest import BIN, PATIENCE, Broker, Peer, eventually, line_task

WORKER = """
import bellis_minimal
bellis_minimal.work(lambda block: None)
"""


class Wire:
    """A `bellis wire` process without a program; its lines are in a file."""

    def __init__(self, folder: Path, endpoint: str, *options: str) -> None:
        self.lines_file = folder / "lines"
        self.process = subprocess.Popen(
            [BIN / "bellis", "wire", "--endpoint", endpoint, "--output", self.lines_file, *options],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "XDG_RUNTIME_DIR": str(folder)},
        )
        assert self.process.stderr is not None
        self.endpoint = self.process.stderr.readline().split("'")[1]

    def lines(self) -> list[str]:
        return self.lines_file.read_text().splitlines()

    def await_line(self, part: str) -> str:
        def found() -> "str | None":
            return next((line for line in self.lines() if part in line), None)

        line: str = eventually(found, f"a line with {part}")
        return line

    def stop(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        self.process.communicate(timeout=PATIENCE)
        return self.process.returncode


@pytest.fixture
def wire(private: Path, broker: Broker) -> Iterator[Wire]:
    running = Wire(private, broker.endpoint)
    yield running
    if running.process.poll() is None:
        running.process.kill()
        running.process.communicate()


def wired_worker(
    private: Path, broker: Broker, *options: str
) -> "subprocess.CompletedProcess[str]":
    client = Peer(broker.endpoint)
    client.ask("hello", role="client")
    job = {"name": "j", "tasks": [line_task(blocks=3, external_workers=True)]}
    assert client.ask("submit", req=1, job=job)[0] == "submitted"
    minimal = Path(__file__).resolve().parents[2] / "client" / "python-minimal"
    return subprocess.run(
        [BIN / "bellis", "wire", *options, "--", sys.executable, "-c", WORKER],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env={
            **os.environ,
            "BELLIS_ENDPOINT": broker.endpoint,
            "PYTHONPATH": str(minimal),
            "XDG_RUNTIME_DIR": str(private),
        },
    )


def test_the_conversation_of_a_program_is_shown(private: Path, broker: Broker) -> None:
    done = wired_worker(private, broker)
    assert done.returncode == 0, done.stderr
    kinds = [line.split("-> ")[1].split()[0] for line in done.stderr.splitlines() if "->" in line]
    assert [kinds[0], kinds[-1], kinds.count("release")] == ["hello", "bye", 4]
    lines = done.stderr.splitlines()
    assert all(len(line) <= 200 for line in lines)
    welcome = next(line for line in lines if "<- welcome" in line)
    assert " 1 worker 1 " in welcome and 'job: "j-1"' in welcome
    assert any("<- work " in line and "blocks: [{" in line for line in lines)
    assert lines[-1].endswith("-- gone")


def test_json_has_all_fields(private: Path, broker: Broker) -> None:
    done = wired_worker(private, broker, "--json")
    lines: list[dict[str, Any]] = [json.loads(line) for line in done.stderr.splitlines()]
    hello, welcome = lines[0], lines[1]
    assert (hello["kind"], hello["to"], hello["fields"]["language"]) == (
        "hello",
        "broker",
        "python",
    )
    assert (welcome["kind"], welcome["to"], welcome["fields"]["worker"]) == ("welcome", "peer", 1)
    work = next(line for line in lines if line.get("kind") == "work")
    assert work["fields"]["blocks"][0]["write"] == [[0], [10]]
    assert lines[-1]["gone"] is True


def test_each_peer_has_a_connection_of_its_own(broker: Broker, wire: Wire) -> None:
    first, second = Peer(wire.endpoint), Peer(wire.endpoint)
    assert first.ask("hello", role="client")[0] == "welcome"
    assert second.ask("ping", nonce=1)[1]["code"] == "hello_first"
    assert first.ask("ping", nonce=2) == ("pong", {"nonce": 2})
    wire.await_line(" 2 ")
    first.close()
    wire.await_line("-- gone")
    assert second.ask("hello", role="client")[0] == "welcome"
    assert wire.stop() == 130


def test_what_a_peer_says_last_reaches_the_broker(broker: Broker, wire: Wire) -> None:
    client = Peer(broker.endpoint)
    client.ask("hello", role="client")
    job = {"name": "j", "tasks": [line_task(blocks=1, external_workers=True)]}
    assert client.ask("submit", req=1, job=job)[0] == "submitted"
    worker = Peer(wire.endpoint)
    worker.ask("hello", role="worker", host="h", pid=1, machine="elsewhere")
    assert worker.ask("acquire", want=1)[0] == "work"
    worker.send("bye")
    worker.socket.close(1000)
    other = Peer(wire.endpoint)
    other.ask("hello", role="worker", host="h", pid=2, machine="elsewhere")
    assert other.ask("acquire", want=1)[0] == "work"


def test_bytes_that_are_no_message_are_shown_in_hex_with_what_is_wrong(
    broker: Broker, wire: Wire
) -> None:
    peer = Peer(wire.endpoint)
    peer.socket.send(b"\x92\xa4ping\xc1")
    assert peer.receive()[1]["code"] == "bad_message"
    line = wire.await_line("no message")
    assert "92a470696e67c1" in line and "a byte that starts no value" in line
    peer.socket.send_multipart([b"\x92\xa4ping", b"\x80"])
    wire.await_line("no message (not one frame; 7 bytes, 2 frames)")


def test_tokens_are_not_shown_and_text_cannot_harm_a_terminal(broker: Broker, wire: Wire) -> None:
    peer = Peer(wire.endpoint)
    peer.ask("hello", role="client", token="secret", host="\x1b[2J\n")
    line = wire.await_line("-> hello")
    assert "token: (6 bytes)" in line
    text = wire.lines_file.read_text()
    assert "secret" not in text and "\x1b" not in text


@pytest.mark.parametrize("sizes", [[0], [5], [1, 0, 3], [3_000_000]])
def test_no_byte_is_changed(sizes: list[int], private: Path) -> None:
    """Between a peer and something that is no broker at all."""
    context = zmq.Context.instance()
    with context.socket(zmq.ROUTER) as router:
        router.linger = 0
        endpoint = f"ipc://{private}/r.sock"
        router.bind(endpoint)
        wire = Wire(private, endpoint)
        peer = Peer(wire.endpoint)
        frames = [os.urandom(size) for size in sizes]
        peer.socket.send_multipart(frames)
        assert router.poll(PATIENCE * 1000)
        identity, *came = router.recv_multipart()
        assert came == frames
        router.send_multipart([identity, *frames])
        assert peer.socket.poll(PATIENCE * 1000)
        assert peer.socket.recv_multipart() == frames
        peer.close()
        assert wire.stop(signal.SIGTERM) == 143
        assert max(map(len, wire.lines())) <= 200


def test_keys_are_those_of_the_access_file(private: Path) -> None:
    broker = Broker(private, "--no-launcher", "--access", "access", endpoint="tcp://127.0.0.1:0")
    try:
        wire = Wire(private, broker.endpoint, "--access", str(private / "access"))
        peer = Peer(wire.endpoint)  # without keys
        assert peer.ask("hello", role="client")[0] == "welcome"
        assert wire.stop() == 130
    finally:
        broker.stop()


def test_the_exit_code_is_that_of_the_program(private: Path, broker: Broker) -> None:
    def code(*program: str) -> int:
        command = [str(BIN / "bellis"), "wire", "--endpoint", broker.endpoint, *program]
        environment = {**os.environ, "XDG_RUNTIME_DIR": str(private)}
        return subprocess.run(
            command, env=environment, capture_output=True, timeout=PATIENCE
        ).returncode

    assert code("--", "sh", "-c", "exit 7") == 7
    assert code("--", "sh", "-c", "kill -9 $$") == 137
    assert code("--", "/no/such/program") == 127
    assert code("--", "/etc/passwd") == 126
    assert code("--listen", "ipc://") == 2
    assert code("--listen", "tcp://127.0.0.1:1x") == 2
