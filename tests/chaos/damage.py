"""Damages the state directory, as a bad disk or a careless user would."""

import random
import shutil
from pathlib import Path

_FILES = ("progress.sqlite", "progress.sqlite-wal", "acknowledged")


class Damage:
    """Damages `state` between the end of one broker and the start of the next; keeps a `copy`."""

    def __init__(self, state: Path, copy: Path) -> None:
        self._state = state
        self._copy = copy

    def make(self, luck: random.Random) -> str | None:
        """Copies the state, then damages one file. Returns what was done; None if nothing was."""
        present = [name for name in _FILES if (self._state / name).is_file()]
        if not present:
            return None
        shutil.rmtree(self._copy, ignore_errors=True)
        shutil.copytree(self._state, self._copy)
        path = self._state / luck.choice(present)
        data = bytearray(path.read_bytes())
        kind = luck.choice(["changed", "changed", "changed", "lost", "cut", "emptied", "removed"])
        at = luck.randrange(len(data)) if data else 0
        if not data and kind != "removed":
            return None
        if kind == "changed":
            data[at] ^= luck.randrange(1, 256)
        elif kind == "lost":
            del data[at]
        elif kind == "cut":
            del data[at:]
        elif kind == "emptied":
            data.clear()
        if kind == "removed":
            path.unlink()
        else:
            path.write_bytes(data)
        return f"{path.name}: {kind}, at {at} of {path.name}"

    def undo(self) -> None:
        """Puts the state back as it was."""
        shutil.rmtree(self._state)
        shutil.copytree(self._copy, self._state)
