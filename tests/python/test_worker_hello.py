"""A worker's hello, and what answers it."""

import os
import socket
from pathlib import Path

import pytest
from bellis import BrokerError, Client
from fake_broker import FakeBroker, Wire, completed, unanswering_broker


def test_hello_says_who_this_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def script(wire: Wire) -> None:
        hello = wire.welcome()
        session = hello.pop("session")
        assert isinstance(session, int) and 0 < session < 1 << 63
        assert hello.pop("machine").startswith(
            Path("/proc/sys/kernel/random/boot_id").read_text()[:36]
        )
        assert hello == {
            "version": 1,
            "role": "worker",
            "token": "secret",
            "job": "job-5",
            "task": "A/B: größe 𝄞",
            "worker": 12,
            "language": "python",
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "greeting": 1,
            "heartbeat_ms": 250,
            "runs": True,
        }
        wire.expect("bye")

    (tmp_path / "access").write_text('{"token": "secret"}')
    (tmp_path / "access").chmod(0o600)
    with FakeBroker(script) as broker:
        monkeypatch.setenv("BELLIS_ENDPOINT", broker.endpoint)
        monkeypatch.setenv("BELLIS_ACCESS", str(tmp_path / "access"))
        monkeypatch.setenv("BELLIS_JOB", "job-5")
        monkeypatch.setenv("BELLIS_TASK", "A/B: größe 𝄞")
        monkeypatch.setenv("BELLIS_WORKER_ID", "12")
        monkeypatch.setenv("BELLIS_HEARTBEAT_MS", "250")
        with Client() as client:
            assert (client.job, client.task, client.worker_id) == ("job-5", "A/B: größe 𝄞", 12)
            assert client.broker == "fake 0"


def test_arguments_override_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    def script(wire: Wire) -> None:
        wire.expect_hello(token="t", job="j", task="k", worker=3)
        wire.send("welcome", version=1, broker="", job="j", task="k", worker=3)
        wire.expect("bye")

    for name in ("ENDPOINT", "TOKEN", "JOB", "TASK", "WORKER_ID", "CONNECT_TIMEOUT"):
        monkeypatch.setenv(f"BELLIS_{name}", "wrong")
    with (
        FakeBroker(script) as broker,
        Client(
            endpoint=broker.endpoint, token="t", job="j", task="k", worker_id=3, connect_timeout=20
        ),
    ):
        pass


def test_broker_names_job_task_and_worker_where_the_environment_does_not() -> None:
    def script(wire: Wire) -> None:
        wire.expect_hello(job="", task="", worker=0)
        wire.send("welcome", version=1, broker="b", job="job-1", task="only:one", worker=44)
        wire.expect("acquire", want=1)
        wire.work(1)
        wire.expect("release", results=[completed(1)], want=0)
        wire.expect("bye")

    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint) as client:
        assert (client.job, client.task, client.worker_id) == ("job-1", "only:one", 44)
        with client.acquire_block() as block:
            assert block is not None
            assert block.task_id == "only:one"


def test_no_broker_is_an_error_after_a_bounded_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BELLIS_CONNECT_TIMEOUT", "0.05")
    with unanswering_broker() as endpoint, pytest.raises(BrokerError) as caught:
        Client(endpoint=endpoint)
    assert caught.value.code == "no_broker"
    assert str(caught.value) == (
        f"no broker answers at {endpoint} within 0.05 s: is bellis-broker running? On tcp it asks "
        "for keys, unless it is told not to encrypt, and none are given (BELLIS_ACCESS names the "
        "access file)"
    )


def test_missing_socket_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match="no such socket file") as caught:
        Client(endpoint=f"ipc://{tmp_path}/broker.sock", connect_timeout=0.05)
    assert caught.value.code == "no_broker"


@pytest.mark.parametrize(
    "code", ["unauthorized", "unknown_job", "unknown_task", "unknown_worker", "version", "limit"]
)
def test_refused_hello_is_an_error_with_the_brokers_code(code: str) -> None:
    def script(wire: Wire) -> None:
        wire.expect_hello(token="wrong")
        wire.error(code, "token: not the right one")

    with FakeBroker(script) as broker, pytest.raises(BrokerError) as caught:
        Client(endpoint=broker.endpoint, token="wrong")
    assert caught.value.code == code
    assert str(caught.value) == "token: not the right one"


def test_refused_without_a_sentence_still_says_something() -> None:
    def script(wire: Wire) -> None:
        wire.expect("hello")
        wire.error("unauthorized", "")

    with FakeBroker(script) as broker, pytest.raises(BrokerError, match="unauthorized"):
        Client(endpoint=broker.endpoint)


def test_broker_of_another_version_is_refused() -> None:
    def script(wire: Wire) -> None:
        wire.welcome(version=2)

    with FakeBroker(script) as broker, pytest.raises(BrokerError, match="version 2") as caught:
        Client(endpoint=broker.endpoint)
    assert caught.value.code == "version"


def test_told_to_leave_instead_of_welcome_there_is_no_block() -> None:
    def script(wire: Wire) -> None:
        wire.expect("hello")
        wire.send("leave", reason="the task is done")
        wire.expect("bye")

    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint) as client:
        assert client.process(print) == 0
