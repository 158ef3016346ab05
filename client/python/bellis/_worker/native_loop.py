"""The native loop of the workers that the zygote forks.

All settings come from the environment, as in `bellis.work` and `bellis.check`.
"""

import logging
import traceback
from typing import Any, Callable, Optional

from bellis import _core
from bellis._base.answers import refuse_undone, truth_of
from bellis._base.showing import reason_of
from bellis._wire import protocol
from bellis.block import Block, BlockStatus

_LOG = logging.getLogger("bellis")
_MAKER = _core.BlockMaker(Block)


def work(function: Callable[[Block], object]) -> int:
    """Calls `function` with one block after the other; returns how many blocks there were."""
    return _core.work(function, _MAKER, BlockStatus.PROCESSING, _judge, False)


def check(function: Callable[[Block], object]) -> int:
    """Asks `function` about one block after the other: it returns a truth value, and an exception
    counts as no."""
    return _core.work(function, _MAKER, BlockStatus.PROCESSING, _judge_check, True)


def _judge(block: Block, value: Any, error: Optional[BaseException]) -> Optional[str]:
    """None if the block is completed, else the reason why it failed."""
    if error is not None:
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        if isinstance(error, Exception):
            _LOG.error("block %s failed:\n%s", block, text)
        return protocol.cut_error_text(text)
    if block.status is BlockStatus.FAILED:
        return protocol.cut_error_text(reason_of(block.error, "worker set status FAILED"))
    try:
        refuse_undone("process_function", value)
    except TypeError as undone:
        _LOG.error("block %s failed: %s", block, undone)
        return protocol.cut_error_text(f"TypeError: {undone}")
    return None


def _judge_check(block: Block, value: Any, error: Optional[BaseException]) -> Optional[str]:
    if error is None:
        try:
            return None if truth_of("the check", value) else ""
        except Exception as raised:
            error = raised
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    _LOG.error("the check of block %s failed, which counts as no:\n%s", block, text)
    return protocol.cut_error_text(text.strip().rpartition("\n")[2])
