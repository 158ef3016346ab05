"""How a worker ends: told to go, refused, closed."""

import pytest
from bellis import Block, BrokerError, Client
from fake_broker import (
    FakeBroker,
    Wire,
    block,
    completed,
    compute_until_message_arrives,
    slowly,
    wait_until_message_arrived,
)


# ---- drain and leave ----
@pytest.mark.parametrize("kind", ["drain", "leave"])
@pytest.mark.parametrize("in_process", [True, False])
def test_worker_told_to_leave_while_computing_hands_the_block_in_and_asks_for_no_more(
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
def test_final_error_is_raised_again_by_later_calls(code: str) -> None:
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


@pytest.mark.parametrize(
    "code, shown",
    [
        ("bad_message", "bad_message"),
        ("limit", "limit"),
        ("shutting_down", "shutting_down"),
        ("new_in_1_1", "bad_message"),
    ],
)
def test_other_errors_are_logged(code: str, shown: str, caplog: pytest.LogCaptureFixture) -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        wire.expect("acquire", want=1)
        wire.error(code, "something was refused")
        wire.leave_and_bye()

    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint) as client:
        assert client.process(print) == 0
    (record,) = caplog.records
    assert f"something was refused ({shown})" in record.getMessage()


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
        assert client.process(slowly) == 1


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\xc1", "not msgpack"),
        (b"\x93\x01\x02\x03", "expected [kind, fields]"),
        (b"\x92\xa4work\x80", "work.blocks is missing"),
        (b"\x92\xa4work\x81\xa6blocks\x91\x80", "work.blocks[0].lease is missing"),
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
        pytest.raises(BrokerError, match='welcome.worker is "seven"'),
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
