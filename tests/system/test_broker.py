"""The broker as a process: who may connect, what it refuses, how it ends, and that it goes on
serving the others when one peer misbehaves."""

import contextlib
import os
import random
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path
from typing import Any

import bellis
import msgpack
import pytest
import zmq

from .conftest import BIN, PATIENCE, Broker, Peer, eventually, line_task


def refused_start(*options: str, cwd: Path) -> tuple[int, str]:
    done = subprocess.run(
        [BIN / "bellis-broker", "--log-level", "off", *options],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=60,
        env={**os.environ, "XDG_RUNTIME_DIR": str(cwd)},
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


def job(**more: Any) -> dict[str, Any]:
    return {"name": "job", "tasks": [line_task(external_workers=True, **more)]}


class TestEndpoint:
    def test_the_socket_and_its_folder_are_closed_to_others(self, broker: Broker) -> None:
        path = Path(broker.endpoint.removeprefix("ipc://"))
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700

    def test_a_folder_that_others_may_enter_is_refused(self, private: Path) -> None:
        private.chmod(0o755)
        code, error = refused_start("--endpoint", f"ipc://{private}/b.sock", cwd=private)
        assert code == 2
        assert "mode 0755" in error and "chmod 700" in error

    def test_a_second_broker_on_the_same_socket_is_refused(self, broker: Broker) -> None:
        code, error = refused_start("--endpoint", broker.endpoint, cwd=broker.folder)
        assert code == 3
        assert "in use" in error
        assert Peer(broker.endpoint).ask("hello", role="client")[0] == "welcome"

    def test_a_port_in_use_is_refused(self, private: Path) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
            code, error = refused_start("--endpoint", address, cwd=private)
        assert code == 3
        assert address in error and "another program listens there" in error

    def test_nonsense_is_refused(self, private: Path) -> None:
        code, error = refused_start("--endpoint", "udp://here", cwd=private)
        assert code == 2
        assert "udp://here" in error and "ipc://PATH or tcp://HOST:PORT" in error


class TestBadPeers:
    def test_garbage_is_answered_and_others_are_served(self, broker: Broker) -> None:
        bystander = Peer(broker.endpoint)
        assert bystander.ask("hello", role="client")[0] == "welcome"
        generator = random.Random(5)
        peer = Peer(broker.endpoint)
        frames = [b"", b"\xc1", b"\xdd\x05\x00\x00\x00", b"\xdf\xff\xff\xff\xff", b"\x91" * 4000]
        frames += [generator.randbytes(generator.randrange(200)) for _ in range(200)]
        for frame in frames:
            peer.socket.send(frame)
            kind, fields = peer.receive()
            assert kind == "error"
            assert fields["code"] in ("bad_message", "unknown_kind", "hello_first")
            assert fields["message"]
        assert bystander.ask("ping", nonce=7) == ("pong", {"nonce": 7})

    def test_several_frames_are_refused(self, broker: Broker) -> None:
        peer = Peer(broker.endpoint)
        peer.socket.send_multipart([b"", msgpack.packb(["hello", {"role": "client"}])])
        fields = peer.receive()[1]
        assert fields["code"] == "bad_message"
        assert fields["message"] == "the message has 2 frames; expected one"
        assert peer.ask("hello", role="client")[0] == "welcome", "what follows is read"

    def test_the_first_that_is_wrong_is_said_in_the_order_of_the_page(self, broker: Broker) -> None:
        before = Peer(broker.endpoint)
        after = Peer(broker.endpoint)
        after.ask("hello", role="client")

        def code(peer: Peer, kind: str, **fields: Any) -> Any:
            return peer.ask(kind, **fields)[1]["code"]

        assert code(before, "no such kind", req="x" * (1 << 20)) == "too_large"
        assert code(before, "no such kind", want=-1) == "unknown_kind", "before hello_first"
        assert code(before, "acquire", want=-1) == "bad_message", "before hello_first"
        assert code(before, "hello", role=7, version=2) == "version", "before a field"
        assert code(before, "acquire", want=1) == "hello_first"
        assert code(after, "acquire", want=-1) == "bad_message", "before wrong_role"
        assert code(after, "acquire", want=1) == "wrong_role"
        assert code(after, "status", job="x") == "unknown_job"

    def test_an_oversized_message_is_refused_and_a_huge_one_cuts_only_its_sender(
        self, broker: Broker
    ) -> None:
        bystander = Peer(broker.endpoint)
        bystander.ask("hello", role="client")
        peer = Peer(broker.endpoint)
        peer.ask("hello", role="client")
        kind, fields = peer.ask("submit", req=3, job={"name": "x" * (1 << 20)})
        assert (kind, fields["code"]) == ("error", "too_large")
        assert "1048576" in fields["message"].replace(",", "")
        peer.socket.send(bytes(3 << 20))
        assert bystander.ask("ping", nonce=8) == ("pong", {"nonce": 8})

    def test_another_version_is_refused(self, broker: Broker) -> None:
        kind, fields = Peer(broker.endpoint).ask("hello", role="client", version=2)
        assert (kind, fields["code"]) == ("error", "version")

    def test_bad_jobs_are_refused_with_the_field_and_the_value(self, broker: Broker) -> None:
        control = bellis.Control(endpoint=broker.endpoint)
        cases: list[tuple[dict[str, Any], list[str]]] = [
            (job(fitt="valid"), ["fitt"]),
            (job(read_roi={"offset": [0, 0], "shape": [1, 1]}), ["read_roi"]),
            (job(write_roi={"offset": [0], "shape": [-3]}), ["write_roi", "-3"]),
            (
                job(read_write_conflict=True, write_roi={"offset": [5], "shape": [10]}),
                ["write_roi"],
            ),
            (job(upstream=["nobody"]), ["nobody"]),
            (job(upstream=["t"]), ["t"]),
            ({"tasks": []}, ["tasks"]),
            ({"tasks": [line_task(), line_task()]}, ["t"]),
            ({"tasks": [line_task()]}, ["workers"]),
        ]
        for spec, words in cases:
            with pytest.raises(bellis.BrokerError) as refused:
                control.submit(spec)
            assert refused.value.code == "invalid_spec", spec
            for word in words:
                assert word in str(refused.value), (spec, str(refused.value))
        huge = {"offset": [0, 0, 0], "shape": [2**60] * 3}
        tiny = {"offset": [0, 0, 0], "shape": [1] * 3}
        with pytest.raises(bellis.BrokerError, match=r"total_roi.*at most 2"):
            control.submit(job(total_roi=huge, read_roi=tiny, write_roi=tiny))
        assert control.submit(job()) == "job-1"

    def test_a_worker_that_vanishes_gives_its_undelivered_block_back(self, broker: Broker) -> None:
        control = bellis.Control(endpoint=broker.endpoint)
        name = control.submit(
            {
                "name": "two",
                "tasks": [
                    line_task("a", 1, external_workers=True),
                    line_task("b", 1, external_workers=True, upstream=["a"]),
                ],
            }
        )
        first = Peer(broker.endpoint)
        first.ask("hello", role="worker", task="a")
        vanishing = Peer(broker.endpoint)
        vanishing.ask("hello", role="worker", task="b")
        vanishing.send("acquire", want=1)
        vanishing.ask("ping", nonce=1)  # the request has arrived
        vanishing.close()
        kind, work = first.ask("acquire", want=1)
        assert kind == "work"
        time.sleep(0.3)  # for libzmq to notice the closed connection
        first.send("release", results=[{"lease": work["blocks"][0]["lease"]}])
        staying = Peer(broker.endpoint)
        staying.ask("hello", role="worker", task="b")
        kind, work = staying.ask("acquire", want=1)
        assert (kind, work["blocks"][0]["attempt"]) == ("work", 1)
        staying.send("release", results=[{"lease": work["blocks"][0]["lease"]}])
        status = control.wait(name)
        assert status["state"] == "completed"
        assert status["tasks"][1]["failures_total"] == 0


class TestSignals:
    def test_hup_reopens_the_log_and_ends_nothing(self, private: Path) -> None:
        log, rotated = private / "log", private / "log.1"
        broker = Broker(private, "--no-launcher", "--log-file", str(log))
        peer = Peer(broker.endpoint)
        assert peer.ask("hello", role="client")[0] == "welcome"
        eventually(lambda: "listening at" in log.read_text(), "the log has a line")
        log.rename(rotated)
        broker.process.send_signal(signal.SIGHUP)

        def is_there_again() -> bool:
            with contextlib.closing(Peer(broker.endpoint)) as another:
                another.ask("nonsense")  # which is logged
            return log.exists() and log.stat().st_size > 0

        eventually(is_there_again, "the log's name stands for a new file")
        assert "listening at" in rotated.read_text()
        assert "listening at" not in log.read_text()
        assert peer.ask("ping", nonce=1)[0] == "pong"
        assert broker.stop()[0] == 0

    def test_a_reader_of_its_output_that_leaves_does_not_end_it(self, private: Path) -> None:
        reading, writing = os.pipe()
        process = subprocess.Popen(
            [BIN / "bellis-broker", "--no-launcher", "--endpoint", f"ipc://{private}/b.sock"],
            stdout=subprocess.DEVNULL,
            stderr=writing,
        )
        os.close(writing)
        eventually((private / "b.sock").exists, "the broker listens")
        os.close(reading)
        for _ in range(3):
            with contextlib.closing(Peer(f"ipc://{private}/b.sock")) as peer:
                peer.ask("nonsense")  # which is logged
                assert peer.ask("hello", role="client")[0] == "welcome"
        process.terminate()
        assert process.wait(timeout=PATIENCE) == 0

    def test_a_reader_of_a_commands_output_that_leaves_is_no_error(self, broker: Broker) -> None:
        control = bellis.Control(endpoint=broker.endpoint)
        for number in range(200):
            control.submit({**job(), "name": f"job {number}"})
        command = f"{BIN}/bellis jobs --endpoint {broker.endpoint} | head -1"
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0
        assert len(done.stdout.splitlines()) == 1
        assert done.stderr == ""


class TestEnd:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_workers_are_told_to_leave_and_jobs_are_summed_up(
        self, broker: Broker, number: int
    ) -> None:
        control = bellis.Control(endpoint=broker.endpoint)
        control.submit(job())
        worker = Peer(broker.endpoint)
        worker.ask("hello", role="worker")
        assert worker.ask("acquire", want=1)[0] == "work"
        code, out = broker.stop(number)
        assert worker.receive()[0] == "leave"
        assert code == 1
        assert "job job-1: cancelled: the broker was stopped; 4 blocks: 0 completed" in out

    def test_the_exit_code_is_0_when_every_job_completed(self, broker: Broker) -> None:
        control = bellis.Control(endpoint=broker.endpoint)
        name = control.submit(job())
        worker = Peer(broker.endpoint)
        worker.ask("hello", role="worker")
        kind, fields = worker.ask("acquire", want=4)
        while kind == "work":
            results = [{"lease": block["lease"]} for block in fields["blocks"]]
            kind, fields = worker.ask("release", results=results, want=1)
        assert kind == "leave"
        assert control.wait(name)["state"] == "completed"
        code, out = broker.stop()
        assert code == 0
        assert "job job-1: completed; 4 blocks: 4 completed, 0 failed, 0 orphaned" in out
        assert not Path(broker.endpoint.removeprefix("ipc://")).exists()

    def test_a_killed_broker_leaves_its_endpoint_free(self, private: Path) -> None:
        broker = Broker(private, "--no-launcher")
        broker.process.kill()
        broker.process.communicate()
        again = Broker(private, "--no-launcher")
        assert Peer(again.endpoint).ask("hello", role="client")[0] == "welcome"
        again.stop()

    def test_a_worker_of_a_restarted_broker_is_told_that_its_job_is_gone(
        self, private: Path
    ) -> None:
        broker = Broker(private, "--no-launcher")
        bellis.Control(endpoint=broker.endpoint).submit(job())
        peer = Peer(broker.endpoint)
        peer.ask("hello", role="worker", job="job-1")
        broker.process.kill()
        broker.process.communicate()
        again = Broker(private, "--no-launcher")

        def greeted() -> bool:
            peer.send("ping", nonce=1)
            return bool(peer.socket.poll(200)) and peer.receive()[1]["code"] == "hello_first"

        eventually(greeted, "the worker reaches the new broker")
        while peer.socket.poll(300):
            peer.socket.recv()
        assert peer.ask("hello", role="worker", job="job-1")[1]["code"] == "unknown_job"
        again.stop()


def test_a_thousand_connections_are_served(broker: Broker) -> None:
    control = bellis.Control(endpoint=broker.endpoint)
    name = control.submit({"tasks": [line_task(blocks=1000, external_workers=True)]})
    context = zmq.Context()
    context.set(zmq.MAX_SOCKETS, 2000)
    peers = []
    for _ in range(1000):
        peer = Peer.__new__(Peer)
        peer.socket = context.socket(zmq.DEALER)
        peer.socket.linger = 0
        peer.socket.connect(broker.endpoint)
        peers.append(peer)
    for peer in peers:
        peer.send("hello", role="worker")
        peer.send("acquire", want=1)
    leases: set[int] = set()
    for peer in peers:
        assert peer.receive()[0] == "welcome"
        kind, fields = peer.receive()
        assert kind == "work"
        leases.update(block["lease"] for block in fields["blocks"])
        peer.send("release", results=[{"lease": fields["blocks"][0]["lease"]}])
    assert len(leases) == 1000
    assert control.wait(name)["state"] == "completed"
    for peer in peers:
        peer.close()
    context.term()
