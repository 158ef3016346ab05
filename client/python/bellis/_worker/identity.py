"""A worker's identity: what its hellos say, and what the welcomes answer."""

import secrets
from typing import Any

from bellis._base.machine import boot_time_ns, machine_name
from bellis._wire import connection, protocol
from bellis._worker.lease_board import Held
from bellis._worker.options import WorkerOptions

_SESSION_BITS = 62


class WorkerIdentity:
    """What the last welcome said; before the first welcome, what the options say."""

    def __init__(self, options: WorkerOptions) -> None:
        self.job = options.job
        self.task = options.task
        self.worker_id = options.worker_id
        self.slot = 0
        self.broker = ""  # program and version
        self.is_durable = False  # the broker stores results, and says when it has
        self.session = _new_session()
        self.hello_sent_ns = 0  # when the last hello that was answered was sent
        self.lease_ms = 0
        self.heartbeat_ms = 0
        self._options = options
        self._machine = machine_name()
        self._hellos = 0
        self._is_further = False  # a further connection of a launched worker
        self._unanswered_sent_ns = 0

    @property
    def is_numbered_by_broker(self) -> bool:
        return self._options.worker_id == 0 or self._is_further

    @property
    def is_forgettable(self) -> bool:
        """Whether the worker may say hello again as a new one."""
        return self.is_numbered_by_broker and self.worker_id != self._options.worker_id

    def hello(self, held: list[Held]) -> dict[str, Any]:
        """The fields of the next hello, which the caller sends at once."""
        options = self._options
        self._hellos += 1
        self._unanswered_sent_ns = boot_time_ns() if options.heartbeat_ms else 0
        return connection.identity(
            "worker",
            options.access.token,
            job=self.job,
            task=self.task,
            worker=self.worker_id,
            language="python",
            session=self.session,
            greeting=self._hellos,
            machine=self._machine,
            heartbeat_ms=options.heartbeat_ms,
            held=[lease.to_field() for lease in held],
            **({} if options.duty == "work" else {"duty": options.duty}),
        )

    def be_welcomed(self, welcome: protocol.Fields) -> None:
        self.broker = welcome.text("broker")
        self.job = welcome.text("job", self.job)
        self.task = welcome.text("task", self.task)
        self.worker_id = welcome.uint("worker", self.worker_id)
        self._is_further |= self.worker_id != self._options.worker_id
        self.slot = welcome.uint("slot", 0)
        self.is_durable = welcome.flag("durable")
        self.hello_sent_ns = self._unanswered_sent_ns
        self.lease_ms = welcome.uint("lease_ms", self.lease_ms)
        self.heartbeat_ms = welcome.uint("heartbeat_ms", self._options.heartbeat_ms)

    def be_nobody(self) -> None:
        """The broker does not know the number that a broker has given: the worker is a new one."""
        self.worker_id = self._options.worker_id
        self.session = _new_session()


def _new_session() -> int:
    return secrets.randbits(_SESSION_BITS) | 1
