"""Opens an endpoint again after another program answered there in the broker's place.

libzmq gives up an endpoint for good after a handshake that violates the protocol, as with an
impostor that does not speak CURVE. So this watches the handshakes, and opens the endpoint again
after a failed handshake, or after some time without any.
"""

import contextlib
import time

import zmq
from zmq.utils.monitor import parse_monitor_message

INTERVAL_S = 0.1  # `reopen` must be called at least this often

_HANDSHAKE_MS = 5000
_PAUSE_S = 0.1
_PAUSE_MAX_S = 2.0
_SILENCE_S = 3.0
_NEVER = float("inf")
_FAILED = (
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL,
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL,
    zmq.EVENT_HANDSHAKE_FAILED_AUTH,
)
_EVENTS = (
    zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED | zmq.EVENT_CONNECT_RETRIED
) | sum(_FAILED)


class HandshakeWatch:
    """Make it before `socket` connects to `endpoint`, and use it in the socket's thread."""

    def __init__(self, socket: "zmq.Socket[bytes]", endpoint: str) -> None:
        self._socket = socket
        self._endpoint = endpoint
        self._reopen_at = _NEVER
        self._pause_s = _PAUSE_S
        self.trouble = ""  # what went wrong last, as the end of a sentence
        socket.handshake_ivl = _HANDSHAKE_MS
        self._monitor = socket.get_monitor_socket(_EVENTS)

    def reopen(self) -> bool:
        """Returns True if it has opened the endpoint again; messages sent before are lost."""
        self._hear()
        if time.monotonic() < self._reopen_at:
            return False
        self._reopen_at = _NEVER
        with contextlib.suppress(zmq.ZMQError):  # libzmq may have given the endpoint up already
            self._socket.disconnect(self._endpoint)
        self._socket.connect(self._endpoint)
        return True

    def close(self) -> None:
        self._socket.disable_monitor()
        self._monitor.close(0)

    def _hear(self) -> None:
        while True:
            try:
                frames = self._monitor.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            event = parse_monitor_message(frames)["event"]
            if event == zmq.EVENT_CONNECT_RETRIED:
                self._reopen_at = _NEVER  # libzmq tries again by itself
            elif event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self.trouble = ""
                self._pause_s = _PAUSE_S
                self._reopen_at = _NEVER
            elif event == zmq.EVENT_DISCONNECTED:
                # Usually libzmq connects again by itself, and the monitor reports that.
                if self._reopen_at == _NEVER:
                    self._reopen_at = time.monotonic() + _SILENCE_S
            elif event in _FAILED:
                self.trouble = (
                    "the program that answered there refuses this key"
                    if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH
                    else "the program that answered there did not prove to be the broker, and was "
                    "sent nothing"
                )
                self._reopen_at = time.monotonic() + self._pause_s
                self._pause_s = min(2 * self._pause_s, _PAUSE_MAX_S)
