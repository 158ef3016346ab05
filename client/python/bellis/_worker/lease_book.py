"""Which leases a worker has: of blocks that wait, that are worked on, that are handed in."""

from collections import deque
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple, Optional

from bellis._worker.lease_board import Held
from bellis.block import Block

Result = dict[str, Any]  # as `release` has it


class LeaseBook:
    """Three states, one after the other:

        ready     received, not yet given to the user
        working   in the user's hands
        unstored  handed in, not known to be stored

    Pure: what the broker is told of it is the session's.
    """

    def __init__(self) -> None:
        self._ready: deque[Block] = deque()
        self._working: dict[int, Block] = {}  # this and the next by lease
        self._unstored: dict[int, _Unstored] = {}

    @property
    def ready_count(self) -> int:
        return len(self._ready)

    @property
    def working_count(self) -> int:
        return len(self._working)

    def working(self) -> "Collection[int]":
        """The leases of what is in the user's hands."""
        return self._working.keys()

    def all(self) -> list[Held]:
        """What a hello lists."""
        held = [_held_of(block) for block in self._working.values()]
        held += [_held_of(block) for block in self._ready]
        held += [unstored.held for unstored in self._unstored.values()]
        return held

    def add(self, blocks: Iterable[Block]) -> None:
        self._ready.extend(blocks)

    def begin(self) -> Block:
        """The next of those that are ready: worked on from now on."""
        block = self._ready.popleft()
        self._working[block.lease] = block
        return block

    def put_back(self, block: Block) -> None:
        """Undoes `begin`."""
        del self._working[block.lease]
        self._ready.appendleft(block)

    def is_working_on(self, block: Block) -> bool:
        """Whether it is still ours: a hello may have said otherwise meanwhile."""
        return self._working.get(block.lease) is block

    def finish(self, results: list[Result], keep: bool) -> list[Result]:
        """Returns those of blocks that are worked on, which now are not; keeps them if asked to."""
        ours = [result for result in results if result["lease"] in self._working]
        for result in ours:
            block = self._working.pop(result["lease"])
            if keep:
                self._unstored[block.lease] = _Unstored(_held_of(block), result)
        return ours

    def return_ready(self) -> list[Result]:
        """Results that hand back, as it was, all that is ready."""
        results = [{"lease": block.lease, "status": "returned"} for block in self._ready]
        self._ready.clear()
        return results

    def drop_ready(self) -> None:
        self._ready.clear()

    def drop_stored(self, leases: Optional[Iterable[int]] = None) -> None:
        """They need not be handed in again; None: none of them all."""
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
