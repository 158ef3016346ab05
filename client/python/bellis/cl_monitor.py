"""daisy's CLMonitor. Bellis' runs show their progress without it; see bellis.set_progress."""

from typing import Any


class CLMonitor:
    """Does nothing: runs of `server` have their bars and summary without it."""

    def __init__(self, server: Any) -> None:
        self.server = server
