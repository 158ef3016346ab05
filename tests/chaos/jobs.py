"""The jobs of a chaos run, and their form in a submit."""

import random
import sys
import zlib
from typing import Any

from tests.chaos.blocks import EXCLUSIVE, FREE, ORDERED, JobSpec, Mask, TaskSpec

RETRIES = 1000  # blocks fail at random and by kills; this must not make a job fail


def make_job(name: str, luck: random.Random) -> JobSpec:
    """Two or three tasks of a few dozen blocks, in a chain, of all kinds of conflict."""
    side = luck.choice([60, 80, 100])
    total = [[luck.randrange(-50, 50), luck.randrange(-50, 50)], [side + 10, side + 10]]
    context = luck.choice([0, 3, 5])
    read = [[0, 0], [10 + 2 * context, 10 + 2 * context]]
    write = [[context, context], [10, 10]]
    mask = None
    if luck.random() < 0.3:
        bits = [int(luck.random() < 0.7) for _ in range(16)]
        mask = Mask(total[0], [side // 4 + 3, side // 4 + 3], [4, 4], bits)
    first = TaskSpec(
        "first",
        total,
        read,
        write,
        fit=luck.choice(["valid", "overhang", "shrink"]),
        conflict=luck.choice([ORDERED, ORDERED, EXCLUSIVE, FREE]),
        order=luck.choice(["deepest", "fifo"]),
        max_retries=RETRIES,
        mask=mask,
    )
    second = TaskSpec(
        "second",
        total,
        [[0, 0], [20, 20]],
        [[0, 0], [20, 20]],
        fit="shrink",
        conflict=FREE,
        upstream=["first"],
        max_retries=RETRIES,
    )
    third = TaskSpec(
        "third",
        total,
        [[0, 0], [30, 30]],
        [[5, 5], [20, 20]],
        fit="shrink",
        conflict=ORDERED,
        upstream=["second"],
        max_retries=RETRIES,
    )
    tasks = [first, second, third][: luck.choice([2, 3])]
    return JobSpec(name, tasks, families=luck.random() < 0.5)


def to_message(
    spec: JobSpec, folder: str, direct: dict[str, str], proxied: dict[str, str], bellis: str
) -> dict[str, Any]:
    """The job of a `submit`, with launched workers of three kinds, and external workers."""
    python = [sys.executable, "-m"]
    in_python = "family" if spec.families else "worker"
    groups = [
        {"command": [*python, f"tests.chaos.{in_python}"], "env": proxied},
        {"command": [*python, "tests.chaos.raw_worker"], "env": proxied},
        {"command": [bellis, "exec", "--", *python, "tests.chaos.block_command"], "env": direct},
    ]
    return {
        "name": spec.name,
        "cwd": folder,
        "tasks": [
            {
                "task_id": task.name,
                "total_roi": {"offset": task.total[0], "shape": task.total[1]},
                "read_roi": {"offset": task.read[0], "shape": task.read[1]},
                "write_roi": {"offset": task.write[0], "shape": task.write[1]},
                "fit": task.fit,
                "read_write_conflict": {"true": True, "false": False}.get(
                    task.conflict, task.conflict
                ),
                "order": task.order,
                "max_retries": task.max_retries,
                "upstream": task.upstream,
                "external_workers": True,
                "workers": groups,
                **({"mask": _mask(task.mask)} if task.mask else {}),
            }
            for task in spec.tasks
        ],
    }


def _mask(mask: Mask) -> dict[str, Any]:
    """The mask, packed as by numpy.packbits: the first bit is the highest of its byte."""
    bits = mask.bits + [0] * (-len(mask.bits) % 8)
    packed = bytes(
        sum(bit << (7 - i) for i, bit in enumerate(bits[at : at + 8]))
        for at in range(0, len(bits), 8)
    )
    return {
        "offset": mask.offset,
        "voxel_size": mask.voxel,
        "shape": mask.shape,
        "bits": zlib.compress(packed),
    }
