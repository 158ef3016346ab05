"""The output of a block: a digest of the block and of everything that it reads, in a file.

A block's output depends on that of its neighbours and of upstream blocks. So a wrong order, a
missing input or a write at the wrong time shows in everything that follows.
"""

import hashlib
import os
from pathlib import Path

from tests.chaos.blocks import EXCLUSIVE, Block, JobBlocks

ABSENT = "-"  # in place of the digest of a block that has no output yet

Inputs = list[str]  # digests of what a block reads, in the order of JobBlocks.reads


def digest_of(block: Block, inputs: Inputs) -> str:
    text = f"{block.task}/{block.index} {block.write.roi}: {' '.join(inputs)}"
    return hashlib.sha256(text.encode()).hexdigest()


class Outputs:
    """The files of a job, `<folder>/<task>/<index>`. A write is seen whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def make_folders(self, job: JobBlocks) -> None:
        for task in job.tasks:
            (self._folder / task).mkdir(parents=True, exist_ok=True)

    def read(self, block: Block) -> str:
        try:
            return self._path(block).read_text()
        except FileNotFoundError:
            return ABSENT

    def read_all(self, blocks: list[Block]) -> Inputs:
        return [self.read(block) for block in blocks]

    def write(self, block: Block, digest: str, lease: int) -> None:
        path = self._path(block)
        temporary = path.with_name(f"{block.index}.{os.getpid()}.{lease}")
        temporary.write_text(digest)
        temporary.replace(path)

    def _path(self, block: Block) -> Path:
        return self._folder / block.task / str(block.index)


def undisturbed(job: JobBlocks) -> dict[tuple[str, int], str]:
    """The digests of the job when nothing goes wrong, computed one block at a time.

    Blocks of exclusive tasks, and blocks that read them, are left out: there the order is free.
    """
    done: dict[tuple[str, int], str] = {}
    free: set[str] = set()
    for name, task in job.tasks.items():  # upstream tasks come first in a JobSpec
        if task.spec.conflict == EXCLUSIVE or free & set(task.spec.upstream):
            free.add(name)
            continue
        for block in sorted(task, key=lambda block: block.level):
            if not block.masked:
                inputs = [done.get(other.key, ABSENT) for other in job.reads(block)]
                done[block.key] = digest_of(block, inputs)
    return done
