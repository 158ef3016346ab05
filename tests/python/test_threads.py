"""Runs that are made in a thread of a pool."""

from pathlib import Path

import pytest
from runs import Script

_RUN = """
import asyncio, concurrent.futures
from bellis.convenience import run_blockwise
from runs import row_task

def run():
    return run_blockwise([row_task("t", lambda block: None, num_workers=2)])

async def in_asyncio():
    return await asyncio.to_thread(run)

def in_a_pool():
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return pool.submit(run).result()

states = HOW
print("completed", states["t"].completed_count)
"""


@pytest.mark.parametrize("how", ["asyncio.run(in_asyncio())", "in_a_pool()"])
def test_workers_end_well(how: str, tmp_path: Path) -> None:
    script = Script(_RUN.replace("HOW", how), tmp_path)
    out, err = script.process.communicate(timeout=120)
    assert "completed 4" in out, out + err
    logs = "".join(p.read_text() for p in tmp_path.glob("bellis_logs/**/*.err"))
    assert "Traceback" not in logs + err
