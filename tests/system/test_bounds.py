"""The table "What one peer may use" in TRANSPORT.md: tests for the rows that need a broker, and for
the numbers on the page, which must be those that other tests check."""

import socket
import struct
import time
from pathlib import Path

import msgpack
import pytest
import zmq
from zmq.utils.monitor import recv_monitor_message

from .access import KeyPeer, access_of
from .conftest import PATIENCE, Broker, Peer, eventually, line_task
from .test_overload import resident_bytes

PAGE = Path(__file__).parents[2] / "common" / "protocol" / "TRANSPORT.md"
MIB = 1 << 20

# The numbers in each row, and the test that fails when the broker does otherwise.
ROWS = {
    "time to show that it speaks ZMTP": "10 s",  # below
    "descriptors": "1,100 48 60,000",  # connection_guard_test.cc, test_overload.py
    "a frame": "2 MiB",  # below
    "a message": "1 MiB",  # codec_errors_test.cc
    "frames of a message": "1",  # test_broker.py
    "bytes sent without a message of it being read, on tcp": "16 MiB",  # below, input_guard_test.cc
    "messages that the broker has not read yet": "256",  # router_test.cc
    "text of a `hello`": "64; 256 bytes",  # codec_hostile_test.cc
    "languages of a task": "32",  # broker_core_test.cc
    "refused messages in the log": "20 10",  # broker_core_test.cc
    "watches": "1,000",  # broker_core_test.cc
    "blocks held and wanted": "1,024",  # transcripts/bad_requests.txt
    "jobs whose masks are built": "1",  # job_memory_test.cc
    "messages that the peer does not read": "10,000",  # test_overload.py
    "bytes that the peer does not read": "64 KiB 16 MiB",  # test_overload.py
}


def rows() -> list[str]:
    section = PAGE.read_text(encoding="utf-8").split("## What one peer may use")[1]
    lines = section.split("\n## ")[0].splitlines()
    return [line[2:] for line in lines if line.startswith("| ")][2:]


def test_the_page_agrees_with_the_tests() -> None:
    for row, (name, numbers) in zip(rows(), ROWS.items(), strict=True):
        assert row.startswith(name)
        for number in numbers.split(" "):
            assert number in row.split(" | ", 1)[1], row


def test_a_connection_that_says_nothing_is_closed(broker: Broker, private: Path) -> None:
    """After 10 s."""
    with socket.socket(socket.AF_UNIX) as silent:
        silent.settimeout(PATIENCE)
        silent.connect(f"{private}/b.sock")
        greeting = b""
        while data := silent.recv(1000):
            greeting += data
    assert greeting[:1] == b"\xff", "of ZMTP"


def test_a_frame_has_two_mebibytes(broker: Broker) -> None:
    bystander = Peer(broker.endpoint)
    assert bystander.ask("hello", role="client")[0] == "welcome"
    peer = Peer(broker.endpoint)
    assert peer.ask("hello", role="client")[0] == "welcome"
    monitor = peer.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
    peer.socket.send(bytes(2 * MIB))
    assert peer.receive()[1]["code"] == "too_large"
    assert not monitor.poll(0)
    peer.socket.send(bytes(2 * MIB + 1))
    assert monitor.poll(PATIENCE * 1000), "it is cut"
    assert recv_monitor_message(monitor)["event"] == zmq.EVENT_DISCONNECTED
    peer.socket.disable_monitor()
    assert bystander.ask("ping", nonce=8) == ("pong", {"nonce": 8})


class RawPeer:
    """A hand-written DEALER without encryption: libzmq's own sends no frame of an unfinished
    message."""

    READY = b"\x05READY" + b"\x0bSocket-Type" + b"\0\0\0\x06DEALER"

    def __init__(self, endpoint: str) -> None:
        host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=PATIENCE)
        self.socket.sendall(b"\xff" + bytes(8) + b"\x7f\x03\0NULL" + bytes(48))
        self.receive(64)
        self.socket.sendall(b"\x04" + bytes([len(self.READY)]) + self.READY)
        self.receive(self.receive(2)[1])

    def receive(self, size: int) -> bytes:
        return self.socket.recv(size, socket.MSG_WAITALL)

    def send_frame(self, frame: bytes, *, more: bool) -> None:
        self.socket.sendall(struct.pack(">BQ", 2 | more, len(frame)) + frame)


class TestAMessageWithoutEnd:
    """libzmq collects the frames of an unfinished message out of sight: 400 MB took 400 MB."""

    CUT = "connections that sent more than 16777216 bytes without the end of a message were closed"

    @pytest.fixture
    def access(self, private: Path) -> Path:
        return private / "access"

    @pytest.mark.parametrize("hello", [False, True])
    def test_only_the_connection_that_sends_it_is_closed(
        self, private: Path, access: Path, hello: bool
    ) -> None:
        broker = Broker(
            private,
            "--no-launcher",
            "--insecure",
            "--access",
            str(access),
            endpoint="tcp://127.0.0.1:0",
        )
        try:
            token = access_of(access)["token"]
            bystander = Peer(broker.endpoint)
            assert bystander.ask("hello", role="client", token=token)[0] == "welcome"
            before = resident_bytes(broker.process.pid)
            endless = RawPeer(broker.endpoint)
            if hello:
                said = msgpack.packb(["hello", {"role": "client", "token": token}])
                endless.send_frame(said, more=False)
            with pytest.raises(OSError):
                for _ in range(1000):  # slowly enough that a busy broker can notice
                    endless.send_frame(bytes(MIB), more=True)
                    time.sleep(0.02)
            assert resident_bytes(broker.process.pid) - before < 200 * MIB
            assert bystander.ask("ping", nonce=3) == ("pong", {"nonce": 3})
            eventually(lambda: self.CUT in broker.log(), "the log tells of it")
            assert len(broker.log().splitlines()) < 30
        finally:
            broker.stop()

    def test_a_peer_that_sends_as_much_in_whole_messages_is_served(
        self, private: Path, access: Path
    ) -> None:
        broker = Broker(
            private, "--no-launcher", "--access", str(access), endpoint="tcp://127.0.0.1:0"
        )
        try:
            peer = KeyPeer(access_of(access))
            assert peer.ask("hello", role="client")[0] == "welcome"
            job = {"name": "x", "tasks": [line_task(unknown="x" * (MIB - 1000))]}
            for req in range(40):
                peer.socket.send(msgpack.packb(["submit", {"req": req, "job": job}]))
            for req in range(40):
                assert peer.receive()[1]["req"] == req
            assert self.CUT not in broker.log()
        finally:
            broker.stop()
