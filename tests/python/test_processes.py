"""A worker among signals, forks, and scripts that just end."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import bellis
import pytest
from bellis import Client, Control
from fake_broker import FakeBroker, Wire, completed

PACKAGE_DIR = str(Path(bellis.__file__).parents[1])


def run_script(text: str, endpoint: str, **kwargs: Any) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "BELLIS_ENDPOINT": endpoint, "PYTHONPATH": PACKAGE_DIR}
    environment.setdefault("PYTHONWARNINGS", "ignore::DeprecationWarning")  # of fork, by 3.12
    return subprocess.run(
        [sys.executable, "-c", text],
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        **kwargs,
    )


def test_ctrl_c_while_waiting_is_raised_at_once() -> None:
    waiting = threading.main_thread().ident
    assert waiting is not None

    def script(wire: Wire) -> None:
        wire.welcome()
        wire.expect("acquire", want=1)
        signal.pthread_kill(waiting, signal.SIGINT)
        assert wire.expect("hello").get("held", []) == [], "a block on its way goes back"
        wire.expect("bye")

    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint) as client:
        with pytest.raises(KeyboardInterrupt), client.acquire_block():
            raise AssertionError


def test_request_still_stands_after_an_interrupt() -> None:
    waiting = threading.main_thread().ident
    assert waiting is not None

    def script(wire: Wire) -> None:
        wire.welcome()
        wire.expect("acquire", want=1)
        signal.pthread_kill(waiting, signal.SIGINT)
        wire.expect("ping")
        wire.work(1)
        wire.expect("release", results=[completed(1)], want=0)
        wire.expect("bye")

    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint) as client:
        with pytest.raises(KeyboardInterrupt), client.acquire_block():
            raise AssertionError
        client._worker.ping()
        with client.acquire_block() as block:
            assert block is not None


def test_ctrl_c_ends_a_waiting_script() -> None:
    pids = []

    def script(wire: Wire) -> None:
        pids.append(wire.welcome()["pid"])
        wire.expect("acquire", want=1)
        os.kill(pids[0], signal.SIGINT)
        wire.expect("hello")
        wire.expect("bye")

    with FakeBroker(script) as broker:
        done = run_script("import bellis; bellis.work(print)", broker.endpoint)
    assert done.returncode == -signal.SIGINT
    assert done.stderr.rstrip().endswith("KeyboardInterrupt")


def test_other_signals_do_not_end_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = threading.main_thread().ident
    assert waiting is not None
    handled = threading.Event()

    def script(wire: Wire) -> None:
        wire.welcome()
        wire.expect("acquire", want=1)
        signal.pthread_kill(waiting, signal.SIGUSR1)
        assert handled.wait(20)
        wire.leave_and_bye()

    before = signal.signal(signal.SIGUSR1, lambda number, frame: handled.set())
    try:
        with FakeBroker(script) as broker, Client(endpoint=broker.endpoint) as client:
            assert client.process(print) == 0
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_script_that_just_ends_delivers_its_last_release_and_says_bye() -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        wire.expect("acquire", want=1)
        wire.work(1)
        wire.expect("release", results=[completed(1)], want=0)
        wire.expect("bye")

    text = """
import bellis
client = bellis.Client()
with client.acquire_block() as block:
    pass
"""
    with FakeBroker(script) as broker:
        done = run_script(text, broker.endpoint)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_traceback_goes_to_stderr_and_exit_code_is_zero() -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        wire.expect("acquire", want=1)
        wire.work(1)
        assert wire.receive()[1]["results"][0]["status"] == "failed"
        wire.leave_and_bye()

    text = """
import bellis
def divide(block):
    return 1 / 0
bellis.work(divide)
"""
    with FakeBroker(script) as broker:
        done = run_script(text, broker.endpoint)
    assert done.returncode == 0
    assert done.stderr.startswith("block A/201 with read ROI")
    assert done.stderr.rstrip().endswith("ZeroDivisionError: division by zero")


def test_refused_worker_exits_with_another_code_and_the_sentence() -> None:
    def script(wire: Wire) -> None:
        wire.expect("hello")
        wire.error("unauthorized", "token: not the broker's")

    with FakeBroker(script) as broker:
        done = run_script("import bellis; bellis.work(print)", broker.endpoint)
    assert done.returncode == 1
    assert done.stderr.rstrip().endswith("BrokerError: token: not the broker's")


def test_variables_are_utf8_whatever_the_locale_says(monkeypatch: pytest.MonkeyPatch) -> None:
    def script(wire: Wire) -> None:
        wire.expect_hello(task="größe: 𝄞/=")
        wire.send("leave", reason="")
        wire.expect("bye")

    monkeypatch.setenv("BELLIS_TASK", "größe: 𝄞/=")
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.setenv("PYTHONUTF8", "0")
    monkeypatch.setenv("PYTHONCOERCECLOCALE", "0")
    with FakeBroker(script) as broker:
        done = run_script("import bellis; bellis.work(print)", broker.endpoint)
    assert (done.returncode, done.stderr) == (0, "")


# A separate script forks, since to fork a process with threads (such as the fake broker's) would
# prove nothing.

FORK = """
import os, sys, traceback
import bellis

def in_child(call):
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            call()
        except RuntimeError as error:
            code = 0 if "forked child" in str(error) else 2
        except BaseException:
            traceback.print_exc()
        os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
"""


def test_forked_child_cannot_use_its_parents_client() -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        wire.expect("acquire", want=1)
        wire.work(1)
        wire.expect("release", results=[completed(1)], want=0)
        wire.expect("bye")

    text = f"""{FORK}
client = bellis.Client()
in_child(lambda: client.process(print))
in_child(lambda: client.acquire_block().__enter__())
with client.acquire_block() as block:
    in_child(lambda: client.process(print))
client.close()
"""
    with FakeBroker(script) as broker:
        done = run_script(text, broker.endpoint)
    assert (done.returncode, done.stderr) == (0, "")


def test_forked_child_that_ends_inside_a_block_says_nothing_to_the_broker() -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        for lease in (1, 2):
            wire.expect("acquire", want=1)
            wire.work(lease)
            wire.expect("release", results=[completed(lease)], want=0)
        wire.expect("bye")

    text = """
import os, sys
import bellis
with bellis.Client() as client:
    for _ in range(2):
        with client.acquire_block() as block:
            pid = os.fork()
            if pid == 0:
                client.close()
                sys.exit(5) if block.lease == 1 else 1 / 0
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            assert code == (5 if block.lease == 1 else 1), code
"""
    with FakeBroker(script) as broker:
        done = run_script(text, broker.endpoint)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("Traceback") == 1  # the child's own


def test_forked_child_cannot_use_its_parents_control() -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        wire.expect("bye")

    text = f"""{FORK}
with bellis.Control() as control:
    in_child(control.status)
"""
    with FakeBroker(script) as broker:
        done = run_script(text, broker.endpoint)
    assert (done.returncode, done.stderr) == (0, "")


def test_child_may_have_a_client_of_its_own() -> None:
    def script(wire: Wire) -> None:
        parent = wire.welcome()
        child = wire.welcome()
        assert child["pid"] != parent["pid"]
        wire.expect("bye")
        wire.expect("bye")

    text = f"""{FORK}
def child():
    bellis.Client().close()
    raise RuntimeError("forked child is done")
with bellis.Client():
    in_child(child)
"""
    with FakeBroker(script) as broker:
        done = run_script(text, broker.endpoint)
    assert (done.returncode, done.stderr) == (0, "")


def test_clients_and_controls_leave_no_descriptor_behind() -> None:
    def script(wire: Wire) -> None:
        for _ in range(6):
            wire.welcome()
            wire.expect("bye")

    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    with FakeBroker(script) as broker:
        Client(endpoint=broker.endpoint).close()
        Control(endpoint=broker.endpoint).close()
        before = descriptors()
        for _ in range(2):
            Client(endpoint=broker.endpoint).close()
            Control(endpoint=broker.endpoint).close()
        # The broker closes its descriptors of a connection only when it notices the end of it.
        assert descriptors() <= before + 4
