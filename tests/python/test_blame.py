"""A worker that dies costs one block an attempt, and no other block."""

import multiprocessing
import os
import threading
from pathlib import Path

import pytest
from bellis._worker.work_page import WorkNote, WorkPages
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


def test_each_connection_has_a_place_in_the_page() -> None:
    pages = WorkPages()
    page = pages.take()
    other = pages.take()
    assert page is not None
    assert other is not None
    first, second = WorkNote.claim(page.name, 7), WorkNote.claim(page.name, 8)
    assert first is not None
    assert second is not None
    first.works_on([41])
    assert page.read() == [(7, 41), (8, 0)]
    second.works_on([42, 43])
    assert page.read() == [(7, 41)], "it may be any of these"
    second.works_on([])
    second.renumber(9)
    assert page.read() == [(7, 41), (9, 0)]
    assert other.read() == []
    first.close()
    assert page.read() == [(9, 0)]
    assert WorkNote.claim(page.name, 10) is not None
    pages.close()


def test_a_page_is_blank_for_the_next_worker_and_closed_to_the_last() -> None:
    pages = WorkPages()
    page = pages.take()
    assert page is not None
    note = WorkNote.claim(page.name, 7)
    assert note is not None
    note.works_on([41])
    pages.give_back(page)
    again = pages.take()
    assert again is not None
    assert again.number == page.number
    assert again.read() == []
    assert WorkNote.claim(page.name, 7) is None, "the key is another one"
    pages.close()


def test_many_threads_and_processes_get_a_place_each() -> None:
    pages = WorkPages()
    page = pages.take()
    assert page is not None
    notes: list[WorkNote] = []

    def claim(first: int) -> None:
        for number in range(first, first + 10):
            note = WorkNote.claim(page.name, number)
            assert note is not None
            notes.append(note)

    def claim_and_die() -> None:
        claim(100)
        os._exit(0)

    children = [multiprocessing.get_context("fork").Process(target=claim_and_die) for _ in range(4)]
    threads = [threading.Thread(target=claim, args=(200 + 10 * i,)) for i in range(4)]
    for child in children:
        child.start()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for child in children:
        child.join(60)
    assert len(page.read()) == 80
    pages.close()


def test_a_child_leaves_the_place_of_its_parent_alone() -> None:
    pages = WorkPages()
    page = pages.take()
    assert page is not None
    note = WorkNote.claim(page.name, 7)
    assert note is not None
    child = multiprocessing.get_context("fork").Process(target=note.close)
    child.start()
    child.join(60)
    assert page.read() == [(7, 0)]
    pages.close()


def test_another_file_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(4096))
    pages = WorkPages()
    page = pages.take()
    assert page is not None
    fd = os.open(path, os.O_RDWR)
    names = (f"{path}:0:1", f"/proc/self/fd/{fd}:0:1", page.name + "1", "/nowhere:0:1", "", "x:y")
    beyond = page.name.replace(":0:", ":40960:")
    for name in (*names, beyond, page.name.replace(":0:", ":-4096:"), page.name.partition(":")[0]):
        assert WorkNote.claim(name, 7) is None, name
    os.close(fd)
    assert path.read_bytes() == bytes(4096)
    assert page.read() == []
    pages.close()
