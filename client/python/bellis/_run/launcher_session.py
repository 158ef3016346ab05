"""The launcher's side of bellis/1: decides which messages are due, so that no report is lost.

It does the same as broker/launcher/launcher_session.h. A report is kept until a `pong` shows that
the broker has read it. After each `welcome` all kept reports are repeated, and the `launched` of
every running worker. It has no socket and no clock.
"""

from collections import deque
from typing import Any

from bellis.errors import BrokerError

_HELLO_PATIENCE_S = 1.0  # an older hello is lost if the broker still does not know this launcher
_CONFIRM_S = 0.25  # one ping confirms all reports within this time
_PING_MIN_S = 5.0
_PING_MAX_S = 60.0


class LauncherSession:
    def __init__(self, hello: "dict[str, Any]", now: float) -> None:
        self._hello = hello
        self.is_known = False
        self._hello_due = True
        self._hello_said = now
        self._unconfirmed: deque[_Report] = deque()
        self._sent = 0  # how many of them, from the first on, were sent since the last welcome
        self._running: dict[int, dict[str, Any]] = {}  # whose `launched` is confirmed
        self._repeat_running = False
        self._nonce = 0
        self._ping_at = now + _PING_MIN_S
        self._ping_interval_s = _PING_MIN_S

    def report(self, kind: str, **fields: Any) -> None:
        """Adds a `launched` or `exited`. Reports reach the broker in the order of these calls."""
        if kind == "exited":
            self._running.pop(fields["worker"], None)
        self._unconfirmed.append(_Report(kind, fields))

    def exit_is_pending(self, worker: int) -> bool:
        """Whether the broker may not have read yet that this worker has exited."""
        return any(
            report.kind == "exited" and report.fields["worker"] == worker
            for report in self._unconfirmed
        )

    def on_welcome(self) -> None:
        if self.is_known:
            return
        self.is_known = True
        self._sent = 0
        self._repeat_running = True
        self._ping_interval_s = _PING_MIN_S

    def on_pong(self, nonce: int) -> None:
        self._ping_interval_s = _PING_MIN_S
        while self._sent > 0 and self._unconfirmed[0].nonce <= nonce:
            report = self._unconfirmed.popleft()
            self._sent -= 1
            if report.kind == "launched":
                self._running[report.fields["worker"]] = report.fields
            else:
                self._running.pop(report.fields["worker"], None)

    def on_error(self, error: BrokerError, now: float) -> None:
        """Raises `error` if the broker refuses this launcher's hello for good."""
        if error.code != "hello_first":
            if not self.is_known:
                raise error
        elif self.is_known:
            self.is_known = False
            self._hello_due = True
        elif now >= self._hello_said + _HELLO_PATIENCE_S:
            self._hello_due = True

    def take_outgoing(self, now: float) -> "list[tuple[str, dict[str, Any]]]":
        """The messages to send now, in order."""
        outgoing: list[tuple[str, dict[str, Any]]] = []
        if self._hello_due:
            outgoing.append(("hello", self._hello))
            self._hello_due = False
            self._hello_said = now
        if self.is_known and self._repeat_running:
            self._repeat_running = False
            outgoing += [("launched", fields) for fields in self._running.values()]
        if self.is_known and self._sent < len(self._unconfirmed):
            for report in list(self._unconfirmed)[self._sent :]:
                report.nonce = self._nonce + 1
                outgoing.append((report.kind, report.fields))
            self._sent = len(self._unconfirmed)
            self._ping_at = min(self._ping_at, now + _CONFIRM_S)
        if now >= self._ping_at:
            self._nonce += 1
            outgoing.append(("ping", {"nonce": self._nonce}))
            self._ping_at = now + self._ping_interval_s
            self._ping_interval_s = min(2 * self._ping_interval_s, _PING_MAX_S)
        return outgoing

    @property
    def next_at(self) -> float:
        """When `take_outgoing` next has a message, if nothing else happens before."""
        return 0.0 if self._hello_due else self._ping_at


class _Report:
    __slots__ = ("fields", "kind", "nonce")

    def __init__(self, kind: str, fields: "dict[str, Any]") -> None:
        self.kind = kind
        self.fields = fields
        self.nonce = 0  # the first ping after the report has this nonce
