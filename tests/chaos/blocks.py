"""The blocks of a job, which of them conflict, and which wait for which: the contract, in slow and
obvious code.

This is written from the contract and independent of the scheduler, so that the two can disagree.
Every question is answered by looking at all blocks; grids here have a few hundred.
"""

import itertools
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import cached_property
from math import prod
from typing import Any

ORDERED, EXCLUSIVE, FREE = "true", "exclusive", "false"  # read_write_conflict, as in a pipeline


@dataclass(frozen=True)
class Box:
    """A half-open box: `begin` lies inside, `end` outside."""

    begin: tuple[int, ...]
    end: tuple[int, ...]

    @staticmethod
    def of(offset: list[int], shape: list[int]) -> "Box":
        return Box(tuple(offset), tuple(o + s for o, s in zip(offset, shape, strict=True)))

    def meets(self, other: "Box") -> bool:
        return all(
            max(a, c) < min(b, d)
            for a, b, c, d in zip(self.begin, self.end, other.begin, other.end, strict=True)
        )

    def cut(self, other: "Box") -> "Box":
        begin = tuple(max(a, b) for a, b in zip(self.begin, other.begin, strict=True))
        end = tuple(min(a, b) for a, b in zip(self.end, other.end, strict=True))
        return Box(begin, tuple(max(a, b) for a, b in zip(begin, end, strict=True)))

    @property
    def roi(self) -> list[list[int]]:
        """The box as on the wire: offset and shape."""
        return [list(self.begin), [b - a for a, b in zip(self.begin, self.end, strict=True)]]


@dataclass(frozen=True)
class Mask:
    """Where blocks have work: `bits` in row-major order, over voxels that begin at `offset`."""

    offset: list[int]
    voxel: list[int]
    shape: list[int]
    bits: list[int]

    def meets(self, box: Box) -> bool:
        for bit, place in zip(self.bits, itertools.product(*map(range, self.shape)), strict=True):
            low = [o + p * v for o, p, v in zip(self.offset, place, self.voxel, strict=True)]
            if bit and box.meets(Box.of(low, self.voxel)):
                return True
        return False


@dataclass(frozen=True)
class TaskSpec:
    name: str
    total: list[list[int]]  # ROIs: offset and shape
    read: list[list[int]]
    write: list[list[int]]
    fit: str = "valid"
    conflict: str = ORDERED
    order: str = "deepest"
    upstream: list[str] = field(default_factory=list)
    max_retries: int = 1000
    launched: int = 1  # workers that the broker's launcher starts
    mask: Mask | None = None


@dataclass(frozen=True)
class JobSpec:
    name: str
    tasks: list[TaskSpec]
    may_fail: bool = False
    families: bool = False  # the job's Python workers do the work in child processes

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> "JobSpec":
        raw: dict[str, Any] = json.loads(text)
        tasks = [
            TaskSpec(**{**task, "mask": Mask(**task["mask"]) if task["mask"] else None})
            for task in raw["tasks"]
        ]
        return JobSpec(raw["name"], tasks, raw["may_fail"], raw["families"])


@dataclass(frozen=True)
class Block:
    task: str
    index: int
    k: tuple[int, ...]
    read: Box
    write: Box
    level: int
    masked: bool

    @property
    def key(self) -> tuple[str, int]:
        return (self.task, self.index)

    def conflicts(self, other: "Block") -> bool:
        """Whether one of two blocks of a task reads what the other writes."""
        return self.read.meets(other.write) or other.read.meets(self.write)


class TaskBlocks:
    """All blocks of a task, by index."""

    def __init__(self, spec: TaskSpec) -> None:
        self.spec = spec
        total, read, write = (Box.of(*roi) for roi in (spec.total, spec.read, spec.write))
        dims = range(len(total.begin))
        self._lo = [write.begin[d] - read.begin[d] for d in dims]
        self._hi = [read.end[d] - write.end[d] for d in dims]
        self._w = [write.end[d] - write.begin[d] for d in dims]
        begin = [total.begin[d] + self._lo[d] for d in dims]
        end = [total.end[d] - self._hi[d] for d in dims]
        up = 0 if spec.fit == "valid" else 1  # round up
        self.counts = [
            max(0, (end[d] - begin[d] + up * (self._w[d] - 1)) // self._w[d]) for d in dims
        ]
        if 0 in self.counts:
            self.counts = [0 for _ in dims]
        self.strides = [
            min(-(-(max(self._lo[d], self._hi[d]) + self._w[d]) // self._w[d]), self.counts[d])
            for d in dims
        ]
        if spec.conflict != ORDERED:
            self.strides = [1 for _ in dims]
        # Level L holds the blocks whose position k, modulo the strides, is offsets[L].
        self.offsets = sorted(itertools.product(*map(range, self.strides)), reverse=True)
        self.blocks = [
            self._block(index, k, total, Box(tuple(begin), tuple(end)))
            for index, k in enumerate(itertools.product(*map(range, self.counts)))
        ]

    def _block(self, index: int, k: tuple[int, ...], total: Box, total_write: Box) -> Block:
        dims = range(len(k))
        low = [total_write.begin[d] + k[d] * self._w[d] for d in dims]
        write = Box.of(low, self._w)
        read = Box(
            tuple(write.begin[d] - self._lo[d] for d in dims),
            tuple(write.end[d] + self._hi[d] for d in dims),
        )
        if self.spec.fit == "shrink":
            read, write = read.cut(total), write.cut(total_write)
        level = self.offsets.index(tuple(x % s for x, s in zip(k, self.strides, strict=True)))
        mask = self.spec.mask
        return Block(
            self.spec.name, index, k, read, write, level, mask is not None and not mask.meets(write)
        )

    def __iter__(self) -> Iterator[Block]:
        return iter(self.blocks)

    def level_parents(self, block: Block) -> list[Block]:
        """The blocks of the level before that `block` waits for, by position."""
        if block.level == 0:
            return []
        step = [
            before - here
            for before, here in zip(
                self.offsets[block.level - 1], self.offsets[block.level], strict=True
            )
        ]
        choices = [
            (p, p + s) if p < 0 else (p - s, p) if p > 0 else (p,)
            for p, s in zip(step, self.strides, strict=True)
        ]
        wanted = {
            tuple(x + o for x, o in zip(block.k, offset, strict=True))
            for offset in itertools.product(*choices)
        }
        return [other for other in self.blocks if other.k in wanted]


class JobBlocks:
    """All blocks of a job, and the blocks that each waits for."""

    def __init__(self, spec: JobSpec) -> None:
        self.spec = spec
        self.tasks = {task.name: TaskBlocks(task) for task in spec.tasks}
        self._reads: dict[tuple[str, int], list[Block]] = {}

    def find(self, task: str, index: int) -> Block | None:
        blocks = self.tasks[task].blocks if task in self.tasks else []
        return blocks[index] if 0 <= index < len(blocks) else None

    @cached_property
    def conflicts(self) -> dict[tuple[str, int], list[Block]]:
        """For each block: the other blocks of its task that must not run while it does."""
        found: dict[tuple[str, int], list[Block]] = {}
        for task in self.tasks.values():
            for block in task:
                found[block.key] = [
                    other
                    for other in task
                    if task.spec.conflict != FREE
                    and other.index != block.index
                    and block.conflicts(other)
                ]
        return found

    @cached_property
    def waits_for(self) -> dict[tuple[str, int], list[Block]]:
        """For each block: the unmasked blocks that must have completed before it begins."""
        found: dict[tuple[str, int], list[Block]] = {}
        for task in self.tasks.values():
            for block in task:
                before = {other.key: other for other in self._upstream(block)}
                if task.spec.conflict == ORDERED:
                    before |= {other.key: other for other in task.level_parents(block)}
                    for other in self.conflicts[block.key]:
                        if other.level < block.level:
                            before[other.key] = other
                found[block.key] = [other for other in before.values() if not other.masked]
        return found

    def reads(self, block: Block) -> list[Block]:
        """The blocks whose output `block` reads, in order: those of upstream tasks, and those of
        its own task if blocks of that task conflict."""
        if block.key not in self._reads:
            own = [
                other
                for other in self.tasks[block.task]
                if self.tasks[block.task].spec.conflict != FREE
                and other.index != block.index
                and block.read.meets(other.write)
            ]
            self._reads[block.key] = self._upstream(block) + own
        return self._reads[block.key]

    def _upstream(self, block: Block) -> list[Block]:
        return [
            other
            for name in self.tasks[block.task].spec.upstream
            for other in self.tasks[name]
            if block.read.meets(other.write)
        ]

    @property
    def total(self) -> int:
        return sum(prod(task.counts) for task in self.tasks.values())
