"""Output that must not end a run: if a stream cannot be written, the run goes on."""

import io
import os
import sys
from typing import Any, TextIO, Union

_failed: "list[Any]" = []  # streams


def write(stream: Any, text: str) -> None:
    """Writes `text` to `stream` now, after what the program has written to it before.

    Characters that the stream cannot write are escaped. When writing fails (the stream is closed or
    full, or nobody reads the pipe), nothing more is written to that stream, and the other one of
    stdout and stderr says so once. Raises nothing.
    """
    if stream is None or any(stream is failed for failed in _failed):
        return
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        data = text.encode(encoding, "backslashreplace")
        descriptor = _descriptor(stream)
        if descriptor is None:
            stream.write(data.decode(encoding))
            stream.flush()
            return
        stream.flush()
        # Does not use the stream: data left in its buffer would fail again at the end of the
        # program.
        while data:
            data = data[os.write(descriptor, data) :]
    except (OSError, ValueError) as error:  # a closed stream raises ValueError
        _give_up(stream, error)


class Courtesy:
    """A text stream for libraries such as tqdm, on which an error of writing ends nothing."""

    def __init__(self, stream: "Union[TextIO, Any]") -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        write(self._stream, text)
        return len(text)

    def flush(self) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _descriptor(stream: Any) -> "int | None":
    try:
        number = stream.fileno()
    except (AttributeError, io.UnsupportedOperation):
        return None
    return number if isinstance(number, int) else None


def _give_up(stream: Any, error: Exception) -> None:
    _failed.append(stream)
    name = "stdout" if stream is sys.stdout else "stderr" if stream is sys.stderr else "a stream"
    other = sys.stdout if stream is sys.stderr else sys.stderr
    reason = getattr(error, "strerror", None) or error
    write(other, f"bellis: {name} cannot be written ({reason}); the run goes on\n")
