"""The values that users give to a task, and the values that their functions return."""

import copy
import datetime
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import bellis
import numpy as np
import pytest
from bellis import Block, BlockStatus, Client, Roi, Task, _core
from bellis._report.headline import headline
from bellis._report.no_blocks import why_no_blocks
from bellis._wire import host_address
from bellis.logging import get_log_basedir, set_log_basedir
from fake_broker import FakeBroker, Wire, completed
from runs import PACKAGE_DIR, done, row_task

UNIT = Roi((0,), (1,))


pytestmark = pytest.mark.usefixtures("logs_in_a_folder")


def make(**arguments: Any) -> Task:
    given = {"task_id": "t", "total_roi": UNIT, "read_roi": UNIT, "write_roi": UNIT}
    return Task(**{**given, "process_function": done, **arguments})


GOOD = [
    ("timeout", np.float32(2.5), 2.5),
    ("timeout", datetime.timedelta(seconds=90), 90.0),
    ("timeout", np.timedelta64(1500, "ms"), 1.5),
    ("timeout", np.int64(3), 3.0),
    ("timeout", 0, None),
    ("timeout", float("inf"), None),
    ("read_write_conflict", np.bool_(False), False),
    ("read_write_conflict", 0, False),
    ("read_write_conflict", np.str_("exclusive"), "exclusive"),
    ("num_workers", np.int64(2), 2),
    ("num_workers", 2.0, 2),
    ("max_retries", np.uint8(0), 0),
    ("max_worker_restarts", np.int32(1), 1),
    ("max_failures", np.int32(0), 0),
    ("release_idle", np.bool_(True), True),
    ("release_idle", 0, False),
    ("fit", np.str_("shrink"), "shrink"),
    ("task_id", np.str_("name"), "name"),
    ("total_roi", ((0,), (10,)), Roi((0,), (10,))),
    ("write_roi", [[np.int64(0)], np.array([1])], UNIT),
]


@pytest.mark.parametrize(("name", "given", "kept"), GOOD)
def test_a_value_is_converted_once(name: str, given: Any, kept: Any) -> None:
    value = getattr(make(**{name: given}), name)
    assert value == kept
    assert type(value) is type(kept)


BAD = [
    ("timeout", "5", TypeError),
    ("timeout", -1, ValueError),
    ("timeout", float("nan"), ValueError),
    ("num_workers", 1.5, TypeError),
    ("num_workers", -1, ValueError),
    ("num_workers", "2", TypeError),
    ("num_workers", None, TypeError),
    ("max_retries", -1, ValueError),
    ("max_retries", float("inf"), TypeError),
    ("max_worker_restarts", -1, ValueError),
    ("max_failures", -1, ValueError),
    ("release_idle", "yes", ValueError),
    ("release_idle", None, ValueError),
    ("read_write_conflict", "yes", ValueError),
    ("read_write_conflict", None, ValueError),
    ("read_write_conflict", np.array([True, False]), ValueError),
    ("fit", 1, ValueError),
    ("total_roi", 5, TypeError),
    ("read_roi", ((0,),), TypeError),
    ("write_roi", ((0.5,), (1,)), TypeError),
    ("write_roi", None, TypeError),
    ("task_id", 1, TypeError),
    ("process_function", 1, TypeError),
    ("check_function", (done, done, done), TypeError),
    ("init_callback_fn", 1, TypeError),
    ("upstream_tasks", 1, TypeError),
    ("upstream_tasks", ["t"], TypeError),
]


@pytest.mark.parametrize(("name", "given", "error"), BAD)
def test_a_value_that_no_run_could_use_is_named(name: str, given: Any, error: type) -> None:
    with pytest.raises(error, match=rf"^{name}(\[0\])? is .*: expected"):
        make(**{name: given})


def test_regions_of_different_rank_are_named() -> None:
    with pytest.raises(ValueError, match="read_roi has 2.*same number of dimensions"):
        make(read_roi=Roi((0, 0), (1, 1)))


def test_a_value_that_cannot_be_shown_is_refused_too() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(TypeError, match="task_id is <list>: expected a string"):
        make(task_id=deep)


@pytest.mark.parametrize("multiprocessing", [True, False])
def test_converted_values_run(multiprocessing: bool) -> None:
    task = row_task(
        "t", done, timeout=np.float32(60), read_write_conflict=np.bool_(False),
        num_workers=np.int64(1), max_retries=np.int64(1),
    )  # fmt: skip
    twice = row_task("u", done, upstream_tasks=[task, task])
    states = bellis.run_blockwise([twice], multiprocessing=multiprocessing, progress="quiet")
    assert states and states["u"].completed_count == 4


def test_one_task_stands_for_a_list_of_it() -> None:
    task = row_task("t", done)
    assert make(upstream_tasks=task).upstream_tasks == [task]
    assert bellis.run_blockwise(task, multiprocessing=False, progress="quiet")
    with pytest.raises(TypeError, match=r"tasks\[1\] is 'u': expected"):
        bellis.run_blockwise([task, "u"])  # type: ignore[list-item]


@pytest.mark.parametrize("multiprocessing", [True, False])
def test_a_run_without_tasks_succeeds(multiprocessing: bool) -> None:
    states = bellis.run_blockwise([], multiprocessing=multiprocessing)
    assert states
    assert not list(states)


def test_a_function_of_any_number_of_arguments_takes_a_block() -> None:
    assert make(process_function=lambda *args: None).takes_block
    assert make(process_function=lambda *args, **options: None).takes_block
    assert not make(process_function=lambda **options: None).takes_block
    assert bellis.run_blockwise([row_task("t", lambda *args: args[0].read_roi)], progress="quiet")


# ---- no room for a block ----


@pytest.mark.parametrize("multiprocessing", [True, False])
def test_a_task_without_blocks_is_reported_with_its_sizes(
    multiprocessing: bool, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    read, write = Roi((0, 0), (14, 14)), Roi((2, 2), (10, 10))
    task = Task("t", Roi((0, 0), (40, 12)), read, write, done)
    assert bellis.run_blockwise([task], multiprocessing)
    assert "Task t has no blocks: in dimension 1, total_roi has 12" in caplog.text
    assert "8 of them can be written to" in caplog.text
    assert "a block writes 10" in caplog.text
    assert "no blocks: nothing was done" in capsys.readouterr().out


@pytest.mark.parametrize("fit", ["valid", "overhang", "shrink"])
@pytest.mark.parametrize("size", range(9))
def test_it_is_reported_if_the_scheduler_has_no_blocks(fit: str, size: int) -> None:
    task = Task("t", Roi((0,), (size,)), Roi((0,), (5,)), Roi((1,), (3,)), done, fit=fit)
    blocks = bellis.DependencyGraph([task]).num_blocks("t")
    assert (why_no_blocks(task) is None) == (blocks > 0)


# ---- where a run listens ----


def test_auto_is_an_address_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bellis.server.own_address", lambda: "127.0.0.1")
    monkeypatch.setenv("BELLIS_HOST", "auto")
    assert bellis.Server().hostname == "127.0.0.1"
    assert bellis.Server(host="auto").port > 0


def test_an_address_that_others_reach_is_found_or_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    try:
        found = host_address.own_address()
        assert not host_address.is_loopback(found)
    except ValueError as error:
        assert "has no address that others can reach" in str(error)
    monkeypatch.setattr(host_address, "_ELSEWHERE", ())
    monkeypatch.setattr("socket.getaddrinfo", lambda *_: [(0, 0, 0, "", ("127.0.1.1", 0))])
    with pytest.raises(ValueError, match='host is "auto", and this machine'):
        host_address.own_address()
    monkeypatch.setattr("socket.getaddrinfo", lambda *_: [(0, 0, 0, "", ("10.0.0.7", 0))])
    assert host_address.own_address() == "10.0.0.7"


# ---- where a run begins ----


def test_a_run_may_begin_in_a_folder_that_was_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    set_log_basedir("bellis_logs")
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    for method in ("fork", "spawn"):
        states = bellis.run_blockwise([row_task("t", done)], progress="quiet", start_method=method)
        assert states
    assert "the working directory was removed" in caplog.text


# ---- blocks ----


def all_copies(block: Block) -> "list[Block]":
    return [pickle.loads(pickle.dumps(block)), copy.copy(block), copy.deepcopy(block), block.copy()]


def test_a_block_made_by_hand_can_be_copied() -> None:
    roi = Roi((0, 0), (4, 4))
    block = Block(roi, roi, roi, task_id="t")
    for copied in all_copies(block):
        assert copied == block
        for name in ("read_roi", "write_roi", "requested_write_roi", "task_id", "index", "lease"):
            assert getattr(copied, name) == getattr(block, name)
        assert copied.status is BlockStatus.CREATED
    assert (block.attempt, block.lease, block.error, block.started_processing) == (1, 0, None, None)
    block.freeze()


class Leased:
    """The source of a block that a broker has leased."""

    task_id = "t"
    attempt = 2
    lease = 9

    def block_id(self, index: int) -> int:
        return 3

    def rois(self, index: int) -> Any:
        return (0,), (4,), (1,), (2,)


def test_values_set_on_a_block_are_kept() -> None:
    block = _core.BlockMaker(Block).make(Leased(), 1)
    block.write_roi = Roi((7,), (7,))
    assert block.read_roi == Roi((0,), (4,))
    for copied in [block, *all_copies(block)]:
        assert copied.write_roi == Roi((7,), (7,))
        assert copied.requested_write_roi == Roi((1,), (2,))
        assert (copied.attempt, copied.lease, copied.index) == (2, 9, 1)


def test_an_error_that_has_no_text_fails_its_block_only() -> None:
    class Mute:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    def process(block: Any) -> None:
        block.status = BlockStatus.FAILED
        block.error = Mute()

    states = bellis.run_blockwise([row_task("t", process, blocks=1, max_retries=0)])
    assert "Mute" in states["t"].failures[0].error


# ---- exceptions in few words ----


def test_a_group_of_exceptions_is_named_with_its_first_member() -> None:
    text = """  + Exception Group Traceback (most recent call last):
  |   File "a.py", line 1, in process
  |     raise ExceptionGroup("several", [ValueError("a"), inner])
  | ExceptionGroup: several (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | ValueError: a
    +---------------- 2 ----------------
    | Exception Group Traceback (most recent call last):
    |   File "a.py", line 2, in more
    | ExceptionGroup: inner (1 sub-exception)
    +-+---------------- 1 ----------------
      | KeyError: 'b'
      +------------------------------------
"""
    named = "ExceptionGroup('several (2 sub-exceptions)'): ValueError('a')"
    assert headline(text) == named
    cause = 'Traceback (most recent call last):\n  File "a.py", line 9, in f\nOSError: x\n\n'
    assert headline(f"{cause}The above exception was ...:\n\n{text}") == named
    after = cause.replace("OSError", "RuntimeError")
    assert headline(f"{text}\nThe above exception was ...:\n\n{after}") == "RuntimeError('x')"


# ---- the one variable ----


def test_the_context_alone_connects(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def script(wire: Wire) -> None:
        wire.expect_hello(job="j", task="k", worker=3, token="")
        wire.send("welcome", version=1, broker="", job="j", task="k", worker=3)
        wire.expect("acquire", want=1)
        wire.work(1)
        wire.expect("release", results=[completed(1)], want=0)
        wire.expect("bye")

    with FakeBroker(script) as broker:
        context = bellis.Context(
            endpoint=broker.endpoint, token="", job="j", task_id="k", worker_id=3, logdir=tmp_path
        )
        monkeypatch.setenv(bellis.Context.ENV_VARIABLE, context.to_env())
        # Variables of a run around this one.
        monkeypatch.setenv("BELLIS_ENDPOINT", "ipc:///nowhere")
        monkeypatch.setenv("BELLIS_TASK", "other")
        with Client() as client, client.acquire_block() as block:
            assert block is not None
            assert (client.host, client.port > 0) == ("127.0.0.1", True)
            assert get_log_basedir() == tmp_path


def test_a_context_made_by_hand_has_a_host_and_a_port() -> None:
    from bellis._worker.options import endpoint_of

    context = bellis.Context(hostname="there", port=5, task_id="t", worker_id=1)
    assert endpoint_of(context) == "tcp://there:5"
    for host in ("::1", "[::1]"):
        assert endpoint_of(bellis.Context(hostname=host, port=5)) == "tcp://[::1]:5"
    assert endpoint_of(bellis.Context(hostname="localhost", port=0)) is None


def test_a_starter_may_hand_on_the_one_variable() -> None:
    program = "import bellis; bellis.work(lambda block: None)"
    name = bellis.Context.ENV_VARIABLE

    def start() -> None:
        env = {name: os.environ[name], "PYTHONPATH": PACKAGE_DIR}
        subprocess.run([sys.executable, "-c", program], env=env, check=True)

    assert bellis.run_blockwise([row_task("t", start, num_workers=2)], progress="quiet")
