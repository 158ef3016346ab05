"""Workers of a program that has used thread pools before its run."""

import concurrent.futures
import multiprocessing.pool
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Callable

import pytest
from bellis.convenience import run_blockwise
from runs import row_task

_SOON_S = 20  # a function that waits for a missing thread waits for ever


class Subclass(concurrent.futures.ThreadPoolExecutor):
    def submit(self, fn: Callable[..., Any], /, *args: Any, **named: Any) -> Any:
        return super().submit(fn, *args, **named)


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def run_with(use: Callable[[], object]) -> "tuple[bool, list[str]]":
    """Whether workers that `use` the pool completed their blocks, and the errors of failed ones."""
    task = row_task("t", lambda block: use(), max_retries=0, timeout=_SOON_S, num_workers=2)
    states = run_blockwise([task], progress="quiet")
    return bool(states), [failure.error for failure in states["t"].failures]


@pytest.mark.parametrize("kind", [concurrent.futures.ThreadPoolExecutor, Subclass])
def test_an_idle_pool_of_threads_has_new_ones_in_a_worker(kind: Any, opened: ExitStack) -> None:
    pool = opened.enter_context(kind(3))
    assert list(pool.map(abs, range(-9, 0)))
    assert run_with(lambda: list(pool.map(abs, [-1, -2, -3, -4]))) == (True, [])
    assert list(pool.map(abs, [-1])) == [1], "and ours is as it was"


def test_a_busy_pool_s_work_is_done_once_by_its_owner(opened: ExitStack) -> None:
    pool = opened.enter_context(concurrent.futures.ThreadPoolExecutor(1))
    go = threading.Event()
    opened.callback(go.set)
    done = multiprocessing.Value("i", 0)

    def count() -> None:
        with done.get_lock():
            done.value += 1

    pool.submit(go.wait)
    waiting = pool.submit(count)
    assert run_with(lambda: pool.submit(abs, -1).result()) == (True, [])
    assert done.value == 0
    go.set()
    waiting.result(_SOON_S)
    assert done.value == 1


def test_a_pool_whose_lock_is_held_can_be_used(opened: ExitStack) -> None:
    pool = opened.enter_context(concurrent.futures.ThreadPoolExecutor(1))
    pool.submit(abs, -1).result()
    with pool._shutdown_lock:
        assert run_with(lambda: pool.submit(abs, -1).result()) == (True, [])


def test_a_pool_that_was_shut_down_stays_so(opened: ExitStack) -> None:
    pool = concurrent.futures.ThreadPoolExecutor(1)
    opened.enter_context(concurrent.futures.ThreadPoolExecutor(1)).submit(abs, -1).result()
    pool.submit(abs, -1).result()
    pool.shutdown()
    completed, errors = run_with(lambda: pool.submit(abs, -1).result())
    assert not completed
    assert "cannot schedule new futures after shutdown" in errors[0]


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (concurrent.futures.ProcessPoolExecutor, "this pool was made before the run"),
        (multiprocessing.pool.ThreadPool, "Pool not running"),
        (multiprocessing.pool.Pool, "Pool not running"),
    ],
)
def test_other_pools_raise_instead_of_waiting_for_ever(
    kind: Any, error: str, opened: ExitStack
) -> None:
    pool = opened.enter_context(kind(1))
    assert list(pool.map(abs, [-1])) == [1]
    completed, errors = run_with(lambda: list(pool.map(abs, [-1])))
    assert not completed
    assert error in errors[0]
    assert list(pool.map(abs, [-2])) == [2], "and ours is as it was"


def test_dask_before_and_during_a_run_does_not_block() -> None:
    dask_array = pytest.importorskip("dask.array")

    def compute() -> None:
        array = dask_array.ones((8, 8), chunks=4) + 1
        assert array.sum().compute(scheduler="threads") == 128

    compute()
    assert run_with(compute) == (True, [])
