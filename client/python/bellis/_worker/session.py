"""A worker's session with the broker: the native one, with the log of this package."""

import logging

from bellis import _core
from bellis._worker.options import WorkerOptions

_LOG = logging.getLogger("bellis")
_LEVELS = (logging.INFO, logging.WARNING, logging.ERROR)  # by the native Severity


def connect(options: WorkerOptions) -> _core.Worker:
    """Connects and says hello. Raises BrokerError as `bellis.Client` says."""
    return _core.Worker(options, _notice)


def _notice(severity: int, sentence: str) -> None:
    _LOG.log(_LEVELS[severity], "%s", sentence)
