"""The checker on histories made by hand: a clean history passes, and the checker finds and names
each planted fault."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos.blocks import EXCLUSIVE, Box, JobBlocks, JobSpec, Mask, TaskSpec
from tests.chaos.checker_world import DRIVER, FIRST, JOB, SECOND, World
from tests.chaos.history import History, read_histories
from tests.chaos.output import digest_of, undisturbed


class TestBlocks:
    def test_two_levels_in_a_row(self, world: World) -> None:
        assert [block.level for block in world.job.tasks["first"]] == [1, 0, 1, 0]
        assert [b.index for b in world.job.waits_for["first", 2]] == [1, 3]
        assert [b.index for b in world.job.conflicts["first", 1]] == [0, 2]
        assert world.block("first", 1).read == Box((10,), (40,))

    def test_a_downstream_block_waits_for_what_it_reads(self, world: World) -> None:
        assert [b.key for b in world.job.waits_for["second", 1]] == [("first", 1), ("first", 2)]

    def test_every_fit_and_the_empty_grid(self) -> None:
        counts = {
            fit: JobBlocks(JobSpec("j", [replace(SECOND, fit=fit, total=[[0], [50]])]))
            for fit in ("valid", "overhang", "shrink")
        }
        assert [job.tasks["second"].counts for job in counts.values()] == [[2], [3], [3]]
        last = counts["shrink"].tasks["second"].blocks[-1]
        assert last.write.roi == [[40], [10]]
        assert JobBlocks(JobSpec("j", [replace(FIRST, total=[[0], [15]])])).total == 0

    def test_every_conflicting_pair_is_ordered_by_the_levels_alone(self) -> None:
        task = TaskSpec("t", [[0, 0], [90, 70]], [[0, 0], [36, 21]], [[13, 4], [9, 13]])
        job = JobBlocks(JobSpec("j", [task]))
        blocks = job.tasks["t"]
        after: dict[int, set[int]] = {}
        for block in sorted(blocks, key=lambda block: block.level):
            parents = {parent.index for parent in blocks.level_parents(block)}
            after[block.index] = parents.union(*(after[parent] for parent in parents))
        for block in blocks:
            for other in job.conflicts[block.key]:
                assert other.level != block.level
                if other.level < block.level:
                    assert other.index in after[block.index]


class TestCleanHistories:
    def test_one_block_after_the_other(self, world: World) -> None:
        world.rest()
        world.status()
        report = world.check()
        assert report.lines() == []
        assert (report.blocks, report.runs, report.runs_again) == (7, 7, 0)

    def test_blocks_that_do_not_conflict_may_overlap(self, world: World) -> None:
        one, three = world.begin("first", 1), world.begin("first", 3, pid=101)
        world.end("first", 1, one)
        world.end("first", 3, three, pid=101)
        world.rest(("first", 1), ("first", 3))
        world.status()
        assert world.check().lines() == []

    def test_a_killed_run_is_over_when_its_process_is_killed(self, world: World) -> None:
        world.begin("first", 1, pid=101)
        world.add(DRIVER, "kill", target=101)
        world.rest()
        world.status()
        report = world.check()
        assert report.lines() == []
        assert report.runs_again == 1

    def test_a_failed_attempt_is_followed_by_another(self, world: World) -> None:
        lease = world.begin("first", 1)
        world.end("first", 1, lease, outcome="failed")
        world.rest()
        world.status()
        assert world.check().lines() == []

    def test_a_masked_block_is_not_missed(self, tmp_path: Path) -> None:
        mask = Mask([0], [20], [3], [0, 1, 1])
        world = World(tmp_path, JobSpec("j", [replace(FIRST, mask=mask), SECOND]))
        assert [block.masked for block in world.job.tasks["first"]] == [True, False, False, False]
        world.rest()
        world.status()
        assert world.check().lines() == []

    def test_exclusive_blocks_in_any_order(self, tmp_path: Path) -> None:
        world = World(tmp_path, JobSpec("j", [replace(FIRST, conflict=EXCLUSIVE), SECOND]))
        for index in (2, 0, 3, 1):
            world.run("first", index)
        for index in range(3):
            world.run("second", index)
        world.status()
        assert world.check().lines() == []

    def test_a_history_with_an_incomplete_last_line(self, tmp_path: Path) -> None:
        history = History(tmp_path, "worker")
        history.add("hello", worker=1)
        path = next(tmp_path.glob("worker-*.jsonl"))
        with path.open("ab") as file:
            file.write(b'{"t": 5, "pid"')
        assert [event.event for event in read_histories(tmp_path)] == ["hello"]


def overlap(task: str, index: int, other: int) -> Callable[[World], None]:
    def plant(world: World) -> None:
        one = world.begin(task, index, pid=101)
        two = world.begin(task, other, pid=102)
        world.end(task, index, one, pid=101)
        world.end(task, other, two, pid=102)

    return plant


def overlap_by_a_killed_one(world: World) -> None:
    world.begin("first", 1, pid=101)
    world.begin("first", 1, pid=102)
    world.add(DRIVER, "kill", target=101)


def overlap_seen_by_a_tick(world: World) -> None:
    lease = world.begin("first", 1, pid=101)
    world.begin("first", 1, pid=102)
    world.add(101, "tick", lease=lease)


def a_level_too_early(world: World) -> None:
    world.run("first", 2)


def downstream_too_early(world: World) -> None:
    world.run("second", 0)


def after_a_failed_one(world: World) -> None:
    for index in (1, 3):
        lease = world.begin("first", index)
        world.end("first", index, lease, outcome="failed")
    world.run("first", 2)


def again_after_it_was_committed(world: World) -> None:
    world.run("first", 1)


def an_input_that_changed(world: World) -> None:
    lease = world.begin("first", 1)
    world.end("first", 1, lease, changed=("first/0",))


def one_lease_twice(world: World) -> None:
    lease = world.begin("first", 1)
    world.end("first", 1, lease, outcome="failed")
    world.begin("first", 1, lease=lease)
    world.end("first", 1, lease)


def a_smaller_lease_later(world: World) -> None:
    lease = world.begin("first", 1, lease=900)
    world.end("first", 1, lease, outcome="failed")


def a_broker_that_counts_anew(world: World) -> None:
    world.lease = 800
    world.run("first", 0)
    world.add(1, "broker")
    world.add(200, "hello", worker=200)
    world.lease = 0
    world.run("first", 1, pid=200)


def no_such_block(world: World) -> None:
    world.begin("first", 1)
    world.events[-1].fields["index"] = 77


def another_roi(world: World) -> None:
    lease = world.begin("first", 1, read=[[0], [30]])
    world.end("first", 1, lease)


def a_wrong_digest(world: World) -> None:
    lease = world.begin("first", 1)
    world.end("first", 1, lease, digest="wrong")


def what_nobody_began(world: World) -> None:
    world.add(100, "committed", leases=[4711])


PLANTED: list[tuple[str, Callable[[World], None]]] = [
    ("exclusion", overlap("first", 1, 2)),
    ("twice", overlap("first", 1, 1)),
    ("twice", overlap("second", 1, 1)),
    ("twice", overlap_by_a_killed_one),
    ("twice", overlap_seen_by_a_tick),
    ("order", a_level_too_early),
    ("order", downstream_too_early),
    ("order", after_a_failed_one),
    ("durable", again_after_it_was_committed),
    ("input", an_input_that_changed),
    ("lease", one_lease_twice),
    ("lease", a_smaller_lease_later),
    ("lease", a_broker_that_counts_anew),
    ("geometry", no_such_block),
    ("geometry", another_roi),
    ("output", a_wrong_digest),
    ("history", what_nobody_began),
]


class TestPlantedFaults:
    @pytest.mark.parametrize(("kind", "plant"), PLANTED)
    def test_the_planted_violation_is_found(
        self, world: World, kind: str, plant: Callable[[World], None]
    ) -> None:
        plant(world)
        world.rest()
        world.status()
        assert kind in world.kinds()

    def test_a_wrong_order_shows_in_the_files_too(self, world: World) -> None:
        a_level_too_early(world)
        world.rest()
        world.status()
        assert "output" in world.kinds()

    def test_a_file_that_was_overwritten_later(self, world: World) -> None:
        world.rest()
        world.outputs.write(world.block("second", 2), "other", 1)
        world.status()
        assert world.kinds() == {"output"}

    def test_exclusive_blocks_that_read_what_was_not_there(self, tmp_path: Path) -> None:
        world = World(tmp_path, JobSpec("j", [replace(FIRST, conflict=EXCLUSIVE)]))
        lease = world.begin("first", 1)
        world.add(100, "writes", lease=lease, digest="d")
        world.add(
            100, "end", lease=lease, outcome="completed", inputs=["x", "-"], digest="d", changed=[]
        )
        world.outputs.write(world.block("first", 1), "d", lease)
        assert "output" in world.kinds()

    def test_exclusive_blocks_that_miss_what_was_done_before(self, tmp_path: Path) -> None:
        world = World(tmp_path, JobSpec("j", [replace(FIRST, conflict=EXCLUSIVE)]))
        world.run("first", 0)
        block = world.block("first", 1)
        lease = world.begin("first", 1)
        digest = digest_of(block, ["-", "-"])
        world.add(100, "writes", lease=lease, digest=digest)
        world.add(
            100,
            "end",
            lease=lease,
            outcome="completed",
            inputs=["-", "-"],
            digest=digest,
            changed=[],
        )
        world.outputs.write(block, digest, lease)
        assert "output" in world.kinds()

    def test_a_masked_block_that_runs(self, tmp_path: Path) -> None:
        mask = Mask([0], [20], [3], [0, 1, 1])
        world = World(tmp_path, JobSpec("j", [replace(FIRST, mask=mask)]))
        world.run("first", 0)
        world.rest()
        world.status()
        assert "geometry" in world.kinds()

    def test_a_job_that_does_not_end(self, world: World) -> None:
        world.rest()
        assert world.kinds() == {"completeness"}

    def test_a_completed_job_with_a_block_not_done(self, world: World) -> None:
        world.rest(("second", 2))
        world.status()
        assert world.kinds() == {"completeness", "count"}

    def test_a_job_that_failed_though_it_should_not(self, world: World) -> None:
        world.rest()
        world.status(state="failed")
        assert world.kinds() == {"completeness"}

    @pytest.mark.parametrize(
        "wrong",
        [
            {"completed": 5, "blocks": 5},
            {"completed": 5},
            {"completed": 3},
            {"completed": 3, "pending": 1},
            {"masked": 1, "completed": 3},
        ],
    )
    def test_counts_that_are_wrong(self, world: World, wrong: dict[str, int]) -> None:
        world.rest()
        world.status("status", state="running", **wrong)
        world.status()
        assert world.kinds() == {"count"}

    def test_counts_before_and_after_a_result_is_durable(self, world: World) -> None:
        world.status("status", state="running", completed=0, pending=4)
        lease = world.begin("first", 1)
        world.end("first", 1, lease)
        world.events.append(
            replace(
                world.events[0], t=world.now, fields={**world.events[0].fields, "asked": world.now}
            )
        )
        clean = {v.text for v in world.check().violations if v.kind == "count"}
        assert not any("first" in text for text in clean)
        world.add(100, "committed", leases=[lease])
        world.events.append(
            replace(
                world.events[0],
                t=world.now + 2,
                fields={**world.events[0].fields, "asked": world.now + 1},
            )
        )
        assert any("told that 1" in v.text for v in world.check().violations)


def test_the_reference_output_leaves_free_parts_alone() -> None:
    job = JobBlocks(JobSpec("j", [replace(FIRST, conflict=EXCLUSIVE), SECOND]))
    assert undisturbed(job) == {}
    assert len(undisturbed(JobBlocks(JOB))) == 7
