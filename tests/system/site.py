"""A broker with workers that come from outside, for the tests of packages in all languages."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .conftest import Broker, Peer, line_task


class Site:
    """A folder with a broker that can be killed and started again, a client of it, and workers.

    start_broker must be called before anything else.
    """

    job = "j"  # the name of the job that is submitted

    def __init__(self, folder: Path, *options: str) -> None:
        """`options`: of each broker."""
        self.folder = folder
        self.options = options
        self.workers: list[subprocess.Popen[str]] = []

    def start_broker(self, *options: str, endpoint: str = "") -> None:
        self.broker = Broker(self.folder, *self.options, *options, endpoint=endpoint)
        self.client = self.connect()
        assert self.client.ask("hello", role="client")[0] == "welcome"

    def connect(self) -> Peer:
        return Peer(self.broker.endpoint)

    def kill_broker(self) -> None:
        self.broker.process.kill()
        self.broker.process.communicate()
        self.client.close()

    def restart_broker(self) -> None:
        """Kills the broker, and starts another at the same endpoint."""
        self.kill_broker()
        self.start_broker(endpoint=self.broker.endpoint)

    def submit(self, **task: Any) -> None:
        """Submits a job of one task, as line_task makes it: for external workers, unless it has
        workers of its own."""
        spec = line_task(**{"external_workers": "workers" not in task, **task})
        kind, answer = self.client.ask("submit", req=1, job={"name": self.job, "tasks": [spec]})
        assert kind == "submitted", answer

    def start(self, command: Sequence[Any], env: Mapping[str, str]) -> "subprocess.Popen[str]":
        """Starts a worker; `env` is added to the environment."""
        worker = subprocess.Popen(
            command,
            cwd=self.folder,
            env={**os.environ, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.workers.append(worker)
        return worker

    def status(self) -> dict[str, Any]:
        """The status of the first job."""
        kind, answer = self.client.ask("status", req=2)
        assert kind == "jobs", answer
        job: dict[str, Any] = answer["jobs"][0]
        return job

    def task(self) -> dict[str, Any]:
        """The status of its task."""
        task: dict[str, Any] = self.status()["tasks"][0]
        return task

    def lines(self, name: str) -> list[str]:
        """The words that workers have written into that file, if it is there."""
        path = self.folder / name
        return path.read_text().split() if path.exists() else []

    def close(self) -> None:
        for worker in self.workers:
            worker.kill()
            worker.communicate()
        if self.broker.process.poll() is None:
            self.kill_broker()
