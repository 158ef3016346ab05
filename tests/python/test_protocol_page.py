"""The fake broker understands the worker in PROTOCOL.md, so both follow the same protocol."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

from fake_broker import FakeBroker, completed, serve_blocks

PAGE = Path(__file__).parents[2] / "common" / "protocol" / "PROTOCOL.md"


def test_worker_of_the_page_serves_a_whole_task() -> None:
    section = PAGE.read_text(encoding="utf-8").split("### A whole worker")[1]
    text = textwrap.dedent(section[section.index("    import os") : section.index("## Client")])
    log: list[Any] = []
    with FakeBroker(serve_blocks(5, log)) as broker:
        subprocess.run(
            [sys.executable, "-c", text],
            env={**os.environ, "BELLIS_ENDPOINT": broker.endpoint},
            check=True,
            timeout=60,
        )
    assert log == [completed(lease) for lease in range(1, 6)]
