"""Delays Ctrl-C while it could do harm."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Optional


class Interrupts:
    """Delays SIGINT, which usually raises KeyboardInterrupt, within a `with` statement.

    SIGINT is delayed at first, and again after `hold`. After the first SIGINT that raises, the
    following ones are delayed, so that they cannot interrupt the clean-up. In other threads than
    the main thread, and if SIGINT has no handler in Python, this does nothing.

        with Interrupts() as interrupts:
            try:
                open things
                interrupts.let()
                try:
                    work
                finally:
                    interrupts.hold()
            finally:
                close them
    """

    def __init__(self) -> None:
        self._former: Any = None
        self._held = True
        self._came = False

    def __enter__(self) -> "Interrupts":
        former = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is threading.main_thread() and callable(former):
            self._former = former
            signal.signal(signal.SIGINT, self._on_signal)
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        former, self._former = self._former, None
        if former is None:
            return
        signal.signal(signal.SIGINT, former)
        if self._came and not isinstance(error, KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)

    def let(self) -> None:
        """Lets SIGINT through from now on. Raises if one has come already."""
        self._held = False
        if self._came:
            self._came = False
            signal.raise_signal(signal.SIGINT)

    def hold(self) -> None:
        self._held = True

    def _on_signal(self, number: int, frame: Optional[FrameType]) -> None:
        if self._held:
            self._came = True
            return
        self._held = True
        self._former(number, frame)
        self._held = False
