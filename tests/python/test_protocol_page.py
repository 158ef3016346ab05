"""What the protocol's pages show to authors of workers is right: a whole worker, bytes, formulas.

The fake broker understands the worker in PROTOCOL.md, so both follow the same protocol. The
examples of MESSAGES.md are decoded by tests/common/protocol/page_test.cc.
"""

import math
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import msgpack
from bellis import _core
from fake_broker import FakeBroker, completed, serve_blocks

PAGES = Path(__file__).parents[2] / "common" / "protocol"
PAGE = PAGES / "PROTOCOL.md"


def test_worker_of_the_page_serves_a_whole_task() -> None:
    section = PAGE.read_text(encoding="utf-8").split("### A whole worker")[1]
    text = textwrap.dedent(section[section.index("    import os") : section.index("\n## ")])
    log: list[Any] = []
    with FakeBroker(serve_blocks(5, log)) as broker:
        subprocess.run(
            [sys.executable, "-c", text],
            env={**os.environ, "BELLIS_ENDPOINT": broker.endpoint},
            check=True,
            timeout=60,
        )
    assert log == [completed(lease) for lease in range(1, 6)]


def indented_bytes(name: str) -> "list[bytes]":
    """The examples of a page that begin as a message does: lines of hex digits, then words."""
    examples: list[bytes] = []
    going = False
    for line in (PAGES / name).read_text(encoding="utf-8").splitlines():
        digits = re.match(r" {4} *((?:[0-9a-f]{2})+(?: (?:[0-9a-f]{2})+)*)(?: {2}|$)", line)
        if digits is None:
            going = False
        elif going:
            examples[-1] += bytes.fromhex(digits[1])
        elif digits[1].startswith("92"):
            examples.append(bytes.fromhex(digits[1]))
            going = True
    return examples


def test_bytes_of_the_pages_are_the_messages_shown() -> None:
    assert indented_bytes("PROTOCOL.md") == [msgpack.packb(["acquire", {"want": 1}])]
    assert indented_bytes("MESSAGES.md") == [msgpack.packb(["hello", {"role": "worker"}])]


def test_the_formula_of_block_ids_is_the_brokers() -> None:
    text = (PAGES / "MESSAGES.md").read_text(encoding="utf-8")
    found = re.search(r"```python\n(def cantor.*?)```", text, re.DOTALL)
    assert found
    names: dict[str, Any] = {"math": math}
    exec(found[1], names)
    for position in [[0], [5], [0, 0], [1, 2], [7, 3], [1, 2, 3], [4, 0, 9, 2, 1, 6, 3, 5]]:
        assert names["cantor"](position) == _core.cantor_number(position), position
    for digits, number in re.findall(r"`cantor\(\[([\d, ]+)\]\)` is (\d+)", text):
        assert names["cantor"]([int(digit) for digit in digits.split(",")]) == int(number)
