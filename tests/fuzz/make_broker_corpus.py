"""Makes inputs for broker_fuzz of the scheduler's transcripts: make_broker_corpus.py FOLDER."""

import json
import re
import sys
from pathlib import Path

import msgpack

MESSAGE, GONE, TIME, COMMITTED = 0, 1, 2, 3
TRANSCRIPTS = Path(__file__).parent.parent / "broker" / "core" / "transcripts"


def steps(text: str, durable: bool) -> bytes:
    data = bytearray([1 if durable else 0])
    peers: dict[str, int] = {}
    now = 0
    for line in text.splitlines():
        said = re.match(r"@(\d+) (\S+) (\[.*)", line)
        if said is None:
            lost = re.match(r"@\d+ (\S+) (?:is )?(?:lost|gone)", line)
            if lost is not None:
                data.append(16 * GONE + peers.setdefault(lost[1], len(peers)) % 16)
            continue
        at, peer = int(said[1]), peers.setdefault(said[2], len(peers)) % 16
        body = msgpack.packb(json.loads(said[3]))
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
