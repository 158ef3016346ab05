"""The Go package: formatter, linter and tests; its workers and clients with real brokers."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.conftest import (
    BIN,
    Broker,
    Peer,
    alive,
    children_of,
    eventually,
    line_task,
    private,
)
from tests.system.site import Site

__all__ = ["private"]

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "client" / "go"
BUILT = ROOT / "build" / "go"
LEASE_MS = 2000

pytestmark = pytest.mark.skipif(not shutil.which("go"), reason="go is not installed")


def go(*arguments: str, **env: str) -> str:
    done = subprocess.run(
        ["go", *arguments],
        cwd=PACKAGE,
        # Without a repository around it, `go build` has no version to stamp.
        env={**os.environ, "GOFLAGS": "-buildvcs=false -mod=readonly", "CGO_ENABLED": "0", **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=540,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def programs() -> Path:
    """A folder with the programs `testworker`, `worker` and `submit`."""
    BUILT.mkdir(parents=True, exist_ok=True)
    go(
        "build",
        "-o",
        f"{BUILT}/",
        "./internal/testworker",
        "./examples/worker",
        "./examples/submit",
    )
    return BUILT


class Workers(Site):
    """Workers in Go."""

    def start_worker(self, *options: str, **env: str) -> "subprocess.Popen[str]":
        return self.start(
            [BUILT / "testworker", *options],
            {"BELLIS_ENDPOINT": self.broker.endpoint, "BELLIS_HEARTBEAT_MS": "200", **env},
        )

    def done(self) -> list[int]:
        return sorted(map(int, self.lines("done")))


@pytest.fixture
def site(private: Path, programs: Path) -> Iterator[Workers]:
    options = ("--no-launcher", "--state-dir", "state", "--lease-ms", str(LEASE_MS))
    running = Workers(private, *options)
    running.start_broker()
    yield running
    running.close()


def test_it_is_formatted() -> None:
    gofmt = shutil.which("gofmt") or Path(go("env", "GOROOT").strip()) / "bin" / "gofmt"
    folders = [PACKAGE, ROOT / "examples" / "polyglot" / "go"]
    done = subprocess.run([gofmt, "-l", *folders], capture_output=True, text=True, check=True)
    assert done.stdout == ""


def test_the_linter_finds_nothing() -> None:
    go("vet", "./...")


def test_it_builds_for_other_systems() -> None:
    go("vet", ".", GOOS="darwin")


def test_its_own_tests_pass() -> None:
    """With the race detector, where there is a C compiler, which it needs."""
    race = ["-race"] if shutil.which("gcc") else []
    assert "ok" in go("test", *race, "./...", CGO_ENABLED="1" if race else "0")


def test_the_control_side_talks_to_a_broker(site: Workers) -> None:
    options = ("-count=1", "-run=TestARealBroker", "-v", ".")
    env = {"BELLIS_TEST_BROKER": "1", "BELLIS_ENDPOINT": site.broker.endpoint}
    assert "--- PASS: TestARealBroker" in go("test", *options, **env)


@pytest.mark.parametrize(
    "options", [["--strict"], ["--ipc", "--only", "one-block", "cut-working", "restart-working"]]
)
def test_it_conforms(programs: Path, options: list[str]) -> None:
    worker = [str(programs / "testworker"), "-quiet"]
    done = subprocess.run(
        [BIN / "bellis", "conformance", "--level", "2", *options, "--", *worker],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_job_is_completed_though_a_worker_is_killed(site: Workers) -> None:
    site.submit(blocks=150)
    workers = [site.start_worker("-sleep=10ms") for _ in range(2)]
    eventually(lambda: site.task()["completed"] >= 60, "about half of it is done")
    workers[0].kill()
    out, err = workers[1].communicate(timeout=60)
    assert (workers[1].returncode, err) == (0, "")
    assert 30 <= int(out) <= 150
    assert site.task()["completed"] == 150
    assert set(site.done()) == set(range(150))
    assert [entry["language"] for entry in site.task()["languages"]] == ["go"]


@pytest.mark.parametrize("heartbeat_ms", ["0", "200"])
def test_a_durable_job_goes_on_over_a_restart_of_the_broker(
    site: Workers, heartbeat_ms: str
) -> None:
    site.submit(blocks=100, max_retries=0)
    env = {"BELLIS_HEARTBEAT_MS": heartbeat_ms}
    workers = [site.start_worker("-sleep=20ms", **env) for _ in range(2)]
    eventually(lambda: site.task()["completed"] >= 20, "blocks are completed")
    site.kill_broker()
    site.start_broker()
    assert [worker.communicate(timeout=60)[1] for worker in workers] == ["", ""]
    assert [worker.returncode for worker in workers] == [0, 0]
    assert (site.task()["completed"], site.task()["failures_total"]) == (100, 0)
    assert site.done() == list(range(100))


def test_blocks_in_advance_are_completed_once(site: Workers) -> None:
    site.submit(blocks=1000)
    env = {"BELLIS_PREFETCH": "64"}
    workers = [site.start_worker(), site.start_worker(**env)]
    outs = [worker.communicate(timeout=60) for worker in workers]
    assert [err for _, err in outs] == ["", ""]
    assert sum(int(out) for out, _ in outs) == 1000
    assert site.done() == list(range(1000))


def test_an_error_and_a_panic_fail_their_blocks(site: Workers) -> None:
    site.submit(blocks=6, max_retries=0)
    worker = site.start_worker("-fail=2", "-panic=4")
    out, err = worker.communicate(timeout=60)
    assert (out, worker.returncode) == ("6\n", 0)
    assert "has failed: no signal" in err
    assert site.done() == [0, 1, 3, 5]
    errors = {each["index"]: each["error"] for each in site.task()["failures"]}
    assert errors[2] == "no signal \N{REPLACEMENT CHARACTER} here"
    assert errors[4].startswith("panic: no index\n") and "main.process" in errors[4]


def test_a_block_may_take_longer_than_a_lease(site: Workers) -> None:
    site.submit(blocks=1, max_retries=0)
    worker = site.start_worker(f"-sleep={1.5 * LEASE_MS}ms")
    assert worker.communicate(timeout=60) == ("1\n", "")
    assert site.task()["failures_total"] == 0


def test_a_worker_that_cannot_keep_its_lease_ends_itself(site: Workers) -> None:
    site.submit(blocks=1)
    worker = site.start_worker("-hang=0")
    eventually(lambda: site.task()["leased"] == 1, "it works")
    site.broker.process.send_signal(signal.SIGSTOP)
    _, err = worker.communicate(timeout=60)
    site.broker.process.send_signal(signal.SIGCONT)
    assert worker.returncode == -signal.SIGKILL
    assert "lease" in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_its_blocks_go_back(site: Workers, number: int) -> None:
    site.submit(blocks=3, max_retries=0)
    worker = site.start_worker("-sleep=60s", BELLIS_PREFETCH="2")
    eventually(lambda: site.task()["leased"] == 3, "it works")
    worker.send_signal(number)
    assert worker.wait(60) == 1
    eventually(lambda: site.task()["ready"] == 3, "the blocks went back")
    assert site.task()["failures_total"] == 0


def test_it_leaves_when_its_job_is_cancelled(site: Workers) -> None:
    site.submit(blocks=3)
    worker = site.start_worker("-sleep=60s")
    eventually(lambda: site.task()["leased"] == 1, "it works")
    assert site.client.ask("cancel", req=3, job="j")[0] == "cancelled"
    assert worker.wait(60) == 0


def test_a_client_submits_and_watches_with_keys(private: Path, programs: Path) -> None:
    """On tcp, with the owner's access file; the launched workers have the keys of their job."""
    (private / "input").write_bytes(bytes(range(250)) * 2)
    (private / "output").write_bytes(bytes(500))
    access = private / "access.json"
    broker = Broker(private, "--access", str(access), endpoint="tcp://127.0.0.1:0")
    try:
        command = [str(programs / "worker"), str(private / "input"), str(private / "output")]
        task = line_task(blocks=50, workers=[{"command": command, "count": 2}])
        (private / "job.json").write_text(json.dumps({"name": "keys", "tasks": [task]}))
        done = subprocess.run(
            [programs / "submit", private / "job.json"],
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
    assert done.stdout.endswith("t: 50 of 50 blocks\ncompleted\n")
    assert (private / "output").read_bytes() == (private / "input").read_bytes()


def test_a_checker_says_which_blocks_are_done(private: Path, programs: Path) -> None:
    broker = Broker(private)
    client = Peer(broker.endpoint)
    try:
        assert client.ask("hello", role="client")[0] == "welcome"
        worker = str(programs / "testworker")
        task = line_task(
            blocks=6,
            check={"command": [worker, "-yes=4"], "count": 1},
            workers=[{"command": [worker], "count": 1}],
        )
        kind, answer = client.ask("submit", req=1, job={"name": "j", "tasks": [task]})
        assert kind == "submitted", answer

        def status() -> dict[str, Any]:
            found: dict[str, Any] = client.ask("status", req=2)[1]["jobs"][0]
            return found

        eventually(lambda: status()["state"] == "completed", "the job is completed")
        counts = status()["tasks"][0]
        assert (counts["completed"], counts["skipped"], counts["failures_total"]) == (6, 1, 0)
        assert sorted((private / "done").read_text().split()) == ["0", "1", "2", "3", "5"]
    finally:
        client.close()
        broker.process.terminate()
        broker.process.communicate()


def test_only_the_block_that_killed_a_launched_worker_has_failed(
    private: Path, programs: Path
) -> None:
    """The worker notes what it works on where its launcher finds it."""
    broker = Broker(private)
    client = Peer(broker.endpoint)
    try:
        assert client.ask("hello", role="client")[0] == "welcome"
        group = {
            "command": [str(programs / "testworker"), "-hang=2"],
            "count": 1,
            "env": {"BELLIS_PREFETCH": "3"},
        }
        task = line_task(blocks=4, workers=[group], max_retries=0)
        job = {"name": "j", "tasks": [task]}
        kind, answer = client.ask("submit", req=1, job=job)
        assert kind == "submitted", answer

        def completed() -> int:
            got: int = client.ask("status", req=2)[1]["jobs"][0]["tasks"][0]["completed"]
            return got

        eventually(lambda: completed() == 2, "it hangs")
        workers = {
            pid
            for pid in children_of(broker.process.pid)
            if "testworker" in Path(f"/proc/{pid}/cmdline").read_text()
        }
        for pid in alive(workers):
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: completed() == 3, "the last block is done")
        status = client.ask("status", req=3)[1]["jobs"][0]["tasks"][0]
        assert [each["index"] for each in status["failures"]] == [2]
    finally:
        client.close()
        broker.process.terminate()
        broker.process.communicate()


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"BELLIS_CONNECT_TIMEOUT": "0.3"}, "no broker answers at ipc:///tmp/no/broker for 300ms"),
        ({"BELLIS_PREFETCH": "many"}, 'BELLIS_PREFETCH is "many": expected auto, or 0 to 1023'),
        ({"BELLIS_ENDPOINT": ""}, "BELLIS_ENDPOINT is not set"),
        ({"BELLIS_ENDPOINT": "udp://x:1"}, 'is "udp://x:1": expected ipc://PATH or tcp'),
        ({"BELLIS_SERVER_KEY": "short"}, 'BELLIS_SERVER_KEY) is "short": expected 40 characters'),
        ({"BELLIS_ACCESS": "/no/file"}, "open /no/file: no such file"),
    ],
)
def test_what_is_wrong_is_named(programs: Path, env: dict[str, str], said: str) -> None:
    done = subprocess.run(
        [programs / "testworker"],
        env={**os.environ, "BELLIS_ENDPOINT": "ipc:///tmp/no/broker", **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert said in done.stderr
