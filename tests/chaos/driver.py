"""Makes faults at random, for a while; then ends them, and waits for the jobs to end."""

import contextlib
import os
import random
import signal
import subprocess
import time
from typing import Any

import bellis

from tests.chaos import jobs
from tests.chaos.blocks import JobBlocks, JobSpec
from tests.chaos.faults import Faults
from tests.chaos.history import History
from tests.chaos.output import Outputs
from tests.chaos.site import Site

JOBS_AT_ONCE = 2
EXTERNAL_WORKERS = 3
HEAL_S = 120.0


class Driver:
    """One run."""

    def __init__(self, site: Site, seed: int) -> None:
        self.specs: list[JobSpec] = []
        self.all_ended = False
        self._site = site
        self._seed = seed
        self._luck = random.Random(seed)
        self._history = History(site.histories, "driver")
        self._running: dict[str, JobSpec] = {}
        self._ids: dict[str, str] = {}  # by name
        self._external: list[subprocess.Popen[bytes]] = []
        self._control: bellis.Control | None = None
        self.faults = Faults(site, self._history, self._luck)

    def run(self, seconds: float) -> None:
        self._site.start_broker()
        end = time.monotonic() + seconds
        next_harm = time.monotonic() + 1.0
        while time.monotonic() < end:
            self._turn(more_jobs=True)
            if time.monotonic() >= next_harm:
                self.faults.harm()
                next_harm = time.monotonic() + self._luck.expovariate(1 / 0.8)
            time.sleep(0.1)
        self.faults.heal()
        end = time.monotonic() + HEAL_S
        while self._running and time.monotonic() < end:
            self._turn(more_jobs=False)
            time.sleep(0.2)
        self.all_ended = not self._running
        for name in self._running:
            print(f"chaos: job {name} did not end within {HEAL_S:g} s: {self._explain(name)}")

    def close(self) -> None:
        """Ends the workers that the driver has started itself."""
        for process in self._external:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _turn(self, more_jobs: bool) -> None:
        self.faults.turn()
        assert self._site.broker is not None
        if self._site.broker.poll() is None:
            with contextlib.suppress(bellis.BrokerError):
                self._look()
                while more_jobs and len(self._running) < JOBS_AT_ONCE:
                    self._submit()
        self._start_external_workers()

    # ---- jobs ----

    def _ask(self) -> bellis.Control:
        if self._control is None:
            self._control = bellis.Control(
                access=self._site.access, connect_timeout=1.0, timeout=1.0
            )
        return self._control

    def _submit(self) -> None:
        spec = jobs.make_job(f"chaos{len(self.specs) + 1}", self._luck)
        folder = self._site.jobs / spec.name
        if not folder.exists():
            folder.mkdir()
            (folder / "job.json").write_text(spec.to_json())
            Outputs(folder / "out").make_folders(JobBlocks(spec))
            (self._site.outputs / spec.name).symlink_to(folder / "out")
            self.specs.append(spec)
            self._running[spec.name] = spec
        self._send(spec)

    def _send(self, spec: JobSpec) -> None:
        direct = self._site.environment(spec.name, self._seed, through_proxy=False)
        proxied = self._site.environment(spec.name, self._seed, through_proxy=True)
        bellis_program = str(self._site.bin_dir / "bellis")
        folder = str(self._site.jobs / spec.name)
        message = jobs.to_message(spec, folder, direct, proxied, bellis_program)
        self._ids[spec.name] = self._ask().submit(message)

    def _look(self) -> None:
        """Asks the broker for the status of all jobs, and writes it down."""
        asked = time.monotonic_ns()
        answered = {status["name"]: status for status in self._ask().status()}
        for name, spec in list(self._running.items()):
            status = answered.get(name)
            if status is None:  # the submit was lost with the broker
                self._send(spec)
                continue
            said: dict[str, Any] = {
                "asked": asked,
                "job": name,
                "state": status["state"],
                "reason": status["reason"],
                "tasks": status["tasks"],
            }
            self._history.add("status", **said)
            if status["state"] != "running" and not self.faults.broker_ends:
                self._history.add("final", **said)
                del self._running[name]

    def _explain(self, name: str) -> str:
        try:
            (status,) = [s for s in self._ask().status() if s["name"] == name]
            return str([{k: v for k, v in t.items() if v} for t in status["tasks"]])
        except (bellis.BrokerError, ValueError) as error:
            return str(error)

    def _start_external_workers(self) -> None:
        self._external = [process for process in self._external if process.poll() is None]
        known = [spec for name, spec in self._running.items() if name in self._ids]
        while known and len(self._external) < EXTERNAL_WORKERS:
            spec = self._luck.choice(known)
            task = self._luck.choice(spec.tasks).name
            space = self._luck.choice(self._site.spaces) if self._site.spaces else None
            module = self._luck.choice(["tests.chaos.worker", "tests.chaos.raw_worker"])
            self._external.append(
                self._site.external_worker(
                    space, module, spec.name, self._ids[spec.name], task, self._seed
                )
            )
