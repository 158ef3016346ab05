"""Jobs that would take up the broker's memory or its loop are refused, or built beside the loop;
other jobs do not notice."""

import os
import resource
import signal
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any, Union

from .conftest import BIN, PATIENCE, Broker, Peer, line_task

SPACE = 8_000_000_000
HUGE = """
[[tasks]]
task_id = "h"
total_roi = [[0], [1000000000000000000]]
read_roi = [[0], [1]]
write_roi = [[0], [1]]
read_write_conflict = false
[[tasks.workers]]
command = ["true"]
"""
# This run is stopped before its first block.
IN_PYTHON = """
import bellis, threading
stop = threading.Event()
stop.set()
one = bellis.Roi((0,), (1,))
whole = bellis.Roi((0,), (10**18,))
task = bellis.Task("h", whole, one, one, lambda block: None, read_write_conflict=False)
state = bellis.Server(stop_event=stop).run_blockwise([task])["h"]
print(state.total_block_count, state.completed_count + state.orphaned_count)
"""


def bounded() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (SPACE, SPACE))


def finished(
    folder: Path, *command: Union[str, Path], **more: Any
) -> subprocess.CompletedProcess[str]:
    """Runs a command in `folder`, which must end by itself."""
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, **more
    )


def test_any_number_of_blocks_is_planned_in_little_memory(tmp_path: Path) -> None:
    (tmp_path / "huge.toml").write_text(HUGE)
    plan = finished(tmp_path, BIN / "bellis", "plan", "huge.toml", preexec_fn=bounded)
    assert plan.returncode == 0, plan.stderr
    assert "1,000,000,000,000,000,000" in plan.stdout


def test_any_number_of_blocks_is_run_and_cancelled_in_little_memory(tmp_path: Path) -> None:
    (tmp_path / "huge.toml").write_text(HUGE.replace('["true"]', '["sleep", "1000"]'))
    run = subprocess.Popen(
        [BIN / "bellis", "run", "huge.toml"],
        cwd=tmp_path,
        preexec_fn=bounded,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
    )
    try:
        assert run.stderr is not None
        assert f"0/{10**18}" in run.stderr.readline()
        run.send_signal(signal.SIGINT)
        out, error = run.communicate(timeout=PATIENCE)
    finally:
        run.kill()
        run.wait()
    assert run.returncode == 130, error
    assert f"orphaned  ∅: {10**18}" in out


def test_any_number_of_blocks_is_run_by_python_in_little_memory(tmp_path: Path) -> None:
    done = finished(tmp_path, sys.executable, "-c", IN_PYTHON, preexec_fn=bounded)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"{10**18} {10**18}"


def test_a_run_is_bounded_by_its_option(tmp_path: Path) -> None:
    (tmp_path / "some.toml").write_text(HUGE.replace("1000000000000000000", "1000"))
    program = [str(BIN / "bellis"), "run", "--quiet"]
    env = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    for options, variable in ((["--job-memory-max", "1KB"], ""), ([], "1KB")):
        run = finished(
            tmp_path,
            *program,
            *options,
            "some.toml",
            env=env | {"BELLIS_JOB_MEMORY_MAX": variable} if variable else env,
        )
        assert run.returncode == 2, run.stderr
        assert "of the broker's memory, if all goes well (bellis plan)" in run.stderr
        assert "larger --job-memory-max" in run.stderr


def test_a_python_run_is_bounded_by_its_argument(tmp_path: Path) -> None:
    program = IN_PYTHON.replace("10**18", "1000").replace(
        "run_blockwise([task])", "run_blockwise([task], job_memory_max='1KB')"
    )
    done = finished(tmp_path, sys.executable, "-c", program)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "BrokerError" in last and "of the broker's memory" in last, done.stderr


def test_any_number_of_blocks_is_given_up_at_once(tmp_path: Path) -> None:
    after = HUGE.replace('"h"', '"after"').replace("[[tasks.", 'upstream = ["h"]\n[[tasks.')
    (tmp_path / "huge.toml").write_text(HUGE.replace('"true"', '"/no/such"') + after)
    run = finished(tmp_path, BIN / "bellis", "run", "huge.toml", preexec_fn=bounded)
    assert run.returncode == 1, run.stderr
    assert run.stderr.splitlines()[-1].count("1000000000000000000 orphaned") == 2, run.stderr


def masked(voxels: int) -> dict[str, Any]:
    """A task with one block a voxel and all voxels true: a few kilobytes in a message."""
    bits = zlib.compress(b"\xff" * (voxels // 8), 9)
    mask = {"offset": [0], "voxel_size": [1], "shape": [voxels], "bits": bits}
    task = line_task(blocks=voxels, external_workers=True)
    return task | {
        "total_roi": [[0], [voxels]],
        "read_roi": [[0], [1]],
        "write_roi": [[0], [1]],
        "read_write_conflict": False,
        "mask": mask,
    }


def test_masks_are_built_beside_the_loop(broker: Broker) -> None:
    client = Peer(broker.endpoint)
    client.ask("hello", role="client")
    other = Peer(broker.endpoint)
    other.ask("hello", role="client")
    client.send("submit", req=1, job={"name": "masked", "tasks": [masked(1 << 25)]})
    # Other messages are answered meanwhile, before the submit: to build the job takes far longer.
    client.send("ping", nonce=5)
    assert client.receive(timeout=60) == ("pong", {"nonce": 5})
    assert other.ask("status", req=2)[0] == "jobs"
    kind, fields = client.receive(timeout=120)
    assert kind == "submitted", fields


def test_masks_that_would_take_the_memory_are_refused(broker: Broker) -> None:
    client = Peer(broker.endpoint)
    client.ask("hello", role="client")
    tasks = [masked(1 << 26) | {"task_id": f"t{i}"} for i in range(9)]
    client.send("submit", req=1, job={"name": "masked", "tasks": tasks})
    kind, fields = client.receive(timeout=120)
    assert kind == "error", fields
    assert "voxels" in fields["message"]
    assert broker.process.poll() is None


def limit_space(pid: int, more: int) -> None:
    """From now on the process may have `more` bytes of address space beyond what it has."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    space = pages * resource.getpagesize() + more
    resource.prlimit(pid, resource.RLIMIT_AS, (space, resource.RLIM_INFINITY))


def test_a_submit_without_memory_is_refused_and_the_broker_lives_on(private: Path) -> None:
    """Memory may run out while the broker reads the message, builds the masks or the schedule."""
    broker = Broker(private, "--no-launcher", "--job-memory-max", "1TB", "--state-dir", "state")
    try:
        client = Peer(broker.endpoint)
        client.ask("hello", role="client")
        tasks = [masked(1 << 22) | {"task_id": f"t{i}"} for i in range(4)]
        refused = set()
        for req in range(1, 40):
            limit_space(broker.process.pid, (1 << 20) * 5**req // 4**req)
            client.send("submit", req=req, job={"name": "masked", "tasks": tasks})
            kind, fields = client.receive(timeout=120)
            assert fields["req"] == req
            if kind == "submitted":
                break
            assert fields["code"] == "limit"
            assert "not enough memory" in fields["message"]
            refused.add(fields["message"])
        assert kind == "submitted"
        assert refused
        assert client.ask("ping", nonce=1) == ("pong", {"nonce": 1})
    finally:
        code, _ = broker.stop()
        assert code == 1, broker.log()  # 1: a job had not ended; below 0: a signal ended the broker
