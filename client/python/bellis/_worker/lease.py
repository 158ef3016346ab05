"""One block while a worker's code has it."""

import logging
import traceback
from types import TracebackType
from typing import Optional

from bellis._base.showing import reason_of
from bellis._worker.session import WorkerSession
from bellis.block import Block, BlockStatus

_LOG = logging.getLogger("bellis")

_FAILED_BY_STATUS = "worker set status FAILED"


class Lease:
    """One block from being taken to being handed back: what `Client.acquire_block` returns."""

    def __init__(self, session: WorkerSession, want_next: bool) -> None:
        self._session = session
        self._want_next = want_next
        self._block: Optional[Block] = None

    def __enter__(self) -> Optional[Block]:
        self._block = self._session.take()
        if self._block is not None:
            self._block.status = BlockStatus.PROCESSING
        return self._block

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> bool:
        block, self._block = self._block, None
        if block is None or self._session.is_inherited:
            return False  # this is a forked child: the block belongs to its parent
        if error is not None:
            block.status = BlockStatus.FAILED
            block.error = "".join(traceback.format_exception(kind, error, trace))
        elif block.status is not BlockStatus.FAILED:
            block.status = BlockStatus.SUCCESS
        goes_on = error is None or isinstance(error, Exception)
        if error is not None and goes_on:
            _LOG.error("block %s failed:\n%s", block, block.error)
        reason = None
        if block.status is BlockStatus.FAILED:
            reason = reason_of(block.error, _FAILED_BY_STATUS)
        self._session.give_back(block, reason, self._want_next and goes_on)
        return error is not None and goes_on
