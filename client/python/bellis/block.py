"""One block, as a worker holds it."""

from enum import Enum
from typing import Optional

from bellis.roi import Roi


class BlockStatus(Enum):
    """How far this attempt at a block has come."""

    CREATED = 0
    PROCESSING = 1
    SUCCESS = 2
    FAILED = 3


class Block:
    """What to read and what to write, in world units, and the names of the block and its lease.

    All but `status` and `error` is fixed. Set `status` to `BlockStatus.FAILED` to hand the block
    back as failed without raising; `error` is then the reason that the user reads.
    """

    __slots__ = (
        "_status",
        "attempt",
        "block_id",
        "error",
        "index",
        "lease",
        "read_roi",
        "task_id",
        "write_roi",
    )

    task_id: str
    block_id: tuple[str, int]  # with the Cantor number: names the block for users
    index: int  # row-major rank in the task's grid
    read_roi: Roi
    write_roi: Roi
    attempt: int  # 1 for the first
    lease: int  # this hand-out of the block; only grows, so storage can use it for fencing
    error: Optional[str]

    def __init__(
        self,
        *,
        task_id: str,
        block_id: int,
        index: int,
        read_roi: Roi,
        write_roi: Roi,
        attempt: int = 1,
        lease: int = 0,
    ) -> None:
        self.task_id = task_id
        self.block_id = (task_id, block_id)
        self.index = index
        self.read_roi = read_roi
        self.write_roi = write_roi
        self.attempt = attempt
        self.lease = lease
        self.error = None
        self._status = BlockStatus.CREATED

    @property
    def status(self) -> BlockStatus:
        return self._status

    @status.setter
    def status(self, status: BlockStatus) -> None:
        # A mistyped "FAILED" must not hand in a bad block as completed.
        if not isinstance(status, BlockStatus):
            raise TypeError(f"status is {status!r}: expected a bellis.BlockStatus")
        self._status = status

    def __repr__(self) -> str:
        return (
            f"{self.task_id}/{self.block_id[1]} with read ROI {self.read_roi} "
            f"and write ROI {self.write_roi}"
        )
