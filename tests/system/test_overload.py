"""Connections that end, peers that do not read, and floods: one peer does not disturb the
others."""

import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import pytest
import zmq

from .conftest import BIN, PATIENCE, Broker, Peer, eventually, line_task


def worker(broker: Broker, **more: Any) -> Peer:
    peer = Peer(broker.endpoint)
    assert peer.ask("hello", role="worker", **more)[0] == "welcome"
    return peer


def submit(broker: Broker, **more: Any) -> str:
    client = Peer(broker.endpoint)
    client.ask("hello", role="client")
    spec = {"name": "job", "tasks": [line_task(external_workers=True, **more)]}
    return str(client.ask("submit", req=1, job=spec)[1]["job"])


def test_the_block_of_a_worker_that_breaks_off_is_free_at_once(broker: Broker) -> None:
    """The lease would last for twenty seconds, but the broker sees that the process has ended."""
    submit(broker, blocks=1, max_retries=1)
    script = (
        "import os, msgpack, sys, zmq\n"
        "s = zmq.Context().socket(zmq.DEALER); s.connect(sys.argv[1])\n"
        "boot = open('/proc/sys/kernel/random/boot_id').read().strip()\n"
        "machine = boot + ':' + os.readlink('/proc/self/ns/pid')\n"
        "hello = dict(role='worker', session=7, heartbeat_ms=1000, pid=os.getpid(),\n"
        "             machine=machine)\n"
        "s.send(msgpack.packb(['hello', hello])); s.recv()\n"
        "s.send(msgpack.packb(['acquire', {'want': 1}])); s.recv()\n"
        "print('has it', flush=True); input()\n"
    )
    lost = subprocess.Popen(
        [sys.executable, "-c", script, broker.endpoint],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert lost.stdout is not None
    assert lost.stdout.readline() == "has it\n"
    other = worker(broker)
    other.send("acquire", want=1)
    lost.send_signal(signal.SIGKILL)
    lost.wait()
    # The broker sends nothing to the lost worker that could show that it is gone, and a lease lasts
    # 20 s.
    kind, fields = other.receive(timeout=15)
    assert kind == "work"
    assert fields["blocks"][0]["attempt"] == 2


def test_a_watcher_that_does_not_read_is_told_what_it_missed(broker: Broker) -> None:
    submit(broker, blocks=100_000)
    watcher = Peer(broker.endpoint)
    watcher.socket.close()
    watcher.socket = zmq.Context.instance().socket(zmq.DEALER)
    watcher.socket.linger = 0
    watcher.socket.rcvhwm = 1
    watcher.socket.connect(broker.endpoint)
    watcher.ask("hello", role="client")
    for req in range(1, 400):  # each progress message is sent once for each watch
        watcher.send("watch", req=req, job="job-1", interval_ms=20)
    stop = threading.Event()

    def change_something() -> None:
        busy = worker(broker)
        busy.send("acquire", want=1)
        while not stop.is_set():
            kind, fields = busy.receive()
            if kind == "pong":  # the broker checks by it that a peer is there
                continue
            lease = fields["blocks"][0]["lease"]
            busy.send("release", results=[{"lease": lease, "status": "returned"}], want=1)
            time.sleep(0.01)
        busy.close()

    thread = threading.Thread(target=change_something)
    thread.start()
    try:
        time.sleep(4)  # 400 watches, 50 times a second: more than may wait for a peer
        deadline = time.monotonic() + PATIENCE
        dropped = 0
        while not dropped and time.monotonic() < deadline and watcher.socket.poll(5000):
            _, fields = msgpack.unpackb(watcher.socket.recv())
            dropped = fields.get("dropped", 0)
    finally:
        stop.set()
        thread.join()
    assert dropped > 0


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_answers_that_nobody_reads_do_not_pile_up(broker: Broker) -> None:
    """Each answer has 200 kB: two thousand would take 400 MB."""
    submit(broker, blocks=200, max_retries=0, max_worker_restarts=1000)
    busy = worker(broker, language="test")
    for _ in range(100):
        busy.send("acquire", want=1)
        lease = busy.receive()[1]["blocks"][0]["lease"]
        busy.send("release", results=[{"lease": lease, "status": "failed", "error": "x" * 2000}])
    mute = Peer(broker.endpoint)
    mute.socket.close()
    mute.socket = zmq.Context.instance().socket(zmq.DEALER)
    mute.socket.linger = 0
    mute.socket.rcvhwm = 1
    mute.socket.sndhwm = 10_000
    mute.socket.connect(broker.endpoint)
    assert mute.ask("hello", role="client")[0] == "welcome"
    before = resident_bytes(broker.process.pid)
    for req in range(1, 2001):
        mute.send("status", req=req)
    eventually(lambda: "does not read what it is sent" in broker.log(), "it is taken for lost")
    assert resident_bytes(broker.process.pid) - before < 100_000_000


def test_a_flood_from_one_peer_leaves_the_others_their_share(broker: Broker) -> None:
    submit(broker, blocks=2000)
    bystander = worker(broker)
    stop = threading.Event()

    def flood() -> None:
        context = zmq.Context()
        socket = context.socket(zmq.DEALER)
        socket.linger = 0
        socket.connect(broker.endpoint)
        socket.send(msgpack.packb(["hello", {"role": "client"}]))
        request = msgpack.packb(["status", {"req": 1}])
        while not stop.is_set():
            try:
                socket.send(request, zmq.NOBLOCK)
            except zmq.Again:
                time.sleep(0.001)
            while socket.poll(0):
                socket.recv()
        context.destroy(linger=0)

    threads = [threading.Thread(target=flood) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        bystander.send("acquire", want=1)
        done = 0
        while True:
            kind, fields = bystander.receive()
            if kind != "work":
                break
            done += 1
            bystander.send("release", results=[{"lease": fields["blocks"][0]["lease"]}], want=1)
        assert done == 2000
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def with_few_files(private: Path, files: int) -> "subprocess.Popen[str]":
    """A broker that may open `files` descriptors."""

    def set_limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

    return subprocess.Popen(
        [BIN / "bellis-broker", "--endpoint", f"ipc://{private}/b.sock", "--no-launcher"],
        stdout=subprocess.PIPE,
        stderr=open(private / "broker.err", "wb"),
        text=True,
        preexec_fn=set_limit,
        env={**os.environ, "XDG_RUNTIME_DIR": str(private)},
    )


@pytest.fixture
def many_files() -> Iterator[None]:
    """Lets this process open many files, for tests that crowd a broker."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[1] < 8000:
        pytest.skip(f"this process may open {before[1]} files; the test needs 8,000")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], 8000), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("many_files")
def test_silent_connections_do_not_lock_others_out(private: Path) -> None:
    """More peers connect at once than the broker has descriptors, while it is stopped."""
    process = with_few_files(private, 2500)
    silent: list[socket.socket] = []

    def crowd() -> None:
        process.send_signal(signal.SIGSTOP)
        for _ in range(3000):
            silent.append(socket.socket(socket.AF_UNIX))
            silent[-1].connect(f"{private}/b.sock")
        process.send_signal(signal.SIGCONT)

    try:
        assert process.stdout is not None
        endpoint = process.stdout.readline().strip()
        first = Peer(endpoint)
        assert first.ask("hello", role="client")[0] == "welcome"
        crowd()
        late = Peer(endpoint)
        assert late.ask("hello", role="client")[0] == "welcome"
        crowd()
        for number, peer in enumerate((first, late)):
            assert peer.ask("ping", nonce=number) == ("pong", {"nonce": number})
        assert len(list(Path(f"/proc/{process.pid}/fd").iterdir())) < 2500
        log = (private / "broker.err").read_text()
        assert "few descriptors are left (RLIMIT_NOFILE)" in log
        assert len(log.splitlines()) < 30
    finally:
        for one in silent:
            one.close()
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.communicate(timeout=PATIENCE)


def test_connections_have_a_limit_and_ended_ones_make_room(private: Path) -> None:
    process = with_few_files(private, 100)
    try:
        assert process.stdout is not None
        endpoint = process.stdout.readline().strip()
        peers: list[Peer] = []
        while len(peers) < 50:
            peers.append(Peer(endpoint))
            kind, fields = peers[-1].ask("hello", role="client")
            if kind == "error":
                break
        assert (kind, fields["code"]) == ("error", "limit")
        assert (
            "takes no more: the system lets it open 100 files (RLIMIT_NOFILE)"
            in (fields["message"])
        )
        for peer in peers[:5]:
            peer.close()

        def welcome() -> bool:
            return peers[-1].ask("hello", role="client")[0] == "welcome"

        eventually(welcome, "there is room again")
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)


@pytest.mark.parametrize("text", ["ping", "status"])
def test_a_thousand_connections_that_break_off_are_forgotten(broker: Broker, text: str) -> None:
    files = Path(f"/proc/{broker.process.pid}/fd")
    before = len(list(files.iterdir()))
    for _ in range(10):
        peers = [Peer(broker.endpoint) for _ in range(50)]
        for peer in peers:
            peer.send("hello", role="client")
        for peer in peers:
            assert peer.receive()[0] == "welcome"
            peer.send(text, **({"nonce": 1} if text == "ping" else {"req": 1}))
            peer.close()
    eventually(lambda: len(list(files.iterdir())) <= before + 2, "their descriptors are closed")
