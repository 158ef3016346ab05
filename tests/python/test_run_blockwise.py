"""Runs with worker processes, from the call to what it returns."""

import functools
import logging
import multiprocessing
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from bellis._run.process_tree import children_of
from bellis.block import BlockStatus
from bellis.context import Context
from bellis.convenience import collect_tasks, run_blockwise
from bellis.logging import set_log_basedir
from bellis.server import Server
from funlib.geometry.roi import Roi
from runs import counts, row_task, wait_until

pytestmark = pytest.mark.usefixtures("logs_in_a_folder")


class TwoArgumentsError(Exception):
    """An error of the kind that does not survive being pickled."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} and {second}")


def test_closures_lambdas_and_shared_memory_are_inherited() -> None:
    done = multiprocessing.Array("i", 20)
    step = 3

    def process(block: Any) -> None:
        done[block.write_roi.offset[0]] += step

    states = run_blockwise([row_task("closure", process, blocks=20, num_workers=2)])
    assert states
    assert counts(states["closure"]) == (20, 0, 0, 0)
    assert done[:] == [3] * 20
    assert run_blockwise([row_task("lambda", lambda block: None)])


def test_workers_are_other_processes_with_random_numbers_of_their_own(tmp_path: Path) -> None:
    def process(block: Any) -> None:
        Path(tmp_path, f"{os.getpid()}").write_text(str(random.random()))
        time.sleep(0.05)

    random.seed(1)
    assert run_blockwise([row_task("t", process, blocks=6, num_workers=3)])
    files = [path for path in tmp_path.iterdir() if path.name.isdigit()]
    assert len(files) > 1
    assert str(os.getpid()) not in [path.name for path in files]
    assert len({path.read_text() for path in files}) == len(files)


def test_failures_come_back_with_their_tracebacks(caplog: pytest.LogCaptureFixture) -> None:
    def process(block: Any) -> None:
        if block.write_roi.offset[0] == 2:
            raise TwoArgumentsError("one", "two")

    with caplog.at_level(logging.ERROR, "bellis"):
        states = run_blockwise([row_task("t", process, max_retries=1)])
    assert not states
    state = states["t"]
    assert counts(state) == (3, 0, 1, 0)
    assert [(failure.block_id, failure.attempt) for failure in state.failures] == [(2, 1), (2, 2)]
    for failure in state.failures:
        assert "test_run_blockwise.py" in failure.error
        assert 'raise TwoArgumentsError("one", "two")' in failure.error
        assert failure.worker_id > 0
    lines = [record.getMessage() for record in caplog.records if record.name == "bellis"]
    assert len(lines) == 2
    assert "Block t/2 failed in worker" in lines[0]
    assert lines[0].endswith("TwoArgumentsError('one and two')")


def test_a_block_that_fails_once_is_tried_again(tmp_path: Path) -> None:
    def process(block: Any) -> None:
        mark = tmp_path / f"tried-{block.block_id[1]}"
        if not mark.exists():
            mark.touch()
            raise ValueError("first time")

    states = run_blockwise([row_task("t", process, blocks=3, num_workers=2)])
    assert states
    assert len(states["t"].failures) == 3


def test_what_workers_print_is_in_their_logs(tmp_path: Path) -> None:
    def process(block: Any) -> None:
        print("to stdout, ö")
        print("to stderr", file=sys.stderr)
        logging.getLogger("user").warning("by logging")
        subprocess.run(["echo", "of a child"], check=True)

    assert run_blockwise([row_task("a/b: ü=%", process, blocks=1)])
    folder = tmp_path / "logs" / "a%2Fb: ü=%25"
    out = (folder / "worker_1.out").read_text(encoding="utf-8")
    assert "to stdout, ö\n" in out
    assert "of a child\n" in out
    err = (folder / "worker_1.err").read_text(encoding="utf-8")
    assert "to stderr\n" in err


def test_the_traceback_of_a_failure_is_in_the_worker_log(tmp_path: Path) -> None:
    def process(block: Any) -> None:
        raise ValueError("look here")

    states = run_blockwise([row_task("t", process, blocks=1, max_retries=0)])
    worker = states["t"].failures[0].worker_id
    assert "look here" in (tmp_path / "logs" / "t" / f"worker_{worker}.err").read_text()


def test_a_starter_finds_its_worker_s_context_in_the_environment(tmp_path: Path) -> None:
    set_log_basedir(tmp_path / "log = a:b c ü")
    task_id = "a/b: c=d ü"
    program = (
        "import sys, bellis\n"
        "from bellis.context import Context\n"
        "context = Context.from_env()\n"
        "client = bellis.Client()\n"
        "while True:\n"
        "    with client.acquire_block() as block:\n"
        "        if block is None: break\n"
        "        path = f'{sys.argv[1]}/{block.block_id[1]}'\n"
        "        open(path, 'w', encoding='utf-8').write(context['task_id'])\n"
    )

    def start() -> None:
        subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)

    states = run_blockwise([row_task(task_id, start, blocks=5, num_workers=2)])
    assert counts(states[task_id]) == (5, 0, 0, 0)
    assert [(tmp_path / str(i)).read_text(encoding="utf-8") for i in range(5)] == [task_id] * 5


def test_a_starter_may_be_a_partial_and_there_is_a_callback_before_it() -> None:
    contexts: list[Context] = []

    def start(program: str) -> None:
        subprocess.run([sys.executable, "-c", program], check=True)

    starter = functools.partial(start, "import bellis; bellis.work(lambda block: None)")
    assert run_blockwise([row_task("t", starter, blocks=2, init_callback_fn=contexts.append)])
    assert [context["task_id"] for context in contexts] == ["t"]
    assert contexts[0]["endpoint"].startswith("ipc://")


def test_check_functions_skip_and_refuse(tmp_path: Path) -> None:
    def pre(block: Any) -> bool:
        return bool(block.write_roi.offset[0] < 3)

    def post(block: Any) -> bool:
        return bool(block.write_roi.offset[0] != 5)

    def process(block: Any) -> None:
        (tmp_path / str(block.write_roi.offset[0])).touch()

    task = row_task("t", process, blocks=8, check_function=(pre, post), max_retries=0)
    states = run_blockwise([task])
    assert counts(states["t"]) == (7, 3, 1, 0)
    assert sorted(int(path.name) for path in tmp_path.iterdir() if path.name.isdigit()) == [
        3,
        4,
        5,
        6,
        7,
    ]


def test_chained_tasks_run_in_order_and_failures_orphan_dependent_blocks() -> None:
    order = multiprocessing.Array("i", 6)
    clock = multiprocessing.Value("i", 0)

    def first(block: Any) -> None:
        if block.write_roi.offset[0] == 0:
            raise ValueError("no")
        with clock.get_lock():
            clock.value += 1
            order[block.write_roi.offset[0]] = clock.value

    def second(block: Any) -> None:
        with clock.get_lock():
            clock.value += 1
            order[3 + block.write_roi.offset[0]] = clock.value

    a = row_task("a", first, blocks=3, max_retries=0)
    b = row_task("b", second, blocks=3, upstream_tasks=[a])
    given = [b]
    states = run_blockwise(given)
    assert given == [b]
    assert counts(states["a"]) == (2, 0, 1, 0)
    assert counts(states["b"]) == (2, 0, 0, 1)
    assert order[1] < order[4]
    assert order[2] < order[5]


def test_tasks_with_conflict_run() -> None:
    from bellis.task import Task

    done = multiprocessing.Value("i", 0)

    def process(block: Any) -> None:
        with done.get_lock():
            done.value += 1

    task = Task(
        "t", Roi((0, 0), (40, 40)), Roi((0, 0), (14, 14)), Roi((2, 2), (10, 10)), process,
        num_workers=3, fit="shrink",
    )  # fmt: skip
    states = run_blockwise([task])
    assert states
    assert states["t"].total_block_count == done.value > 4


def test_two_tasks_of_one_name_are_refused() -> None:
    tasks = [row_task("t", print), row_task("t", print)]
    with pytest.raises(ValueError, match="two different tasks are called 't'"):
        run_blockwise(tasks)
    assert collect_tasks([tasks[0], tasks[0]]) == [tasks[0]]


def test_a_task_without_blocks_is_done() -> None:
    states = run_blockwise([row_task("t", lambda block: None, blocks=0)])
    assert states["t"].total_block_count == 0


def test_an_init_callback_that_raises_ends_the_run() -> None:
    def refuse(context: Context) -> None:
        raise LookupError("not today")

    with pytest.raises(LookupError, match="not today"):
        run_blockwise([row_task("t", lambda block: None, init_callback_fn=refuse)])


def test_a_server_runs_twice_and_listens_where_it_is_told() -> None:
    def process(block: Any) -> None:
        assert Context.from_env()["endpoint"].startswith("tcp://127.0.0.1:")

    server = Server(host="127.0.0.1")
    assert server.port > 0
    for _ in range(2):
        assert server.run_blockwise([row_task("t", process, max_retries=0)])


def test_an_event_ends_a_run(tmp_path: Path) -> None:
    event = threading.Event()

    def process(block: Any) -> None:
        (tmp_path / "begun").touch()
        time.sleep(60)

    def stop() -> None:
        wait_until((tmp_path / "begun").exists)
        event.set()

    stopper = threading.Thread(target=stop)
    stopper.start()
    begun = time.monotonic()
    states = Server(stop_event=event).run_blockwise([row_task("t", process)])
    stopper.join()
    assert time.monotonic() - begun < 30
    assert not states
    assert counts(states["t"]) == (0, 0, 0, 4)


def test_a_worker_may_run_tasks_itself() -> None:
    total = multiprocessing.Value("i", 0)

    def add(block: Any) -> None:
        with total.get_lock():
            total.value += 1

    def process(block: Any) -> None:
        assert run_blockwise([row_task("inner", add, blocks=3, num_workers=2)], progress="quiet")

    assert run_blockwise([row_task("outer", process, blocks=2, num_workers=2, max_retries=0)])
    assert total.value == 6


def test_two_runs_at_once_in_threads() -> None:
    ended: list[bool] = []

    def run(name: str) -> None:
        states = run_blockwise(
            [row_task(name, lambda block: time.sleep(0.01), blocks=10)], progress="quiet"
        )
        ended.append(bool(states))

    threads = [threading.Thread(target=run, args=(f"t{i}",)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ended == [True] * 3


def test_workers_may_use_multiprocessing() -> None:
    def process(block: Any) -> None:
        with multiprocessing.get_context("fork").Pool(2) as pool:
            assert pool.map(abs, [-1, -2]) == [1, 2]

    assert run_blockwise([row_task("t", process, blocks=2, max_retries=0)])


def test_without_a_log_folder_workers_write_where_we_write(
    capfd: pytest.CaptureFixture[str],
) -> None:
    set_log_basedir(None)
    assert run_blockwise([row_task("t", lambda block: print("from a worker"), blocks=1)])
    assert "from a worker\n" in capfd.readouterr().out


def test_thirty_runs_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tempfile

    (tmp_path / "temp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temp"))

    def run() -> None:
        assert run_blockwise([row_task("t", lambda block: None, blocks=1)], progress="quiet")

    def held() -> "tuple[int, int, list[int]]":
        return (
            len(os.listdir("/proc/self/fd")),
            len(os.listdir("/proc/self/task")),
            children_of(os.getpid()),
        )

    run()
    before = held()
    for _ in range(30):
        run()
    assert held() == before
    assert os.listdir(tmp_path / "temp") == []


def test_nothing_waits_behind_a_slow_block() -> None:
    """Blocks that a worker took ahead go to other workers when the block before them takes long."""
    done = multiprocessing.Array("i", 1000)

    def process(block: Any) -> None:
        number = block.block_id[1]
        if number == 500:
            wait_until(lambda: sum(done[:]) == 999)
        done[number] = 1

    states = run_blockwise(
        [row_task("t", process, blocks=1000, num_workers=2, max_retries=0, timeout=30)]
    )
    assert states, states["t"].failures
    assert sum(done[:]) == 1000


@pytest.mark.parametrize("multiprocessing", [True, False])
def test_max_failures_ends_a_task(multiprocessing: bool) -> None:
    def process(block: Any) -> None:
        block.status = BlockStatus.FAILED

    task = row_task("t", process, blocks=50, max_retries=1, max_failures=7, num_workers=1)
    after = row_task("u", lambda block: None, blocks=50, upstream_tasks=[task])
    states = run_blockwise([after], multiprocessing=multiprocessing)
    assert not states
    state = states["t"]
    assert 8 <= state.failures_total < 20  # all failures in one release count
    said = f"max_failures is 7, and {state.failures_total} attempts have failed; the last: block "
    assert said in state.error
    assert state.completed_count == 0 and state.failed_count + state.orphaned_count == 50
    assert states["u"].orphaned_count == 50
