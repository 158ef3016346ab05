"""The client role of bellis/1: a connection that asks one question at a time."""

import time
from collections.abc import Iterator
from typing import Any, Optional

from bellis._wire import connection, protocol
from bellis._wire.access import Access

# A watch without news pings this many times before it takes the broker for lost.
_PINGS_PER_TIMEOUT = 3


class ClientSession:
    """One connection to the broker. One thread and one process use it.

    Connects at once. Raises BrokerError as `bellis.Control` says.
    """

    def __init__(self, access: Access, connect_timeout_s: float, timeout_s: float) -> None:
        self.broker = ""
        self._connect_timeout_s = connect_timeout_s
        self._timeout_s = timeout_s
        self._token = access.token
        self._req = 0
        self._connection = connection.Connection(access)
        try:
            self._greet()
        except BaseException:
            self._connection.close(bye=False)
            raise

    def request(self, answer: str, kind: str, **fields: Any) -> protocol.Fields:
        """Sends a request and waits for its answer, a message of kind `answer`.

        `hello_first` means that the broker did not carry out the request: this says hello and sends
        the request again.
        """
        req = self._send(kind, fields)
        while True:
            message = self._receive(req, self._timeout_s)
            if message is None:
                raise self._connection.no_broker(self._timeout_s)
            error = connection.error_of(message)
            if error is not None:
                if error.code != "hello_first":
                    raise error
                self._greet()
                req = self._send(kind, fields)
            elif message[0] == answer:
                return message[1]

    def watch(self, job: str, interval_ms: int) -> Iterator[dict[str, Any]]:
        fields = {"job": job, "interval_ms": interval_ms}
        req = self._send("watch", fields)
        silent = 0
        while True:
            message = self._receive(req, self._timeout_s / _PINGS_PER_TIMEOUT)
            if message is None:
                silent += 1
                if silent > _PINGS_PER_TIMEOUT:
                    raise self._connection.no_broker(self._timeout_s)
                self._connection.ping()
                continue
            silent = 0
            error = connection.error_of(message)
            if error is not None:
                if error.code != "hello_first":
                    raise error
                self._greet()
                req = self._send("watch", fields)
            elif message[0] in ("progress", "ended"):
                yield message[1].map("status")
                if message[0] == "ended":
                    return

    def close(self) -> None:
        self._connection.close()

    def _send(self, kind: str, fields: dict[str, Any]) -> int:
        self._req += 1
        self._connection.send(kind, req=self._req, **fields)
        return self._req

    def _receive(self, req: int, timeout_s: float) -> Optional[connection.Message]:
        """The next message that answers request `req`, or no request in particular."""
        deadline = time.monotonic() + timeout_s
        while True:
            message = self._connection.receive(max(0.0, deadline - time.monotonic()))
            if message is None or message[1].uint("req", 0) in (0, req):
                return message

    def _greet(self) -> None:
        hello = connection.identity("client", self._token)
        if not self._connection.greet(hello, self._connect_timeout_s, self._be_welcomed):
            raise self._connection.no_broker(self._connect_timeout_s)

    def _be_welcomed(self, message: connection.Message) -> bool:
        kind, fields = message
        if kind != "welcome":
            return False
        protocol.check_version(fields)
        self.broker = fields.text("broker")
        return True
