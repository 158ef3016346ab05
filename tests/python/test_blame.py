"""A worker that dies costs one block an attempt, and no other block."""

from pathlib import Path

import pytest
from runs import Script

_HEAD = """
import multiprocessing, os, sys
import bellis
from funlib.geometry.roi import Roi

calls = multiprocessing.Array("i", 2000)
BAD = 700
unit = Roi((0,), (1,))

def run(function, max_retries, **more):
    task = bellis.Task("t", Roi((0,), (2000,)), unit, unit, function, read_write_conflict=False,
                       max_retries=max_retries, **more)
    state = bellis.run_blockwise([task], progress="quiet")["t"]
    print("counts", state.completed_count, state.failed_count, calls[BAD],
          {failure.block_id for failure in state.failures} == {BAD}, len(state.failures))

def compute(block):
    calls[block.block_id[1]] += 1
    if block.block_id[1] == BAD:
        os.abort()
"""


def _counts(text: str, tmp_path: Path) -> "list[str]":
    code, out, err = Script(_HEAD + text, tmp_path).wait()
    words = next((line for line in out.splitlines() if line.startswith("counts")), "")
    assert words, f"exit code {code}\n{out}{err}"
    return words.split()[1:]


@pytest.mark.parametrize("max_retries", [0, 2])
def test_of_blocks_of_microseconds_only_the_one_that_aborts_fails(
    max_retries: int, tmp_path: Path
) -> None:
    text = f"run(compute, {max_retries}, num_workers=2)"
    tries = str(max_retries + 1)
    assert _counts(text, tmp_path) == ["1999", "1", tries, "True", tries]


def test_the_same_holds_in_children_of_a_worker(tmp_path: Path) -> None:
    text = """
def loop():
    client = bellis.Client()
    while True:
        with client.acquire_block() as block:
            if block is None:
                return
            compute(block)

def start():
    child = multiprocessing.Process(target=loop)
    child.start()
    child.join()
    sys.exit(child.exitcode and 1)

run(start, 0, num_workers=1)
"""
    assert _counts(text, tmp_path) == ["1999", "1", "1", "True", "1"]
