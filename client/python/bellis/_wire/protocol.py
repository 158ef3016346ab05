"""bellis/1 as bytes: the only file that knows msgpack.

A message is the msgpack array `[kind, fields]`. Each field from the broker is checked when it is
read; a wrong one raises a `BrokerError` of code `bad_message`, which names the field, its value and
what was expected.
"""

import operator
import os
from collections.abc import Mapping
from typing import Any

import msgpack

from bellis._base.showing import shown
from bellis.errors import BrokerError

VERSION = 1
MESSAGE_BYTES_MAX = 1 << 20
ERROR_TEXT_BYTES_MAX = 16 << 10
INT_MAX = (1 << 63) - 1


def encode(kind: str, fields: Mapping[str, Any]) -> bytes:
    """The bytes of a message. Raises BrokerError for a message that cannot be sent."""
    try:
        data: bytes = msgpack.packb([kind, fields], default=_plain)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise BrokerError("bad_message", f"{kind} cannot be encoded: {error}") from error
    if len(data) > MESSAGE_BYTES_MAX:
        raise BrokerError(
            "too_large",
            f"{kind} would be {len(data):,} bytes: at most {MESSAGE_BYTES_MAX:,} are accepted",
        )
    return data


def decode(data: bytes) -> tuple[str, "Fields"]:
    """The kind and the fields of a message from the broker; the fields are still unchecked."""
    try:
        # The value of an unknown key may have any keys.
        message = msgpack.unpackb(data, strict_map_key=False)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise BrokerError(
            "bad_message", f"message from the broker is not msgpack: {error}"
        ) from error
    if not isinstance(message, list) or len(message) != 2:
        raise _wrong("message from the broker", message, "[kind, fields]")
    kind, fields = message
    if not isinstance(kind, str):
        raise _wrong("kind of a message from the broker", kind, "a string")
    if not isinstance(fields, dict):
        raise _wrong(f"fields of {kind}", fields, "a map")
    return kind, Fields(kind, fields)


class Fields:
    """The fields of a message, or of a map inside one, checked as they are read.

    `where` is the path to them, such as `jobs.jobs[0]`. A key that is not read is ignored.
    """

    __slots__ = ("raw", "where")

    def __init__(self, where: str, raw: dict[str, Any]) -> None:
        self.where = where
        self.raw = raw

    def uint(self, name: str, default: int = -1) -> int:
        """An integer from 0 to 2^63-1. Without a default of at least 0 the field is required."""
        value = self.raw.get(name, default)
        if type(value) is not int or not 0 <= value <= INT_MAX:
            raise self._wrong(name, f"an integer from 0 to {INT_MAX}")
        return value

    def text(self, name: str, default: str = "") -> str:
        value = self.raw.get(name, default)
        if not isinstance(value, str):
            raise self._wrong(name, "a string")
        return value

    def map(self, name: str) -> dict[str, Any]:
        value = self.raw.get(name)
        if not isinstance(value, dict):
            raise self._wrong(name, "a map")
        return value

    def maps(self, name: str) -> "list[Fields]":
        value = self.raw.get(name)
        if not isinstance(value, list):
            raise self._wrong(name, "an array of maps")
        maps = []
        for i, item in enumerate(value):
            where = f"{self.where}.{name}[{i}]"
            if not isinstance(item, dict):
                raise _wrong(where, item, "a map")
            maps.append(Fields(where, item))
        return maps

    def _wrong(self, name: str, expected: str) -> BrokerError:
        if name not in self.raw:
            return BrokerError(
                "bad_message", f"{self.where}.{name} is missing: expected {expected}"
            )
        return _wrong(f"{self.where}.{name}", self.raw[name], expected)


def check_version(welcome: Fields) -> None:
    version = welcome.uint("version", VERSION)
    if version != VERSION:
        raise BrokerError(
            "version", f"the broker speaks version {version} of the protocol: expected {VERSION}"
        )


def cut_error_text(text: str) -> str:
    """`text` within the 16 KiB of UTF-8 that a release may carry: its first and its last part.

    Lone surrogates, which UTF-8 cannot carry, are escaped.
    """
    data = text.encode("utf-8", "backslashreplace")
    if len(data) > ERROR_TEXT_BYTES_MAX:
        mark = f"\n... {len(data):,} bytes in all, the middle is left out ...\n".encode()
        part = (ERROR_TEXT_BYTES_MAX - len(mark)) // 2
        data = data[:part] + mark + data[-part:]
    return data.decode("utf-8", "ignore")  # a character that was cut in two is dropped


def _plain(value: Any) -> Any:
    """Converts types that users put into a job and msgpack does not know: paths, and integers of
    NumPy."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return operator.index(value)


def _wrong(what: str, value: Any, expected: str) -> BrokerError:
    return BrokerError("bad_message", f"{what} is {shown(value)}: expected {expected}")
