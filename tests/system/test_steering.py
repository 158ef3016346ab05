"""Steering a running job: pause, resume, the number of workers; and budgets of resources that tasks
compete for. The tests use the commands of `bellis` and a broker that starts real processes, and
restart the broker."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bellis
import pytest

from .conftest import BIN, PATIENCE, Broker, eventually, line_task

# The block notes in `running.<task>.<index>` that it runs, and ends when `go` is there.
BLOCK = """
echo $$ > running.$BELLIS_TASK.$BELLIS_BLOCK_INDEX
while [ ! -e go ]; do sleep 0.01; done
rm running.$BELLIS_TASK.$BELLIS_BLOCK_INDEX
"""


class Steered:
    """A broker with a launcher, and jobs whose blocks wait for the file `go`."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        (folder / "block.sh").write_text(BLOCK)
        self.options = ("--state-dir", "state", "--lease-ms", "2000", *options)
        self.broker = Broker(folder, *self.options)

    def task(self, name: str, blocks: int, workers: int, **more: Any) -> dict[str, Any]:
        group = {
            "command": [str(BIN / "bellis"), "exec", "--", "sh", str(self.folder / "block.sh")],
            "count": workers,
        }
        return line_task(name, blocks, workers=[group], **more)

    def submit(self, *tasks: dict[str, Any]) -> str:
        with self.control() as control:
            return control.submit({"name": "job", "tasks": list(tasks)})

    def control(self) -> bellis.Control:
        return bellis.Control(endpoint=self.broker.endpoint)

    def bellis(self, *arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [BIN / "bellis", *arguments],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            env={**os.environ, "BELLIS_ENDPOINT": self.broker.endpoint},
        )
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    def status(self) -> dict[str, Any]:
        with self.control() as control:
            (job,) = control.status()
        return job

    def running(self, task: str) -> int:
        return len(list(self.folder.glob(f"running.{task}.*")))

    def await_running(self, **counts: int) -> None:
        eventually(
            lambda: all(self.running(task) == count for task, count in counts.items()),
            f"running: {counts}",
        )

    def go(self) -> None:
        (self.folder / "go").touch()

    def await_completed(self) -> None:
        eventually(lambda: self.status()["state"] == "completed", "the job completes")

    def close(self) -> None:
        if self.broker.process.poll() is None:
            self.broker.stop()


@pytest.fixture
def steered(private: Path) -> Iterator[Steered]:
    site = Steered(private)
    yield site
    site.close()


@pytest.fixture
def budgeted(private: Path) -> Iterator[Steered]:
    site = Steered(private, "--resources", "gpu=2,cpu=4")
    yield site
    site.close()


class TestPause:
    def test_nothing_is_handed_out_until_resume(self, steered: Steered) -> None:
        job = steered.submit(steered.task("t", 6, 2))
        steered.await_running(t=2)
        steered.bellis("pause", job)
        steered.go()
        eventually(lambda: steered.running("t") == 0, "what ran ends")
        eventually(
            lambda: steered.status()["tasks"][0]["completed"] == 2, "what ran counts as completed"
        )
        (task,) = steered.status()["tasks"]
        assert (task["paused"], task["ready"], task["leased"]) == (True, 4, 0)
        assert "the task is paused" in steered.bellis("explain", job, "5")
        steered.bellis("resume", job)
        steered.await_completed()
        assert "paused" not in steered.status()["tasks"][0]

    def test_one_task_of_two(self, steered: Steered) -> None:
        job = steered.submit(steered.task("a", 2, 1, paused=True), steered.task("b", 2, 1))
        steered.go()
        eventually(lambda: steered.status()["tasks"][1]["completed"] == 2, "b completes")
        assert steered.status()["tasks"][0]["completed"] == 0
        steered.bellis("resume", job, "--task", "a")
        steered.await_completed()

    def test_outlives_the_broker(self, steered: Steered) -> None:
        job = steered.submit(steered.task("t", 4, 1))
        steered.await_running(t=1)
        steered.bellis("pause", job)
        steered.broker.stop(signal.SIGKILL)
        steered.broker = Broker(steered.folder, *steered.options)
        assert steered.status()["tasks"][0]["paused"] is True
        steered.go()
        eventually(lambda: steered.status()["tasks"][0]["completed"] == 1, "what ran counts")
        with steered.control() as control:
            control.resume(job)
        steered.await_completed()

    def test_unknown_jobs_and_tasks_are_named(self, steered: Steered) -> None:
        assert 'pause.job is "nope": no such job' in steered.bellis("pause", "nope", code=2)
        job = steered.submit(steered.task("t", 1, 1))
        error = steered.bellis("resume", job, "--task", "u", code=2)
        assert re.search(r'resume.task is "u": job \S+ has no such task', error)


class TestWorkers:
    def test_more_and_fewer_workers(self, steered: Steered) -> None:
        job = steered.submit(steered.task("t", 40, 1))
        steered.await_running(t=1)
        steered.bellis("workers", job, "3")
        steered.await_running(t=3)
        steered.bellis("workers", job, "1")
        steered.bellis("pause", job)  # so that the test can see workers leave
        steered.go()
        eventually(lambda: steered.status()["tasks"][0]["workers_live"] <= 1, "two workers leave")
        steered.bellis("resume", job)
        steered.await_completed()

    def test_impossible_numbers_are_refused(self, steered: Steered) -> None:
        job = steered.submit(steered.task("t", 2, 1), steered.task("u", 2, 1))
        assert 'set_workers.task is "", and' in steered.bellis("workers", job, "2", code=2)
        error = steered.bellis("workers", job, "2", "--task", "t", "--group", "1", code=2)
        assert "set_workers.group is 1" in error
        error = steered.bellis("workers", job, "0", "--task", "t", code=2)
        assert "set_workers.count is 0" in error


class TestResources:
    def test_competing_tasks_never_take_more_than_there_is(self, budgeted: Steered) -> None:
        steered = budgeted
        steered.submit(
            steered.task("a", 4, 3, requires={"gpu": 1}),
            steered.task("b", 4, 3, requires={"gpu": 1, "cpu": 1}),
        )
        eventually(lambda: steered.running("a") + steered.running("b") == 2, "two blocks run")
        highest = 2
        for _ in range(50):
            highest = max(highest, steered.running("a") + steered.running("b"))
            live = [t["workers_live"] + t["workers_starting"] for t in steered.status()["tasks"]]
            assert sum(live) <= 2
        assert highest == 2
        steered.go()
        steered.await_completed()

    def test_workers_move_between_tasks_as_work_drains(self, budgeted: Steered) -> None:
        steered = budgeted
        steered.submit(
            steered.task("a", 2, 2, requires={"gpu": 1}),
            steered.task("b", 2, 2, requires={"gpu": 1}, upstream=["a"]),
            steered.task("c", 2, 2, requires={"gpu": 2}, upstream=["b"]),
        )
        steered.await_running(a=2)
        steered.go()
        steered.await_completed()

    def test_a_task_that_can_never_fit_is_refused(self, budgeted: Steered) -> None:
        with pytest.raises(bellis.BrokerError, match=r'task "t": requires.gpu is 3; .* has 2'):
            budgeted.submit(budgeted.task("t", 1, 1, requires={"gpu": 3}))
        with pytest.raises(bellis.BrokerError, match="requires.tape is 1; this broker has 0"):
            budgeted.submit(budgeted.task("t", 1, 1, requires={"tape": 1}))

    def test_explain_says_what_lacks(self, budgeted: Steered) -> None:
        steered = budgeted
        job = steered.submit(
            steered.task("a", 2, 2, requires={"gpu": 1}),
            steered.task("b", 1, 1, requires={"gpu": 1}),
        )
        steered.await_running(a=2)
        with steered.control() as control:
            summary = control.explain(job, "b", block=0)["summary"]
        assert "other tasks have all gpu" in summary
        steered.go()
        steered.await_completed()

    @pytest.mark.parametrize("text", ["gpu", "=1", "gpu=x", "gpu=-1", "gpu=1,gpu=2", "gpu="])
    def test_invalid_options_are_refused(self, private: Path, text: str) -> None:
        for command in (["bellis-broker"], ["bellis", "run", "pipeline.toml"]):
            (private / "pipeline.toml").write_text(
                '[[tasks]]\ntask_id = "t"\ntotal_roi = [[0], [1]]\nread_roi = [[0], [1]]\n'
                'write_roi = [[0], [1]]\nworkers = [{ command = ["true"] }]\n'
            )
            done = subprocess.run(
                [BIN / command[0], *command[1:], "--resources", text],
                capture_output=True,
                text=True,
                cwd=private,
                timeout=PATIENCE,
                env={**os.environ, "XDG_RUNTIME_DIR": str(private)},
            )
            assert done.returncode == 2
            assert "expected NAME=COUNT" in done.stderr
