"""A small, correct history, which tests spoil."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.blocks import FREE, Block, JobBlocks, JobSpec, TaskSpec
from tests.chaos.checker import check
from tests.chaos.history import Event
from tests.chaos.output import Outputs, digest_of
from tests.chaos.report import Report

MS = 1_000_000
DRIVER = 1

# Two levels in a row of four: 1 and 3 first, then 0 and 2.
FIRST = TaskSpec("first", [[0], [60]], [[0], [30]], [[10], [10]])
SECOND = TaskSpec(
    "second", [[0], [60]], [[0], [20]], [[0], [20]], conflict=FREE, upstream=["first"]
)
JOB = JobSpec("j", [FIRST, SECOND])


@dataclass
class World:
    """A history in the making: time goes on by a millisecond an event."""

    folder: Path
    spec: JobSpec = JOB
    events: list[Event] = field(default_factory=list)
    now: int = 1000 * MS
    lease: int = 0

    def __post_init__(self) -> None:
        self.job = JobBlocks(self.spec)
        self.outputs = Outputs(self.folder / self.spec.name)
        self.outputs.make_folders(self.job)

    def add(self, pid: int, event: str, **fields: Any) -> None:
        self.now += MS
        self.events.append(Event(self.now, pid, event, fields))

    def block(self, task: str, index: int) -> Block:
        found = self.job.find(task, index)
        assert found is not None
        return found

    def begin(self, task: str, index: int, pid: int = 100, **other: Any) -> int:
        block = self.block(task, index)
        self.lease += 1
        self.add(
            pid,
            "begin",
            **{
                "job": self.spec.name,
                "task": task,
                "index": index,
                "lease": self.lease,
                "attempt": 1,
                "worker": pid,
                "read": block.read.roi,
                "write": block.write.roi,
                **other,
            },
        )
        return int(other.get("lease", self.lease))

    def end(
        self,
        task: str,
        index: int,
        lease: int,
        pid: int = 100,
        outcome: str = "completed",
        digest: str = "",
        changed: tuple[str, ...] = (),
    ) -> None:
        block = self.block(task, index)
        inputs = self.outputs.read_all(self.job.reads(block))
        digest = digest or digest_of(block, inputs)
        self.add(pid, "writes", lease=lease, digest=digest)
        self.outputs.write(block, digest, lease)
        self.add(
            pid,
            "end",
            lease=lease,
            outcome=outcome,
            inputs=inputs,
            digest=digest,
            changed=list(changed),
        )

    def run(self, task: str, index: int, pid: int = 100, **other: Any) -> int:
        lease = self.begin(task, index, pid, **other)
        self.end(task, index, lease, pid)
        self.add(pid, "committed", leases=[lease])
        return lease

    def rest(self, *but: tuple[str, int]) -> None:
        """Runs all blocks except those in `but`, in order."""
        for name, task in self.job.tasks.items():
            for block in sorted(task, key=lambda block: block.level):
                if (name, block.index) not in but and not block.masked:
                    self.run(name, block.index)

    def status(self, event: str = "final", state: str = "completed", **wrong: int) -> None:
        tasks = []
        for name, task in self.job.tasks.items():
            masked = sum(block.masked for block in task)
            counts = {
                "blocks": len(task.blocks),
                "masked": masked,
                "pending": 0,
                "ready": 0,
                "leased": 0,
                "completed": len(task.blocks) - masked,
                "failed": 0,
                "orphaned": 0,
            }
            tasks.append({"task": name, **counts, **(wrong if name == "first" else {})})
        self.add(
            DRIVER, event, job=self.spec.name, asked=self.now, state=state, reason="", tasks=tasks
        )

    def check(self) -> Report:
        return check([self.spec], sorted(self.events, key=lambda event: event.t), self.folder)

    def kinds(self) -> set[str]:
        return {violation.kind for violation in self.check().violations}
