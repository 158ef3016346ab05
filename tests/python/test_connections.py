"""Several clients of one worker: in children, in threads, one after the other."""

from pathlib import Path

from runs import Script

_HEAD = """
import multiprocessing, os, sys, threading, time
import bellis
from funlib.geometry.roi import Roi

held = multiprocessing.Value("i", 0)
overlaps = multiprocessing.Value("i", 0)
done = multiprocessing.Value("i", 0)

def loop():
    client = bellis.Client()
    while True:
        with client.acquire_block() as block:
            if block is None:
                return
            with held.get_lock():
                held.value += 1
                overlaps.value += held.value > 1
            time.sleep(0.1)
            with held.get_lock():
                held.value -= 1
                done.value += 1

def run(start, blocks, conflict, **more):
    write = Roi((20,), (10,))
    read = Roi((0,), (50,)) if conflict else write  # three blocks in a row meet
    total = Roi((0,), (10 * blocks + 40 * conflict,))
    task = bellis.Task("t", total, read, write, start, read_write_conflict=conflict,
                       num_workers=1, max_retries=0, **more)
    state = bellis.run_blockwise([task], progress="quiet")["t"]
    print("counts", state.completed_count, state.failed_count, overlaps.value, done.value)
"""


def counts_of(text: str, tmp_path: Path) -> "list[int]":
    code, out, err = Script(_HEAD + text, tmp_path).wait()
    assert code == 0, out + err
    words = next(line for line in out.splitlines() if line.startswith("counts")).split()
    return [int(word) for word in words[1:]]


def test_conflicting_blocks_never_run_in_two_children_of_a_worker_at_once(tmp_path: Path) -> None:
    text = """
def start():
    children = [multiprocessing.Process(target=loop) for _ in range(3)]
    for child in children: child.start()
    for child in children: child.join()
run(start, blocks=3, conflict=True)
"""
    assert counts_of(text, tmp_path) == [3, 0, 0, 3]


def test_children_and_threads_of_a_worker_work_side_by_side(tmp_path: Path) -> None:
    text = """
def start():
    children = [multiprocessing.Process(target=loop) for _ in range(2)]
    for child in children: child.start()
    threads = [threading.Thread(target=loop) for _ in range(2)]
    for thread in threads: thread.start()
    for one in children + threads: one.join()
run(start, blocks=24, conflict=False)
"""
    completed, failed, beside_others, done = counts_of(text, tmp_path)
    assert [completed, failed, done] == [24, 0, 24]
    assert beside_others > 0


def test_a_client_for_each_block_fails_none(tmp_path: Path) -> None:
    text = """
def start():
    while True:
        client = bellis.Client()
        with client.acquire_block() as block:
            if block is None:
                return
            done.value += 1
run(start, blocks=20, conflict=False)
"""
    assert counts_of(text, tmp_path) == [20, 0, 0, 20]


def test_a_client_opened_to_read_its_id_takes_no_block(tmp_path: Path) -> None:
    text = """
def start():
    first = bellis.Client()
    with first.acquire_block() as block:
        bellis.Client().worker_id
        done.value += 1
    with first:
        while True:
            with first.acquire_block() as block:
                if block is None:
                    return
                done.value += 1
run(start, blocks=5, conflict=False)
"""
    assert counts_of(text, tmp_path) == [5, 0, 0, 5]


def test_a_child_that_is_killed_costs_its_own_block_only(tmp_path: Path) -> None:
    text = """
import signal
def doomed():
    client = bellis.Client()
    with client.acquire_block() as block:
        os.kill(os.getpid(), signal.SIGKILL)

def start():
    child = multiprocessing.Process(target=doomed)
    child.start()
    child.join()
    loop()
run(start, blocks=4, conflict=False)
"""
    assert counts_of(text, tmp_path)[:2] == [3, 1]
