"""`bellis explain` against a real broker."""

import json
import os
import subprocess
from typing import Any

from .conftest import BIN, PATIENCE, Broker, Peer, line_task


def bellis(broker: Broker, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [BIN / "bellis", *arguments],
        env={**os.environ, "BELLIS_ENDPOINT": broker.endpoint},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def submit(broker: Broker, *tasks: dict[str, Any]) -> str:
    client = Peer(broker.endpoint)
    client.ask("hello", role="client")
    kind, fields = client.ask("submit", req=1, job={"name": "job", "tasks": list(tasks)})
    assert kind == "submitted", fields
    client.close()
    job: str = fields["job"]
    return job


def test_a_block_is_explained_down_to_the_leased_one(broker: Broker) -> None:
    job = submit(
        broker,
        line_task("first", external_workers=True),
        line_task("then", upstream=["first"], external_workers=True),
    )
    worker = Peer(broker.endpoint)
    worker.ask("hello", role="worker", job=job, task="first", language="awk")
    worker.ask("acquire", want=1)
    told = bellis(broker, "explain", job, "then/0")
    assert told.returncode == 0, told.stderr
    lines = told.stdout.splitlines()
    assert lines[0].startswith("it comes down to block first/0, which is leased: worker 1 (awk)")
    assert lines[1] == "then/0 (pending): it waits for first/0"
    assert lines[2].startswith("-> first/0 (leased): worker 1 (awk) is at it since")
    as_json = json.loads(bellis(broker, "explain", job, "then/3", "--json").stdout)
    assert [(s["task"], s["block"], s["state"]) for s in as_json["steps"]] == [
        ("then", 3, "pending"),
        ("first", 3, "ready"),
    ]
    busy = bellis(broker, "explain", job, "--worker", "1")
    assert busy.stdout.startswith("it is not idle: it holds 1 block")
    worker.close()


def test_unknown_blocks_and_workers_are_reported(broker: Broker) -> None:
    job = submit(broker, line_task(external_workers=True))
    for arguments, words in [
        ((job, "7"), 'explain.block is 7: task "t" has no block of that id'),
        ((job, "x/1"), 'explain.task is "x"'),
        ((job, "t/one"), 'the block is "t/one"; TASK/ID'),
        ((job,), "explain what? a block, or --worker ID"),
        ((job, "--worker", "9"), "explain.worker is 9"),
        (("nothing-9", "1"), 'explain.job is "nothing-9": no such job'),
    ]:
        told = bellis(broker, "explain", *arguments)
        assert told.returncode != 0
        assert words in told.stderr, told.stderr
