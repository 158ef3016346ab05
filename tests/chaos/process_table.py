"""A bound on how many processes and threads a run may have, which can be drawn tight.

RLIMIT_NPROC does not bind root, so this is a control group of its own (pids, version 1 or 2). Where
none can be made, `able` is false.
"""

import contextlib
import os
from pathlib import Path

_ROOTS = (Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup"))


class ProcessTable:
    def __init__(self) -> None:
        self._group: Path | None = None
        for root in _ROOTS:
            group = root / f"bellis-chaos-{os.getpid()}"
            with contextlib.suppress(OSError):
                group.mkdir()
                if (group / "pids.max").exists():
                    self._group = group
                    return
                group.rmdir()

    @property
    def able(self) -> bool:
        return self._group is not None

    def command(self, *command: str) -> list[str]:
        """`command`, so that it and all that it starts are counted here."""
        if self._group is None:
            return list(command)
        enter = f'echo $$ > "{self._group}/cgroup.procs" && exec "$@"'
        return ["sh", "-c", enter, "sh", *command]

    def fill(self) -> None:
        """As many as there are, and no more."""
        if self._group is not None:
            now = (self._group / "pids.current").read_text()
            (self._group / "pids.max").write_text(now)

    def free(self) -> None:
        if self._group is not None:
            (self._group / "pids.max").write_text("max")

    def close(self) -> None:
        if self._group is not None:
            with contextlib.suppress(OSError):  # who is left in it, ends later
                self._group.rmdir()
