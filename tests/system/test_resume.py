"""Going on where a run stopped, starting over, and trying again what has failed."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from .conftest import BIN, Broker, eventually

PIPELINE = """
name = "line"
[[tasks]]
task_id = "a"
total_roi = { offset = [0], shape = [%d] }
read_roi = { offset = [0], shape = [10] }
write_roi = { offset = [0], shape = [10] }
max_retries = 0
[[tasks.workers]]
command = ["%s", "exec", "--", "sh", "block.sh"]
"""
# Block 2 fails until there is a file `ok`.
BLOCK = "echo $BELLIS_BLOCK_INDEX >> ran; [ -e ok ] || [ $BELLIS_BLOCK_INDEX != 2 ] || exit 3"


class Folder:
    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "block.sh").write_text(BLOCK)
        self.write(blocks=4)

    def write(self, blocks: int) -> None:
        (self.path / "pipeline.toml").write_text(PIPELINE % (10 * blocks, BIN / "bellis"))

    def bellis(self, *words: str, code: int = 0, **environment: str) -> str:
        done = subprocess.run(
            [BIN / "bellis", *words],
            cwd=self.path,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def ran(self) -> list[int]:
        """The blocks that ran since this was asked last."""
        file = self.path / "ran"
        blocks = sorted(int(line) for line in file.read_text().split()) if file.exists() else []
        file.unlink(missing_ok=True)
        return blocks


@pytest.fixture
def folder(private: Path) -> Folder:
    return Folder(private)


def test_a_second_run_says_so_and_does_what_is_left(folder: Folder) -> None:
    folder.bellis("run", "pipeline.toml", code=1)
    assert folder.ran() == [0, 1, 2, 3]
    (folder.path / "ok").touch()
    assert "goes on: 3 blocks were done before" in folder.bellis("run", "pipeline.toml")
    assert folder.ran() == [2]


def test_another_layout_is_refused_with_what_differs_and_fresh_starts_over(folder: Folder) -> None:
    (folder.path / "ok").touch()
    folder.bellis("run", "pipeline.toml")
    folder.ran()
    folder.write(blocks=5)
    refused = folder.bellis("run", "pipeline.toml", code=2)
    assert 'tasks["a"].total_roi: stored [[0], [40]], submitted [[0], [50]]' in refused
    assert folder.ran() == []
    folder.bellis("run", "pipeline.toml", "--fresh")
    assert folder.ran() == [0, 1, 2, 3, 4]


def test_what_has_failed_is_tried_again_also_after_a_restart(folder: Folder) -> None:
    broker = Broker(folder.path, "--state-dir", "state")

    def bellis(*words: str) -> str:
        return folder.bellis(*words, BELLIS_ENDPOINT=broker.endpoint)

    def ended_as(state: str) -> Any:
        return eventually(lambda: f"  {state} " in bellis("jobs"), f"the job has {state}")

    try:
        job = bellis("submit", "pipeline.toml").strip()
        ended_as("failed")
        assert folder.ran() == [0, 1, 2, 3]
        broker.stop()
        broker = Broker(folder.path, "--state-dir", "state")
        assert "failed" in bellis("jobs")
        (folder.path / "ok").touch()
        assert "1 blocks" in bellis("retry-failed", job)
        ended_as("completed")
        assert folder.ran() == [2]
    finally:
        broker.process.kill()
        broker.process.communicate()
