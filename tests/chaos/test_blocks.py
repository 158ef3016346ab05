"""The checker's blocks against worked cases: tiling, levels, which blocks wait for which."""

import json
from math import comb
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.blocks import FREE, ORDERED, Block, JobBlocks, JobSpec, TaskSpec

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "broker" / "schedule" / "blockwise_vectors.json").read_text()
)


def spec_of(task: dict[str, Any], upstream: list[str]) -> TaskSpec:
    total, read, write = (
        [task[roi]["offset"], task[roi]["shape"]] for roi in ("total_roi", "read_roi", "write_roi")
    )
    conflict = ORDERED if task["read_write_conflict"] else FREE
    return TaskSpec(task["task_id"], total, read, write, task["fit"], conflict, upstream=upstream)


def id_of(spec: TaskSpec, block: Block) -> int:
    """The block's id: the Cantor number of its position in the total ROI, counted in blocks."""
    lo = [w - r for w, r in zip(spec.write[0], spec.read[0], strict=True)]
    inside = all(
        r <= w and w + ws <= r + rs for r, rs, w, ws in zip(*spec.read, *spec.write, strict=True)
    )
    q = [k + (a // w if inside else 0) for k, a, w in zip(block.k, lo, spec.write[1], strict=True)]
    return sum(comb(sum(q[: d + 1]) + d, d + 1) for d in range(len(q)))


@pytest.mark.parametrize("case", VECTORS["single"], ids=lambda case: case["task"]["task_id"])
def test_a_single_task(case: dict[str, Any]) -> None:
    spec = spec_of(case["task"], [])
    job = JobBlocks(JobSpec("j", [spec]))
    blocks = {id_of(spec, block): block for block in job.tasks[spec.name]}
    assert len(blocks) == job.total == case["num_blocks"]
    for row in case["blocks"]:
        block = blocks[row["id"]]
        assert block.read.roi == [row["read"]["offset"], row["read"]["shape"]]
        assert block.write.roi == [row["write"]["offset"], row["write"]["shape"]]
        assert block.level == row["level"]
        parents = job.tasks[spec.name].level_parents(block)
        assert {id_of(spec, parent) for parent in parents} == set(row["upstream"])


@pytest.mark.parametrize("number", range(len(VECTORS["chained"])))
def test_a_task_after_others(number: int) -> None:
    case = VECTORS["chained"][number]
    specs = [
        spec_of(task, [a for a, b in case["edges"] if b == task["task_id"]])
        for task in case["tasks"]
    ]
    job = JobBlocks(JobSpec("j", specs))
    named = {spec.name: spec for spec in specs}
    last = specs[-1]
    blocks = {id_of(last, block): block for block in job.tasks[last.name]}
    assert len(blocks) == case["num_blocks"][last.name]
    for row in case["downstream_task"]:
        block = blocks[row["id"]]
        found = {
            (other.task, id_of(named[other.task], other)) for other in job.waits_for[block.key]
        }
        # A block also waits for blocks that conflict; the vectors list only the level before.
        direct = {(last.name, id_of(last, other)) for other in job.conflicts[block.key]}
        wanted = set(map(tuple, row["upstream"]))
        assert wanted <= found
        assert found - wanted <= direct
