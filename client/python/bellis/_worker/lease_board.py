"""Memory that a worker and its pulse share: what the worker holds, until when it may.

The worker writes who it is and what it has, the pulse when that ends. A number before and after
the worker's part tells a reader that it was being written meanwhile.
"""

import mmap
import os
import struct
from typing import NamedTuple, Optional

BYTES = 1 << 16

_READ_TRIES = 100

# version, worker, session, hello sent, lease_ms, heartbeat_ms, leases held, working
_HEAD = struct.Struct("<QQQqIIIB")
_LEASE = struct.Struct("<QQI")  # lease, index, attempt
_VERSION = struct.Struct("<Q")
_DEADLINE = struct.Struct("<q")
_LEASES_AT = _HEAD.size
_LEASES_MAX = (BYTES - 64 - _LEASES_AT) // _LEASE.size
_WORKING_AT = _HEAD.size - 1
_END_VERSION_AT = BYTES - 64
_EXPIRED_AT = BYTES - 32
_DEADLINE_AT = BYTES - 16


class Held(NamedTuple):
    """A lease, as `hello` lists it."""

    lease: int
    block: int  # its index
    attempt: int

    def to_field(self) -> dict[str, int]:
        return {"lease": self.lease, "index": self.block, "attempt": self.attempt}


class Standing(NamedTuple):
    """What the worker has written."""

    version: int
    worker: int
    session: int
    hello_sent_ns: int
    lease_ms: int
    heartbeat_ms: int
    held: list[Held]


class LeaseBoard:
    """One side's view; `fd` is the memory's file."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._memory = mmap.mmap(fd, BYTES)
        self._version = 0

    @staticmethod
    def make() -> "LeaseBoard":
        fd = os.memfd_create("bellis")
        os.ftruncate(fd, BYTES)
        return LeaseBoard(fd)

    def close(self) -> None:
        self._memory.close()
        os.close(self.fd)

    # ---- the worker ----

    def write(
        self,
        worker: int,
        session: int,
        hello_sent_ns: int,
        lease_ms: int,
        heartbeat_ms: int,
        held: list[Held],
        working: bool,
    ) -> None:
        """`lease_ms`, `heartbeat_ms`: as said in the welcome to that hello. `working`: some of what
        is held is in its user's hands, so that the process must not outlive it.

        Cost: that of the leases held.
        """
        self._version += 1
        held = held[:_LEASES_MAX]
        memory = self._memory
        terms = (hello_sent_ns, lease_ms, heartbeat_ms)
        _HEAD.pack_into(memory, 0, self._version, worker, session, *terms, len(held), working)
        at = _LEASES_AT
        for lease in held:
            _LEASE.pack_into(memory, at, *lease)
            at += _LEASE.size
        _VERSION.pack_into(memory, _END_VERSION_AT, self._version)

    def renew(self) -> None:
        """Leases of a new greeting: they have not ended."""
        self._memory[_EXPIRED_AT] = 0

    @property
    def expired(self) -> bool:
        """The leases have ended while the user's code had none: they are void."""
        return self._memory[_EXPIRED_AT] != 0

    @property
    def deadline_ns(self) -> int:
        """When they end, as far as the pulse knows, on the clock `boot_time_ns`; 0 at first."""
        deadline: int = _DEADLINE.unpack_from(self._memory, _DEADLINE_AT)[0]
        return deadline

    # ---- the pulse ----

    def read(self) -> Optional[Standing]:
        """None: the worker is just writing, or was stopped while it did."""
        for _ in range(_READ_TRIES):
            head = _HEAD.unpack_from(self._memory, 0)
            version, worker, session, hello_sent_ns, lease_ms, heartbeat_ms, count, _ = head
            count = min(count, _LEASES_MAX)
            leases = bytes(self._memory[_LEASES_AT : _LEASES_AT + count * _LEASE.size])
            if _VERSION.unpack_from(self._memory, _END_VERSION_AT)[0] != version:
                continue  # being written
            if _VERSION.unpack_from(self._memory, 0)[0] != version:
                continue  # written again
            held = [Held(*lease) for lease in _LEASE.iter_unpack(leases)]
            return Standing(version, worker, session, hello_sent_ns, lease_ms, heartbeat_ms, held)
        return None

    @property
    def working(self) -> bool:
        return self._memory[_WORKING_AT] != 0

    def expire(self) -> None:
        self._memory[_EXPIRED_AT] = 1

    def set_deadline(self, deadline_ns: int) -> None:
        _DEADLINE.pack_into(self._memory, _DEADLINE_AT, deadline_ns)
