"""libbellis_c from ctypes, as Fortran, Julia or R call it: by numbers, texts and opaque handles."""

import ctypes
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from ctypes import byref, c_char_p, c_int, c_int64, c_void_p
from pathlib import Path
from typing import Any

import pytest

from ..system.conftest import BIN, PATIENCE, Broker, eventually, line_task, private

TOP = Path(__file__).resolve().parents[2]
HEADER = (TOP / "client" / "c" / "include" / "bellis.h").read_text()
LIBRARY = BIN.parent / "client" / "c" / "libbellis_c.so"
OK, DONE, FAILED, RUNNING, ARGUMENT = 0, 1, 2, 3, -1

__all__ = ["private"]  # a fixture

# A worker that notes each block before it completes it. Block 3 fails at its first attempt.
WORKER = """
import ctypes, os, sys, time
lib = ctypes.CDLL(sys.argv[1])
for name in ("bellis_block_index", "bellis_block_attempt"):
    getattr(lib, name).argtypes = [ctypes.c_void_p]
lib.bellis_block_set_error.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
lib.bellis_error.restype = ctypes.c_char_p
notes = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND)

@ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
def process(block, user):
    index, attempt = lib.bellis_block_index(block), lib.bellis_block_attempt(block)
    if index == 3 and attempt == 1:
        lib.bellis_block_set_error(block, b"not at once")
        return 7
    assert lib.bellis_block_complete(ctypes.c_void_p(block)) == -1  # it is only lent
    time.sleep(0.002)  # work
    os.write(notes, b"%d\\n" % index)
    return 0

code = lib.bellis_work(b"julia", process, None)
if code != 0:
    sys.exit(lib.bellis_error().decode())
"""


@pytest.fixture(scope="module")
def lib() -> ctypes.CDLL:
    loaded = ctypes.CDLL(str(LIBRARY))
    for name in ("error", "error_name", "version", "worker_task", "worker_leave_reason"):
        getattr(loaded, f"bellis_{name}").restype = c_char_p
    for name in ("block_id", "block_index", "block_lease", "worker_id"):
        getattr(loaded, f"bellis_{name}").restype = c_int64
    return loaded


class Control:
    """A bellis_control."""

    def __init__(self, lib: ctypes.CDLL) -> None:
        self.lib = lib
        self.handle = c_void_p()
        assert lib.bellis_control_open(byref(self.handle)) == OK, lib.bellis_error()

    def call(self, name: str, *arguments: Any) -> int:
        code: int = getattr(self.lib, f"bellis_{name}")(self.handle, *arguments)
        return code

    def text(self, name: str, *arguments: Any) -> tuple[int, str]:
        """Calls a function whose last argument is where it puts a text."""
        text = c_char_p()
        code = self.call(name, *arguments, byref(text))
        return code, (text.value or b"").decode()

    def submit(self, *tasks: dict[str, Any]) -> bytes:
        job = json.dumps({"name": "j", "tasks": tasks}).encode()
        code, name = self.text("submit", job, 0)
        assert code == OK, self.lib.bellis_error()
        return name.encode()


@pytest.fixture
def durable(private: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Broker]]:
    """A broker with a state directory. A test that starts it again puts that one first."""
    brokers = [Broker(private, "--no-launcher", "--state-dir", "state")]
    monkeypatch.setenv("BELLIS_ENDPOINT", brokers[0].endpoint)
    yield brokers
    if brokers[0].process.poll() is None:
        brokers[0].process.kill()
        brokers[0].process.communicate()


@pytest.fixture
def control(lib: ctypes.CDLL, durable: list[Broker]) -> Iterator[Control]:
    opened = Control(lib)
    yield opened
    lib.bellis_control_close(opened.handle)


def start_worker(folder: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", WORKER, str(LIBRARY), str(folder / "notes")]
    return subprocess.Popen(command, stderr=subprocess.PIPE)


def external(blocks: int) -> dict[str, Any]:
    return line_task(blocks=blocks, external_workers=True)


def test_the_library_shows_the_functions_of_its_header_and_nothing_else() -> None:
    declared = set(re.findall(r"^BELLIS_C_API [^;]*?(bellis_\w+)\(", HEADER, re.M))
    assert len(declared) > 30
    shown = subprocess.run(
        ["nm", "-D", "--defined-only", LIBRARY], capture_output=True, text=True, check=True
    ).stdout
    names = {line.split()[-1].partition("@")[0] for line in shown.splitlines()}
    assert names - {"BELLIS_C_0"} == declared


def test_every_error_has_the_name_that_messages_carry(lib: ctypes.CDLL) -> None:
    numbers = {int(n): name.lower() for name, n in re.findall(r"BELLIS_E_(\w+) = (-\d+)", HEADER)}
    for number, name in numbers.items():
        assert lib.bellis_error_name(number).decode() == name
    header = TOP / "client" / "cpp" / "include" / "bellis" / "result.h"
    in_cpp = re.findall(r"^  k(\w+),", header.read_text(), re.M)
    assert len(in_cpp) >= 20
    in_c = {name.replace("_", "") for name in numbers.values()}
    assert {name.lower() for name in in_cpp} <= in_c
    assert lib.bellis_error_name(5) == b""


def test_a_job_goes_through_workers_of_another_language(
    control: Control, tmp_path: Path, lib: ctypes.CDLL
) -> None:
    job = control.submit(external(20))
    worker = start_worker(tmp_path)
    code, text = control.text("wait", job, c_int64(-1))
    assert code == OK, lib.bellis_error()
    task = json.loads(text)["tasks"][0]
    assert (task["completed"], task["failures"][0]["error"]) == (20, "not at once")
    assert [(one["language"], one["blocks"]) for one in task["languages"]] == [("julia", 20)]
    assert worker.wait(PATIENCE) == 0
    assert sorted(map(int, (tmp_path / "notes").read_text().split())) == list(range(20))
    code, text = control.text("status", None)
    assert (code, [status["state"] for status in json.loads(text)]) == (OK, ["completed"])


def test_no_work_is_lost_when_the_broker_and_a_worker_are_killed(
    durable: list[Broker], control: Control, private: Path, tmp_path: Path
) -> None:
    job = control.submit(external(400))
    workers = [start_worker(tmp_path), start_worker(tmp_path)]
    notes = tmp_path / "notes"
    eventually(lambda: notes.exists() and notes.stat().st_size > 200, "blocks are done")
    workers[0].kill()
    durable[0].process.kill()
    durable[0].process.communicate()
    durable.insert(0, Broker(private, "--no-launcher", "--state-dir", "state"))
    workers[0].communicate()
    code, text = control.text("wait", job, c_int64(-1))
    assert (code, json.loads(text)["tasks"][0]["completed"]) == (OK, 400)
    _, err = workers[1].communicate(timeout=PATIENCE)
    assert workers[1].returncode == 0, err
    assert set(map(int, notes.read_text().split())) == set(range(400))


def test_a_worker_of_its_own_loop_hands_blocks_back_in_every_way(
    control: Control, lib: ctypes.CDLL
) -> None:
    control.submit(external(4))
    worker, block = c_void_p(), c_void_p()
    assert lib.bellis_worker_open(b"fortran", byref(worker)) == OK, lib.bellis_error()
    assert lib.bellis_worker_task(worker) == b"t"
    assert lib.bellis_worker_id(worker) >= 1
    ends: list[Any] = [
        lambda: lib.bellis_block_return(block),
        lambda: lib.bellis_block_fail(block, b"bad"),
        lambda: lib.bellis_block_finish(block),
    ]
    leases = set()
    while (code := lib.bellis_acquire(worker, byref(block))) == OK:
        offset, shape = (c_int64 * 8)(), (c_int64 * 8)()
        assert lib.bellis_block_dims(block) == 1
        lib.bellis_block_write_roi(block, offset, shape)
        assert (offset[0], shape[0]) == (10 * lib.bellis_block_index(block), 10)
        leases.add(lib.bellis_block_lease(block))
        assert (ends.pop(0) if ends else lambda: lib.bellis_block_complete(block))() == OK
    assert code == DONE
    assert len(leases) == 6
    assert lib.bellis_worker_leave_reason(worker) != b""
    lib.bellis_worker_close(worker)
    code, text = control.text("wait", b"j", c_int64(-1))
    assert code == OK
    assert json.loads(text)["tasks"][0]["failures_total"] == 1


def test_a_worker_that_waits_can_be_stopped(control: Control, lib: ctypes.CDLL) -> None:
    job = control.submit({**external(4), "paused": True})
    worker, block = c_void_p(), c_void_p()
    assert lib.bellis_worker_open(None, byref(worker)) == OK
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(lib.bellis_acquire(worker, byref(block))))
    thread.start()
    lib.bellis_worker_stop(worker)
    thread.join(PATIENCE)
    assert codes == [DONE]
    lib.bellis_worker_close(worker)
    assert control.call("cancel", job, None) == OK


def test_waiting_and_watching_end_as_they_are_told(control: Control) -> None:
    job = control.submit(external(4))
    code, text = control.text("wait", job, c_int64(1))
    assert (code, json.loads(text)["state"]) == (RUNNING, "running")
    seen: list[Any] = []

    def see(text: "bytes | None", _: Any) -> int:
        seen.append(text)
        return 1 if text is None else 0  # cancel, once some time has passed

    watcher = ctypes.CFUNCTYPE(c_int, c_char_p, c_void_p)(see)
    code, text = control.text("watch", job, 20, watcher, None)
    assert (code, json.loads(text)["state"]) == (FAILED, "cancelled")
    assert json.loads(seen[0])["job"] == job.decode()


def test_errors_have_a_number_and_a_sentence(
    control: Control, lib: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch
) -> None:
    def error(code: int) -> str:
        return f"{lib.bellis_error_name(code).decode()}: {lib.bellis_error().decode()}"

    assert lib.bellis_worker_open(None, None) == ARGUMENT
    assert error(ARGUMENT) == "argument: worker is NULL"
    assert error(control.call("cancel", None, None)) == "argument: job is NULL"
    watcher = ctypes.CFUNCTYPE(c_int, c_char_p, c_void_p)(lambda text, user: 0)
    code = control.call("watch", b"j", 5, watcher, None, None)
    assert error(code) == "argument: interval_ms is out of range; 20 to 60000"
    assert error(control.text("submit", b"{]", 0)[0]).startswith("invalid_spec: the job is no JSON")
    assert "tasks[0].task_id is 5" in error(
        control.text("submit", b'{"tasks": [{"task_id": 5}]}', 0)[0]
    )
    assert "job:2: tasks[0]" in error(control.text("submit", b"\n[[tasks]]", 0)[0])
    assert error(control.text("submit_file", b"/no/such.toml", 0)[0]).startswith("not_found: ")
    assert error(control.text("status", b"x-1")[0]).startswith("unknown_job: ")
    assert error(control.call("pause", b"x-1", None)).startswith("unknown_job: ")
    monkeypatch.setenv("BELLIS_PREFETCH", "many")
    worker = c_void_p()
    code = lib.bellis_worker_open(None, byref(worker))
    assert error(code).startswith("invalid_spec: BELLIS_PREFETCH is 'many'")
    assert not worker
    assert error(lib.bellis_work(None, None, None)) == "argument: function is NULL"
