"""A worker's blocks, from the first acquire to the last release: messages as in PROTOCOL.md."""

import threading
from typing import Any

import bellis
import pytest
from bellis import Block, BlockStatus, BrokerError, Client, Roi
from fake_broker import (
    FakeBroker,
    Wire,
    block,
    completed,
    serve_blocks,
    serve_until_asked_ahead,
    slowly,
)


def test_block_has_all_fields_that_the_broker_sends() -> None:
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

    def note(block: Block) -> None:
        leases.append(block.lease)
        slowly(block)

    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint) as client:
        assert client.process(note) == 3
    assert leases == [1, 2, 3]


def test_blocks_of_microseconds_are_asked_for_ahead_and_handed_in_at_once() -> None:
    done = []

    def script(wire: Wire) -> None:
        wire.welcome()
        done.append(serve_until_asked_ahead(wire))
        wire.work(1001, 1002)
        results: list[Any] = []
        while len(results) < 2:
            results += wire.receive()[1].get("results", [])
        assert results == [completed(1001), completed(1002)]
        wire.send("leave", reason="the task is done")
        while wire.receive()[0] != "bye":
            pass

    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint) as client:
        assert client.process(lambda block: None) == done[0] + 2


def test_what_was_asked_for_ahead_goes_back_when_a_block_takes_long() -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        serve_until_asked_ahead(wire)
        wire.work(1001, 1002)
        returned = {"lease": 1002, "status": "returned"}
        wire.expect("release", results=[returned], want=0)
        go_on.set()
        wire.expect("release", results=[completed(1001)], want=1)
        wire.leave_and_bye()

    def wait_for_the_return(block: Block) -> None:
        if block.lease == 1001:
            assert go_on.wait(20)

    go_on = threading.Event()
    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint) as client:
        client.process(wait_for_the_return)


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

    def note(block: Block) -> None:
        leases.append(block.lease)
        slowly(block)

    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint) as client:
        client.process(note)
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


@pytest.mark.parametrize("prefetch", [0, 3])
def test_the_stock_can_be_fixed(prefetch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def script(wire: Wire) -> None:
        wire.welcome()
        kind, fields = wire.receive()
        asked.append((kind, fields["want"]))
        wire.work(*range(1, fields["want"] + 1))
        for lease in range(1, fields["want"] + 1):
            while (got := wire.receive())[0] == "acquire":
                pass
            assert got[1]["results"] == [completed(lease)]
        wire.send("leave", reason="the task is done")
        while wire.receive()[0] != "bye":
            pass

    monkeypatch.setenv("BELLIS_PREFETCH", str(prefetch))
    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint) as client:
        assert client.process(lambda block: None) == prefetch + 1
    assert asked == [("acquire", prefetch + 1)]


@pytest.mark.parametrize("bad", ["1024", "-1", "many", "1.5"])
def test_a_stock_that_makes_no_sense_is_refused(bad: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BELLIS_PREFETCH", bad)
    with pytest.raises(BrokerError, match=f"BELLIS_PREFETCH is '{bad}': expected auto, or 0 to"):
        Client(endpoint="ipc:///nowhere")
