"""The worker in PROTOCOL.md goes on when its broker is killed and started again."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

from .conftest import Broker, Peer, eventually, line_task

PAGE = Path(__file__).parents[2] / "common" / "protocol" / "PROTOCOL.md"
BLOCKS = 60


def page_worker() -> str:
    section = PAGE.read_text(encoding="utf-8").split("### A whole worker")[1]
    text = textwrap.dedent(section[section.index("    import os") : section.index("\n## ")])
    # This worker pings sooner than the page's worker, and takes its time for a block.
    assert "socket.poll(10_000)" in text
    assert "# compute, write ..." in text
    text = text.replace("socket.poll(10_000)", "socket.poll(300)")
    return text.replace("# compute, write ...", "; __import__('time').sleep(0.02)")


def completed(client: Peer) -> int:
    kind, jobs = client.ask("status", req=5)
    assert kind == "jobs", jobs
    return int(jobs["jobs"][0]["tasks"][0]["completed"])


def test_two_of_them_survive_restarts_of_the_broker_idle_and_busy(private: Path) -> None:
    def start() -> "tuple[Broker, Peer]":
        broker = Broker(private, "--state-dir", "state")
        client = Peer(broker.endpoint)
        assert client.ask("hello", role="client")[0] == "welcome"
        return broker, client

    broker, client = start()
    workers: list[subprocess.Popen[bytes]] = []
    try:
        task = line_task(blocks=BLOCKS, external_workers=True, max_retries=0)
        job = {"name": "page", "tasks": [task]}
        job_id = client.ask("submit", req=1, job=job)[1]["job"]
        assert client.ask("pause", req=2, job=job_id)[0] == "ok"
        env = {**os.environ, "BELLIS_ENDPOINT": broker.endpoint, "BELLIS_JOB": job_id}
        command = [sys.executable, "-c", page_worker()]
        workers = [subprocess.Popen(command, env=env) for _ in range(2)]
        eventually(lambda: broker.log().count("connected (python") == 2, "both are connected")

        broker.process.kill()  # the workers wait for blocks
        broker.process.communicate()
        broker, client = start()
        assert client.ask("resume", req=3, job=job_id)[0] == "ok"
        eventually(lambda: completed(client) >= 10, "blocks are completed after the restart")

        broker.process.kill()  # the workers compute
        broker.process.communicate()
        broker, client = start()
        eventually(lambda: completed(client) == BLOCKS, "all blocks are completed")
        assert [worker.wait(60) for worker in workers] == [0, 0]
        assert client.ask("status", req=6)[1]["jobs"][0]["tasks"][0]["failures_total"] == 0
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
        broker.process.kill()
        broker.process.communicate()
