"""Checkers: workers that say whether blocks are done, or right."""

import logging
import traceback
from typing import Callable

from bellis._base.answers import truth_of
from bellis._wire import protocol
from bellis._worker.lease_book import Result
from bellis._worker.session import WorkerSession
from bellis.block import Block

_LOG = logging.getLogger("bellis")


def answer_all(session: WorkerSession, function: Callable[[Block], object], batch: int) -> int:
    """Answers for `batch` blocks at a time until there are no more; returns how many there were."""
    answered = 0
    while True:
        blocks = session.take_batch(batch)
        if not blocks:
            return answered
        results = [_answer(session, function, block) for block in blocks]
        answered += len(results)
        session.hand_in(results, want=batch)


def _answer(session: WorkerSession, function: Callable[[Block], object], block: Block) -> Result:
    """The answer for one block: `completed` is yes, and an Exception counts as no."""
    session.works_on(block)
    result: Result = {"lease": block.lease, "status": "failed"}
    try:
        if truth_of(session.duty, function(block)):
            result["status"] = "completed"
    except Exception:
        text = traceback.format_exc()
        _LOG.error("%s of block %s failed, which counts as no:\n%s", session.duty, block, text)
        result["error"] = protocol.cut_error_text(text.strip().rpartition("\n")[2])
    return result
