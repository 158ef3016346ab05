"""A DEALER socket that speaks bellis/1 with one broker."""

import contextlib
import math
import os
import socket
import time
from typing import Any, Callable, Optional

import zmq

from bellis._base.private_files import check_socket
from bellis._wire import endpoint as endpoints
from bellis._wire import protocol
from bellis._wire.access import Access
from bellis._wire.handshake_watch import INTERVAL_S, HandshakeWatch
from bellis._wire.no_broker import why_no_broker
from bellis.errors import BrokerError

Message = tuple[str, protocol.Fields]

_LINGER_MS = 1000
# How many messages are kept for a broker that is away. Apart from pings, which this bounds, there
# are few.
_UNSENT_MESSAGES_MAX = 64


def identity(role: str, token: str, **fields: Any) -> dict[str, Any]:
    """The fields of a `hello`."""
    return {
        "version": protocol.VERSION,
        "role": role,
        "token": token,
        **fields,
        "host": socket.gethostname(),
        "pid": os.getpid(),
    }


class Connection:
    """Sends and receives messages. It reconnects by itself; messages on their way are lost then.

    Belongs to the process and the thread that made it. In a forked child every call but `close`
    raises RuntimeError, and `close` does nothing: the socket is the parent's.
    """

    def __init__(self, access: Access) -> None:
        self.endpoint = endpoint = access.endpoint
        try:
            address = endpoints.parse(endpoint)
            check_socket(endpoint)
        except ValueError as error:
            raise BrokerError("environment", str(error)) from None
        except PermissionError as error:
            raise BrokerError("unauthorized", f"no broker answers at {endpoint}: {error}") from None
        self._pid = os.getpid()
        self._closed = False
        self._said_bye = False
        self._nonce = 0
        self._receive_timeout_ms = -1  # the current value of the socket's option
        self._watch: Optional[HandshakeWatch] = None  # only if the broker must prove its key
        self._hello: Optional[bytes] = None  # the last hello, until it is answered
        # The connection has its own context, so that close() can wait for the last messages.
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.sndhwm = _UNSENT_MESSAGES_MAX
        # A block may take hours; firewalls forget connections that are silent for minutes.
        self._socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
        self._socket.setsockopt(zmq.TCP_KEEPALIVE_IDLE, 60)
        self._socket.setsockopt(zmq.TCP_KEEPALIVE_INTVL, 20)
        self._socket.setsockopt(zmq.TCP_KEEPALIVE_CNT, 6)
        self._socket.setsockopt(zmq.IPV6, int(address.needs_ipv6))
        try:
            if access.secure(self._socket):
                self._watch = HandshakeWatch(self._socket, address.text)
            self._socket.connect(address.text)
        except (zmq.ZMQError, ValueError) as error:
            self.close(bye=False)
            raise BrokerError("environment", f"cannot connect to {endpoint} ({error})") from error

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def is_inherited(self) -> bool:
        """Whether this process is a forked child, and the connection belongs to its parent."""
        return os.getpid() != self._pid

    @property
    def socket(self) -> "zmq.Socket[bytes]":
        """For a zmq.Poller only."""
        return self._socket

    def check_usable(self) -> None:
        if self.is_inherited:
            raise RuntimeError(
                f"this connection to the broker belongs to process {self._pid}, and this is its "
                "forked child: make a bellis.Client or bellis.Control of its own in each process"
            )
        if self._closed:
            raise RuntimeError("this connection to the broker is closed")

    def send(self, kind: str, **fields: Any) -> None:
        """Queues a message for sending. Raises BrokerError, sending nothing, when it is too large.

        Blocks only if the broker has been away for very long.
        """
        self.check_usable()
        data = protocol.encode(kind, fields)
        if kind == "hello":
            self._hello = data
        self._socket.send(data)

    def ping(self) -> None:
        """Sends a ping, unless many messages are still unsent."""
        self.check_usable()
        self._nonce += 1
        self._send_if_room("ping", nonce=self._nonce)

    def say_bye(self) -> None:
        """Says bye once; a second call does nothing."""
        self.check_usable()
        if not self._said_bye:
            self._said_bye = True
            self._send_if_room("bye")

    def receive(self, timeout_s: float) -> Optional[Message]:
        """The next message, or None when none came in time. Ctrl-C ends the wait at once.

        If another program had answered in the broker's place, messages that were sent may be lost.
        Then a hello is sent again; after a welcome, an error `hello_first` is returned, as if the
        broker had sent it.
        """
        self.check_usable()
        if self._watch is None:
            return self._receive_one(timeout_s)
        deadline = time.monotonic() + timeout_s
        while True:
            left = deadline - time.monotonic()
            message = self._receive_one(max(0.0, min(left, INTERVAL_S)))
            if message is not None:
                self._hello = None
                return message
            if self._watch.reopen():
                if self._hello is None:
                    fields = {"code": "hello_first", "message": "the connection was opened again"}
                    return "error", protocol.Fields("error", fields)
                with contextlib.suppress(zmq.Again):
                    self._socket.send(self._hello, zmq.NOBLOCK)
            if left <= INTERVAL_S:
                return None

    def _receive_one(self, timeout_s: float) -> Optional[Message]:
        timeout_ms = max(0, math.ceil(timeout_s * 1000))
        if timeout_ms != self._receive_timeout_ms:
            self._socket.setsockopt(zmq.RCVTIMEO, timeout_ms)
            self._receive_timeout_ms = timeout_ms
        try:
            data = self._socket.recv()
        except zmq.Again:
            return None
        return protocol.decode(data)

    def greet(
        self, hello: dict[str, Any], timeout_s: float, handle: Callable[[Message], bool]
    ) -> bool:
        """Says hello, and passes messages to `handle` until that returns True (welcome).

        Returns whether it did in time. Raises the broker's error if it refuses the hello, except
        `hello_first`, which answers messages that were sent before.
        """
        self.send("hello", **hello)
        deadline = time.monotonic() + timeout_s
        while True:
            left = deadline - time.monotonic()
            message = self.receive(left) if left > 0 else None
            if message is None:
                return False
            error = error_of(message)
            if error is None:
                if handle(message):
                    return True
            elif error.code != "hello_first":
                raise error

    def no_broker(self, timeout_s: float) -> BrokerError:
        why = self._trouble() or why_no_broker(self.endpoint)
        return BrokerError(
            "no_broker", f"no broker answers at {self.endpoint} within {timeout_s:g} s: {why}"
        )

    def _trouble(self) -> str:
        """What is known about a program that answers in the broker's place; empty if nothing is."""
        if self._watch is not None:
            return self._watch.trouble
        if not self.endpoint.startswith("tcp://"):
            return ""
        return (
            "is bellis-broker running? On tcp it asks for keys, unless it is told not to encrypt, "
            "and none are given (access=, BELLIS_ACCESS)"
        )

    def close(self, bye: bool = True) -> None:
        """Says bye, and waits up to a second for unsent messages; without `bye`, drops them."""
        if self._closed or self.is_inherited:
            return
        try:
            if bye:
                self.say_bye()
        finally:
            self._closed = True
            if self._watch is not None:
                self._watch.close()
            self._socket.close(_LINGER_MS if bye else 0)
            self._context.term()

    def _send_if_room(self, kind: str, **fields: Any) -> None:
        with contextlib.suppress(zmq.Again):
            self._socket.send(protocol.encode(kind, fields), zmq.NOBLOCK)


def error_of(message: Message) -> Optional[BrokerError]:
    """The error that an `error` message carries; None for any other message."""
    kind, fields = message
    if kind != "error":
        return None
    code = fields.text("code")
    return BrokerError(code, fields.text("message") or f"the broker refused with {code!r}")
