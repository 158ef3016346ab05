"""The scheduling objects: worked cases, and geometries that are errors."""

import json
import pickle
from pathlib import Path
from typing import Any

import bellis
import pytest
from bellis import Block, BlockStatus, BlockwiseDependencyGraph, DependencyGraph, Roi, Scheduler

VECTORS = json.loads(
    (Path(__file__).parent.parent / "broker/schedule/blockwise_vectors.json").read_text()
)


def roi(fields: dict[str, Any]) -> Roi:
    return Roi(fields["offset"], fields["shape"])


def task_of(fields: dict[str, Any], upstream: "list[bellis.Task] | None" = None) -> bellis.Task:
    return bellis.Task(
        fields["task_id"],
        roi(fields["total_roi"]),
        roi(fields["read_roi"]),
        roi(fields["write_roi"]),
        process_function=lambda block: None,
        fit=fields["fit"],
        read_write_conflict=fields["read_write_conflict"],
        upstream_tasks=upstream,
    )


def serial_order(scheduler: Scheduler) -> list[tuple[str, int]]:
    order = []
    while ready := scheduler.get_ready_tasks():
        block = scheduler.acquire_block(ready[0].task_id)
        assert block is not None
        order.append((str(block.block_id[0]), block.block_id[1]))
        block.status = BlockStatus.SUCCESS
        scheduler.release_block(block)
    return order


@pytest.mark.parametrize("number", range(len(VECTORS["single"])))
def test_one_task_as_in_the_worked_cases(number: int) -> None:
    case = VECTORS["single"][number]
    task = task_of(case["task"])
    graph = BlockwiseDependencyGraph(
        task.task_id,
        task.read_roi,
        task.write_roi,
        task.read_write_conflict,
        task.fit,
        total_read_roi=task.total_roi,
    )
    assert graph.num_blocks == case["num_blocks"]
    assert graph.num_levels == case["num_levels"]
    seen = {}
    for level in range(graph.num_levels):
        for block in graph.level_blocks(level):
            seen[block.block_id[1]] = (level, block)
    enumerated = {
        block.block_id[1]: sorted(other.block_id[1] for other in upstream)
        for block, upstream in graph.enumerate_all_dependencies()
    }
    assert seen.keys() == enumerated.keys()
    for expected in case["blocks"]:
        level, block = seen[expected["id"]]
        assert level == expected["level"]
        assert block.read_roi == roi(expected["read"])
        assert block.write_roi == roi(expected["write"])
        assert enumerated[expected["id"]] == expected["upstream"]
        by_hand = Block(task.total_roi, block.read_roi, block.write_roi, task_id=task.task_id)
        for asked in (block, by_hand):
            assert sorted(b.block_id[1] for b in graph.upstream(asked)) == expected["upstream"]
            assert sorted(b.block_id[1] for b in graph.downstream(asked)) == expected["downstream"]
    assert [block for _, block in serial_order(Scheduler([task]))] == case["serial_order"]


@pytest.mark.parametrize("number", range(len(VECTORS["chained"])))
def test_chained_tasks_as_in_the_worked_cases(number: int) -> None:
    case = VECTORS["chained"][number]
    tasks: dict[str, bellis.Task] = {}
    for fields in case["tasks"]:
        name = fields["task_id"]
        tasks[name] = task_of(fields, [tasks[a] for a, b in case["edges"] if b == name])
    graph = DependencyGraph(tasks.values())
    assert {name: graph.num_blocks(name) for name in tasks} == case["num_blocks"]
    last = case["tasks"][-1]["task_id"]
    blocks = {b.block_id[1]: b for level in range(graph.task_dependency_graphs[last].num_levels)
              for b in graph.level_blocks(last, level)}  # fmt: skip
    for expected in case["downstream_task"]:
        found = sorted(list(b.block_id) for b in graph.upstream(blocks[expected["id"]]))
        assert found == sorted(expected["upstream"])
    order = serial_order(Scheduler(tasks.values()))
    assert [list(block) for block in order] == case["serial_order"]


def row(blocks: int, **more: Any) -> bellis.Task:
    return bellis.Task(
        more.pop("task_id", "row"),
        Roi((0,), (blocks,)),
        Roi((0,), (1,)),
        Roi((0,), (1,)),
        more.pop("process_function", lambda block: None),
        **more,
    )


def test_a_failed_block_is_tried_again_and_then_orphans_waiting_blocks() -> None:
    first = row(2, task_id="a", max_retries=1)
    scheduler = Scheduler([row(2, task_id="b", upstream_tasks=[first])])
    attempts = []
    while (block := scheduler.acquire_block("a")) is not None:
        attempts.append((block.block_id[1], block.attempt))
        block.status = BlockStatus.FAILED if block.block_id[1] == 0 else BlockStatus.SUCCESS
        scheduler.release_block(block)
    assert attempts == [(0, 1), (1, 1), (0, 2)]
    states = scheduler.task_states
    assert (states["a"].completed_count, states["a"].failed_count) == (1, 1)
    assert (states["b"].orphaned_count, states["b"].ready_count) == (1, 1)
    assert [failure.attempt for failure in states["a"].failures] == [1, 2]
    assert not states


def test_blocks_that_a_check_knows_are_skipped() -> None:
    scheduler = Scheduler([row(4, check_function=lambda block: block.block_id[1] < 3)])
    block = scheduler.acquire_block("row")
    assert block is not None
    assert block.block_id == ("row", 3)
    assert scheduler.task_states["row"].skipped_count == 3


def test_a_block_that_is_not_leased_is_not_taken_back() -> None:
    scheduler = Scheduler([row(2)])
    block = scheduler.acquire_block("row")
    assert block is not None
    with pytest.raises(ValueError, match="expected SUCCESS or FAILED"):
        scheduler.release_block(block)
    block.status = BlockStatus.SUCCESS
    scheduler.release_block(block)
    with pytest.raises(ValueError, match="not"):
        scheduler.release_block(block)
    with pytest.raises(KeyError, match="expected one of"):
        scheduler.acquire_block("column")


def test_a_total_roi_smaller_than_a_block_is_a_task_without_blocks() -> None:
    task = bellis.Task("t", Roi((0,), (3,)), Roi((0,), (5,)), Roi((0,), (5,)), lambda block: None)
    states = bellis.run_blockwise([task], multiprocessing=False, progress="quiet")
    assert states
    assert states["t"].total_block_count == 0


def test_a_billion_blocks_cost_nothing_until_they_are_asked_for() -> None:
    side = Roi((0, 0, 0), (1000, 1000, 1000))
    task = bellis.Task("t", side, Roi((0,) * 3, (1,) * 3), Roi((0,) * 3, (1,) * 3), print)
    scheduler = Scheduler([task])
    assert scheduler.task_states["t"].ready_count == 10**9
    block = scheduler.acquire_block("t")
    assert block is not None
    assert block.write_roi == Roi((0, 0, 0), (1, 1, 1))


def test_blocks_survive_pickling_and_copying() -> None:
    block = Scheduler([row(2)]).acquire_block("row")
    assert block is not None
    for other in (pickle.loads(pickle.dumps(block)), block.copy()):
        assert other == block
        assert other.read_roi == block.read_roi
        assert other.status is BlockStatus.CREATED
        assert repr(other) == "row/0 with read ROI [0:1] (1) and write ROI [0:1] (1)"


def test_a_block_made_by_hand_has_the_id_of_its_position() -> None:
    block = Block(Roi((0, 0), (512, 512)), Roi((128, 128), (64, 64)), Roi((128, 128), (64, 64)))
    assert block.block_id == (None, 12)
    with pytest.raises(ValueError, match="has no id"):
        Block(Roi((0,), (5,)), Roi((-3,), (1,)), Roi((-3,), (1,)))
    with pytest.raises(TypeError, match=r"bellis\.BlockStatus"):
        block.status = "FAILED"  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"fit": "loose"}, "fit is 'loose'"),
        ({"read_write_conflict": "maybe"}, "read_write_conflict is 'maybe'"),
        ({"num_workers": 0}, "num_workers is 0"),
        ({"process_function": lambda a, b: None}, "expected a function of one block"),
    ],
)
def test_bad_tasks_are_refused_at_once(arguments: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        row(1, **arguments)


def test_bad_geometry_is_refused_with_the_field() -> None:
    task = bellis.Task("t", Roi((0,), (9,)), Roi((0,), (2,)), Roi((0,), (3,)), lambda block: None)
    with pytest.raises(ValueError, match=r"tasks\[0\]\.write_roi"):
        Scheduler([task])


def test_serial_runs_raise_what_the_function_raises() -> None:
    def process(block: Block) -> None:
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        bellis.run_blockwise([row(1, process_function=process)], False, progress="quiet")
    with pytest.raises(ValueError, match="needs multiprocessing=True"):
        bellis.run_blockwise([row(1, process_function=lambda: None)], False, progress="quiet")


def test_serial_runs_ask_the_check_after_a_block() -> None:
    tries: list[int] = []
    task = row(
        1, process_function=lambda block: tries.append(1),
        check_function=(None, lambda block: len(tries) > 1),
    )  # fmt: skip
    states = bellis.run_blockwise([task], False, progress="quiet")
    assert states
    assert len(tries) == 2


def test_a_context_travels_through_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    context = bellis.Context(task_id="a:b=c/d é", worker_id=7)
    monkeypatch.setenv(bellis.Context.ENV_VARIABLE, context.to_env())
    again = bellis.Context.from_env()
    assert again["task_id"] == "a:b=c/d é"
    assert again["worker_id"] == "7"
    assert again.get("nothing") is None
    monkeypatch.setenv(bellis.Context.ENV_VARIABLE, "task_id=a")
    with pytest.raises(ValueError, match="expected what"):
        bellis.Context.from_env()


def test_every_public_name_is_there() -> None:
    for name in bellis.__all__:
        assert getattr(bellis, name) is not None
    with pytest.raises(AttributeError, match="nonsense"):
        bellis.nonsense  # noqa: B018


def test_rois_are_expanded_to_the_grid_of_blocks() -> None:
    total, read, write = Roi((-3,), (100,)), Roi((0,), (9,)), Roi((2,), (5,))
    wanted = Roi((0,), (7,))  # writes begin at -1
    assert bellis.expand_roi_to_grid(wanted, total, read, write) == Roi((-1,), (10,))
    assert bellis.expand_request_roi_to_grid(wanted, total, read, write) == Roi((-3,), (14,))
    assert bellis.expand_write_roi_to_grid(wanted, write) == Roi((0,), (10,))
