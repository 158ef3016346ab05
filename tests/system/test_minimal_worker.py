"""client/python-minimal, the worker in one file of pure Python, with real brokers."""

import ast
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import bellis
import pytest

from .conftest import BIN, eventually
from .site import Site

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "client" / "python-minimal"
LEASE_MS = 1500

ADD_NUMBERS = """
import bellis_minimal, os, sys, time

def process(block):
    assert block.read == block.write == [[block.index * 10], [10]], block
    assert block.task == "t" and block.attempt >= 1 and block.lease > 0
    time.sleep(float(sys.argv[1]))
    with open("done", "a") as file:
        print(block.index, file=file)

print(bellis_minimal.work(process, heartbeat_ms=int(sys.argv[2])))
"""


class Workers(Site):
    """Workers of the one file."""

    job = "minimal"

    def start_worker(self, program: str, *arguments: str, **env: str) -> "subprocess.Popen[str]":
        return self.start(
            [sys.executable, "-c", program, *arguments],
            {"BELLIS_ENDPOINT": self.broker.endpoint, "PYTHONPATH": str(FOLDER), **env},
        )

    def done(self) -> list[int]:
        return sorted(map(int, self.lines("done")))


@pytest.fixture
def site(private: Path) -> Iterator[Workers]:
    running = Workers(private, "--state-dir", "state", "--lease-ms", str(LEASE_MS))
    running.start_broker()
    yield running
    running.close()


@pytest.mark.parametrize("heartbeat_ms", ["0", "300"])
def test_it_works_on_all_blocks_and_leaves(site: Workers, heartbeat_ms: str) -> None:
    site.submit(blocks=20)
    worker = site.start_worker(ADD_NUMBERS, "0", heartbeat_ms)
    assert worker.communicate(timeout=60) == ("20\n", "")
    assert worker.returncode == 0
    assert site.done() == list(range(20))
    assert site.task()["completed"] == 20
    assert [entry["language"] for entry in site.task()["languages"]] == ["python"]


def test_an_exception_fails_the_block_and_the_loop_goes_on(site: Workers) -> None:
    site.submit(blocks=6, max_retries=1)
    worker = site.start_worker(
        "import bellis_minimal\n"
        "def process(block):\n"
        "    if block.index == 3:\n"
        "        raise ValueError('no signal ' + chr(0xDCE9) + 'x' * 20000)\n"
        "print(bellis_minimal.work(process))\n"
    )
    out, err = worker.communicate(timeout=60)
    assert (out, worker.returncode) == ("7\n", 0)
    assert "ValueError: no signal" in err
    task = site.task()
    assert (task["completed"], task["failed"], task["failures_total"]) == (5, 1, 2)
    error = task["failures"][0]["error"]
    assert error.startswith("Traceback (most recent call last):") and error.endswith("xxx\n")


def test_a_base_exception_fails_the_block_and_ends_the_worker(site: Workers) -> None:
    site.submit(blocks=2, max_retries=0)
    program = "import bellis_minimal, sys\nbellis_minimal.work(lambda block: sys.exit(5))\n"
    worker = site.start_worker(program)
    assert worker.wait(60) == 5
    eventually(lambda: site.task()["failed"] == 1, "the block has failed")
    assert "SystemExit: 5" in site.task()["failures"][0]["error"]


@pytest.mark.parametrize("heartbeat_ms", ["0", "300"])
def test_it_survives_restarts_of_the_broker_idle_and_busy(site: Workers, heartbeat_ms: str) -> None:
    site.submit(blocks=60, max_retries=0)
    assert site.client.ask("pause", req=3, job="minimal")[0] == "ok"
    program = ADD_NUMBERS.replace("import", "import bellis_minimal as b; b.PING_S = 0.3; import", 1)
    workers = [site.start_worker(program, "0.03", heartbeat_ms) for _ in range(2)]
    eventually(lambda: site.broker.log().count("connected (python") == 2, "both are connected")
    site.restart_broker()  # the workers wait for blocks
    assert site.client.ask("resume", req=3, job="minimal")[0] == "ok"
    eventually(lambda: site.task()["completed"] >= 10, "blocks are completed after the restart")
    site.restart_broker()  # the workers compute
    eventually(lambda: site.task()["completed"] == 60, "all blocks are completed")
    assert [worker.wait(60) for worker in workers] == [0, 0]
    assert set(site.done()) == set(range(60))
    assert site.task()["failures_total"] == 0


def test_heartbeats_keep_a_block_for_longer_than_a_lease(site: Workers) -> None:
    site.submit(blocks=1, max_retries=0)
    worker = site.start_worker(ADD_NUMBERS, str(2.5 * LEASE_MS / 1000), "300")
    assert worker.communicate(timeout=60) == ("1\n", "")
    assert site.task()["completed"] == 1
    assert site.task()["failures_total"] == 0


def test_a_function_that_keeps_the_interpreter_is_ended_with_its_lease(site: Workers) -> None:
    site.submit(blocks=1, max_retries=1)
    program = (
        "import bellis_minimal, ctypes\n"
        "keep = ctypes.PyDLL(None).sleep  # without letting go of the interpreter\n"
        "bellis_minimal.work(lambda block: keep(1000), heartbeat_ms=300)\n"
    )
    worker = site.start_worker(program)
    assert worker.wait(60) == -signal.SIGALRM
    other = site.start_worker(ADD_NUMBERS, "0", "300")
    assert other.communicate(timeout=60) == ("1\n", "")


def test_blocks_that_conflict_need_heartbeats(site: Workers) -> None:
    site.submit(blocks=4, read_write_conflict=True, read_roi={"offset": [-1], "shape": [12]})
    worker = site.start_worker("import bellis_minimal\nbellis_minimal.work(print)\n")
    _, err = worker.communicate(timeout=60)
    assert worker.returncode == 1
    assert "BrokerError" in err and "unsafe_leases" in err


def test_a_checker_answers_with_what_its_function_returns(site: Workers) -> None:
    (site.folder / "check.py").write_text(
        f"import sys; sys.path.insert(0, {str(FOLDER)!r}); import bellis_minimal\n"
        "bellis_minimal.work(lambda block: block.index % 2 == 0)\n"
    )
    command = [sys.executable, str(site.folder / "check.py")]
    site.submit(blocks=6, check={"command": command})
    worker = site.start_worker(ADD_NUMBERS, "0", "0")
    assert worker.communicate(timeout=60) == ("3\n", "")
    assert site.done() == [1, 3, 5]
    assert (site.task()["completed"], site.task()["skipped"]) == (6, 3)


def test_nobody_answers(private: Path) -> None:
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", "import bellis_minimal\nbellis_minimal.work(print)\n"],
        env={
            **os.environ,
            "PYTHONPATH": str(FOLDER),
            "BELLIS_ENDPOINT": f"ipc://{private}/nobody",
            "BELLIS_CONNECT_TIMEOUT": "0.3",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "BrokerError: no broker answers for 0.3 s" in done.stderr
    assert time.monotonic() - begun < 50


def test_a_launcher_starts_it_on_tcp_with_keys(private: Path) -> None:
    """`bellis run --bind` gives the worker the keys of CURVE, and an id."""
    (private / "worker.py").write_text(
        f"import sys; sys.path.insert(0, {str(FOLDER)!r}); import bellis_minimal, os\n"
        "assert os.environ['BELLIS_SERVER_KEY'] and int(os.environ['BELLIS_WORKER_ID'])\n"
        "bellis_minimal.work(lambda block: None, heartbeat_ms=300)\n"
    )
    (private / "job.toml").write_text(
        '[[tasks]]\ntask_id = "t"\ntotal_roi = [[0], [200]]\nread_roi = [[0], [10]]\n'
        "write_roi = [[0], [10]]\n[[tasks.workers]]\ncount = 2\n"
        f'command = ["{sys.executable}", "worker.py"]\n'
    )
    run = subprocess.run(
        [BIN / "bellis", "run", "job.toml", "--bind", "tcp://127.0.0.1:0", "--durability", "off"],
        cwd=private,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "completed ✔: 20" in run.stdout


def test_its_package_is_one_module_of_the_projects_version() -> None:
    text = (FOLDER / "pyproject.toml").read_text()
    version = re.search(r"path = \"(.*)\"\npattern = '(.*)'", text)
    assert version is not None
    found = re.search(version[2], (FOLDER / version[1]).read_text())
    assert found is not None and found["version"] == bellis.__version__
    assert 'include = ["bellis_minimal.py"]' in text
    assert 'dependencies = ["msgpack>=1.0", "pyzmq>=22"]' in text


def test_it_needs_pyzmq_and_msgpack_and_nothing_else() -> None:
    tree = ast.parse((FOLDER / "bellis_minimal.py").read_text())
    nodes = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = {alias.name for node in nodes for alias in node.names if isinstance(node, ast.Import)}
    names |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    assert names - set(sys.stdlib_module_names) == {"msgpack", "zmq"}
