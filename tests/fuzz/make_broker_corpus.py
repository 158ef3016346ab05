"""Makes inputs for broker_fuzz from the core's transcripts: make_broker_corpus.py FOLDER.

Reads the peers' messages there; tests/broker/core/story_text.h describes their form.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack

MESSAGE, GONE, TIME, COMMITTED = 0, 1, 2, 3
TRANSCRIPTS = Path(__file__).parent.parent / "broker" / "core" / "transcripts"
BARE = re.compile(r"[A-Za-z][\w\-./+]*")
ROI = re.compile(r"([-\d,]+)\+([\d,]+)")
WORD = re.compile(r'(?:"(?:\\.|[^"\\])*"|\[.*?\](?= |$)|\{.*?\}(?= |$)|[^ "\[{])+')


def value_of(key: str, text: str) -> Any:
    if (roi := ROI.fullmatch(text)) and (key in ("read", "write") or key.endswith("_roi")):
        offset, shape = (json.loads(f"[{numbers}]") for numbers in roi.groups())
        return {"offset": offset, "shape": shape} if key.endswith("_roi") else [offset, shape]
    if BARE.fullmatch(text) and text not in ("true", "false", "null"):
        return text
    return json.loads(text)


def add_words(words: "list[str]", fields: "dict[str, Any]") -> None:
    for word in words:
        if word.startswith('"'):  # continues the text before
            fields[list(fields)[-1]] += json.loads(word)
        elif field := re.match(r"(\w+)=(.*)", word):
            fields[field[1]] = value_of(field[1], field[2])
        else:
            lease, status = word.split(":")
            fields.setdefault("results", []).append({"lease": int(lease), "status": status})


def parse_message(lines: "list[str]") -> "list[Any]":
    kind, *words = WORD.findall(lines[0])
    fields: dict[str, Any] = {}
    add_words(words, fields)
    opened = [fields]  # the objects that the next line may belong to, by depth
    for line in lines[1:]:
        depth = (len(line) - len(line[1:].lstrip()) - 2) // 2
        _, key, *words = WORD.findall(line)
        if key != "..":
            del opened[depth + 1 :]
            opened.append({})
            if key.endswith(":"):
                opened[depth][key[:-1]] = opened[-1]
            else:
                opened[depth].setdefault(key, []).append(opened[-1])
        add_words(words, opened[-1])
    return [kind, fields]


def events(text: str) -> "Iterator[tuple[int, str, str | list[Any]]]":
    """Each event: its time, the peer, and a message or a word such as `gone`."""
    found: list[list[str]] = []
    for line in text.splitlines():
        if line.startswith("@"):
            found.append([line])
        elif line.startswith("|"):
            found[-1].append(line)
    for first, *more in found:
        said = re.match(r"@(\d+) (\S+) (.*)", first)
        if said is not None:
            alone = said[3] in ("gone", "lost", "is gone", "is lost")
            yield int(said[1]), said[2], said[3] if alone else parse_message([said[3], *more])


def steps(text: str, durable: bool) -> bytes:
    data = bytearray([1 if durable else 0])
    peers: dict[str, int] = {}
    now = 0
    for at, name, said in events(text):
        peer = peers.setdefault(name, len(peers)) % 16
        if isinstance(said, str):
            data.append(16 * GONE + peer)
            continue
        body = msgpack.packb(said)
        data.append(16 * MESSAGE + peer)
        data.append(min(255, max(0, at - now) // 10))
        data += len(body).to_bytes(2, "little") + body
        if durable:
            data.append(16 * COMMITTED)
        if at > now + 100:
            data.append(16 * TIME)
        now = at
    return bytes(data)


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for transcript in sorted(TRANSCRIPTS.glob("*.txt")):
        text = transcript.read_text()
        for durable in (False, True):
            name = transcript.stem + ("_durable" if durable else "")
            (folder / name).write_bytes(steps(text, durable))


if __name__ == "__main__":
    main()
