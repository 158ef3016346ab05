"""One block: the ROIs to read and to write, and how it ended."""

import copy
from enum import Enum
from typing import TYPE_CHECKING, Any, Optional, Protocol

if TYPE_CHECKING:
    from funlib.geometry import Roi


class BlockStatus(Enum):
    """How far this attempt at a block has come."""

    CREATED = 0
    PROCESSING = 1
    SUCCESS = 2
    FAILED = 3


class Source(Protocol):
    """The source of blocks, which has their ids and ROIs by index (native: Tiling, Given)."""

    @property
    def task_id(self) -> Optional[str]: ...

    def block_id(self, index: int) -> int: ...

    def rois(self, index: int) -> tuple[Any, Any, Any, Any]:
        """Offset and shape of the read ROI, then of the write ROI."""


_OF_SOURCE = ("block_id", "read_roi", "requested_write_roi", "task_id", "write_roi")


class Block:
    """The ROIs to read and to write, in world units, and the ids of the block and its lease.

    The scheduler makes blocks. A block made by hand needs the total ROI: its id is its position in
    a grid of blocks of its size that begins at the total ROI's begin.

    Set `status` to `BlockStatus.FAILED` to hand the block back as failed without raising; `error`
    is then the reason that is shown to the user. Blocks of the same `block_id` are equal.
    """

    # All slots except the first two are filled when they are first read, so a block whose slots are
    # not read costs 100 ns.
    __slots__ = (
        "_source",
        "_status",
        "attempt",
        "block_id",
        "error",
        "index",
        "lease",
        "read_roi",
        "requested_write_roi",
        "started_processing",
        "stopped_processing",
        "task_id",
        "write_roi",
    )

    block_id: tuple[Optional[str], int]  # task id and Cantor number: the id that users see
    index: int  # row-major rank in the task's grid; -1 for a block made by hand
    read_roi: "Roi"
    write_roi: "Roi"
    requested_write_roi: "Roi"  # its value when the block was made
    task_id: Optional[str]
    attempt: int  # 1 for the first
    lease: int  # number of this hand-out; it only grows, so storage can use it for fencing
    error: Optional[str]
    _source: Optional[Source]  # None for a block made by hand and for a copy: all slots are filled
    _status: BlockStatus

    def __init__(
        self,
        total_roi: "Optional[Roi]",
        read_roi: "Roi",
        write_roi: "Roi",
        block_id: Optional[int] = None,
        task_id: Optional[str] = None,
    ) -> None:
        if block_id is None:
            if total_roi is None:
                raise TypeError("Block() needs a total_roi or a block_id")
            block_id = _id_in(total_roi, write_roi)
        self.index = -1
        self.task_id = task_id
        self.block_id = (task_id, int(block_id))
        self.read_roi = read_roi
        self.write_roi = write_roi
        self.requested_write_roi = write_roi

    @property
    def status(self) -> BlockStatus:
        return self._status

    @status.setter
    def status(self, status: BlockStatus) -> None:
        # With a mistyped "FAILED", a failed block must not count as completed.
        if not isinstance(status, BlockStatus):
            raise TypeError(f"status is {status!r}: expected a bellis.BlockStatus")
        self._status = status

    def copy(self) -> "Block":
        return copy.deepcopy(self)

    def freeze(self) -> None:
        """Does nothing, since a block never takes new attributes. Exists for compatibility with
        daisy."""

    def __getattr__(self, name: str) -> Any:
        """Fills a slot that is empty."""
        value: Any
        if name == "_source":
            value = None
        elif name == "_status":
            value = BlockStatus.CREATED
        elif name in ("error", "started_processing", "stopped_processing"):
            value = None
        elif name == "attempt":
            value = getattr(self._source, "attempt", 1)
        elif name == "lease":
            value = getattr(self._source, "lease", 0)
        elif name in _OF_SOURCE and self._source is not None:
            value = self._from_source(name)
        else:
            raise AttributeError(f"'Block' object has no attribute {name!r}")
        setattr(self, name, value)
        return value

    def _from_source(self, name: str) -> Any:
        assert self._source is not None
        if name == "task_id":
            return self._source.task_id
        if name == "block_id":
            return self.task_id, self._source.block_id(self.index)
        from funlib.geometry import Roi  # slow to import: some never look at a ROI

        read_offset, read_shape, write_offset, write_shape = self._source.rois(self.index)
        if name == "read_roi":
            return Roi(read_offset, read_shape)
        return Roi(write_offset, write_shape)

    def __getstate__(self) -> dict[str, Any]:
        state = {name: getattr(self, name) for name in Block.__slots__ if name != "_source"}
        state.update(getattr(self, "__dict__", {}))  # attributes of a derived class
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Block) and self.block_id == other.block_id

    def __hash__(self) -> int:
        return hash(self.block_id)

    def __repr__(self) -> str:
        return (
            f"{self.task_id}/{self.block_id[1]} with read ROI {self.read_roi} "
            f"and write ROI {self.write_roi}"
        )


def _id_in(total_roi: "Roi", write_roi: "Roi") -> int:
    position = (write_roi.offset - total_roi.offset) // write_roi.shape
    if min(position) < 0:
        raise ValueError(
            f"write_roi {write_roi} begins before total_roi {total_roi}: such a block has no id, "
            "give it one by block_id"
        )
    from bellis import _core  # slow to import, and only blocks made by hand need it

    return _core.cantor_number([int(x) for x in position])
