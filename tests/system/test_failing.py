"""Tasks in which every block fails."""

from pathlib import Path

from .conftest import BIN
from .test_groups import run

BAD = f'[[tasks.workers]]\ncommand = ["{BIN}/bellis", "exec", "--", "false"]\ncount = 2\n'


def test_max_failures_ends_a_task_that_leaves_few_files(private: Path) -> None:
    code, task = run(private, BAD, blocks=2000, max_retries=0, max_failures=600)
    assert code == 1
    assert 601 <= task["failures_total"] < 620
    assert task["error"].startswith("max_failures is 600, and 6")
    assert task["completed"] == 0 and task["orphaned"] + task["failed"] == 2000
    assert len(list((private / "bellis_logs" / "t").iterdir())) <= 40
