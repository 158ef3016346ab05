"""msgpack in every legal form: the same value with wider integers, longer headers, other orders."""

import struct
from typing import Any, NamedTuple

_UINTS = {8: (0xCC, ">B"), 16: (0xCD, ">H"), 32: (0xCE, ">I"), 64: (0xCF, ">Q")}
_INTS = {8: (0xD0, ">b"), 16: (0xD1, ">h"), 32: (0xD2, ">i"), 64: (0xD3, ">q")}


class Raw(bytes):
    """Bytes that stand for a value as they are."""


class Pairs(list[tuple[Any, Any]]):
    """A map as pairs, in which a key may stand twice or be of any type."""


class Style(NamedTuple):
    """Widths in bits; 0: the shortest form."""

    uint: int = 0  # of integers that are not negative
    int: int = 0  # of all integers, signed
    str: int = 0
    container: int = 0
    reverse: bool = False  # the keys of maps


SHORTEST = Style()


def pack(value: Any, style: Style = SHORTEST) -> bytes:
    if isinstance(value, Raw):
        return bytes(value)
    if value is None:
        return b"\xc0"
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return _int(value, style)
    if isinstance(value, float):
        return struct.pack(">Bd", 0xCB, value)
    if isinstance(value, str):
        data = value.encode()
        return _head(len(data), style.str, 0xA0, 32, {8: 0xD9, 16: 0xDA, 32: 0xDB}) + data
    if isinstance(value, bytes):
        return _head(len(value), 0, 0, 0, {8: 0xC4, 16: 0xC5, 32: 0xC6}) + value
    if isinstance(value, (dict, Pairs)):
        pairs = list(value.items()) if isinstance(value, dict) else list(value)
        if style.reverse:
            pairs.reverse()
        head = _head(len(pairs), style.container, 0x80, 16, {16: 0xDE, 32: 0xDF})
        return head + b"".join(pack(k, style) + pack(v, style) for k, v in pairs)
    head = _head(len(value), style.container, 0x90, 16, {16: 0xDC, 32: 0xDD})
    return head + b"".join(pack(item, style) for item in value)


def _int(value: int, style: Style) -> bytes:
    bits = style.int or (style.uint if value >= 0 else 0)
    if not bits and -32 <= value < 128:
        return struct.pack(">b", value) if value < 0 else struct.pack(">B", value)
    forms = _INTS if style.int or value < 0 else _UINTS
    for width, (code, form) in forms.items():
        if width >= bits:
            try:
                return bytes([code]) + struct.pack(form, value)
            except struct.error:
                continue
    return bytes([0xCF]) + struct.pack(">Q", value)  # beyond a signed integer


def _head(size: int, bits: int, fix: int, fix_end: int, codes: "dict[int, int]") -> bytes:
    if not bits and size < fix_end:
        return bytes([fix | size])
    for width, code in codes.items():
        if width >= bits and size < 1 << width:
            return bytes([code]) + size.to_bytes(width // 8, "big")
    raise ValueError(f"{size} elements")
