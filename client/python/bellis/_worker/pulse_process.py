"""The pulse's own process: pings for its worker, and ends it when nobody answers (`pulse.py`)."""

import contextlib
import os
import select
import signal
import sys
from typing import Any, Optional

import msgpack
import zmq

from bellis._base.machine import boot_time_ns, machine_name, process_state
from bellis._wire import endpoint as endpoints
from bellis._wire import protocol
from bellis._wire.access import Access
from bellis._wire.connection import error_of, identity
from bellis._wire.handshake_watch import HandshakeWatch
from bellis._worker.lease_board import LeaseBoard, Standing
from bellis._worker.pulse import FENCE_S
from bellis.errors import BrokerError

_MS = 1_000_000
_S = 1_000_000_000
_PINGS_KEPT = 64
_GREET_INTERVAL_NS = 250 * _MS
_SLICE_MAX_NS = 250 * _MS

_WORDS = b"bellis: this worker's leases end and could not be renewed: the process is ended\n"


def margin_ns(lease_ms: int) -> int:
    """For clocks that do not run alike, and for the time that it takes to be killed."""
    lease_ns = lease_ms * _MS
    return lease_ns // 100 + min(500 * _MS, lease_ns // 10)


class Beat:
    """Pings, and when the leases end by their answers."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings
        self._lease_ns = 0  # as the last welcome said, less the margin
        self._beat_ns = _S
        self._fence_ns = int(FENCE_S * _S)
        self._board = LeaseBoard(settings["board_fd"])
        self._worker_pid: int = settings["worker_pid"]
        self._standing: Optional[Standing] = None
        self._sent_ns: dict[int, int] = {}
        self._nonce = 0
        self._greeted = False
        self._next_ns = 0
        self.deadline_ns = 0
        self._expired = False
        self._warned = False
        access = Access(**settings["access"])
        self._token = access.token
        context = zmq.Context()
        self._socket = context.socket(zmq.DEALER)
        self._socket.linger = 0
        self._socket.sndhwm = _PINGS_KEPT
        address = endpoints.parse(access.endpoint)
        self._socket.setsockopt(zmq.IPV6, int(address.needs_ipv6))
        self._watch: Optional[HandshakeWatch] = None
        if access.secure(self._socket):
            self._watch = HandshakeWatch(self._socket, address.text)
        self._socket.connect(address.text)

    def run(self) -> None:
        """Until the worker is dead."""
        worker = os.pidfd_open(self._worker_pid)
        if os.getppid() != self._worker_pid:
            return
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(worker, select.POLLIN)
        while True:
            if self._watch is not None and self._watch.reopen():
                self._greeted = False
                self._next_ns = 0
            now = boot_time_ns()
            self._look(now)
            self._end_leases(now)
            if now >= self._next_ns and not self._say(now):
                return
            until = min(self._next_ns, now + min(self._beat_ns // 4, _SLICE_MAX_NS))
            if not self._expired:
                until = min(until, self.deadline_ns)
            ready = dict(poller.poll(max(1, (until - now) // _MS)))
            if worker in ready:
                return
            if self._socket in ready:
                self._hear()

    def _look(self, now: int) -> None:
        """What the worker says it is and has."""
        standing = self._board.read()
        if standing is None or standing.version == 0:
            return
        known, self._standing = self._standing, standing
        if known is None or known.session != standing.session or known.worker != standing.worker:
            self._greeted = False
            self._next_ns = now
        if known is None or known.hello_sent_ns != standing.hello_sent_ns:
            self._take_over(standing.lease_ms, standing.heartbeat_ms)
            self._extend(standing.hello_sent_ns)

    def _take_over(self, lease_ms: int, heartbeat_ms: int) -> None:
        """What a welcome says: a broker that was started again may have other leases."""
        if lease_ms == 0:
            return
        self._lease_ns = lease_ms * _MS - margin_ns(lease_ms)
        self._beat_ns = max(1, heartbeat_ms) * _MS
        self._fence_ns = min(int(FENCE_S * _S), lease_ms * _MS // 4)

    def _extend(self, sent_ns: int) -> None:
        deadline = sent_ns + self._lease_ns
        if deadline <= self.deadline_ns:
            return
        self.deadline_ns = deadline
        self._board.set_deadline(deadline)
        self._warned = False
        if deadline > boot_time_ns():
            self._expired = False

    def _end_leases(self, now: int) -> None:
        if self._standing is None or self._expired:
            return
        if now >= self.deadline_ns:
            if self._board.working:
                self._fence()
            self._expired = True
            self._board.expire()
            select.select([], [], [], 0.001)
            if self._board.working:  # it took one up at that very moment
                self._fence()
        elif now >= self.deadline_ns - self._fence_ns and self._board.working:
            if self._settings["warn_fd"] >= 0 and not self._warned:
                os.write(self._settings["warn_fd"], b"!")
            self._warned = True

    def _fence(self) -> None:
        self._look(boot_time_ns())
        if boot_time_ns() < self.deadline_ns:
            return  # it was greeted at that very moment
        os.write(2, _WORDS)
        if os.getpgid(self._worker_pid) == self._worker_pid:
            os.killpg(self._worker_pid, signal.SIGKILL)
        os.kill(self._worker_pid, signal.SIGKILL)
        sys.exit(1)

    def _say(self, now: int) -> bool:
        """A ping, or a hello. False when the worker is dead."""
        state = process_state(self._worker_pid)
        if state is None or state in "ZX":
            return False
        self._next_ns = now + self._beat_ns
        if state in "Tt" or self._standing is None:
            self._next_ns = now + self._beat_ns // 4
            return True
        if self._greeted:
            self._nonce += 1
            self._sent_ns[self._nonce] = now
            self._sent_ns.pop(self._nonce - _PINGS_KEPT, None)
            self._send("ping", {"nonce": self._nonce})
            return True
        self._next_ns = now + _GREET_INTERVAL_NS
        hello = identity(
            "pulse",
            self._token,
            machine=machine_name(),
            worker=self._standing.worker,
            session=self._standing.session,
            held=[lease.to_field() for lease in self._standing.held],
        )
        self._send("hello", hello)
        return True

    def _send(self, kind: str, fields: dict[str, Any]) -> None:
        with contextlib.suppress(zmq.Again):  # it is said again
            self._socket.send(protocol.encode(kind, fields), zmq.NOBLOCK)

    def _hear(self) -> None:
        try:
            message = protocol.decode(self._socket.recv(zmq.NOBLOCK))
            kind, fields = message
            if kind == "pong":
                sent = self._sent_ns.pop(fields.uint("nonce"), None)
                if sent is not None:
                    self._extend(sent)
            elif kind == "welcome":
                self._take_over(fields.uint("lease_ms", 0), fields.uint("heartbeat_ms", 0))
                self._greeted = True
                self._next_ns = 0
            elif error_of(message) is not None:
                # A broker that was restarted, or that is about to be told of this worker.
                wait = 20 * _MS if self._greeted else _GREET_INTERVAL_NS
                self._next_ns = boot_time_ns() + wait
                self._greeted = False
        except (BrokerError, zmq.Again):
            pass  # not what a broker says; the next may be


def main() -> None:
    """Started by `Pulse`, with the settings on stdin."""
    Beat(msgpack.unpackb(sys.stdin.buffer.read())).run()
