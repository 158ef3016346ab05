"""A worker whose broker does not know it (any more)."""

import threading
from pathlib import Path

import pytest
from bellis import Block, BrokerError, Client
from bellis._worker import options
from fake_broker import FakeBroker, Wire, completed, compute_until_message_arrives, slowly


def test_forgotten_worker_says_hello_with_its_id_and_asks_again() -> None:
    def script(wire: Wire) -> None:
        wire.expect_hello(worker=0)
        wire.send("welcome", version=1, broker="", job="job-1", task="A", worker=31)
        wire.expect("acquire", want=1)
        wire.error("hello_first", "acquire before hello")
        wire.expect_hello(role="worker", job="job-1", task="A", worker=31, token="t")
        wire.send("welcome", version=1, broker="", job="job-1", task="A", worker=31)
        wire.expect("acquire", want=1)
        wire.work(1)
        wire.expect("release", results=[completed(1)], want=1)
        wire.leave_and_bye()

    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint, token="t") as client:
        assert client.process(slowly) == 1


def test_worker_forgotten_while_computing_says_hello_once_for_two_refusals() -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        wire.expect("acquire", want=1)
        wire.work(1)
        wire.expect("release", results=[completed(1)], want=0)
        wire.expect("acquire", want=1)
        wire.error("hello_first")
        wire.expect_hello(worker=7)
        wire.error("hello_first")  # for the acquire, which was sent before the hello
        wire.send("welcome", version=1, broker="", job="job-1", task="A", worker=7)
        wire.expect("acquire", want=1)
        wire.work(2)
        wire.expect("release", results=[completed(2)], want=0)
        wire.expect("bye")

    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint) as client:
        for lease in (1, 2):
            with client.acquire_block() as block:
                assert block is not None
                assert block.lease == lease


def test_processing_worker_whose_release_is_refused_asks_for_one_block_only() -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        wire.expect("acquire", want=1)
        wire.work(1)
        wire.expect("release", results=[completed(1)], want=1)
        wire.error("hello_first")
        wire.welcome()
        wire.expect("acquire", want=1)
        wire.leave_and_bye()

    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint) as client:
        assert client.process(slowly) == 1


def test_blocks_of_the_former_connection_are_not_started() -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        wire.expect("acquire", want=1)
        wire.work(1, 2)
        wire.expect("ping")
        wire.error("hello_first")
        hello = wire.welcome(held=[])
        assert sorted(lease["lease"] for lease in hello["held"]) == [1, 2]
        wire.expect("acquire", want=1)
        wire.work(3)
        wire.expect("release", results=[completed(3)], want=1)
        wire.leave_and_bye()

    leases = []

    def note(block: Block) -> None:
        leases.append(block.lease)
        slowly(block)

    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint) as client:
        with client.acquire_block():
            compute_until_message_arrives(client)
        client.process(note)
    assert leases == [3]


@pytest.mark.parametrize("code", ["unknown_worker", "unauthorized", "shutting_down"])
def test_refused_second_hello_is_raised(code: str) -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        wire.expect("acquire", want=1)
        wire.error("hello_first")
        wire.expect("hello")
        wire.error(code, "worker 7 has ended")
        wire.expect("bye")

    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint, worker_id=7) as client:
        for _ in range(2):
            with pytest.raises(BrokerError, match="worker 7 has ended") as caught:
                client.process(print)
            assert caught.value.code == code


def test_worker_with_a_number_that_the_broker_forgot_comes_as_a_new_one() -> None:
    sessions = []

    def script(wire: Wire) -> None:
        sessions.append(wire.welcome()["session"])
        wire.expect("acquire", want=1)
        wire.error("hello_first")
        hello = wire.expect_hello(worker=7)
        assert hello["session"] == sessions[0]
        wire.error("unknown_worker", "worker 7 is over")
        sessions.append(wire.expect_hello(worker=0)["session"])
        wire.send("welcome", version=1, broker="", job="job-1", task="A", worker=8)
        wire.expect("acquire", want=1)
        wire.leave_and_bye()

    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint) as client:
        assert client.process(print) == 0
        assert client.worker_id == 8
    assert sessions[0] != sessions[1]


def test_results_that_may_not_be_stored_are_handed_in_again() -> None:
    heard: list[int] = []

    def script(wire: Wire) -> None:
        wire.welcome(durable=True)
        wire.expect("acquire", want=1)
        wire.work(1)
        wire.expect("release", results=[completed(1)], want=1)
        wire.work(2)
        wire.send("committed", leases=[1])
        wire.expect("release", results=[completed(2)], want=1)
        wire.error("hello_first")
        hello = wire.welcome(durable=True, held=[2])
        assert hello["held"] == [{"lease": 2, "index": 102, "attempt": 1}]
        wire.expect("release", results=[completed(2)], want=1)
        wire.send("committed", leases=[2])
        wire.leave_and_bye()

    with FakeBroker(script) as broker:
        with Client(endpoint=broker.endpoint, on_committed=heard.extend) as client:
            assert client.process(slowly) == 2
    assert heard == [1, 2]


def test_block_that_is_still_ours_is_finished_after_a_restart_of_the_broker() -> None:
    def script(wire: Wire) -> None:
        wire.welcome(durable=True)
        wire.expect("acquire", want=1)
        wire.work(1)
        wire.expect("ping")
        wire.error("hello_first")
        wire.welcome(durable=True, held=[1])
        wire.expect("release", results=[completed(1)], want=0)
        wire.expect("bye")

    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint) as client:
        with client.acquire_block() as block:
            assert block is not None
            compute_until_message_arrives(client)


def leave_at_last(wire: Wire) -> None:
    """Says leave, and again over each connection that the worker has opened meanwhile."""
    wire.send("leave", reason="")
    while wire.receive()[0] != "bye":
        wire.send("leave", reason="")


def test_silence_is_answered_with_pings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "PING_INTERVAL_S", 0.05)

    def script(wire: Wire) -> None:
        wire.welcome()
        nonces: list[int] = []
        while len(nonces) < 3:
            kind, fields = wire.receive()
            if kind == "ping":
                nonces.append(fields["nonce"])
                wire.send("pong", nonce=fields["nonce"])
            elif kind == "hello":  # on a busy machine a pong comes late
                wire.send("welcome", version=1, broker="", job="job-1", task="A", worker=7)
            else:
                assert kind == "acquire"
        assert nonces == sorted(set(nonces))
        leave_at_last(wire)

    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint) as client:
        assert client.process(print) == 0


def test_worker_warns_about_a_silent_broker_and_waits_for_it(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(options, "PING_INTERVAL_S", 0.01)

    def script(wire: Wire) -> None:
        wire.welcome()
        while wire.receive()[0] != "hello":  # over another connection
            pass
        leave_at_last(wire)

    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint) as client:
        assert client.process(print) == 0
    texts = [record.getMessage() for record in caplog.records]
    assert texts == [
        f"the broker at {broker.endpoint} does not answer; waiting for it",
        f"the broker at {broker.endpoint} answers again",
    ]


def test_worker_whose_broker_is_gone_ends_after_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        wire.expect("acquire", want=1)
        nonce = wire.expect("ping")["nonce"]
        wire.send("pong", nonce=nonce)  # from here on, the lease time counts from the start
        while wire.receive()[0] != "bye":
            pass

    monkeypatch.setenv("BELLIS_LOST_TIMEOUT", "0.5")
    monkeypatch.setattr(options, "PING_INTERVAL_S", 0.1)
    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint) as client:
        with pytest.raises(BrokerError, match="has not been heard of for 0.5 s") as caught:
            client.process(print)
    assert caught.value.code == "no_broker"


def test_waiting_worker_finds_a_broker_that_was_restarted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(options, "PING_INTERVAL_S", 0.2)
    endpoint = f"ipc://{tmp_path}/broker.sock"

    def first(wire: Wire) -> None:
        wire.welcome()
        wire.expect("acquire", want=1)

    def second(wire: Wire) -> None:
        welcome = False
        while True:
            kind, _ = wire.receive()
            if kind == "hello":
                wire.send("welcome", version=1, broker="second", job="job-1", task="A", worker=7)
                welcome = True
            elif not welcome:  # pings, and messages that were on their way
                wire.error("hello_first")
            elif kind == "acquire":
                break
        leave_at_last(wire)

    first_broker = FakeBroker(first, endpoint)

    def restart() -> None:
        with first_broker:
            pass  # the broker ends when its script does
        with FakeBroker(second, endpoint):
            pass

    restarting = threading.Thread(target=restart)
    restarting.start()
    with Client(endpoint=endpoint) as client:
        assert client.process(print) == 0
        assert client.broker == "second"
    restarting.join()
