"""When a worker's code raises, every place that a user looks at shows the exception."""

import json
from pathlib import Path

import pytest

from .test_checks import python, run

PIPELINE = """
[[tasks]]
task_id = "t"
total_roi = {{ offset = [0, 0], shape = [20, 20] }}
read_roi = {{ offset = [0, 0], shape = [10, 10] }}
write_roi = {{ offset = [0, 0], shape = [10, 10] }}
max_retries = 0
[[tasks.workers]]
command = {command}
"""

WORKER = """
    import bellis

    def process(block):
        raise ValueError("boom" + "x" * 5000 + "bang")

    bellis.work(process)
"""


@pytest.fixture
def folder(private: Path) -> Path:
    return private


def test_the_summary_shows_the_exception_of_a_traceback(folder: Path) -> None:
    worker = python(folder, "worker.py", WORKER.replace('"x" * 5000', '"!"'))
    ran = run(folder, PIPELINE.format(command=worker))
    assert ran.returncode == 1
    assert ran.stdout.count("ValueError: boom!bang") == 4, ran.stdout
    assert "Traceback" not in ran.stdout


def test_json_keeps_the_head_and_the_tail_of_a_long_text(folder: Path) -> None:
    worker = python(folder, "worker.py", WORKER)
    ran = run(folder, PIPELINE.format(command=worker), "--json")
    assert ran.returncode == 1
    job = json.loads(ran.stdout.splitlines()[-1])
    for failure in job["tasks"][0]["failures"]:
        assert failure["error"].startswith("Traceback (most recent call last):")
        assert failure["error"].rstrip().endswith("bang")
        assert len(failure["error"]) <= 2048
