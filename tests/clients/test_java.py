"""client/java: its own checks, and its workers and its client with real brokers."""

import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from ..system.access import KeyPeer, access_of
from ..system.conftest import BIN, eventually
from ..system.site import Site

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "client" / "java"
TARGET = FOLDER / "target"
LEASE_MS = 2000
CLASSES = f"{TARGET}/classes:{TARGET}/lib/*:{TARGET}/example"
# A JVM that starts fast, and takes little of a machine on which others run.
JAVA = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx128m"]


def run(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command, cwd=FOLDER, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )


@cache
def build() -> str:
    """Formatter, compiler with all warnings, unit tests, and the package; what went wrong."""
    maven = ["mvn", "-B", "-q", "verify"]
    built = run(*maven, "-o")
    if built.returncode != 0 and "offline mode" in built.stdout:
        built = run(*maven)  # the first time on this machine
    if built.returncode == 0:
        (TARGET / "example").mkdir(exist_ok=True)
        example = f"{FOLDER}/example/Example.java"
        strict = ["-Xlint:all", "-Werror", "-d", "target/example", "-cp", CLASSES]
        built = run("javac", *strict, example)
    return "" if built.returncode == 0 else built.stdout + built.stderr


@pytest.fixture(autouse=True)
def package() -> None:
    trouble = build()
    assert not trouble, trouble


class Workers(Site):
    """A broker on tcp, and workers in Java."""

    job = "java"

    def connect(self) -> KeyPeer:
        return KeyPeer(access_of(self.folder / "access"))

    def start_worker(self, pause_ms: int = 0) -> "subprocess.Popen[str]":
        return self.java("-cp", CLASSES, "Example", "done", BELLIS_CONFORMANCE_MS=str(pause_ms))

    def start_sleeper(self) -> "subprocess.Popen[str]":
        """A worker that has begun a block, and never ends it."""
        worker = self.java("-cp", f"{CLASSES}:{TARGET}/test-classes", "io.bellis.SleepProbe")
        assert worker.stdout is not None and worker.stdout.readline() == "begun\n"
        return worker

    def java(self, *arguments: str, **env: str) -> "subprocess.Popen[str]":
        return self.start(
            [*JAVA, *arguments], {"BELLIS_ACCESS": str(self.folder / "access"), **env}
        )

    def done(self) -> list[int]:
        """The indices that the workers have noted."""
        path = self.folder / "done"
        lines = path.read_text().splitlines() if path.exists() else []
        return [int(line.split()[0]) for line in lines]


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="bellis-test-") as name:
        yield Path(name)


@pytest.fixture
def site(folder: Path) -> Iterator[Workers]:
    options = ("--access", "access", "--lease-ms", str(LEASE_MS), "--state-dir", "state")
    running = Workers(folder, *options)
    running.start_broker(endpoint="tcp://127.0.0.1:0")
    yield running
    running.close()


def test_its_version_is_that_of_the_project() -> None:
    version = re.search(r"project\(bellis VERSION ([0-9.]+)", (ROOT / "CMakeLists.txt").read_text())
    pom = re.search(r"<version>([0-9.]+)</version>", (FOLDER / "pom.xml").read_text())
    assert version and pom and pom[1] == version[1]


def test_a_job_ends_although_one_of_two_workers_is_killed(site: Workers) -> None:
    site.submit(blocks=120)
    workers = [site.start_worker(10) for _ in range(2)]
    eventually(lambda: len(site.done()) >= 60, "half of the blocks are done")
    workers[0].kill()
    out, err = workers[1].communicate(timeout=60)
    assert (workers[1].returncode, err) == (0, "")
    assert int(out) >= 30
    task = site.task()
    assert (task["completed"], task["failed"]) == (120, 0)
    assert set(site.done()) == set(range(120))
    assert [entry["language"] for entry in task["languages"]] == ["java"]


def test_workers_go_on_over_restarts_of_the_broker_idle_and_busy(site: Workers) -> None:
    site.submit(blocks=100, max_retries=0)
    assert site.client.ask("pause", req=3, job="java")[0] == "ok"
    workers = [site.start_worker(20) for _ in range(2)]
    eventually(lambda: site.broker.log().count("connected (java") == 2, "both are connected")
    site.restart_broker()  # the workers wait for blocks
    assert site.client.ask("resume", req=3, job="java")[0] == "ok"
    eventually(lambda: site.task()["completed"] >= 20, "blocks are completed after the restart")
    site.restart_broker()  # the workers compute
    assert [worker.wait(60) for worker in workers] == [0, 0]
    task = site.task()
    assert (task["completed"], task["failures_total"]) == (100, 0)
    assert set(site.done()) == set(range(100))


def test_a_terminated_worker_hands_its_block_back(site: Workers) -> None:
    site.submit(blocks=1, max_retries=0)
    worker = site.start_sleeper()
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(60) == 128 + signal.SIGTERM
    eventually(lambda: site.task()["ready"] == 1, "the block is back")
    assert site.start_worker().wait(60) == 0
    assert (site.task()["completed"], site.task()["failures_total"]) == (1, 0)


def test_a_worker_that_is_stopped_for_too_long_ends_itself(site: Workers) -> None:
    site.submit(blocks=1)
    worker = site.start_sleeper()
    worker.send_signal(signal.SIGSTOP)
    eventually(lambda: site.task()["ready"] == 1, "the lease has ended")
    worker.send_signal(signal.SIGCONT)
    _, err = worker.communicate(timeout=60)
    assert worker.returncode == 137, err
    assert "the leases of this worker have ended" in err


def test_control_submits_watches_and_steers(site: Workers) -> None:
    probe = site.java("-cp", f"{CLASSES}:{TARGET}/test-classes", "io.bellis.ControlProbe")
    out, err = probe.communicate(timeout=60)
    assert (probe.returncode, out) == (0, "ok\n"), err


def test_a_launcher_starts_workers_with_keys(folder: Path) -> None:
    arguments = ", ".join(f'"{word}"' for word in [*JAVA, "-cp", CLASSES, "Example"])
    (folder / "job.toml").write_text(
        '[[tasks]]\ntask_id = "t"\ntotal_roi = [[0], [200]]\nread_roi = [[-5], [20]]\n'
        f"write_roi = [[0], [10]]\n[[tasks.workers]]\ncount = 2\ncommand = [{arguments}]\n"
    )
    command = [str(BIN / "bellis"), "run", "job.toml", "--bind", "tcp://127.0.0.1:0"]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len((folder / "blocks.txt").read_text().splitlines()) == 19


def test_ipc_is_refused_with_what_to_do_instead(folder: Path) -> None:
    done = subprocess.run(
        [*JAVA, "-cp", CLASSES, "Example"],
        cwd=folder,
        env={**os.environ, "BELLIS_ENDPOINT": f"ipc://{folder}/b.sock"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "has no ipc: let the broker listen on tcp" in done.stderr


def test_the_example_keeps_to_the_protocol(folder: Path) -> None:
    """Each MUST of level 2, and what is optional."""
    checks = [str(BIN / "bellis"), "conformance", "--strict", "--level", "2", "--timeout", "60"]
    done = subprocess.run(
        [*checks, "--", *JAVA, "-cp", CLASSES, "Example"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
