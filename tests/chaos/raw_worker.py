"""A worker written from PROTOCOL.md alone: one thread that pings while it computes."""

import os
import random
import sys
import time
from typing import Any

from tests.chaos.wire import Fields, Wire, identity
from tests.chaos.work import BlockFailedError, Work

HEARTBEAT_MS = 500
PATIENCE_S = 60.0  # how long it waits for a silent broker while it holds nothing


class LeaseOverError(Exception):
    """The worker's lease on the block that it works on may be over."""


class RawWorker:
    """The worker's connection, and the leases that it has."""

    def __init__(self) -> None:
        self.work = Work("raw")
        self._wire = Wire(self.work.endpoint)
        self._worker = int(os.environ.get("BELLIS_WORKER_ID", "0"))
        self._numbered = self._worker == 0
        self._session = random.SystemRandom().getrandbits(62) | 1
        self._job = os.environ.get("BELLIS_JOB", "")
        self._task = os.environ.get("BELLIS_TASK", "")
        self._welcome = False
        self._over = False
        self._lease_s = 0.0
        self._until = 0.0  # its leases surely last until then, by time.monotonic
        self._sent: dict[int, float] = {}  # when each ping was sent, by nonce; 0 is the hello
        self._nonce = 0
        self._ping_at = 0.0
        self._heard = time.monotonic()
        self._blocks: list[Fields] = []
        self._held: dict[int, Fields] = {}  # in work, or released and not committed yet
        self._results: dict[int, Fields] = {}
        self._wanted = 0

    def hello(self) -> None:
        self._welcome = False
        self._sent = {0: time.monotonic()}
        fields: Fields = {
            "role": "worker",
            "token": os.environ.get("BELLIS_TOKEN", ""),
            "job": self._job,
            "task": self._task,
            "worker": self._worker,
            "session": self._session,
            "heartbeat_ms": HEARTBEAT_MS,
            "language": "raw",
            "held": [
                {"lease": lease, "index": block["index"], "attempt": block["attempt"]}
                for lease, block in self._held.items()
            ],
        }
        self._wire.send("hello", **fields, **identity())
        self._ping_at = time.monotonic() + 1.0

    def start_over(self) -> None:
        """Starts over as a new worker, as another process would."""
        self._session = random.SystemRandom().getrandbits(62) | 1
        self._held.clear()
        self._blocks.clear()
        self._results.clear()
        if self._numbered:
            self._worker = 0
        self.hello()

    def serve(self, timeout_s: float) -> None:
        """Reads the messages that have come, and pings when a ping is due."""
        now = time.monotonic()
        if now >= self._ping_at:
            if self._welcome:
                self._nonce += 1
                self._sent[self._nonce] = now
                self._wire.send("ping", nonce=self._nonce)
                self._ping_at = now + HEARTBEAT_MS / 1000
            else:
                self.hello()
        message = self._wire.receive(1000 * timeout_s)
        while message is not None:
            self._heard = time.monotonic()
            self._handle(*message)
            message = self._wire.receive(0)

    def _handle(self, kind: str, fields: Fields) -> None:
        if kind == "welcome":
            self._be_welcomed(fields)
        elif kind == "pong":
            self._renew(self._sent.pop(fields["nonce"], None))
        elif kind == "work":
            for block in fields["blocks"]:
                self._blocks.append(block)
                self._held[block["lease"]] = block
            self._wanted = max(0, self._wanted - len(fields["blocks"]))
        elif kind == "committed":
            known = [lease for lease in fields["leases"] if lease in self._results]
            self.work.committed(known)
            for lease in fields["leases"] + fields.get("dropped", []):
                self._held.pop(lease, None)
                self._results.pop(lease, None)
        elif kind in ("leave", "drain"):
            self._over = True
            if kind == "leave":
                self._blocks.clear()
        elif kind == "error":
            self._be_refused(fields)

    def _be_welcomed(self, fields: Fields) -> None:
        self._welcome = True
        self._worker, self._job, self._task = fields["worker"], fields["job"], fields["task"]
        self._lease_s = fields.get("lease_ms", 0) / 1000
        self._renew(self._sent.pop(0, None))
        ours = set(fields.get("held", []))
        self._held = {lease: block for lease, block in self._held.items() if lease in ours}
        self._blocks = [block for block in self._blocks if block["lease"] in ours]
        self._results = {lease: got for lease, got in self._results.items() if lease in ours}
        self._wanted = 0
        if self._results:
            self._wire.send("release", results=list(self._results.values()), want=0)
        self.work.hello("raw", self._worker, self._job, self._task, fields.get("lease_ms", 0))

    def _renew(self, sent: float | None) -> None:
        if sent is not None and sent + self._lease_s > self._until:
            self._until = sent + self._lease_s
            self.work.history.add("until", until=int(self._until * 1e9))

    def _be_refused(self, fields: Fields) -> None:
        code = fields["code"]
        if code == "hello_first":
            if self._welcome or time.monotonic() > self._sent.get(0, 0) + 1:
                self.hello()
        elif code == "unknown_worker" and self._numbered:
            self.start_over()
        else:
            print(f"sent away: {fields['message']}", file=sys.stderr)
            raise SystemExit(3)

    def keep_going(self, lease: int) -> None:
        """Called while the block is computed: raises LeaseOverError when it must stop."""
        self.serve(0)
        margin = self._lease_s / 50
        if lease not in self._held or time.monotonic() >= self._until - margin:
            raise LeaseOverError

    def run(self) -> int:
        self.hello()
        while True:
            if self._blocks:
                self._compute(self._blocks.pop(0))
                continue
            if self._over:
                self._wire.send("bye")
                self._wire.close()
                return 0
            if self._welcome and self._wanted == 0:
                self._wanted = 1 + self.work.luck.randrange(3)
                self._wire.send("acquire", want=self._wanted)
            self.serve(0.1)
            now = time.monotonic()
            if self._welcome and self._lease_s and now >= self._until:
                self.start_over()
            if now > self._heard + PATIENCE_S:
                return 4

    def _compute(self, block: Fields) -> None:
        lease = block["lease"]
        result: Fields = {"lease": lease, "status": "completed"}
        more: dict[str, Any] = {
            "task": self._task,
            "index": block["index"],
            "lease": lease,
            "attempt": block["attempt"],
            "worker": self._worker,
            "read": block["read"],
            "write": block["write"],
        }
        try:
            self.keep_going(lease)
            self.work.run(**more, keep_going=lambda: self.keep_going(lease))
        except LeaseOverError:
            # The broker may still count the lease as this worker's, as long as the worker pings. A
            # hello without the lease gives it back.
            if self._held.pop(lease, None) is not None:
                self.hello()
            return
        except BlockFailedError as error:
            result.update(status="failed", error=str(error))
        if lease not in self._held:
            return
        self._results[lease] = result
        if self._welcome:
            self._wire.send("release", results=[result], want=0)


if __name__ == "__main__":
    sys.exit(RawWorker().run())
