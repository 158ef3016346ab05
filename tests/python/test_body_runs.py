"""Functions whose body never runs are refused; the value that a function returns is checked."""

from concurrent.futures import Future
from typing import Any

import bellis
import numpy as np
import pytest
from bellis import Client, Task
from fake_broker import FakeBroker, Wire
from runs import counts, done, row_task

pytestmark = pytest.mark.usefixtures("logs_in_a_folder")


async def never(block: Any) -> None:
    raise AssertionError


def yields(block: Any) -> Any:
    yield block


async def yields_async(block: Any) -> Any:
    yield block


class AsyncCall:
    async def __call__(self, block: Any) -> None:
        raise AssertionError

    async def method(self, block: Any) -> None:
        raise AssertionError


NEVER_RUN = [never, yields, yields_async, AsyncCall(), AsyncCall().method]


@pytest.mark.parametrize("function", NEVER_RUN)
def test_a_function_whose_body_never_runs_is_refused(function: Any) -> None:
    for argument in ("process_function", "check_function", "init_callback_fn"):
        arguments = {"process_function": done, argument: function}
        process = arguments.pop("process_function")
        with pytest.raises(
            TypeError, match=f"{argument} is .*, an? .*: expected|would run nothing"
        ):
            row_task("t", process, **arguments)
    with pytest.raises(TypeError, match="check_function"):
        row_task("t", done, check_function=(None, function))


def test_an_async_starter_is_refused() -> None:
    async def start() -> None:
        raise AssertionError

    with pytest.raises(TypeError, match="process_function is .*, an async function"):
        row_task("t", start)


RETURNED = [
    lambda block: never(block),
    lambda block: yields(block),
    lambda block: map(done, [block]),
    lambda block: Future(),
]


@pytest.mark.parametrize("multiprocessing", [True, False])
def test_a_block_fails_when_its_function_returns_work_that_was_not_done(
    multiprocessing: bool,
) -> None:
    tasks = [row_task(f"t{i}", f, blocks=1, max_retries=0) for i, f in enumerate(RETURNED)]
    if not multiprocessing:
        for task in tasks:
            with pytest.raises(TypeError, match="process_function returned .*nothing has run"):
                bellis.run_blockwise([task], multiprocessing=False, progress="quiet")
        return
    states = bellis.run_blockwise(tasks, progress="quiet")
    for state in states.values():
        assert counts(state) == (0, 0, 1, 0)
        assert "of which nothing has run" in state.failures[0].error


def test_a_future_that_is_done_and_other_values_are_fine() -> None:
    def process(block: Any) -> Any:
        future: Future[int] = Future()
        future.set_result(1)
        return [future, np.ones(3), "text", False][block.block_id[1]]

    assert bellis.run_blockwise([row_task("t", process)], progress="quiet")


@pytest.mark.parametrize("multiprocessing", [True, False])
def test_an_invalid_answer_of_a_check_counts_as_no(multiprocessing: bool) -> None:
    def answer(block: Any) -> Any:
        number = block.block_id[1]
        return never(block) if number == 1 else [np.array([True, True]), 0, np.True_, 1][number]

    def run(task: Task) -> Any:
        return bellis.run_blockwise([task], multiprocessing, progress="quiet")

    states = run(row_task("t", done, check_function=answer))
    assert counts(states["t"]) == (4, 2, 0, 0)
    task = row_task("t", done, check_function=(None, answer), max_retries=0)
    states = run(task)
    assert counts(states["t"]) == (2, 0, 2, 0)


def test_an_init_callback_must_not_return_a_coroutine() -> None:
    with pytest.raises(TypeError, match="init_callback_fn returned a coroutine"):
        bellis.run_blockwise([row_task("t", done, init_callback_fn=lambda c: never(c))])


def test_a_worker_in_python_knows_them_too() -> None:
    def script(wire: Wire) -> None:
        wire.welcome()
        wire.expect("acquire", want=1)
        wire.work(1)
        kind, fields = wire.receive()
        assert kind == "release"
        assert fields["results"][0]["status"] == "failed"
        assert "returned a coroutine" in fields["results"][0]["error"]
        wire.send("leave", reason="done")
        while wire.receive()[0] != "bye":
            pass

    with FakeBroker(script) as broker, Client(endpoint=broker.endpoint) as client:
        with pytest.raises(TypeError, match="an async function"):
            client.process(never)
        with pytest.raises(TypeError, match="an async function"):
            client.check(never)
        assert client.process(lambda block: never(block)) == 1
