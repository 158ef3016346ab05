"""Everything that a worker needs to find its broker, in one environment variable."""

import copy
import json
import os
from collections.abc import Iterator
from typing import Any, Optional

from bellis.logging import get_log_basedir

_SECRET = ("token", "secret_key")


class Context:
    """A table of texts: logdir, hostname, port, endpoint, job, task_id, worker_id and slot; on tcp
    also the worker's keys, server_key, public_key and secret_key.

    It travels as JSON, so names and values may hold any characters.
    """

    ENV_VARIABLE = "BELLIS_CONTEXT"

    def __init__(self, **kwargs: Any) -> None:
        base = get_log_basedir()
        self._values: dict[str, str] = {} if base is None else {"logdir": str(base)}
        for name, value in kwargs.items():
            self[name] = value

    def copy(self) -> "Context":
        return copy.deepcopy(self)

    def to_env(self) -> str:
        """The value for the environment variable `ENV_VARIABLE`."""
        return json.dumps(self._values)

    @classmethod
    def from_env(cls) -> "Context":
        """Reads the variable. Raises KeyError if it is not set, ValueError if it is not a
        context."""
        if cls.ENV_VARIABLE not in os.environ:
            raise KeyError(
                f"{cls.ENV_VARIABLE} is not set: it is set for workers that run_blockwise started"
            )
        return cls.from_text(os.environ[cls.ENV_VARIABLE])

    @classmethod
    def from_text(cls, text: str) -> "Context":
        try:
            values = json.loads(text)
        except ValueError:
            values = None
        if not isinstance(values, dict):
            raise ValueError(f"{cls.ENV_VARIABLE} is {text!r}: expected what Context.to_env gives")
        context = cls()
        context._values = {str(name): str(value) for name, value in values.items()}
        return context

    def get(self, name: str, default: Optional[str] = None) -> Optional[str]:
        return self._values.get(name, default)

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self._values[str(name)] = str(value)

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __repr__(self) -> str:
        shown = {k: "..." if k in _SECRET else v for k, v in self._values.items()}
        return f"Context({shown})"
