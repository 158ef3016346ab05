"""The work of a chaos worker on a block, with any client library, and its history.

The environment says where to work. CHAOS_JOB_DIR belongs to one job and holds `job.json` and
`out/`. CHAOS_HISTORY is the folder of histories. CHAOS_ENDPOINT, if set, replaces BELLIS_ENDPOINT:
it is a proxy that cuts connections. CHAOS_SEED and the pid seed the random numbers.
"""

import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.chaos.blocks import JobBlocks, JobSpec
from tests.chaos.history import History
from tests.chaos.output import Outputs, digest_of
from tests.chaos.runs import COMPLETED, DROPPED, FAILED

SLICE_S = 0.005  # between two ticks


class BlockFailedError(Exception):
    """A block fails at random, as users' code does."""


class Work:
    """The history, outputs and random numbers of this process."""

    def __init__(self, who: str) -> None:
        folder = Path(os.environ["CHAOS_JOB_DIR"])
        self.history = History(Path(os.environ["CHAOS_HISTORY"]), who)
        self._job = JobBlocks(JobSpec.from_json((folder / "job.json").read_text()))
        self._outputs = Outputs(folder / "out")
        self.luck = random.Random(f"{os.environ.get('CHAOS_SEED', '')} {os.getpid()}")

    @property
    def endpoint(self) -> str:
        return os.environ.get("CHAOS_ENDPOINT") or os.environ["BELLIS_ENDPOINT"]

    def hello(self, client: str, worker: int, job: str, task: str, lease_ms: int) -> None:
        self.history.add(
            "hello", client=client, worker=worker, job=job, task=task, lease_ms=lease_ms
        )

    def committed(self, leases: list[int]) -> None:
        self.history.add("committed", leases=list(leases))

    def run(
        self,
        *,
        task: str,
        index: int,
        lease: int,
        attempt: int,
        worker: int,
        read: list[list[int]],
        write: list[list[int]],
        keep_going: Callable[[], None] = lambda: None,
    ) -> None:
        """Computes the block, and calls `keep_going` all the while; an exception there ends it.

        Raises BlockFailedError now and then, before or after writing the output.
        """
        self.history.add(
            "begin",
            job=self._job.spec.name,
            task=task,
            index=index,
            lease=lease,
            attempt=attempt,
            worker=worker,
            read=read,
            write=write,
        )
        end: dict[str, Any] = {"outcome": DROPPED, "inputs": [], "digest": "", "changed": []}
        try:
            block = self._job.find(task, index)
            if block is None:
                raise BlockFailedError("no such block")
            reads = self._job.reads(block)
            end["inputs"] = self._outputs.read_all(reads)
            fails = self.luck.random() < 0.01
            self._compute(self._seconds(), lease, keep_going)
            if fails and self.luck.random() < 0.5:
                raise BlockFailedError("bad luck")
            end["digest"] = digest_of(block, end["inputs"])
            self.history.add("writes", lease=lease, digest=end["digest"])
            self._outputs.write(block, end["digest"], lease)
            self._compute(self.luck.uniform(0, 0.003), lease, keep_going)
            now = self._outputs.read_all(reads)
            end["changed"] = [
                f"{other.task}[{other.index}]"
                for other, before, after in zip(reads, end["inputs"], now, strict=True)
                if before != after
            ]
            if fails:
                raise BlockFailedError("bad luck after all was written")
            end["outcome"] = COMPLETED
        except BlockFailedError:
            end["outcome"] = FAILED
            raise
        finally:
            self.history.add("end", lease=lease, **end)

    def _seconds(self) -> float:
        """The time for a block: mostly 1 to 30 ms, at times up to 1 s, rarely over a lease."""
        draw = self.luck.random()
        if draw < 0.003:
            return self.luck.uniform(2.2, 4.0)
        if draw < 0.03:
            return self.luck.uniform(0.2, 1.0)
        return self.luck.uniform(0.001, 0.030)

    def _compute(self, seconds: float, lease: int, keep_going: Callable[[], None]) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            keep_going()
            time.sleep(min(SLICE_S, left))
            self.history.add("tick", lease=lease)
