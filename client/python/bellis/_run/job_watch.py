"""Submits one job and follows it without blocking, for a loop that does other things, too."""

from typing import Any, Optional

from bellis._wire import connection, protocol
from bellis._wire.access import Access

_REQ_SUBMIT, _REQ_WATCH, _REQ_CANCEL, _REQ_CLEAR = 1, 2, 3, 4


class JobWatch:
    """A client of the broker with one job. Owns its connection; one thread uses it."""

    def __init__(self, access: Access, interval_ms: int) -> None:
        self._interval_ms = interval_ms
        self._hello = connection.identity("client", access.token)
        self._connection = connection.Connection(access)
        self._cancel_reason: Optional[str] = None
        self.job = ""  # its id, once the job was submitted
        self.run = ""  # the folder of its logs
        self.done_before = 0  # blocks that an earlier run completed
        self.status: Optional[dict[str, Any]] = None  # MESSAGES.md "Job status"
        self.ended = False

    @property
    def socket(self) -> Any:
        return self._connection.socket

    def submit(self, job: "dict[str, Any]", fresh: bool = False, **more: Any) -> None:
        self._connection.send("hello", **self._hello)
        if fresh:  # the broker treats the stored job of a killed run as running
            self._connection.send("cancel", req=_REQ_CLEAR, job=job["name"])
        self._connection.send("submit", req=_REQ_SUBMIT, job=job, fresh=fresh, **more)

    def cancel(self, reason: str) -> None:
        """Cancels the job, as soon as the broker knows it. Does nothing the second time."""
        if self._cancel_reason is None:
            self._cancel_reason = reason
            self._send_cancel()

    def take_messages(self) -> bool:
        """Returns whether `status` has changed. BrokerError: the broker refuses the job."""
        news = False
        while True:
            message = self._connection.receive(0)
            if message is None:
                return news
            news |= self._handle(message)

    def close(self) -> None:
        self._connection.close(bye=False)

    def _handle(self, message: connection.Message) -> bool:
        kind, fields = message
        if kind == "welcome":
            protocol.check_version(fields)
        elif kind == "submitted":
            self.job = fields.text("job")
            self.run = fields.text("run", "")
            self.done_before = fields.uint("done", 0)
            self._watch()
            if self._cancel_reason is not None:
                self._send_cancel()
        elif kind in ("progress", "ended"):
            self.status = fields.map("status")
            self.ended = kind == "ended"
            return True
        else:
            error = connection.error_of(message)
            if error is not None and fields.uint("req", 0) != _REQ_CLEAR:
                if error.code != "hello_first" or not self.job:
                    raise error
                self._connection.send("hello", **self._hello)
                self._watch()
        return False

    def _watch(self) -> None:
        self._connection.send("watch", req=_REQ_WATCH, job=self.job, interval_ms=self._interval_ms)

    def _send_cancel(self) -> None:
        if self.job:
            self._connection.send(
                "cancel", req=_REQ_CANCEL, job=self.job, reason=self._cancel_reason or ""
            )
