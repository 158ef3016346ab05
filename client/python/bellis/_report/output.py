"""What a run shows is a courtesy: where it cannot be written, the run goes on."""

import io
import os
import sys
from typing import Any, TextIO, Union

_failed: "list[Any]" = []  # streams


def write(stream: Any, text: str) -> None:
    """Writes `text` to `stream` now, after what the program has written to it before.

    Characters that the stream cannot write are escaped. A stream that is None, closed, full or a
    pipe that nobody reads is left alone from then on; the other one of stdout and stderr says so,
    once. Raises nothing.
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
        # Past the stream's buffer: what stays in there fails again at the end of the program.
        while data:
            data = data[os.write(descriptor, data) :]
    except (OSError, ValueError) as error:  # ValueError: it is closed
        _give_up(stream, error)


class Courtesy:
    """A text stream for others to write to, tqdm for one, whose errors end nothing."""

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
