"""Resuming where a run stopped, starting over, and retrying failed blocks."""

import contextlib
import json
import os
import subprocess
import threading
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
        """The blocks that ran since the last call."""
        file = self.path / "ran"
        blocks = sorted(int(line) for line in file.read_text().split()) if file.exists() else []
        file.unlink(missing_ok=True)
        return blocks


@pytest.fixture
def folder(private: Path) -> Folder:
    return Folder(private)


def test_a_second_run_says_so_and_does_the_rest(folder: Folder) -> None:
    folder.bellis("run", "pipeline.toml", code=1)
    assert folder.ran() == [0, 1, 2, 3]
    (folder.path / "ok").touch()
    assert "is resumed: 3 blocks are done" in folder.bellis("run", "pipeline.toml")
    assert folder.ran() == [2]


def test_after_a_change_of_the_worker_the_run_asks_what_to_do(folder: Folder) -> None:
    folder.bellis("run", "pipeline.toml", code=1)
    folder.ran()
    script = folder.path / "block.sh"
    script.write_text(BLOCK + "; true")
    refused = folder.bellis("run", "pipeline.toml", code=4)
    line = f"bellis: the file {script} differs from what completed 3 blocks of job line-1"
    assert refused == f"{line}: --resume continues all the same, --fresh starts over\n"
    assert folder.ran() == []
    (folder.path / "ok").touch()
    assert "is resumed: 3 blocks" in folder.bellis("run", "pipeline.toml", "--resume")
    assert folder.ran() == [2]
    assert "is resumed: 4 blocks" in folder.bellis("run", "pipeline.toml"), "the new ones hold now"
    folder.bellis("run", "pipeline.toml", "--fresh")
    assert folder.ran() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('"block.sh"]', '"block.sh", "x"]'), 'tasks["a"].workers[0].command differs from'),
        (("max_retries = 0", "max_retries = 0\nenv = { A = '1' }"), 'tasks["a"].env.A differs'),
        (("max_retries = 0", "max_retries = 1"), ""),
    ],
)
def test_commands_and_environments_count_and_settings_do_not(
    folder: Folder, change: tuple[str, str], words: str
) -> None:
    folder.bellis("run", "pipeline.toml", code=1)
    pipeline = folder.path / "pipeline.toml"
    pipeline.write_text(pipeline.read_text().replace(*change))
    said = folder.bellis("run", "pipeline.toml", code=4 if words else 1)
    assert words in said


@pytest.mark.parametrize(
    ("answer", "code", "ran"), [("r", 0, [2]), ("f", 0, [0, 1, 2, 3]), ("", 4, [])]
)
def test_a_terminal_is_asked(folder: Folder, answer: str, code: int, ran: list[int]) -> None:
    folder.bellis("run", "pipeline.toml", code=1)
    folder.ran()
    (folder.path / "block.sh").write_text(BLOCK + "; true")
    (folder.path / "ok").touch()
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [BIN / "bellis", "run", "pipeline.toml"],
        cwd=folder.path,
        stdin=theirs,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    while b"or stop (any other)? " not in shown:
        shown += os.read(ours, 4096)
    os.write(ours, answer.encode() + b"\n")
    reader = threading.Thread(target=drain, args=[ours])
    reader.start()
    assert process.wait(60) == code
    reader.join()
    os.close(ours)
    assert b"block.sh differs from what completed 3 blocks" in shown
    assert folder.ran() == ran


def drain(descriptor: int) -> None:
    with contextlib.suppress(OSError):  # the other end is closed
        while os.read(descriptor, 4096):
            pass


def test_fresh_starts_over_a_killed_job_too(folder: Folder) -> None:
    script = folder.path / "block.sh"
    script.write_text("echo $BELLIS_BLOCK_INDEX >> ran; [ $BELLIS_BLOCK_INDEX != 1 ] || sleep 600")
    process = subprocess.Popen([BIN / "bellis", "run", "-q", "pipeline.toml"], cwd=folder.path)
    eventually(lambda: "1" in read_text(folder.path / "ran"), "block 1 runs")
    process.kill()
    process.wait()
    folder.ran()
    script.write_text(BLOCK)
    (folder.path / "ok").touch()
    folder.bellis("run", "pipeline.toml", "--fresh")
    assert folder.ran() == [0, 1, 2, 3]


def read_text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def test_languages_add_up_over_runs(folder: Folder) -> None:
    folder.bellis("run", "pipeline.toml", code=1)
    (folder.path / "ok").touch()
    said = folder.bellis("run", "--json", "pipeline.toml")
    task = json.loads(said[: said.rindex("}") + 1])["tasks"][0]
    assert [entry["blocks"] for entry in task["languages"]] == [4]
    assert task["block_ms_mean"] > 0


def test_another_layout_is_refused_with_the_differences_and_fresh_starts_over(
    folder: Folder,
) -> None:
    (folder.path / "ok").touch()
    folder.bellis("run", "pipeline.toml")
    folder.ran()
    folder.write(blocks=5)
    refused = folder.bellis("run", "pipeline.toml", code=2)
    assert 'tasks["a"].total_roi: stored [[0], [40]], submitted [[0], [50]]' in refused
    assert folder.ran() == []
    folder.bellis("run", "pipeline.toml", "--fresh")
    assert folder.ran() == [0, 1, 2, 3, 4]


def test_failed_blocks_are_tried_again_even_after_a_restart(folder: Folder) -> None:
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
