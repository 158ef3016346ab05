"""client/node: its own checks and tests, and workers and scripts of Node with real brokers."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import bellis
import pytest

from tests.system.conftest import (
    BIN,
    PATIENCE,
    Broker,
    alive,
    children_of,
    eventually,
    line_task,
    private,
)
from tests.system.site import Site

__all__ = ["private"]

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "client" / "node"
PROGRAMS = PACKAGE / "tests" / "programs"

pytestmark = pytest.mark.skipif(not shutil.which("npm"), reason="npm is not installed")


def npm(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["npm", *arguments],
        cwd=PACKAGE,
        env={**os.environ, "CI": "1", "NO_COLOR": "1", "npm_config_update_notifier": "false"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )


def succeed(*arguments: str) -> None:
    ended = npm(*arguments)
    # Shows the tests that failed, or all output if none is found.
    said = "".join(re.findall(r"^not ok.*?^  \.\.\.$", ended.stdout, re.DOTALL | re.MULTILINE))
    assert ended.returncode == 0, f"npm {' '.join(arguments)}:\n{said or ended.stdout[-8000:]}"


@pytest.fixture(scope="module", autouse=True)
def package() -> None:
    """Fetches the dependencies, if the lock file names others than those here, and builds."""
    lock = hashlib.sha256((PACKAGE / "package-lock.json").read_bytes()).hexdigest()
    stamp = PACKAGE / "node_modules" / ".bellis-stamp"
    if not stamp.exists() or stamp.read_text() != lock:
        # The binaries of zeromq are in its package: no script of any package needs to run.
        succeed("ci", "--ignore-scripts", "--no-audit", "--no-fund")
        stamp.write_text(lock)
    succeed("run", "build")


def test_its_types_its_layout_and_its_lint_are_right() -> None:
    succeed("run", "lint")


def test_its_version_is_that_of_the_project() -> None:
    version = re.search(r"project\(bellis VERSION ([0-9.]+)", (ROOT / "CMakeLists.txt").read_text())
    assert version is not None
    for name in ("package.json", "package-lock.json"):
        assert json.loads((PACKAGE / name).read_text())["version"] == version[1]


def test_its_own_tests_pass() -> None:
    succeed("test")


class Workers(Site):
    """Workers in Node."""

    job = "node"

    def start_worker(self, *arguments: str, **env: str) -> "subprocess.Popen[str]":
        return self.start(
            ["node", PROGRAMS / "worker.js", *arguments],
            {"BELLIS_ENDPOINT": self.broker.endpoint, **env},
        )


@pytest.fixture
def site(private: Path) -> Iterator[Workers]:
    site = Workers(private)
    yield site
    site.close()


def check_done(worker: "subprocess.Popen[str]") -> str:
    out, err = worker.communicate(timeout=PATIENCE)
    assert (worker.returncode, err) == (0, ""), err
    return out


def test_a_job_ends_complete_though_one_of_two_workers_is_killed(site: Workers) -> None:
    site.start_broker()
    command = ["node", str(PROGRAMS / "worker.js"), "5"]
    site.submit(blocks=120, workers=[{"command": command, "count": 2}])
    eventually(lambda: len(site.lines("done")) > 40, "a third of the blocks is done")
    family = children_of(site.broker.process.pid)
    workers = {p for p in family if b"worker.js" in Path(f"/proc/{p}/cmdline").read_bytes()}
    assert len(workers) == 2
    os.kill(min(workers), signal.SIGKILL)
    eventually(lambda: site.status()["state"] == "completed", "the job is completed")
    task = site.task()
    assert (task["completed"], task["failed"], task["orphaned"]) == (120, 0, 0)
    assert [one["language"] for one in task["languages"]] == ["node"]
    assert set(site.lines("done")) == {str(i) for i in range(120)}
    eventually(lambda: not alive(workers), "the workers have left")


def test_a_worker_that_dies_with_several_blocks_noted_the_one_that_it_died_of(
    site: Workers,
) -> None:
    site.start_broker()
    command = ["node", str(PROGRAMS / "worker.js"), "0", "die"]
    env = {"BELLIS_PREFETCH": "8"}
    site.submit(blocks=40, max_retries=0, env=env, workers=[{"command": command, "count": 1}])
    eventually(lambda: site.status()["state"] != "running", "the job has ended")
    task = site.task()
    assert (task["completed"], task["failed"]) == (39, 1)
    assert [failure["index"] for failure in task["failures"]] == [7]
    # If nobody knew, the eight blocks would be handed out alone, and one more worker would die.
    assert (site.folder / "deaths").read_text() == "x"


@pytest.mark.parametrize("how", ["sync", "async"])
def test_a_durable_job_goes_on_over_a_restart_of_its_broker(site: Workers, how: str) -> None:
    options = ("--no-launcher", "--state-dir", "state", "--lease-ms", "20000")
    site.start_broker(*options)
    site.submit(blocks=12)
    worker = site.start_worker("100", how)
    eventually(lambda: len(site.lines("done")) > 3, "some blocks are done")
    site.kill_broker()
    site.start_broker(*options)
    assert check_done(worker) == "12\n"
    eventually(lambda: site.status()["state"] == "completed", "the job is completed")
    assert sorted(map(int, site.lines("done"))) == list(range(12)), "a block was done twice"


def test_a_signal_ends_a_worker_and_its_block_goes_back_without_an_attempt(site: Workers) -> None:
    site.start_broker("--no-launcher")
    site.submit(blocks=2, max_retries=0)
    first = site.start_worker("1000000", "async")
    eventually(lambda: site.lines("begun"), "a block has begun")
    first.send_signal(signal.SIGTERM)
    assert check_done(first) == "0\n"
    assert check_done(site.start_worker("0", "async")) == "2\n"
    assert (site.task()["failures_total"], site.status()["state"]) == (0, "completed")


def test_a_worker_that_is_stopped_beyond_its_lease_does_no_more(site: Workers) -> None:
    site.start_broker("--no-launcher", "--lease-ms", "2000")
    site.submit(blocks=1)
    worker = site.start_worker("0", "gate", BELLIS_HEARTBEAT_MS="200")
    eventually(lambda: site.lines("begun"), "the block has begun")
    worker.send_signal(signal.SIGSTOP)
    eventually(lambda: site.task()["leased"] == 0, "its lease has ended")
    worker.send_signal(signal.SIGCONT)
    _, err = worker.communicate(timeout=PATIENCE)
    assert worker.returncode == -signal.SIGKILL
    assert "leases end and could not be renewed" in err
    assert site.lines("done") == []


def test_a_worker_leaves_when_its_job_is_cancelled(site: Workers) -> None:
    site.start_broker("--no-launcher")
    site.submit(blocks=2)
    worker = site.start_worker("1000000", "async")
    eventually(lambda: site.lines("begun"), "a block has begun")
    assert site.client.ask("cancel", req=3, job="node")[0] == "cancelled"
    out, _ = worker.communicate(timeout=PATIENCE)
    assert (worker.returncode, site.lines("done")) == (0, [])


# The checks of a worker whose thread computes, and so cannot do anything else meanwhile.
WHILE_IT_COMPUTES = ["heartbeats-working", "lease-ends", "paused", "cut-working", "restart-working"]


@pytest.mark.parametrize("how", ["async", "sync"])
def test_it_conforms_to_level_2(how: str) -> None:
    only = [] if how == "async" else [f"--only={check}" for check in WHILE_IT_COMPUTES]
    worker = ["node", str(PROGRAMS / "conforming.js"), how]
    ended = subprocess.run(
        [BIN / "bellis", "conformance", "--level", "2", "--strict", *only, "--", *worker],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_a_script_submits_watches_and_steers(private: Path) -> None:
    broker = Broker(private, "--no-launcher")
    try:
        ended = subprocess.run(
            ["node", PROGRAMS / "script.js"],
            env={**os.environ, "BELLIS_ENDPOINT": broker.endpoint},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert (ended.returncode, ended.stdout) == (0, "all is well\n"), ended.stderr
    finally:
        broker.stop()


def test_the_example_works_over_keys(private: Path) -> None:
    access = private / "access"
    broker = Broker(private, "--access", str(access), endpoint="tcp://127.0.0.1:0")
    try:
        command = ["node", str(PACKAGE / "example" / "worker.js"), "1"]
        task = line_task(workers=[{"command": command, "count": 1}])
        with bellis.Control(access=access) as control:
            job = control.submit({"name": "n", "tasks": [task]})
            assert control.wait(job)["state"] == "completed"
    finally:
        broker.stop()
