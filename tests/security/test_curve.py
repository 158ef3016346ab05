"""Which peers may connect on tcp, and what each may do in its role."""

import functools
import os
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bellis
import pytest
import zmq
from bellis._wire.access import Access

from ..system.access import KeyPeer, access_of
from ..system.conftest import BIN, PATIENCE, Peer, eventually, line_task
from ..system.test_page_worker import page_worker
from .curve import KEYS, TcpBroker, free_port, variables

JOB = {"tasks": [line_task(external_workers=True)]}


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def broker(private: Path, port: int) -> Iterator[TcpBroker]:
    running = TcpBroker(private, port, "--no-launcher")
    yield running
    if running.process.poll() is None:
        running.kill()


def submit(broker: TcpBroker, **more: Any) -> str:
    with bellis.Control(access=broker.access) as control:
        return control.submit({"tasks": [line_task(external_workers=True, **more)]})


def worker_access(broker: TcpBroker, name: str) -> tuple[dict[str, str], dict[str, Any], KeyPeer]:
    """The keys that the broker gives a worker of a job, the fields of that worker's hello, and the
    launcher that was told to start it."""
    launcher = KeyPeer(broker.of("launcher"))
    assert launcher.ask("hello", role="launcher", host=name, pid=os.getpid())[0] == "welcome"
    with bellis.Control(access=broker.access) as control:
        control.submit({"name": name, "tasks": [line_task(workers=[{"command": ["true"]}])]})
    kind, launch = launcher.receive()
    while kind != "launch":
        kind, launch = launcher.receive()
    env = launch["env"]
    assert env["BELLIS_ACCESS"] == ""
    keys = {key: env[f"BELLIS_{key.upper()}"] for key in KEYS}
    hello = {"role": "worker", "worker": launch["worker"], "task": launch["task"]}
    return {**keys, "endpoint": broker.endpoint}, {**hello, "job": launch["job"]}, launcher


def answer_to(peer: Peer, kind: str, **fields: Any) -> tuple[str, dict[str, Any]]:
    """The answer, without the pongs by which the broker checks that a peer is there."""
    answer = peer.ask(kind, **fields)
    while answer[0] == "pong":
        answer = peer.receive()
    return answer


def refused(peer: Peer, kind: str, **fields: Any) -> str:
    answer, error = answer_to(peer, kind, **fields)
    assert (answer, error.get("code")) == ("error", "unauthorized"), error
    return str(error["message"])


class TestFiles:
    def test_keys_are_in_private_files_and_outlive_the_broker(
        self, broker: TcpBroker, private: Path, port: int
    ) -> None:
        before = {role: broker.of(role) for role in ("owner", "launcher", "watcher")}
        for path in private.iterdir():
            if path.name.startswith(("access", "server_key")):
                assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
        assert [before[role]["role"] for role in before] == list(before)
        assert all(access["endpoint"] == broker.endpoint for access in before.values())
        assert len({access["secret_key"] for access in before.values()}) == 3
        peer = KeyPeer(before["owner"])
        assert peer.ask("hello", role="client")[0] == "welcome"
        broker.kill()
        again = TcpBroker(private, port, "--no-launcher")
        assert {role: again.of(role) for role in before} == before
        assert KeyPeer(before["owner"]).ask("hello", role="client")[0] == "welcome"
        again.kill()

    def test_a_key_file_that_others_may_read_is_refused(self, private: Path) -> None:
        (private / "server_key").write_text("0" * 64)
        (private / "server_key").chmod(0o644)
        done = subprocess.run(
            [
                *(BIN / "bellis-broker", "--endpoint", "tcp://127.0.0.1:0"),
                *("--access", private / "access", "--log-level", "off"),
            ],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 2
        assert "mode 0644" in done.stderr and "chmod 600" in done.stderr

    def test_the_default_is_in_the_runtime_directory(self, private: Path) -> None:
        env = {**os.environ, "XDG_RUNTIME_DIR": str(private)}
        process = subprocess.Popen(
            [BIN / "bellis-broker", "--endpoint", "tcp://127.0.0.1:0", "--no-launcher"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=env,
        )
        assert process.stdout is not None
        endpoint = process.stdout.readline().strip()
        assert access_of(private / "bellis" / "access")["endpoint"] == endpoint
        assert (private / "bellis" / "server_key").exists()
        process.kill()
        process.communicate()


class TestStrangers:
    def test_peers_without_the_right_key_get_no_message(self, broker: TcpBroker) -> None:
        plain = Peer(broker.endpoint)
        plain.send("hello", role="client")
        public, secret = zmq.curve_keypair()
        own = {**broker.of("owner"), "public_key": public.decode(), "secret_key": secret.decode()}
        stranger = KeyPeer(own)
        stranger.send("hello", role="client")
        # With another broker's key, the messages of the broker cannot be read.
        other = {**broker.of("owner"), "server_key": public.decode()}
        misled = KeyPeer(other)
        misled.send("hello", role="client")
        friend = KeyPeer(broker.of("owner"))
        assert friend.ask("hello", role="client")[0] == "welcome"
        assert not plain.socket.poll(1000)
        assert stranger.hears_nothing(0.2) and misled.hears_nothing(0.2)

    def test_a_refused_key_is_reported_after_the_timeout(self, broker: TcpBroker) -> None:
        public, secret = zmq.curve_keypair()
        own = Access(
            broker.endpoint, "", broker.of("owner")["server_key"], public.decode(), secret.decode()
        )
        with pytest.raises(bellis.BrokerError, match="refuses this key"):
            bellis.Control(access=own, connect_timeout=1.5)
        done = subprocess.run(
            [BIN / "bellis", "status"],
            env={
                **os.environ,
                **variables({**own._asdict(), "endpoint": broker.endpoint}),
                "BELLIS_CONNECT_TIMEOUT": "1.5",
            },
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 3
        assert "refuses this key" in done.stderr


class TestRoles:
    def test_a_worker_may_work_for_its_job_and_nothing_else(self, broker: TcpBroker) -> None:
        other_job = submit(broker, max_retries=0)
        other = KeyPeer(broker.of("owner"))
        kind, welcome = other.ask("hello", role="worker", job=other_job)
        assert kind == "welcome"
        access, own_hello, _launcher = worker_access(broker, "mine")
        job, worker = own_hello["job"], own_hello["worker"]

        client = KeyPeer(access)
        # This client may ask about a worker of its own job, and nothing else.
        assert client.ask("hello", role="client")[0] == "welcome"
        assert client.ask("explain", req=1, job=job, worker=worker)[0] == "explained"
        for kind, fields in (
            ("explain", {"job": other_job, "worker": welcome["worker"]}),
            ("explain", {"job": job, "block": 1}),
            ("submit", {"job": JOB}),
            ("status", {"job": job}),
            ("status", {}),
            ("watch", {"job": job}),
            ("cancel", {"job": job}),
            ("pause", {"job": job}),
            ("set_workers", {"job": job, "count": 3}),
            ("worker_gone", {"worker": worker}),
            ("retry_failed", {"job": job}),
        ):
            assert kind in refused(client, kind, req=7, **fields)
        refused(client, "hello", role="launcher")
        assert other_job in refused(client, "hello", role="worker", job=other_job)
        refused(client, "hello", role="worker", worker=welcome["worker"])
        refused(client, "hello", role="pulse", worker=welcome["worker"], session=1)
        peer = KeyPeer(access)
        kind, own = peer.ask("hello", **{**own_hello, "job": ""})
        assert (kind, own["job"], own["worker"]) == ("welcome", job, worker)
        assert peer.ask("acquire", want=1)[0] == "work"

    def test_a_watcher_reads_and_a_launcher_launches(self, broker: TcpBroker) -> None:
        job = submit(broker)
        with bellis.Control(access=f"{broker.access}.watcher") as watcher:
            assert [status["job"] for status in watcher.status()] == [job]
            assert next(watcher.watch(job))["state"] == "running"
            assert watcher.explain(job, block=1)["summary"]
            for forbidden in (
                lambda: watcher.cancel(job),
                lambda: watcher.pause(job),
                lambda: watcher.retry_failed(job),
                lambda: watcher.set_workers(job, 2),
                lambda: watcher.submit(JOB),
            ):
                with pytest.raises(bellis.BrokerError, match="key of watchers") as caught:
                    forbidden()
                assert caught.value.code == "unauthorized"
            assert watcher.status(job)[0]["state"] == "running"
        refused(KeyPeer(broker.of("watcher")), "hello", role="worker")
        refused(KeyPeer(broker.of("launcher")), "hello", role="client")
        launcher = KeyPeer(broker.of("launcher"))
        assert launcher.ask("hello", role="launcher", pid=1)[0] == "welcome"
        assert "submit" in refused(launcher, "submit", req=1, job=JOB)

    def test_a_peer_with_the_routing_id_of_one_that_left_is_not_taken_for_it(
        self, broker: TcpBroker
    ) -> None:
        for number in range(20):
            identity = b"id-%d" % number
            owner = KeyPeer(broker.of("owner"), identity)
            assert owner.ask("hello", role="client")[0] == "welcome"
            owner.close()
            kind, error = eventually(
                functools.partial(self.submit_as, broker, identity), "the owner has left"
            )
            assert (kind, error["code"]) == ("error", "hello_first")

    @staticmethod
    def submit_as(broker: TcpBroker, identity: bytes) -> "tuple[str, dict[str, Any]] | None":
        """The answer to a watcher's submit; None while another peer has that routing id."""
        thief = KeyPeer(broker.of("watcher"), identity)
        thief.send("submit", req=1, job=JOB)
        answer = thief.receive() if thief.socket.poll(300) else None
        while answer is not None and answer[0] == "pong":
            answer = thief.receive()
        thief.close()
        return answer

    def test_the_key_of_a_job_ends_with_it(self, broker: TcpBroker) -> None:
        access, hello, _launcher = worker_access(broker, "short")
        peer = KeyPeer(access)
        assert peer.ask("hello", **hello)[0] == "welcome"
        assert peer.ask("acquire", want=1)[0] == "work"
        with bellis.Control(access=broker.access) as control:
            control.cancel(hello["job"])
        assert peer.receive()[0] == "leave"
        peer.send("ping", nonce=3)  # over a connection that is still open
        peer.send("acquire", want=1)
        assert "ended" in refused(peer, "hello", **hello)
        anew = KeyPeer(access)
        anew.send("hello", **hello)
        assert anew.hears_nothing()


def test_a_job_runs_under_bellis_run_with_workers_that_need_tcp(private: Path) -> None:
    """The worker of the page, as in a language without ipc: three variables give its three keys."""
    (private / "worker.py").write_text(page_worker())
    (private / "job.toml").write_text(
        textwrap.dedent(f"""
            name = "raw"
            [[tasks]]
            task_id = "t"
            total_roi = {{ offset = [0], shape = [200] }}
            read_roi = {{ offset = [0], shape = [10] }}
            write_roi = {{ offset = [0], shape = [10] }}
            read_write_conflict = false
            [[tasks.workers]]
            count = 2
            command = ["{sys.executable}", "worker.py"]
        """)
    )
    done = subprocess.run(
        [BIN / "bellis", "run", "job.toml", "--bind", "tcp://127.0.0.1:0", "--durability", "off"],
        cwd=private,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    assert "python" in done.stdout
    refused = subprocess.run(
        [BIN / "bellis", "run", "job.toml", "--bind", "ipc:///tmp/x"],
        cwd=private,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert refused.returncode == 2
    assert "tcp://HOST:PORT" in refused.stderr


class TestInsecure:
    def test_the_token_is_required_and_warnings_are_shown(self, private: Path) -> None:
        log = private / "broker.log"
        broker = TcpBroker(
            private, free_port(), "--no-launcher", "--insecure", "--log-file", str(log)
        )
        owner = broker.of("owner")
        assert "server_key" not in owner
        assert "nothing is encrypted" in broker.log()
        assert "nothing is encrypted" in log.read_text()
        refused(Peer(broker.endpoint), "hello", role="client")
        wrong = Peer(broker.endpoint)
        assert wrong.ask("hello", role="client", token="x" * 64)[1]["code"] == "unauthorized"
        watcher = Peer(broker.endpoint)
        token = broker.of("watcher")["token"]
        assert answer_to(watcher, "hello", role="client", token=token)[0] == "welcome"
        assert "submit" in refused(watcher, "submit", req=1, job=JOB)
        friend = Peer(broker.endpoint)
        assert friend.ask("hello", role="client", token=owner["token"])[0] == "welcome"
        named = Peer.__new__(Peer)
        named.socket = zmq.Context.instance().socket(zmq.DEALER)
        named.socket.linger = 0
        named.socket.identity = b"mine"  # a routing id that others could take
        named.socket.connect(broker.endpoint)
        assert "routing id" in refused(named, "hello", role="client", token=owner["token"])
        status = subprocess.run(
            [BIN / "bellis", "status", "--access", broker.access],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert status.returncode == 0, status.stderr
        assert "not encrypted" in status.stderr
        broker.kill()

    def test_on_ipc_an_access_file_asks_for_tokens(self, private: Path) -> None:
        broker = TcpBroker.__new__(TcpBroker)
        broker.access = private / "access"
        super(TcpBroker, broker).__init__(private, "--no-launcher", "--access", str(broker.access))
        missing = Peer(broker.endpoint)
        assert missing.ask("hello", role="client")[1]["code"] == "unauthorized"
        with bellis.Control(access=broker.access) as control:
            assert control.status() == []
        broker.kill()
