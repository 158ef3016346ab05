"""Workers that end with code 0 while blocks are left, in runs with worker processes."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from bellis.convenience import run_blockwise
from runs import counts, row_task


@pytest.mark.parametrize("leave", [os._exit, sys.exit], ids=["os._exit", "sys.exit"])
def test_code_0_in_a_block_fails_only_that_block(leave: Any) -> None:
    def process(block: Any) -> None:
        if block.block_id[1] == 11:
            leave(0)

    states = run_blockwise([row_task("t", process, blocks=40, num_workers=2)])
    assert counts(states["t"]) == (39, 0, 1, 0)
    assert [failure.block_id for failure in states["t"].failures].count(11) == 3


def test_workers_that_recycle_themselves_do_all_blocks(tmp_path: Path) -> None:
    """Each worker leaves after three blocks, as programs that leak memory are made to."""
    program = (
        "import bellis, pathlib, sys\n"
        "client = bellis.Client()\n"
        "for _ in range(3):\n"
        "    with client.acquire_block() as block:\n"
        "        if block is None: break\n"
        "        pathlib.Path(sys.argv[1], str(block.block_id[1])).touch()\n"
    )

    def start() -> None:
        subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)

    states = run_blockwise([row_task("t", start, blocks=14, num_workers=2)])
    assert counts(states["t"]) == (14, 0, 0, 0)
    assert {path.name for path in tmp_path.iterdir()} >= {str(i) for i in range(14)}


def test_one_block_in_twenty_that_fails_costs_no_worker(tmp_path: Path) -> None:
    def process(block: Any) -> None:
        (tmp_path / f"{os.getpid()}").touch()
        if block.block_id[1] % 20 == 7:
            raise ValueError("this one does")

    states = run_blockwise([row_task("t", process, blocks=200, num_workers=2, max_retries=0)])
    assert counts(states["t"]) == (190, 0, 10, 0)
    assert len([path for path in tmp_path.iterdir() if path.name.isdigit()]) <= 2
