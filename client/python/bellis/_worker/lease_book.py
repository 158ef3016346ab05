"""The leases of a worker, by what has become of their blocks."""

from collections import deque
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple, Optional

from bellis._worker.lease_board import Held
from bellis.block import Block

Result = dict[str, Any]  # as `release` has it


class LeaseBook:
    """A lease goes through three states:

        ready     received, not yet given to the user
        working   in the user's hands
        unstored  handed in, not known to be stored

    The book sends nothing: that is the session's task.
    """

    def __init__(self) -> None:
        self._ready: deque[Block] = deque()
        self._working: dict[int, Block] = {}  # this and the next are by lease
        self._unstored: dict[int, _Unstored] = {}

    @property
    def ready_count(self) -> int:
        return len(self._ready)

    @property
    def working_count(self) -> int:
        return len(self._working)

    def working(self) -> "Collection[int]":
        """The leases that the user's code works on."""
        return self._working.keys()

    def all(self) -> list[Held]:
        """All leases, as a hello lists them."""
        held = [_held_of(block) for block in self._working.values()]
        held += [_held_of(block) for block in self._ready]
        held += [unstored.held for unstored in self._unstored.values()]
        return held

    def add(self, blocks: Iterable[Block]) -> None:
        self._ready.extend(blocks)

    def begin(self) -> Block:
        """Moves the next ready block to those that are worked on, and returns it."""
        block = self._ready.popleft()
        self._working[block.lease] = block
        return block

    def put_back(self, block: Block) -> None:
        """Undoes `begin`."""
        del self._working[block.lease]
        self._ready.appendleft(block)

    def is_working_on(self, block: Block) -> bool:
        """Whether this worker still has the block: a welcome may have taken it away meanwhile."""
        return self._working.get(block.lease) is block

    def finish(self, results: list[Result], keep: bool) -> list[Result]:
        """Ends the work on the blocks of `results`; returns the results whose leases are here.

        `keep`: they may have to be handed in again.
        """
        ours = [result for result in results if result["lease"] in self._working]
        for result in ours:
            block = self._working.pop(result["lease"])
            if keep:
                self._unstored[block.lease] = _Unstored(_held_of(block), result)
        return ours

    def return_ready(self) -> list[Result]:
        """Removes all ready blocks; returns the results that hand them back as they were."""
        results = [{"lease": block.lease, "status": "returned"} for block in self._ready]
        self._ready.clear()
        return results

    def drop_ready(self) -> None:
        self._ready.clear()

    def drop_stored(self, leases: Optional[Iterable[int]] = None) -> None:
        """These results need not be handed in again; None: no result needs to be."""
        if leases is None:
            self._unstored.clear()
            return
        for lease in leases:
            self._unstored.pop(lease, None)

    def unstored_results(self) -> list[Result]:
        return [kept.result for kept in self._unstored.values()]

    def keep_only(self, ours: Collection[int]) -> int:
        """Forgets all leases but these. Returns how many of them were being worked on."""
        lost = len(self._working.keys() - set(ours))
        self._working = {lease: block for lease, block in self._working.items() if lease in ours}
        self._ready = deque(block for block in self._ready if block.lease in ours)
        self._unstored = {lease: kept for lease, kept in self._unstored.items() if lease in ours}
        return lost


class _Unstored(NamedTuple):
    held: Held
    result: Result


def _held_of(block: Block) -> Held:
    return Held(block.lease, block.index, block.attempt)
