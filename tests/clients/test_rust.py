"""The Rust crate: formatter, linter and tests; its workers and clients with real brokers."""

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.conftest import BIN, Broker, Peer, children_of, eventually, line_task, private
from tests.system.site import Site

__all__ = ["private"]

ROOT = Path(__file__).parents[2]
CRATE = ROOT / "client" / "rust"
TARGET = ROOT / "build" / "cargo"
EXAMPLES = TARGET / "debug" / "examples"
LEASE_MS = 2000

pytestmark = pytest.mark.skipif(not shutil.which("cargo"), reason="cargo is not installed")


def cargo(*arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        ["cargo", *arguments],
        cwd=CRATE,
        env={**os.environ, "CARGO_TARGET_DIR": str(TARGET), **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=540,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def examples() -> Path:
    """The folder of the example programs, built."""
    cargo("test", "--locked", "--no-run")
    return EXAMPLES


class Workers(Site):
    """Workers in Rust, which write a file for each block."""

    def start_worker(self, ms: int, **env: str) -> "subprocess.Popen[str]":
        return self.start(
            [EXAMPLES / "worker", self.folder / "out", str(ms)],
            {"BELLIS_ENDPOINT": self.broker.endpoint, **env},
        )

    def written(self) -> set[int]:
        return {int(path.stem) for path in (self.folder / "out").iterdir()}


@pytest.fixture
def site(private: Path, examples: Path) -> Iterator[Workers]:
    (private / "out").mkdir()
    options = ("--no-launcher", "--state-dir", "state", "--lease-ms", str(LEASE_MS))
    running = Workers(private, *options)
    running.start_broker()
    yield running
    running.close()


def test_it_is_formatted() -> None:
    if not shutil.which("rustfmt"):
        pytest.skip("rustfmt is not installed")
    cargo("fmt", "--check")


def test_the_linter_finds_nothing() -> None:
    if not shutil.which("cargo-clippy"):
        pytest.skip("clippy is not installed")
    cargo("clippy", "--locked", "--all-targets", "--", "-D", "warnings")


def test_its_own_tests_pass(examples: Path) -> None:
    assert re.search(r"test result: ok. \d\d passed", cargo("test", "--locked").stdout)


def test_it_has_the_projects_version() -> None:
    project = re.search(r"project\(bellis VERSION ([0-9.]+)", (ROOT / "CMakeLists.txt").read_text())
    crate = re.search(r'^version = "(.*)"', (CRATE / "Cargo.toml").read_text(), re.M)
    locked = re.search(r'name = "bellis"\nversion = "(.*)"', (CRATE / "Cargo.lock").read_text())
    assert project and crate and locked
    assert project[1] == crate[1] == locked[1]


def test_the_control_side_talks_to_a_broker(site: Workers) -> None:
    out = cargo(
        "test",
        "--locked",
        "--test",
        "control",
        BELLIS_TEST_BROKER="1",
        BELLIS_ENDPOINT=site.broker.endpoint,
    ).stdout
    assert "5 passed" in out


def test_a_job_is_completed_though_a_worker_is_killed(site: Workers) -> None:
    site.submit(blocks=150)
    workers = [site.start_worker(10) for _ in range(2)]
    eventually(lambda: site.task()["completed"] >= 60, "about half of it is done")
    workers[0].kill()
    out, err = workers[1].communicate(timeout=60)
    assert (workers[1].returncode, err) == (0, "")
    assert re.fullmatch(r"\d+ blocks\n", out)
    assert site.task()["completed"] == 150
    assert site.written() == set(range(150))
    assert [entry["language"] for entry in site.task()["languages"]] == ["rust"]


def test_a_durable_job_goes_on_over_a_restart_of_the_broker(site: Workers) -> None:
    site.submit(blocks=100, max_retries=0)
    workers = [site.start_worker(20, BELLIS_HEARTBEAT_MS="200") for _ in range(2)]
    eventually(lambda: site.task()["completed"] >= 20, "blocks are completed")
    site.kill_broker()
    site.start_broker()
    assert [worker.communicate(timeout=60)[1] for worker in workers] == ["", ""]
    assert [worker.returncode for worker in workers] == [0, 0]
    assert (site.task()["completed"], site.task()["failures_total"]) == (100, 0)


def test_a_block_may_take_longer_than_a_lease(site: Workers) -> None:
    site.submit(blocks=1, max_retries=0)
    worker = site.start_worker(int(1.5 * LEASE_MS), BELLIS_HEARTBEAT_MS="200")
    assert worker.communicate(timeout=60) == ("1 blocks\n", "")
    assert site.task()["failures_total"] == 0


def test_a_worker_that_cannot_keep_its_lease_ends_itself(site: Workers) -> None:
    site.submit(blocks=1)
    worker = site.start_worker(60_000, BELLIS_HEARTBEAT_MS="200")
    eventually(lambda: site.task()["leased"] == 1, "it works")
    site.broker.process.send_signal(signal.SIGSTOP)
    _, err = worker.communicate(timeout=60)
    site.broker.process.send_signal(signal.SIGCONT)
    assert worker.returncode == -signal.SIGKILL
    assert "lease" in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_its_blocks_go_back(site: Workers, number: int) -> None:
    site.submit(blocks=3, max_retries=0)
    worker = site.start_worker(60_000, BELLIS_PREFETCH="2")
    eventually(lambda: site.task()["leased"] == 3, "it works")
    worker.send_signal(number)
    assert worker.wait(60) == -number
    eventually(lambda: site.task()["ready"] == 3, "the blocks went back")
    assert site.task()["failures_total"] == 0


def test_only_the_block_in_hand_is_blamed(private: Path, examples: Path) -> None:
    """A launched worker notes what it works on, so its stock goes back without an attempt."""
    (private / "out").mkdir()
    broker = Broker(private)
    client = Peer(broker.endpoint)
    try:
        client.ask("hello", role="client")
        command = [str(examples / "worker"), str(private / "out"), "100000"]
        task = line_task(blocks=9, max_retries=0, workers=[{"command": command, "count": 1}])
        task["env"] = {"BELLIS_PREFETCH": "8"}
        assert client.ask("submit", req=1, job={"name": "j", "tasks": [task]})[0] == "submitted"

        def status() -> dict[str, Any]:
            found: dict[str, Any] = client.ask("status", req=2)[1]["jobs"][0]["tasks"][0]
            return found

        eventually(lambda: status()["leased"] == 9, "it holds all blocks")
        pids = [
            pid
            for pid in children_of(broker.process.pid)
            if Path(f"/proc/{pid}/comm").read_text() == "worker\n"
        ]
        os.kill(pids[0], signal.SIGKILL)
        eventually(lambda: status()["failures_total"] == 1, "the block in hand has failed")
        assert status()["failures"][0]["index"] == 0
    finally:
        client.close()
        broker.process.terminate()
        broker.process.communicate()


def test_it_leaves_when_its_job_is_cancelled(site: Workers) -> None:
    site.submit(blocks=3)
    worker = site.start_worker(60_000)
    eventually(lambda: site.task()["leased"] == 1, "it works")
    assert site.client.ask("cancel", req=3, job="j")[0] == "cancelled"
    assert worker.wait(60) == 0


def test_it_conforms_to_level_2(examples: Path) -> None:
    done = subprocess.run(
        [BIN / "bellis", "conformance", "--level", "2", "--", examples / "conformance"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_client_submits_and_watches_with_keys(private: Path, examples: Path) -> None:
    """On tcp, with the owner's access file; the launched workers have the keys of their job."""
    (private / "out").mkdir()
    access = private / "access.json"
    options = ("--access", str(access))
    broker = Broker(private, *options, endpoint="tcp://127.0.0.1:0")
    try:
        command = [str(examples / "worker"), str(private / "out")]
        task = line_task(blocks=50, workers=[{"command": command, "count": 2}])
        (private / "job.json").write_text(json.dumps({"name": "keys", "tasks": [task]}))
        done = subprocess.run(
            [examples / "control", private / "job.json"],
            env={**os.environ, "BELLIS_ACCESS": str(access)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        broker.process.terminate()
        broker.process.communicate()
    assert done.returncode == 0, done.stdout + done.stderr + broker.log()
    assert done.stdout.endswith("Completed \n")
    assert len(list((private / "out").iterdir())) == 50


def test_a_client_watches_on_over_a_restart_of_the_broker(site: Workers) -> None:
    task = line_task(blocks=5, external_workers=True)
    (site.folder / "job.json").write_text(json.dumps({"name": "j", "tasks": [task]}))
    env = {"BELLIS_ENDPOINT": site.broker.endpoint, "BELLIS_CONNECT_TIMEOUT": "60"}
    client = subprocess.Popen(
        [EXAMPLES / "control", site.folder / "job.json"],
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    site.workers.append(client)
    assert client.stdout is not None
    assert client.stdout.readline() == "j-1: 0 blocks were completed before\n"
    assert client.stdout.readline() == "t: 0 of 5 blocks\n"
    site.kill_broker()
    site.start_broker()
    site.start_worker(0).wait(60)
    out, err = client.communicate(timeout=60)
    assert (client.returncode, err) == (0, "")
    assert out.endswith("Completed \n")


def test_nobody_answers(private: Path, examples: Path) -> None:
    done = subprocess.run(
        [examples / "worker", private],
        env={
            **os.environ,
            "BELLIS_ENDPOINT": f"ipc://{private}/nobody",
            "BELLIS_CONNECT_TIMEOUT": "0.3",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "no broker answers for 0.3 s" in done.stderr


def test_a_wrong_variable_is_named(private: Path, examples: Path) -> None:
    env = {"BELLIS_ENDPOINT": f"ipc://{private}/nobody", "BELLIS_PREFETCH": "many"}
    done = subprocess.run(
        [examples / "worker", private],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "BELLIS_PREFETCH is 'many'; auto, or an integer from 0 to 1023" in done.stderr
