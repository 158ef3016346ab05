"""Blocks that end by an exception or by their status."""

import logging
import os

import pytest
from bellis import Block, BlockStatus, Client
from fake_broker import (
    FakeBroker,
    Wire,
    completed,
    slowly,
)


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
        slowly(block)
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
def test_interrupt_fails_the_block_and_is_raised(
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
        slowly(block)
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
