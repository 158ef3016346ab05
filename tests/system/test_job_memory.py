"""Jobs that would take the broker's memory, or its loop: refused, or built beside it; the others
do not notice."""

import resource
import subprocess
import zlib
from pathlib import Path
from typing import Any

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


def bounded() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (SPACE, SPACE))


def test_any_number_of_blocks_is_planned_in_little_memory(tmp_path: Path) -> None:
    (tmp_path / "huge.toml").write_text(HUGE)
    plan = subprocess.run(
        [BIN / "bellis", "plan", "huge.toml"],
        cwd=tmp_path,
        preexec_fn=bounded,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert plan.returncode == 0, plan.stderr
    assert "1,000,000,000,000,000,000" in plan.stdout


def test_any_number_of_blocks_is_given_up_at_once(tmp_path: Path) -> None:
    after = HUGE.replace('"h"', '"after"').replace("[[tasks.", 'upstream = ["h"]\n[[tasks.')
    (tmp_path / "huge.toml").write_text(HUGE.replace('"true"', '"/no/such"') + after)
    run = subprocess.run(
        [BIN / "bellis", "run", "huge.toml"],
        cwd=tmp_path,
        preexec_fn=bounded,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert run.returncode == 1, run.stderr
    assert run.stderr.splitlines()[-1].count("1000000000000000000 orphaned") == 2, run.stderr


def masked(voxels: int) -> dict[str, Any]:
    """A task of one block a voxel, all of them true: a few kilobytes."""
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
    # Whoever speaks meanwhile is answered before the job is: it takes far longer than a ping.
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
