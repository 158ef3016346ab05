"""Slots of workers: numbers from 0; a worker that takes another's place gets its slot."""

import os
import time
from pathlib import Path
from typing import Any

import bellis
import pytest
from bellis.convenience import run_blockwise
from runs import counts, row_task

WORKERS = 3


def note(folder: Path) -> None:
    """Writes down the slot of this process, and waits until every worker has done so."""
    slot = int(bellis.Context.from_env()["slot"])
    (folder / f"{slot}.{os.getpid()}").touch()
    end = time.monotonic() + 60
    while len({path.name.split(".")[0] for path in folder.iterdir()}) < WORKERS:
        assert time.monotonic() < end, "a worker did not come"
        time.sleep(0.01)


@pytest.mark.parametrize("start_method", ["fork", "spawn"])
def test_each_worker_has_a_slot_of_its_own(tmp_path: Path, start_method: str) -> None:
    checked, workers = tmp_path / "checked", tmp_path / "workers"
    checked.mkdir()
    workers.mkdir()

    def process(block: Any) -> None:
        note(workers)

    def check(block: Any) -> bool:
        (checked / bellis.Context.from_env()["slot"]).touch()
        return False

    task = row_task("t", process, blocks=12, num_workers=WORKERS, check_function=check)
    states = run_blockwise([task], start_method=start_method)
    assert counts(states["t"]) == (12, 0, 0, 0)
    slots = sorted(path.name.split(".")[0] for path in workers.iterdir())
    assert slots == ["0", "1", "2"]
    assert {path.name for path in checked.iterdir()} <= {"0", "1", "2"}, "checkers have their own"


def test_the_replacement_has_the_same_slot(tmp_path: Path) -> None:
    workers, deaths = tmp_path / "workers", tmp_path / "deaths"
    workers.mkdir()
    deaths.mkdir()

    def process(block: Any) -> None:
        note(workers)
        death = deaths / str(block.block_id[1])
        if block.block_id[1] % 5 == 1 and not death.exists():
            death.touch()
            os._exit(3)

    states = run_blockwise([row_task("t", process, blocks=15, num_workers=WORKERS)])
    assert counts(states["t"]) == (15, 0, 0, 0)
    names = [path.name.split(".")[0] for path in workers.iterdir()]
    assert set(names) == {"0", "1", "2"}
    assert len(names) > WORKERS, "three died, and others took their places"


def test_a_client_knows_its_slot(tmp_path: Path) -> None:
    def start() -> None:
        client = bellis.Client()
        (tmp_path / f"{client.slot}").touch()
        while True:
            with client.acquire_block() as block:
                if block is None:
                    return
                while len(list(tmp_path.iterdir())) < WORKERS:
                    time.sleep(0.01)

    states = run_blockwise([row_task("t", start, blocks=9, num_workers=WORKERS)])
    assert counts(states["t"]) == (9, 0, 0, 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1", "2"]
