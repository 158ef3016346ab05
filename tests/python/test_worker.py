"""A worker's blocks, from hello to bye: every message as in PROTOCOL.md."""

import logging
import os
import socket
from pathlib import Path

import bellis
import pytest
from bellis import Block, BlockStatus, BrokerError, Client, Roi
from fake_broker import FakeBroker, Wire, block, completed, serve_blocks, unanswering_broker


def wait_until_message_arrived(client: Client) -> None:
    assert client._session.connection._socket.poll(20_000)


def compute_until_message_arrives(client: Client) -> None:
    """Stands for a user's function: sends a ping, for which the script waits before it sends."""
    client._session.ping()
    wait_until_message_arrived(client)


# ---- hello ----


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
            "held": [],
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


def test_arguments_go_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
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
        "for keys, unless it is told not to encrypt, and none are given (access=, BELLIS_ACCESS)"
    )


def test_missing_socket_file_is_said(tmp_path: Path) -> None:
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


# ---- blocks ----


def test_block_carries_all_that_the_broker_says() -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        wire.expect("acquire", want=1)
        wire.send("work", blocks=[block(9, index=3, id=77, attempt=2)])
        wire.expect("release", results=[completed(9)], want=0)
        wire.expect("bye")

    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint, task="A:1") as client:
        with client.acquire_block() as got:
            assert got is not None
            assert got.task_id == "A:1"
            assert got.block_id == ("A:1", 77)
            assert got.index == 3
            assert got.read_roi == Roi((-1, 0), (6, 4))
            assert got.write_roi == Roi((0, 1), (4, 2))
            assert got.attempt == 2
            assert got.lease == 9
            assert got.status is BlockStatus.PROCESSING
            assert repr(got) == (
                "A:1/77 with read ROI [-1:5, 0:4] (6, 4) and write ROI [0:4, 1:3] (4, 2)"
            )
        assert got is not None
        assert got.status is BlockStatus.SUCCESS


def test_daisys_loop_runs_to_the_end() -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        for lease in (1, 2):
            wire.expect("acquire", want=1)
            wire.work(lease)
            wire.expect("release", results=[completed(lease)], want=0)
        wire.expect("acquire", want=1)
        wire.leave_and_bye()

    leases = []
    with FakeBroker(script) as broker:
        client = Client(endpoint=broker.endpoint)
        while True:
            with client.acquire_block() as block:
                if block is None:
                    break
                leases.append(block.lease)
        # the client says bye although this loop never closes it
        with client.acquire_block() as block:
            assert block is None
        client.close()
        client.close()
    assert leases == [1, 2]


def test_process_asks_for_the_next_block_as_it_hands_in_the_last_one() -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        wire.expect("acquire", want=1)
        for lease in (1, 2, 3):
            wire.work(lease)
            wire.expect("release", results=[completed(lease)], want=1)
        wire.leave_and_bye()

    leases = []
    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint) as client:
        assert client.process(lambda block: leases.append(block.lease)) == 3
    assert leases == [1, 2, 3]


def test_work_needs_nothing_but_a_function(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeBroker(serve_blocks(20)) as broker:
        monkeypatch.setenv("BELLIS_ENDPOINT", broker.endpoint)
        assert bellis.work(lambda block: None) == 20


def test_acquire_block_serves_a_whole_task_too() -> None:
    with FakeBroker(serve_blocks(20)) as broker, Client(endpoint=broker.endpoint) as client:
        blocks = 0
        while True:
            with client.acquire_block() as block:
                if block is None:
                    break
                blocks += 1
        assert blocks == 20


def test_blocks_of_one_message_are_worked_on_in_their_order() -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        wire.expect("acquire", want=1)
        wire.work(5, 4)
        wire.expect("release", results=[completed(5)], want=0)
        wire.expect("release", results=[completed(4)], want=1)
        wire.leave_and_bye()

    leases = []
    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint) as client:
        client.process(lambda block: leases.append(block.lease))
    assert leases == [5, 4]


def test_two_blocks_may_be_held_at_once() -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        wire.expect("acquire", want=1)
        wire.work(1)
        wire.expect("acquire", want=1)
        wire.work(2)
        wire.expect("acquire", want=1)
        wire.send("drain", reason="enough")
        wire.expect("release", results=[completed(2)], want=0)
        wire.expect("release", results=[completed(1)], want=0)
        wire.expect("bye")

    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint) as client:
        with client.acquire_block() as outer, client.acquire_block() as inner:
            assert outer is not None
            assert inner is not None
            assert (outer.lease, inner.lease) == (1, 2)
            with client.acquire_block() as third:
                assert third is None  # no bye while blocks are held


def test_script_that_stops_between_blocks_leaves_no_block_behind() -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        wire.expect("acquire", want=1)
        wire.work(1)
        wire.expect("release", results=[completed(1)], want=0)
        wire.expect("bye")

    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint) as client:
        with client.acquire_block():
            pass


# ---- blocks that fail ----


def release_of_failed_block(wire: Wire, want: int) -> str:
    """Leases block 1, expects it back as failed, and returns why."""
    wire.welcome()
    wire.expect("acquire", want=1)
    wire.work(1)
    kind, fields = wire.receive()
    assert kind == "release"
    assert fields["want"] == want
    (result,) = fields["results"]
    assert set(result) == {"lease", "status", "error"}
    assert result["lease"] == 1
    assert result["status"] == "failed"
    error = result["error"]
    assert isinstance(error, str)
    return error


def test_exception_fails_the_block_with_its_traceback_and_the_loop_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def script(wire: Wire) -> None:
        error = release_of_failed_block(wire, want=1)
        assert error.startswith("Traceback (most recent call last):\n")
        assert "in fail_at_first" in error
        assert error.endswith("ValueError: größe is 𝄞\n")
        wire.work(2)
        wire.expect("release", results=[completed(2)], want=1)
        wire.leave_and_bye()

    def fail_at_first(block: Block) -> None:
        if block.lease == 1:
            raise ValueError("größe is 𝄞")

    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint, task="A") as client:
        assert client.process(fail_at_first) == 2
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "block A/201 with read ROI" in record.getMessage()
    assert "ValueError: größe is 𝄞" in record.getMessage()


def test_exception_in_a_with_block_is_swallowed() -> None:
    def script(wire: Wire) -> None:
        assert release_of_failed_block(wire, want=0).endswith("KeyError: 'k'\n")
        wire.expect("bye")

    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint) as client:
        with client.acquire_block() as block:
            raise KeyError("k")
        assert block is not None
        assert block.status is BlockStatus.FAILED


def test_exception_when_there_is_no_block_is_the_callers() -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        wire.expect("acquire", want=1)
        wire.leave_and_bye()

    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint) as client:
        with pytest.raises(KeyError), client.acquire_block() as block:
            assert block is None
            raise KeyError("k")


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
@pytest.mark.parametrize("in_process", [True, False])
def test_interrupt_fails_the_block_and_goes_on_up(
    kind: type[BaseException], in_process: bool
) -> None:
    def script(wire: Wire) -> None:
        assert kind.__name__ in release_of_failed_block(wire, want=0)
        wire.expect("bye")

    def interrupted(block: Block) -> None:
        raise kind

    with FakeBroker(script) as broker, pytest.raises(kind):
        with Client(endpoint=broker.endpoint) as client:
            if in_process:
                client.process(interrupted)
            else:
                with client.acquire_block() as block:
                    assert block is not None
                    interrupted(block)


def test_status_failed_fails_the_block() -> None:
    def script(wire: Wire) -> None:
        assert release_of_failed_block(wire, want=1) == "worker set status FAILED"
        wire.leave_and_bye()

    def give_up(block: Block) -> Block:
        block.status = BlockStatus.FAILED
        return block

    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint) as client:
        assert client.process(give_up) == 1


def test_status_failed_may_say_why() -> None:
    def script(wire: Wire) -> None:
        assert release_of_failed_block(wire, want=0) == "no cells in here"
        wire.expect("bye")

    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint) as client:
        with client.acquire_block() as block:
            assert block is not None
            block.status = BlockStatus.FAILED
            block.error = "no cells in here"


def test_mistyped_status_does_not_pass_as_success() -> None:
    def script(wire: Wire) -> None:
        error = release_of_failed_block(wire, want=0)
        assert "status is 'FAILED': expected a bellis.BlockStatus" in error
        wire.expect("bye")

    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint) as client:
        with client.acquire_block() as block:
            assert block is not None
            block.status = "FAILED"  # type: ignore[assignment]


def test_oversize_error_text_is_cut_in_the_middle() -> None:
    def script(wire: Wire) -> None:
        error = release_of_failed_block(wire, want=0)
        assert len(error.encode()) <= 16_384
        assert error.startswith("Traceback (most recent call last):")
        assert error.endswith("äää the end\n")
        assert "the middle is left out" in error
        wire.expect("bye")

    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint) as client:
        with client.acquire_block():
            raise ValueError("ä" * 2_000_000 + " the end")


def test_error_text_with_undecodable_file_name_is_sent() -> None:
    def script(wire: Wire) -> None:
        assert "caf\\udce9.tif" in release_of_failed_block(wire, want=0)
        wire.expect("bye")

    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint) as client:
        with client.acquire_block():
            raise OSError(os.fsdecode(b"caf\xe9.tif"))


def test_exception_that_cannot_be_shown_is_reported_anyway() -> None:
    class UnprintableError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def script(wire: Wire) -> None:
        assert "Unprintable" in release_of_failed_block(wire, want=0)
        wire.expect("bye")

    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint) as client:
        with client.acquire_block():
            raise UnprintableError


# ---- drain and leave ----


@pytest.mark.parametrize("kind", ["drain", "leave"])
@pytest.mark.parametrize("in_process", [True, False])
def test_told_to_go_while_computing_hands_the_block_in_and_asks_for_no_more(
    kind: str, in_process: bool
) -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        wire.expect("acquire", want=1)
        wire.work(1)
        wire.expect("ping")
        wire.send(kind, reason="time to go")
        wire.expect("release", results=[completed(1)], want=0)
        wire.expect("bye")

    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint) as client:
        if in_process:
            client.process(lambda block: compute_until_message_arrives(client))
        else:
            with client.acquire_block():
                compute_until_message_arrives(client)
            with client.acquire_block() as block:
                assert block is None


def test_leave_takes_back_what_was_not_started() -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        wire.expect("acquire", want=1)
        wire.work(1, 2)
        wire.expect("ping")
        wire.send("leave", reason="the job was cancelled")
        wire.expect("release", results=[completed(1)], want=0)
        wire.expect("bye")

    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint) as client:
        with client.acquire_block() as block:
            assert block is not None
            compute_until_message_arrives(client)
        with client.acquire_block() as block:
            assert block is None


def test_drain_lets_what_was_begun_be_finished_and_returns_the_rest() -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        wire.expect("acquire", want=1)
        wire.work(1, 2)
        wire.expect("ping")
        wire.send("drain", reason="failed too often")
        wire.expect("release", results=[completed(1)], want=0)
        wire.expect("release", results=[{"lease": 2, "status": "returned"}], want=0)
        wire.expect("bye")

    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint) as client:
        with client.acquire_block() as block:
            assert block is not None
            compute_until_message_arrives(client)
        assert client.process(lambda block: None) == 0


def test_drain_while_waiting_ends_the_wait() -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        wire.expect("acquire", want=1)
        wire.send("drain", reason="failed too often")
        wire.expect("bye")

    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint) as client:
        assert client.process(print) == 0


def test_drain_that_has_arrived_before_the_first_acquire_is_heeded() -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        wire.send("drain", reason="")
        wire.expect("bye")

    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint) as client:
        wait_until_message_arrived(client)
        assert client.process(print) == 0


# ---- errors, and what may come ----


@pytest.mark.parametrize(
    "code", ["unauthorized", "unknown_job", "unknown_task", "unknown_worker", "wrong_role"]
)
def test_error_after_which_nothing_can_come_is_raised_and_stays(code: str) -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        wire.expect("acquire", want=1)
        wire.error(code, "job-1 has ended")
        wire.expect("bye")

    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint, worker_id=7) as client:
        for _ in range(2):
            with pytest.raises(BrokerError, match="job-1 has ended") as caught:
                with client.acquire_block():
                    raise AssertionError
            assert caught.value.code == code


@pytest.mark.parametrize("code", ["bad_message", "limit", "shutting_down", "new_in_1_1"])
def test_other_errors_are_logged(code: str, caplog: pytest.LogCaptureFixture) -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        wire.expect("acquire", want=1)
        wire.error(code, "something was refused")
        wire.leave_and_bye()

    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint) as client:
        assert client.process(print) == 0
    (record,) = caplog.records
    assert f"something was refused ({code})" in record.getMessage()


def test_fatal_error_while_computing_is_raised_after_the_block_is_handed_in() -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        wire.expect("acquire", want=1)
        wire.work(1)
        wire.expect("ping")
        wire.error("unknown_job", "job-1 has ended")
        wire.expect("release", results=[completed(1)], want=0)
        wire.expect("bye")

    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint) as client:

        def compute(block: Block) -> None:
            compute_until_message_arrives(client)

        with pytest.raises(BrokerError, match="job-1 has ended"):
            client.process(compute)


def test_kinds_and_keys_of_later_versions_are_ignored() -> None:
    def script(wire: Wire) -> None:
        wire.welcome(motto="festina lente")
        wire.expect("acquire", want=1)
        wire.send("heartbeat", every=3)
        wire.send("pong", nonce=0)
        wire.send("work", blocks=[block(1, colour="red")], mood=None)
        wire.expect("release", results=[completed(1)], want=1)
        wire.leave_and_bye()

    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint) as client:
        assert client.process(lambda block: None) == 1


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\xc1", "not msgpack"),
        (b"\x93\x01\x02\x03", "expected [kind, fields]"),
        (b"\x92\xa4work\x80", "work.blocks is missing"),
        (b"\x92\xa4work\x81\xa6blocks\x91\x80", "work.blocks[0].id is missing"),
        (b"\x92\xa5error\x81\xa4code\x07", "error.code is 7"),
        (b"\x92\xa5drain\x81\xa6reason\x07", "drain.reason is 7"),
    ],
)
def test_malformed_message_is_raised_with_the_field_and_stays(data: bytes, text: str) -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        wire.expect("acquire", want=1)
        wire.send_bytes(data)
        wire.expect("bye")

    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint) as client:
        for _ in range(2):
            with pytest.raises(BrokerError) as caught:
                client.process(print)
            assert caught.value.code == "bad_message"
            assert text in str(caught.value)


def test_malformed_welcome_is_raised() -> None:
    def script(wire: Wire) -> None:
        wire.welcome(worker="seven")

    with (
        FakeBroker(script) as broker,
        pytest.raises(BrokerError, match="welcome.worker is 'seven'"),
    ):
        Client(endpoint=broker.endpoint)


# ---- close ----


def test_closed_client_says_so() -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        wire.expect("bye")

    with FakeBroker(script) as broker:
        client = Client(endpoint=broker.endpoint)
        client.close()
        with pytest.raises(RuntimeError, match="closed"), client.acquire_block():
            raise AssertionError


def test_closing_while_a_block_is_held_says_bye_and_nothing_after() -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        wire.expect("acquire", want=1)
        wire.work(1)
        wire.expect("bye")

    with FakeBroker(script) as broker:
        client = Client(endpoint=broker.endpoint)
        with client.acquire_block():
            client.close()


def test_client_that_is_dropped_says_bye() -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        wire.expect("bye")

    with FakeBroker(script) as broker:
        client = Client(endpoint=broker.endpoint)
        del client


# ---- checkers ----


def test_checker_answers_batches_in_one_message(caplog: pytest.LogCaptureFixture) -> None:
    def script(wire: Wire) -> None:
        assert wire.welcome()["duty"] == "check"
        wire.expect("acquire", want=8)
        wire.work(1, 2, 3)
        no = {"status": "failed"}
        results = [completed(1), {"lease": 2, **no}, {"lease": 3, **no, "error": "OSError: stale"}]
        wire.expect("release", results=results, want=0)
        wire.send("leave", reason="")
        wire.expect("bye")

    def done(block: Block) -> bool:
        if block.lease == 3:
            raise OSError("stale")
        return block.lease == 1

    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint, duty="check") as client:
        assert client.check(done, batch=8) == 3
    assert "counts as no" in caplog.text


def test_unknown_duty_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BELLIS_ENDPOINT", "ipc:///nowhere")
    monkeypatch.setenv("BELLIS_DUTY", "watch")
    with pytest.raises(BrokerError, match="BELLIS_DUTY is 'watch': expected work, check or post"):
        Client()
