"""One block while a worker's code has it."""

import logging
from types import TracebackType
from typing import Any, Optional

from bellis import _core
from bellis._base.showing import reason_of
from bellis._wire import protocol
from bellis._worker import loop
from bellis.block import Block, BlockStatus

_LOG = logging.getLogger("bellis")


class Lease:
    """One block from being taken to being handed back: what `Client.acquire_block` returns."""

    def __init__(self, worker: _core.Worker) -> None:
        self._worker = worker
        self._block: Optional[Block] = None
        self._given: Any = None  # what the worker knows the block by

    def __enter__(self) -> Optional[Block]:
        block: Optional[Block] = self._worker.take(loop.BLOCKS)
        self._block = block
        if block is not None:
            self._given = block._source
            block.status = BlockStatus.PROCESSING
        return block

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> bool:
        block, self._block = self._block, None
        if block is None or self._worker.is_inherited:
            return False  # this is a forked child: the block belongs to its parent
        if error is not None:
            block.status = BlockStatus.FAILED
            block.error = loop.error_text(error)
        elif block.status is not BlockStatus.FAILED:
            block.status = BlockStatus.SUCCESS
        goes_on = error is None or isinstance(error, Exception)
        if error is not None and goes_on:
            _LOG.error("block %s failed:\n%s", block, block.error)
        reason = None
        if block.status is BlockStatus.FAILED:
            reason = protocol.cut_error_text(reason_of(block.error, loop.FAILED_BY_STATUS))
        self._worker.give_back(self._given, reason)
        return error is not None and goes_on
