"""Workers that answer whether blocks are done."""

import pytest
from bellis import Block, BrokerError, Client
from fake_broker import FakeBroker, Wire, completed, serve_blocks, slowly


def test_checker_answers_yes_and_no_and_an_exception_is_no(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def script(wire: Wire) -> None:
        assert wire.welcome()["duty"] == "check"
        wire.expect("acquire", want=1)
        wire.work(1, 2, 3)
        no = {"status": "failed"}
        wire.expect("release", results=[completed(1)], want=0)
        wire.expect("release", results=[{"lease": 2, **no}], want=0)
        wire.expect("release", results=[{"lease": 3, **no, "error": "OSError: stale"}], want=1)
        wire.leave_and_bye()

    def done(block: Block) -> bool:
        slowly(block)
        if block.lease == 3:
            raise OSError("stale")
        return block.lease == 1

    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint, duty="check") as client:
        assert client.check(done) == 3
    assert "counts as no" in caplog.text


@pytest.mark.parametrize("batch", [1, 3])
def test_checker_has_a_batch_of_blocks_at_most(batch: int) -> None:
    with FakeBroker(serve_blocks(50, at_most=batch)) as broker:
        with Client(endpoint=broker.endpoint, duty="check") as client:
            assert client.check(lambda block: True, batch) == 50


def test_unknown_duty_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BELLIS_ENDPOINT", "ipc:///nowhere")
    monkeypatch.setenv("BELLIS_DUTY", "watch")
    with pytest.raises(BrokerError, match="BELLIS_DUTY is 'watch': expected work, check or post"):
        Client()
