"""A region of interest: a box in an n-d volume."""

import operator
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Roi:
    """The half-open box `[offset, offset + shape)`, in world units. Immutable, hashable.

    Raises ValueError when offset and shape differ in length, are empty, or a length is negative.
    """

    offset: tuple[int, ...]
    shape: tuple[int, ...]

    def __init__(self, offset: Iterable[int], shape: Iterable[int]) -> None:
        begin = tuple(map(operator.index, offset))
        lengths = tuple(map(operator.index, shape))
        if len(begin) != len(lengths) or not begin:
            raise ValueError(
                f"offset {begin} and shape {lengths}: expected the same number of dimensions, "
                "at least 1"
            )
        if min(lengths) < 0:
            raise ValueError(f"shape {lengths}: expected no negative length")
        object.__setattr__(self, "offset", begin)
        object.__setattr__(self, "shape", lengths)

    @property
    def begin(self) -> tuple[int, ...]:
        """The first corner; the same as `offset`."""
        return self.offset

    @property
    def end(self) -> tuple[int, ...]:
        """The corner past the last element."""
        return tuple(map(operator.add, self.offset, self.shape))

    @property
    def dims(self) -> int:
        return len(self.shape)

    def to_slices(self) -> tuple[slice, ...]:
        """One slice a dimension, to index an array whose first element lies at the origin.

        Nothing is clipped, and Python reads a negative begin as counted from the array's end: pad,
        or take the array's own offset off first, where a block may reach outside.
        """
        return tuple(map(slice, self.offset, self.end))

    def __repr__(self) -> str:
        ranges = ", ".join(f"{begin}:{end}" for begin, end in zip(self.begin, self.end))
        return f"[{ranges}] {self.shape}"
