"""Loops over the blocks that a worker is given."""

import logging
import traceback
from functools import partial
from typing import Any, Callable, Optional

from bellis import _core
from bellis._base.answers import refuse_never_run, refuse_undone, truth_of
from bellis._base.showing import reason_of
from bellis._wire import protocol
from bellis.block import Block, BlockStatus

_LOG = logging.getLogger("bellis")
BLOCKS = _core.BlockMaker(Block)

FAILED_BY_STATUS = "worker set status FAILED"


def work(worker: _core.Worker, function: Callable[[Block], object], name: str) -> int:
    """Calls `function` with one block after the other; returns how many blocks there were.

    `name` is the function's in messages. TypeError for a function that is async or a generator.
    """
    refuse_never_run(name, function)
    return worker.run(
        function, BLOCKS, BlockStatus.PROCESSING, partial(_judge, name), False, _core.STOCK_MAX
    )


def check(
    worker: _core.Worker,
    function: Callable[[Block], object],
    name: str,
    stock_max: int = _core.STOCK_MAX,
) -> int:
    """Asks `function` about one block after the other: it returns a truth value, and an Exception
    counts as no."""
    refuse_never_run(name, function)
    return worker.run(
        function, BLOCKS, BlockStatus.PROCESSING, partial(_judge_check, name), True, stock_max
    )


def error_text(error: BaseException) -> str:
    """The traceback, as a release carries it."""
    lines = traceback.format_exception(type(error), error, error.__traceback__)
    return protocol.cut_error_text("".join(lines))


def _judge(name: str, block: Block, value: Any, error: Optional[BaseException]) -> Optional[str]:
    """None if the block is completed, else the reason why it failed."""
    if error is not None:
        text = error_text(error)
        if isinstance(error, Exception):
            _LOG.error("block %s failed:\n%s", block, text)
        return text
    if block.status is BlockStatus.FAILED:
        return protocol.cut_error_text(reason_of(block.error, FAILED_BY_STATUS))
    try:
        refuse_undone(name, value)
    except TypeError as undone:
        _LOG.error("block %s failed: %s", block, undone)
        return protocol.cut_error_text(f"TypeError: {undone}")
    return None


def _judge_check(
    name: str, block: Block, value: Any, error: Optional[BaseException]
) -> Optional[str]:
    if error is None:
        try:
            return None if truth_of(name, value) else ""
        except Exception as raised:
            error = raised
    text = error_text(error)
    _LOG.error("%s of block %s failed, which counts as no:\n%s", name, block, text)
    return text.strip().rpartition("\n")[2]
