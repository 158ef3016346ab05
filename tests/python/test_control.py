"""The control interface: every request to a scripted broker, and its answers."""

import os
import pwd
import socket
from pathlib import Path

import pytest
from bellis import BrokerError, Control
from bellis._wire import client_session
from fake_broker import FakeBroker, Wire, unanswering_broker

RUNNING = {"job": "job-1", "name": "smooth", "state": "running", "tasks": []}
COMPLETED = {**RUNNING, "state": "completed", "elapsed_s": 1.5}

ORIGIN = {"user": pwd.getpwuid(os.geteuid()).pw_name, "host": socket.gethostname()}


def test_hello_has_the_role_client(monkeypatch: pytest.MonkeyPatch) -> None:
    def script(wire: Wire) -> None:
        wire.expect_hello(role="client", token="secret", version=1)
        wire.send("welcome", version=1, broker="bellis 0.1.0")
        wire.expect("bye")

    with FakeBroker(script) as broker:
        monkeypatch.setenv("BELLIS_ENDPOINT", broker.endpoint)
        monkeypatch.setenv("BELLIS_TOKEN", "secret")
        with Control() as control:
            assert control.broker == "bellis 0.1.0"


def test_broker_is_found_where_it_runs_by_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        wire.expect("bye")

    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "bellis").mkdir()
    with FakeBroker(script, f"ipc://{tmp_path}/bellis/broker.sock"):
        Control().close()


def test_submit_returns_the_jobs_id() -> None:
    job = {"name": "größe", "tasks": [{"task": "A", "total_roi": {"offset": [0], "shape": [5]}}]}

    def script(wire: Wire) -> None:
        wire.welcome()
        wire.expect("submit", req=1, job={"origin": ORIGIN, **job})
        wire.send("submitted", req=1, job="job-1")
        wire.expect("submit", req=2, job={"origin": ORIGIN})
        wire.error("invalid_spec", "tasks is missing: at least 1", req=2)
        wire.expect("bye")

    with FakeBroker(script) as broker, Control(endpoint=broker.endpoint) as control:
        assert control.submit(job) == "job-1"
        with pytest.raises(BrokerError, match="tasks is missing: at least 1") as caught:
            control.submit({})
        assert caught.value.code == "invalid_spec"


def test_job_that_is_too_large_is_not_sent() -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        wire.expect("bye")

    with FakeBroker(script) as broker, Control(endpoint=broker.endpoint) as control:
        with pytest.raises(BrokerError, match="at most 1,048,576 are accepted") as caught:
            control.submit({"name": "x" * 1_048_576})
        assert caught.value.code == "too_large"


def test_status_is_of_one_job_or_of_all() -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        wire.expect("status", req=1, job="")
        wire.send("jobs", req=1, jobs=[RUNNING, COMPLETED])
        wire.expect("status", req=2, job="job-9")
        wire.error("unknown_job", "no job 'job-9'", req=2)
        wire.expect("bye")

    with FakeBroker(script) as broker, Control(endpoint=broker.endpoint) as control:
        assert control.status() == [RUNNING, COMPLETED]
        with pytest.raises(BrokerError) as caught:
            control.status("job-9")
        assert caught.value.code == "unknown_job"


def test_cancel_has_the_job_and_the_reason() -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        wire.expect("cancel", req=1, job="job-1", reason="wrong volume")
        wire.send("cancelled", req=1, job="job-1")
        wire.expect("bye")

    with FakeBroker(script) as broker, Control(endpoint=broker.endpoint) as control:
        control.cancel("job-1", "wrong volume")


def test_answers_to_other_requests_and_unknown_kinds_are_ignored() -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        wire.expect("status", req=1, job="")
        wire.send("gossip", text="later versions may say more")
        wire.send("jobs", req=99, jobs=[RUNNING])
        wire.send("cancelled", req=1, job="x")
        wire.send("jobs", req=1, jobs=[])
        wire.expect("bye")

    with FakeBroker(script) as broker, Control(endpoint=broker.endpoint) as control:
        assert control.status() == []


def test_watch_ends_with_the_final_status() -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        wire.welcome()  # a watch has a connection of its own
        wire.expect("watch", req=1, job="job-1", interval_ms=50)
        wire.send("progress", req=1, status=RUNNING)
        wire.send("ended", req=1, status=COMPLETED)
        wire.expect("bye")
        wire.expect("bye")

    with FakeBroker(script) as broker, Control(endpoint=broker.endpoint) as control:
        assert list(control.watch("job-1", interval_ms=50)) == [RUNNING, COMPLETED]


def test_jobs_can_be_cancelled_while_watched_and_a_watch_left_early() -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        wire.welcome()
        wire.expect("watch", req=1, job="job-1", interval_ms=200)
        wire.send("progress", req=1, status=RUNNING)
        wire.expect("cancel", req=1, job="job-1", reason="")
        wire.send("cancelled", req=1, job="job-1")
        wire.expect("bye")
        wire.expect("bye")

    with FakeBroker(script) as broker, Control(endpoint=broker.endpoint) as control:
        for status in control.watch("job-1"):
            assert status == RUNNING
            control.cancel("job-1")
            break


def test_wait_returns_the_final_status() -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        wire.welcome()
        wire.expect("watch", req=1, job="job-1", interval_ms=200)
        for _ in range(3):
            wire.send("progress", req=1, status=RUNNING)
        wire.send("ended", req=1, status=COMPLETED)
        wire.expect("bye")
        wire.expect("bye")

    with FakeBroker(script) as broker, Control(endpoint=broker.endpoint) as control:
        assert control.wait("job-1") == COMPLETED


def test_wait_for_an_unknown_job_is_an_error() -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        wire.welcome()
        wire.expect("watch", req=1, job="job-9", interval_ms=200)
        wire.error("unknown_job", "no job 'job-9'", req=1)
        wire.expect("bye")
        wire.expect("bye")

    with FakeBroker(script) as broker, Control(endpoint=broker.endpoint) as control:
        with pytest.raises(BrokerError, match="no job 'job-9'"):
            control.wait("job-9")


def test_request_that_a_restarted_broker_refuses_is_sent_again() -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        wire.expect("submit", req=1, job={"origin": ORIGIN, "name": "a"})
        wire.error("hello_first", "submit before hello", req=1)
        wire.welcome()
        wire.expect("submit", req=2, job={"origin": ORIGIN, "name": "a"})
        wire.send("submitted", req=2, job="job-1")
        wire.expect("bye")

    with FakeBroker(script) as broker, Control(endpoint=broker.endpoint) as control:
        assert control.submit({"name": "a"}) == "job-1"


def test_watch_goes_on_at_a_restarted_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        wire.welcome()
        wire.expect("watch", req=1, job="job-1", interval_ms=200)
        wire.send("progress", req=1, status=RUNNING)
        wire.expect("ping")
        wire.send("pong", nonce=1)
        wire.expect("ping")
        wire.error("hello_first")
        while wire.receive()[0] != "hello":
            pass
        wire.send("welcome", version=1, broker="second")
        while (got := wire.receive())[0] == "ping":
            pass
        assert got == ("watch", {"req": 2, "job": "job-1", "interval_ms": 200})
        wire.send("ended", req=2, status=COMPLETED)
        while wire.receive()[0] != "bye":
            pass
        wire.expect("bye")

    # The client pings often but is patient: it does not give up, however slow the machine is.
    monkeypatch.setattr(client_session, "_PINGS_PER_TIMEOUT", 200)
    with FakeBroker(script) as broker, Control(endpoint=broker.endpoint, timeout=20) as control:
        assert control.wait("job-1") == COMPLETED


def test_silent_broker_is_an_error() -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        wire.expect("status", req=1, job="")
        wire.welcome()
        wire.expect("watch")
        for _ in range(3):
            wire.expect("ping")
        wire.expect("bye")
        wire.expect("bye")

    with FakeBroker(script) as broker, Control(endpoint=broker.endpoint, timeout=0.1) as control:
        with pytest.raises(BrokerError, match="no broker answers at .* within 0.1 s") as caught:
            control.status()
        assert caught.value.code == "no_broker"
        with pytest.raises(BrokerError) as caught:
            control.wait("job-1")
        assert caught.value.code == "no_broker"


def test_no_broker_is_an_error_after_a_bounded_wait() -> None:
    with unanswering_broker() as endpoint, pytest.raises(BrokerError) as caught:
        Control(endpoint=endpoint, connect_timeout=0.05)
    assert caught.value.code == "no_broker"


def test_wrong_token_is_an_error() -> None:
    def script(wire: Wire) -> None:
        wire.expect_hello(token="wrong")
        wire.error("unauthorized", "token: not the broker's")

    with FakeBroker(script) as broker, pytest.raises(BrokerError) as caught:
        Control(endpoint=broker.endpoint, token="wrong")
    assert caught.value.code == "unauthorized"


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ({"jobs": 3}, "jobs.jobs is 3: expected an array of maps"),
        ({"jobs": [RUNNING, 3]}, "jobs.jobs[1] is 3: expected a map"),
        ({}, "jobs.jobs is missing"),
        ({"req": "x"}, "jobs.req is 'x'"),
    ],
)
def test_malformed_answer_is_named(answer: dict[str, object], text: str) -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        wire.expect("status", req=1, job="")
        wire.send("jobs", **{"req": 1, **answer})
        wire.expect("bye")

    with FakeBroker(script) as broker, Control(endpoint=broker.endpoint) as control:
        with pytest.raises(BrokerError) as caught:
            control.status()
        assert caught.value.code == "bad_message"
        assert text in str(caught.value)


def test_malformed_progress_is_named() -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        wire.welcome()
        wire.expect("watch")
        wire.send("progress", req=1, status="fine")
        wire.expect("bye")
        wire.expect("bye")

    with FakeBroker(script) as broker, Control(endpoint=broker.endpoint) as control:
        with pytest.raises(BrokerError, match="progress.status is 'fine': expected a map"):
            control.wait("job-1")


def test_closed_control_says_so() -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        wire.expect("bye")

    with FakeBroker(script) as broker:
        control = Control(endpoint=broker.endpoint)
        control.close()
        control.close()
        with pytest.raises(RuntimeError, match="closed"):
            control.status()


def test_worker_gone_is_accepted_or_refused() -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        request = wire.expect("worker_gone")
        assert request["worker"] == 7
        wire.send("ok", req=request["req"])
        request = wire.expect("worker_gone")
        wire.send("error", code="worker_alive", message="it is connected", req=request["req"])
        wire.expect("bye")

    with FakeBroker(script) as broker, Control(endpoint=broker.endpoint) as control:
        control.worker_gone(7)
        with pytest.raises(BrokerError, match="it is connected") as refused:
            control.worker_gone(8)
        assert refused.value.code == "worker_alive"


def test_explain_asks_about_a_block_or_a_worker() -> None:
    step = {"task": "a", "block": 3, "index": 1, "state": "leased", "why": "worker 1 is at it"}

    def script(wire: Wire) -> None:
        wire.welcome()
        request = wire.expect("explain")
        assert (request["job"], request["task"], request["block"]) == ("job-1", "a", 3)
        wire.send("explained", req=request["req"], summary="leased", steps=[step])
        request = wire.expect("explain")
        assert (request["worker"], "block" in request) == (7, False)
        wire.send("explained", req=request["req"], summary="busy", steps=[])
        wire.expect("bye")

    with FakeBroker(script) as broker, Control(endpoint=broker.endpoint) as control:
        assert control.explain("job-1", "a", 3) == {"summary": "leased", "steps": [step]}
        assert control.explain("job-1", worker=7)["summary"] == "busy"
        with pytest.raises(TypeError):
            control.explain("job-1")
