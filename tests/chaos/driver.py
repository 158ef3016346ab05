"""Does harm at random, for a while; then heals, and waits for the jobs to end."""

import contextlib
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import bellis

from tests.chaos import jobs, processes
from tests.chaos.blocks import JobBlocks, JobSpec
from tests.chaos.history import History
from tests.chaos.output import Outputs
from tests.chaos.site import LEASE_MS, Site

JOBS_AT_ONCE = 2
OUTSIDE_WORKERS = 3
HEAL_S = 120.0
_STOPS_S = (0.1, 2.5 * LEASE_MS / 1000)


@dataclass
class Undo:
    at: float
    act: Callable[[], None]


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
        self._undo: list[Undo] = []
        self._faults: Counter[str] = Counter()
        self._outside: list[subprocess.Popen[bytes]] = []
        self._control: bellis.Control | None = None
        self._harms: list[tuple[int, Callable[[], bool]]] = [
            (6, self._kill_process),
            (3, self._kill_group),
            (6, self._stop_process),
            (3, self._stop_group),
            (4, self._reset),
            (2, self._freeze),
            (3, self._cut_link),
            (3, self._kill_broker),
            (1, self._stop_broker),
            (2, self._kill_launcher),
            (2, self._fill_disk),
        ]

    def faults_text(self) -> str:
        return ", ".join(f"{count} {name}" for name, count in sorted(self._faults.items()))

    def run(self, seconds: float) -> None:
        self._site.start_broker()
        end = time.monotonic() + seconds
        next_harm = time.monotonic() + 1.0
        while time.monotonic() < end:
            self._turn(more_jobs=True)
            if time.monotonic() >= next_harm:
                self._harm()
                next_harm = time.monotonic() + self._luck.expovariate(1 / 0.8)
            time.sleep(0.1)
        self._heal()
        end = time.monotonic() + HEAL_S
        while self._running and time.monotonic() < end:
            self._turn(more_jobs=False)
            time.sleep(0.2)
        self.all_ended = not self._running
        for name in self._running:
            print(f"chaos: job {name} did not end within {HEAL_S:g} s: {self._explain(name)}")
        for process in self._outside:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _turn(self, more_jobs: bool) -> None:
        now = time.monotonic()
        due = [undo for undo in self._undo if undo.at <= now]
        self._undo = [undo for undo in self._undo if undo.at > now]
        for undo in due:
            undo.act()
        assert self._site.broker is not None
        if self._site.broker.poll() is not None and not any(
            undo.act == self._start_broker for undo in self._undo
        ):
            raise RuntimeError(f"the broker ended by itself: {self._site.broker.returncode}")
        if self._site.broker.poll() is None:
            with contextlib.suppress(bellis.BrokerError):
                self._look()
                while more_jobs and len(self._running) < JOBS_AT_ONCE:
                    self._submit()
        self._start_outside_workers()

    # ---- jobs ----

    def _ask(self) -> bellis.Control:
        if self._control is None:
            self._control = bellis.Control(
                endpoint=self._site.endpoint, connect_timeout=1.0, timeout=1.0
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
        """Writes down what the broker says of all jobs."""
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
            if status["state"] != "running":
                self._history.add("final", **said)
                del self._running[name]

    def _explain(self, name: str) -> str:
        try:
            (status,) = [s for s in self._ask().status() if s["name"] == name]
            return str([{k: v for k, v in t.items() if v} for t in status["tasks"]])
        except (bellis.BrokerError, ValueError) as error:
            return str(error)

    def _start_outside_workers(self) -> None:
        self._outside = [process for process in self._outside if process.poll() is None]
        known = [spec for name, spec in self._running.items() if name in self._ids]
        while known and len(self._outside) < OUTSIDE_WORKERS:
            spec = self._luck.choice(known)
            task = self._luck.choice(spec.tasks).name
            space = self._luck.choice(self._site.spaces) if self._site.spaces else None
            module = self._luck.choice(["tests.chaos.worker", "tests.chaos.raw_worker"])
            self._outside.append(
                self._site.outside_worker(
                    space, module, spec.name, self._ids[spec.name], task, self._seed
                )
            )

    # ---- faults ----

    def _harm(self) -> None:
        weights = [weight for weight, _ in self._harms]
        (harm,) = self._luck.choices([harm for _, harm in self._harms], weights)
        if harm():
            self._faults[harm.__name__.strip("_").replace("_", " ")] += 1

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        self._undo.append(Undo(time.monotonic() + seconds, act))

    def _worker(self) -> int | None:
        pids = processes.workers_of(self._site.folder)
        return self._luck.choice(pids) if pids else None

    def _signal(self, event: str, pids: list[int], number: int) -> None:
        for pid in pids:
            self._history.add(event, target=pid)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _kill(self, pids: list[int]) -> bool:
        self._signal("kill", pids, signal.SIGKILL)
        return True

    def _stop(self, pids: list[int]) -> bool:
        self._signal("stop", pids, signal.SIGSTOP)
        self._later(
            self._luck.uniform(*_STOPS_S), lambda: self._signal("continue", pids, signal.SIGCONT)
        )
        return True

    def _kill_process(self) -> bool:
        pid = self._worker()
        return pid is not None and self._kill([pid])

    def _kill_group(self) -> bool:
        pid = self._worker()
        with contextlib.suppress(ProcessLookupError):
            return pid is not None and self._kill(processes.group_of(pid))
        return False

    def _stop_process(self) -> bool:
        pid = self._worker()
        return pid is not None and self._stop([pid])

    def _stop_group(self) -> bool:
        pid = self._worker()
        with contextlib.suppress(ProcessLookupError):
            return pid is not None and self._stop(processes.group_of(pid))
        return False

    def _reset(self) -> bool:
        self._history.add("fault", kind="reset")
        self._site.proxy.reset()
        return True

    def _freeze(self) -> bool:
        self._history.add("fault", kind="freeze")
        self._site.proxy.freeze(True)
        self._later(self._luck.uniform(*_STOPS_S), lambda: self._site.proxy.freeze(False))
        return True

    def _cut_link(self) -> bool:
        if not self._site.spaces:
            return False
        space = self._luck.choice(self._site.spaces)
        self._history.add("fault", kind="cut", link=space.link)
        space.cut(True)
        self._later(self._luck.uniform(*_STOPS_S), lambda: space.cut(False))
        return True

    def _broker_pid(self) -> int | None:
        broker = self._site.broker
        return broker.pid if broker is not None and broker.poll() is None else None

    def _kill_broker(self) -> bool:
        if self._broker_pid() is None:
            return False
        self._history.add("fault", kind="kill broker")
        self._site.kill_broker()
        self._later(self._luck.choice([0.0, 0.5, 3.0]), self._start_broker)
        return True

    def _start_broker(self) -> None:
        self._site.disk.free()
        self._site.start_broker()

    def _stop_broker(self) -> bool:
        pid = self._broker_pid()
        if pid is None:
            return False
        self._history.add("fault", kind="stop broker")
        os.kill(pid, signal.SIGSTOP)

        def go_on() -> None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

        self._later(self._luck.uniform(*_STOPS_S), go_on)
        return True

    def _kill_launcher(self) -> bool:
        broker = self._broker_pid()
        launcher = processes.child_named(broker, b"bellis-launcher") if broker else None
        if launcher is None:
            return False
        self._history.add("fault", kind="kill launcher", pid=launcher)
        with contextlib.suppress(ProcessLookupError):
            os.kill(launcher, signal.SIGKILL)
        return True

    def _fill_disk(self) -> bool:
        if not self._site.disk.can_fill:
            return False
        self._history.add("fault", kind="full disk")
        self._site.disk.fill()
        self._later(self._luck.uniform(0.5, 3.0), self._site.disk.free)
        return True

    def _heal(self) -> None:
        for undo in self._undo:
            undo.act()
        self._undo.clear()
