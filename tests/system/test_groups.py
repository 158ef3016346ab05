"""Groups of workers that do not get going, with real programs."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

from .conftest import BIN, PATIENCE


def run(folder: Path, workers: str, blocks: int = 30, **fields: Any) -> tuple[int, dict[str, Any]]:
    """`bellis run` of a task in one dimension: its exit code, and the task's final status."""
    lines = "\n".join(f"{name} = {json.dumps(value)}" for name, value in fields.items())
    (folder / "job.toml").write_text(
        f"""
[[tasks]]
task_id = "t"
total_roi = [[0], [{blocks}]]
read_roi = [[0], [1]]
write_roi = [[0], [1]]
read_write_conflict = false
{lines}
{workers}
"""
    )
    done = subprocess.run(
        [BIN / "bellis", "run", "job.toml", "--json"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    status = json.loads(done.stdout.strip().splitlines()[-1])
    return done.returncode, status.get("status", status)["tasks"][0]


GOOD = f'[[tasks.workers]]\ncommand = ["{BIN}/bellis", "exec", "--", "true"]\n'


def test_a_group_that_fails_does_not_take_its_task_along(private: Path) -> None:
    bad = '[[tasks.workers]]\ncommand = ["false"]\n'
    code, task = run(private, GOOD + bad, min_workers=2, max_worker_restarts=2)
    assert (code, task["completed"], task["orphaned"]) == (0, 30, 0)
    (notice,) = task["notices"]
    assert notice.startswith("starts no other workers: workers[1] (false): ")


def test_a_worker_that_lacks_a_module_is_not_tried_eleven_times(private: Path) -> None:
    program = "import no_such_module"
    begun = time.monotonic()
    code, task = run(private, f'[[tasks.workers]]\ncommand = ["python3", "-c", "{program}"]\n')
    assert code == 1
    assert task["orphaned"] == 30
    assert "No module named 'no_such_module'" in task["error"]
    assert "2 workers ended before they said hello, with the same words" in task["error"]
    assert task["worker_restarts"] == 1
    assert time.monotonic() - begun < PATIENCE


def test_a_program_that_does_not_exist_is_named(private: Path) -> None:
    code, task = run(private, '[[tasks.workers]]\ncommand = ["no-such-program"]\n')
    assert code == 1
    assert "could not be started" in task["error"] and "no-such-program" in task["error"]
    assert task["worker_restarts"] == 1


def test_a_group_whose_program_is_missing_is_left_out(private: Path) -> None:
    bad = '[[tasks.workers]]\ncommand = ["no-such-program"]\n'
    code, task = run(private, bad + GOOD, min_workers=2)
    assert (code, task["completed"]) == (0, 30)
