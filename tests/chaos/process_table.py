"""A bound on how many processes and threads a run may have, which can be made tight.

RLIMIT_NPROC does not bind root, so this is a control group (pids, version 1 or 2). If none can be
made, `able` is false.
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
        """A command that runs `command` in the group, which counts all its processes."""
        if self._group is None:
            return list(command)
        enter = f'echo $$ > "{self._group}/cgroup.procs" && exec "$@"'
        return ["sh", "-c", enter, "sh", *command]

    def fill(self) -> None:
        """Makes the bound tight: no more processes than there are now."""
        if self._group is not None:
            now = (self._group / "pids.current").read_text()
            (self._group / "pids.max").write_text(now)

    def free(self) -> None:
        if self._group is not None:
            (self._group / "pids.max").write_text("max")

    def close(self) -> None:
        if self._group is not None:
            with contextlib.suppress(OSError):  # a process that is left in the group ends later
                self._group.rmdir()
