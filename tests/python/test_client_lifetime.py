"""Clients that are closed, forked or interrupted while they wait."""

import os
import signal
import threading
import time
from typing import Any

import pytest
from bellis import Client
from fake_broker import FakeBroker, Wire, completed, serve_until_asked_ahead, slowly
from test_processes import run_script


def waits_until_bye(wire: Wire) -> None:
    """The worker gets no block; whatever it asks is let pass until its bye."""
    wire.welcome()
    while wire.receive()[0] != "bye":
        pass


def test_a_handler_of_a_signal_may_close_a_client_that_waits() -> None:
    text = """
import os, signal, threading, bellis
client = bellis.Client()
def handle(number, frame):
    client.close()
    raise SystemExit(3)
signal.signal(signal.SIGTERM, handle)
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()
client.process(print)
"""
    with FakeBroker(waits_until_bye) as broker:
        done = run_script(text, broker.endpoint)
    assert (done.returncode, done.stderr) == (3, "")


def test_another_thread_may_close_a_client_that_waits() -> None:
    with FakeBroker(waits_until_bye) as broker:
        client = Client(endpoint=broker.endpoint)
        closing = threading.Timer(0.2, client.close)
        closing.start()
        with pytest.raises(RuntimeError, match="closed"), client.acquire_block():
            raise AssertionError
        closing.join()


def test_a_script_ends_while_a_thread_of_it_waits() -> None:
    text = """
import threading, time, bellis
def wait(client):
    with client.acquire_block():
        pass
thread = threading.Thread(target=wait, args=(bellis.Client(),), daemon=True)
thread.start()
time.sleep(0.3)
"""
    with FakeBroker(waits_until_bye) as broker:
        done = run_script(text, broker.endpoint)
    assert done.returncode == 0


def test_what_a_client_knows_can_be_asked_while_another_thread_waits() -> None:
    asked: list[Any] = []

    def script(wire: Wire) -> None:
        wire.welcome()
        wire.expect("acquire", want=1)
        assert go_on.wait(20)
        wire.leave_and_bye()

    go_on = threading.Event()
    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint) as client:

        def ask() -> None:
            time.sleep(0.2)
            asked.extend([client.worker_id, client.task, client.slot])
            go_on.set()

        asking = threading.Thread(target=ask)
        asking.start()
        assert client.process(print) == 0
        asking.join()
    assert asked == [7, "A", 0]


@pytest.mark.parametrize("end", ["sys.exit(0)", "raise ValueError", "client.close()", "del client"])
def test_a_forked_child_leaves_the_connection_alone_however_it_ends(end: str) -> None:
    text = f"""
import os, sys, bellis
client = bellis.Client()
with client.acquire_block() as block:
    pid = os.fork()
    if pid == 0:
        sys.stderr = open(os.devnull, "w")
        {end}
        sys.exit(0)
    os.waitpid(pid, 0)
with client.acquire_block() as block:
    assert block is None
"""

    def script(wire: Wire) -> None:
        wire.welcome()
        wire.expect("acquire", want=1)
        wire.work(1)
        wire.expect("release", results=[completed(1)], want=0)
        wire.expect("acquire", want=1)
        wire.leave_and_bye()

    with FakeBroker(script) as broker:
        done = run_script(text, broker.endpoint)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_forked_child_is_told_to_make_a_client_of_its_own() -> None:
    text = """
import os, bellis
client = bellis.Client()
pid = os.fork()
if pid == 0:
    for use in (client.acquire_block().__enter__, lambda: client.process(print)):
        try:
            use()
        except RuntimeError as error:
            assert "of its own in each process" in str(error)
        else:
            os._exit(1)
    os._exit(0)
os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""

    def script(wire: Wire) -> None:
        wire.welcome()

    with FakeBroker(script) as broker:
        assert run_script(text, broker.endpoint).returncode == 0


def test_an_exception_of_on_committed_is_raised_where_the_worker_is_called() -> None:
    def script(wire: Wire) -> None:
        wire.welcome(durable=True)
        wire.expect("acquire", want=1)
        wire.work(1)
        wire.expect("release", results=[completed(1)], want=1)
        wire.send("committed", leases=[1])
        wire.work(2)
        returned = {"results": [{"lease": 2, "status": "returned"}], "want": 0}
        goes_back = False
        while (got := wire.receive())[0] != "bye":
            # The block goes back from the worker's hand, or was on its way to it.
            goes_back |= got == ("release", returned)
            goes_back |= got[0] == "hello" and not got[1].get("held")
        assert goes_back

    def refuse(leases: "list[int]") -> None:
        raise ValueError(f"leases {leases}")

    with FakeBroker(script) as broker:
        with Client(endpoint=broker.endpoint, on_committed=refuse) as client:
            with pytest.raises(ValueError, match=r"leases \[1\]"):
                client.process(slowly)


def test_ctrl_c_in_a_function_gives_back_what_was_asked_for_ahead() -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        serve_until_asked_ahead(wire)
        wire.work(1001)
        kind, fields = wire.receive()
        assert kind == "release"
        assert fields["results"][0]["status"] == "failed"
        assert wire.expect("hello").get("held", []) == [], "what is on its way goes back"
        wire.send("welcome", version=1, broker="", job="job-1", task="A", worker=7)
        wire.expect("acquire", want=1)
        wire.leave_and_bye()

    def interrupted(block: Any) -> None:
        if block.lease == 1001:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(20)

    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint) as client:
        with pytest.raises(KeyboardInterrupt):
            client.process(interrupted)
        with client.acquire_block() as block:
            assert block is None
