"""The faults: which there are, how often they are made, and how they are undone."""

import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos import processes
from tests.chaos.damage import Damage
from tests.chaos.history import History
from tests.chaos.site import LEASE_MS, Site

_STOPS_S = (0.1, 2.5 * LEASE_MS / 1000)
_END_S = 30.0  # a broker that was told to end does so within this time
_LOG_S = 30.0  # a broker that got HUP has a log under the old name again within this time
_REFUSED = 3  # the broker's exit code for trouble with the system
_TERMED = (0, 1)  # its exit codes after TERM: all jobs had completed, or not


@dataclass
class _Undo:
    at: float
    act: Callable[[], None]


class Faults:
    """Makes one fault at a time; `turn` undoes each one later."""

    def __init__(self, site: Site, history: History, luck: random.Random) -> None:
        self.by_kind: Counter[str] = Counter()
        self._site = site
        self._history = history
        self._luck = luck
        self._undo: list[_Undo] = []
        self._down = False  # the broker has ended, and will be started
        self._ends_by: float | None = None  # when a broker that was told to end must have ended
        self._hung_up = False  # the broker got HUP, and may end of it
        self._log_due: float | None = None  # when there must be a new log
        self._damage = Damage(site.state, site.folder / "state.copy")
        self._harms: list[tuple[int, str, Callable[[], bool]]] = [
            (6, "kill worker", self._kill_process),
            (3, "kill group", self._kill_group),
            (6, "stop worker", self._stop_process),
            (3, "stop group", self._stop_group),
            (4, "reset connections", self._reset),
            (2, "freeze connections", self._freeze),
            (3, "cut link", self._cut_link),
            (3, "kill broker", self._kill_broker),
            (2, "stop broker", lambda: self._stop_one(self._broker_pid())),
            (2, "term broker", self._term_broker),
            (2, "hup broker", self._hang_up_broker),
            (2, "kill launcher", lambda: self._signal_launcher(signal.SIGKILL)),
            (2, "term launcher", lambda: self._signal_launcher(signal.SIGTERM)),
            (2, "hup launcher", lambda: self._signal_launcher(signal.SIGHUP)),
            (2, "stop launcher", lambda: self._stop_one(self._launcher_pid())),
            (3, "damage state", self._damage_state),
            (2, "fill disk", self._fill_disk),
            (2, "fill process table", self._fill_table),
        ]

    def text(self) -> str:
        counts = (f"{count} {kind}" for kind, count in sorted(self.by_kind.items()))
        return f"{sum(count for kind, count in self.by_kind.items() if ':' not in kind)}: " + (
            ", ".join(counts)
        )

    def harm(self) -> None:
        weights = [weight for weight, _, _ in self._harms]
        ((_, kind, act),) = self._luck.choices(self._harms, weights)
        if act():
            self._history.add("fault", kind=kind)
            self.by_kind[kind] += 1

    def turn(self) -> None:
        """Undoes what is due, and starts a broker that was ended."""
        now = time.monotonic()
        due = [undo for undo in self._undo if undo.at <= now]
        self._undo = [undo for undo in self._undo if undo.at > now]
        for undo in due:
            undo.act()
        if not self._down:
            self._look_at_broker()
        if self._log_due is not None and self._site.broker_log.exists():
            self._log_due = None
        if self._log_due is not None and now > self._log_due:
            raise RuntimeError("the broker writes on into a log that was renamed before its HUP")

    @property
    def broker_ends(self) -> bool:
        """Whether the broker was told to end: its jobs go on with the next broker."""
        return self._ends_by is not None

    def heal(self) -> None:
        for undo in self._undo:
            undo.act()
        self._undo.clear()

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        self._undo.append(_Undo(time.monotonic() + seconds, act))

    def _stop_time(self) -> float:
        return self._luck.uniform(*_STOPS_S)

    # ---- workers ----

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
        self._later(self._stop_time(), lambda: self._signal("continue", pids, signal.SIGCONT))
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

    # ---- the network ----

    def _reset(self) -> bool:
        self._site.proxy.reset()
        return True

    def _freeze(self) -> bool:
        self._site.proxy.freeze(True)
        self._later(self._stop_time(), lambda: self._site.proxy.freeze(False))
        return True

    def _cut_link(self) -> bool:
        if not self._site.spaces:
            return False
        space = self._luck.choice(self._site.spaces)
        space.cut(True)
        self._later(self._stop_time(), lambda: space.cut(False))
        return True

    # ---- the broker ----

    def _broker_pid(self) -> int | None:
        """The pid of the broker if it runs and was not told to end."""
        broker = self._site.broker
        if broker is None or self._down or self._ends_by is not None or broker.poll() is not None:
            return None
        return broker.pid

    def _kill_broker(self) -> bool:
        if self._broker_pid() is None:
            return False
        self._site.kill_broker()
        self._start_later()
        return True

    def _start_later(self) -> None:
        self._down = True
        self._later(self._luck.choice([0.0, 0.5, 3.0]), self._start_broker)

    def _start_broker(self) -> None:
        self._site.disk.free()
        self._site.table.free()
        self._history.add("broker")
        self._site.start_broker()
        self._down = False
        self._hung_up = False
        self._ends_by = None

    def _term_broker(self) -> bool:
        pid = self._broker_pid()
        if pid is None:
            return False
        os.kill(pid, signal.SIGTERM)
        self._ends_by = time.monotonic() + _END_S
        return True

    def _hang_up_broker(self) -> bool:
        """Renames the broker's log and sends HUP, as logrotate does."""
        pid = self._broker_pid()
        if pid is None:
            return False
        with contextlib.suppress(FileNotFoundError):
            self._site.broker_log.rename(self._site.broker_log.with_suffix(".old"))
        os.kill(pid, signal.SIGHUP)
        self._hung_up = True
        self._log_due = time.monotonic() + _LOG_S
        return True

    def _look_at_broker(self) -> None:
        broker = self._site.broker
        assert broker is not None
        code = broker.poll()
        if code is None:
            if self._ends_by is not None and time.monotonic() > self._ends_by:
                raise RuntimeError(f"the broker does not end within {_END_S:g} s of TERM")
            return
        said = self._site.last_words()
        full = code == _REFUSED and "could not be written" in said  # nor were acknowledged
        told = self._ends_by is not None and (code in _TERMED or full)
        if not told and not (self._hung_up and code == -signal.SIGHUP):
            raise RuntimeError(f"the broker ended by itself: {code}; {said}")
        self._start_later()

    def _stop_one(self, pid: int | None) -> bool:
        """Stops the broker or a launcher, by SIGSTOP."""
        if pid is None:
            return False
        os.kill(pid, signal.SIGSTOP)

        def go_on() -> None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

        self._later(self._stop_time(), go_on)
        return True

    def _launcher_pid(self) -> int | None:
        broker = self._broker_pid()
        return processes.child_named(broker, b"bellis-launcher") if broker else None

    def _signal_launcher(self, number: int) -> bool:
        launcher = self._launcher_pid()
        if launcher is None:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(launcher, number)
        return True

    # ---- the broker's surroundings ----

    def _damage_state(self) -> bool:
        """The next broker refuses the state or has lost nothing of it; the checker checks that."""
        if self._broker_pid() is None:
            return False
        self._site.kill_broker()
        self._site.disk.free()
        self._site.table.free()
        what = self._damage.make(self._luck)
        if what is None:
            self._start_later()
            return False
        self._history.add("damage", what=what)
        self._history.add("broker")
        if self._site.try_broker():
            self.by_kind["damage state: harmless"] += 1
            return True
        assert self._site.broker is not None
        said = self._site.last_words()
        if self._site.broker.returncode != _REFUSED or not said:
            code = self._site.broker.returncode
            raise RuntimeError(f"{what}: the broker ended with code {code}: {said}")
        self.by_kind["damage state: refused"] += 1
        self._damage.undo()
        self._start_later()
        return True

    def _fill_disk(self) -> bool:
        if not self._site.disk.can_fill:
            return False
        self._site.disk.fill()
        self._later(self._luck.uniform(0.5, 3.0), self._site.disk.free)
        return True

    def _fill_table(self) -> bool:
        if not self._site.table.able:
            return False
        self._site.table.fill()
        self._later(self._luck.uniform(0.5, 3.0), self._site.table.free)
        return True
