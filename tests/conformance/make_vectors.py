"""Writes vectors/*.json from the tables and examples of MESSAGES.md.

    python -m tests.conformance.make_vectors

One file a message: its meaning, bytes that mean just that, and bytes that a receiver refuses, with
the error's code and the field that the error names. envelope.json has what is not a message.
"""

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from .packing import Pairs, Raw, Style, pack

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "common" / "protocol" / "MESSAGES.md"
VECTORS = Path(__file__).parent / "vectors"

_BIN = Raw(b"\xc4\x01x")
_EXT = Raw(b"\xc7\x03\x05abc")
_NAN = Raw(b"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00")

STYLES = {
    "integers of 64 bits, signed": Style(int=64),
    "integers of 32 bits or more, unsigned": Style(uint=32),
    "integers of 16 bits or more, unsigned": Style(uint=16),
    "integers of 8 bits or more, signed": Style(int=8),
    "str 8": Style(str=8),
    "str 16": Style(str=16),
    "str 32": Style(str=32),
    "map 16 and array 16": Style(container=16),
    "map 32 and array 32": Style(container=32),
    "keys in the reverse order": Style(reverse=True),
}

# Values that a receiver refuses for a field, by its type in the table.
WRONG: "dict[str, list[tuple[str, Any]]]" = {
    "uint": [
        ("nil", None),
        ("a bool", True),
        ("a whole float", 1.0),
        ("negative", -1),
        ("a str", "1"),
        ("2^63", 1 << 63),
        ("an extension type", _EXT),
    ],
    "int": [("nil", None), ("a bool", False), ("a whole float", 1.0), ("2^63", 1 << 63)],
    "float": [("nil", None), ("a str", "1"), ("NaN", _NAN), ("a bool", True)],
    "bool": [("nil", None), ("0", 0), ("a str", "true")],
    "str": [("nil", None), ("an integer", 5), ("bin", _BIN), ("not UTF-8", Raw(b"\xa1\xff"))],
    "array": [("nil", None), ("a map", {}), ("an integer", 1)],
    "map": [("nil", None), ("an array", []), ("a str", "x")],
    "env": [("nil", None), ("an array", []), ("a value that is no str", {"A": 1})],
    "roi": [
        ("nil", None),
        ("an array of one", [[0]]),
        ("different numbers of dimensions", [[0, 0], [1]]),
        ("no dimensions", [[], []]),
        ("9 dimensions", [[0] * 9, [1] * 9]),
        ("a negative shape", [[0], [-1]]),
        ("a float", [[0.5], [1]]),
    ],
}
WRONG["uint32"] = [*WRONG["uint"], ("2^32", 1 << 32)]
WRONG["int32"] = [*WRONG["int"], ("2^31", 1 << 31), ("-2^31 - 1", -(1 << 31) - 1)]

# Keys that no receiver knows, with values that a later version may use.
UNKNOWN = [
    ("x-nil", None),
    ("x-bin", _BIN),
    ("x-extension", _EXT),
    ("x-float", 0.5),
    ("x-nested", [{"a": [1, {"b": None}]}]),
    ("x-keys", Pairs([(1, "one"), ("two", 2)])),
    ("x-twice", 1),
    ("x-twice", "2"),
]


class Row(NamedTuple):
    path: "tuple[str, ...]"  # ("results", "lease") for results[].lease
    type: str
    is_required: bool
    is_version: bool


class Section(NamedTuple):
    rows: "list[Row]"
    message: Any
    data: bytes


def sections() -> "Iterator[Section]":
    for text in re.split(r"^### ", PAGE.read_text(), flags=re.M)[1:]:
        example = re.search(r"```json\n(.*?)```\s+```msgpack\n(.*?)```", text, re.S)
        if example is None:
            continue
        rows = []
        for name, kind, standard in re.findall(
            r"^\| ([a-z_\[\].]+) \| ([a-z0-9 ]+) \| (.*?) \| .*\|$", text, re.M
        ):
            if name != "field":
                path = tuple(name.replace("[]", "").split("."))
                required = standard.strip() == "required"
                rows.append(Row(path, kind, required, name == "version"))
        data = bytes.fromhex(re.sub(r"\s", "", example[2]))
        yield Section(rows, json.loads(example[1]), data)


def place(fields: Any, path: "tuple[str, ...]") -> "tuple[Any, str] | None":
    """The map that a row is about, and how an error names it; None if the example has none."""
    shown = ""
    for step in path[:-1]:
        fields = fields.get(step)
        shown += f".{step}"
        if isinstance(fields, list):
            if not fields:
                return None
            fields = fields[0]
            shown += "[0]"
        if not isinstance(fields, dict):
            return None
    return fields, f"{shown}.{path[-1]}"


MISSING = Raw(b"")


def changed(section: Section, row: Row, how: str, value: Any) -> "dict[str, str]":
    """The example with another value in one field, or without it."""
    message = copy.deepcopy(section.message)
    found = place(message[1], row.path)
    assert found is not None
    where, shown = found
    if value is MISSING:
        del where[row.path[-1]]
    else:
        where[row.path[-1]] = value
    names = f"{message[0]}{shown}"
    is_limit = row.path == ("want",) and how == "2^32"
    return {
        "how": f"{names}: {how}",
        "hex": pack(message).hex(),
        "code": "limit" if is_limit else "bad_message",
        "names": names,
    }


def refused(section: Section) -> "Iterator[dict[str, str]]":
    kind, fields = section.message
    for row in section.rows:
        if place(fields, row.path) is None:
            continue
        element = row.type.removeprefix("array of ") if row.type.startswith("array of ") else ""
        for how, value in WRONG["array" if element else row.type]:
            if not (row.is_version and how.startswith("2^")):
                yield changed(section, row, how, value)
        if element:
            how, value = WRONG[element][0]
            one = changed(section, row, f"an element is {how}", [value])
            yield {**one, "names": one["names"] + "[0]"}
        if row.is_required:
            yield changed(section, row, "missing", MISSING)
    for key, value in [*fields.items()][:1]:
        yield {
            "how": f"{kind}.{key}: twice",
            "hex": pack([kind, Pairs([*fields.items(), (key, value)])]).hex(),
            "code": "bad_message",
            "names": f"{kind}.{key}",
        }


def encodings(section: Section) -> "Iterator[dict[str, str]]":
    seen = {section.data}
    yield {"how": "as in MESSAGES.md", "hex": section.data.hex()}
    kind, fields = section.message
    forms = [(how, pack(section.message, style)) for how, style in STYLES.items()]
    forms.append(("unknown keys", pack([kind, Pairs([*UNKNOWN, *fields.items()])])))
    for how, data in forms:
        if data not in seen:
            seen.add(data)
            yield {"how": how, "hex": data.hex()}


def envelope() -> "list[dict[str, str]]":
    deep: Any = 1
    for _ in range(20):
        deep = [deep]
    cases = [
        ("no bytes", b"", "bad_message"),
        ("a byte that msgpack does not use", b"\xc1", "bad_message"),
        ("a message that is cut off", pack(["acquire", {"want": 1}])[:-1], "bad_message"),
        ("bytes after the message", pack(["acquire", {"want": 1}]) + b"\x00", "bad_message"),
        ("a map", pack({"acquire": 1}), "bad_message"),
        ("an array of one", pack(["acquire"]), "bad_message"),
        ("an array of three", pack(["acquire", {}, {}]), "bad_message"),
        ("a kind that is an integer", pack([7, {}]), "bad_message"),
        ("a kind that is bin", pack([_BIN, {}]), "bad_message"),
        ("fields that are an array", pack(["acquire", []]), "bad_message"),
        ("fields that are nil", pack(["acquire", None]), "bad_message"),
        ("a key that is an integer", pack(["acquire", Pairs([(1, 1)])]), "bad_message"),
        ("20 levels", pack(["acquire", {"x": deep}]), "bad_message"),
        (
            "an array that says 2^32 - 1 elements",
            b"\x92\xa4work\xdd\xff\xff\xff\xff",
            "bad_message",
        ),
        ("a kind that nobody knows", pack(["reticulate", {}]), "unknown_kind"),
    ]
    return [{"how": how, "hex": data.hex(), "code": code} for how, data, code in cases]


def main() -> None:
    for path in VECTORS.glob("*.json"):
        path.unlink()
    for section in sections():
        kind = section.message[0]
        vector = {
            "message": section.message,
            "encodings": list(encodings(section)),
            "refused": list(refused(section)),
        }
        (VECTORS / f"{kind}.json").write_text(json.dumps(vector, indent=1) + "\n")
    (VECTORS / "envelope.json").write_text(json.dumps({"refused": envelope()}, indent=1) + "\n")


if __name__ == "__main__":
    main()
