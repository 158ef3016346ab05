"""A TCP proxy to the broker, whose connections can be reset or frozen."""

import contextlib
import select
import socket
import struct
import threading

_CHUNK = 1 << 16
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close() sends RST


class Proxy:
    """Listens on a free port of `host`, and forwards to `target`, in a thread of its own."""

    def __init__(self, host: str, target: tuple[str, int]) -> None:
        self._target = target
        self._listener = socket.create_server((host, 0))
        self.port: int = self._listener.getsockname()[1]
        self._wake_read, self._wake_write = socket.socketpair()
        self._lock = threading.Lock()
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._frozen = False
        self._reset = False
        self._closed = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def reset(self) -> None:
        """Cuts all connections; new ones may be made at once."""
        self._order(reset=True)

    def freeze(self, frozen: bool) -> None:
        """While frozen, no bytes get through, and neither side notices."""
        self._order(frozen=frozen)

    def close(self) -> None:
        with self._lock:
            self._closed = True
        self._wake_write.send(b"!")
        self._thread.join()

    def _order(self, *, reset: bool = False, frozen: bool | None = None) -> None:
        with self._lock:
            self._reset |= reset
            if frozen is not None:
                self._frozen = frozen
        self._wake_write.send(b"!")

    def _run(self) -> None:
        while True:
            with self._lock:
                closed, frozen, reset = self._closed, self._frozen, self._reset
                self._reset = False
            if reset or closed:
                for end in list(self._pairs):
                    self._drop(end)
            if closed:
                self._listener.close()
                return
            watched = [self._wake_read] if frozen else [self._wake_read, self._listener]
            watched += [] if frozen else list(self._pairs)
            for ready in select.select(watched, [], [], 1.0)[0]:
                if ready is self._wake_read:
                    self._wake_read.recv(_CHUNK)
                elif ready is self._listener:
                    self._accept()
                elif ready in self._pairs:
                    self._forward(ready)

    def _accept(self) -> None:
        near, _ = self._listener.accept()
        try:
            far = socket.create_connection(self._target, timeout=1.0)
        except OSError:
            near.close()
            return
        far.settimeout(5.0)
        near.settimeout(5.0)
        self._pairs[near] = far
        self._pairs[far] = near

    def _forward(self, source: socket.socket) -> None:
        try:
            data = source.recv(_CHUNK)
            if data:
                self._pairs[source].sendall(data)
                return
        except OSError:
            pass
        self._drop(source)

    def _drop(self, end: socket.socket) -> None:
        other = self._pairs.pop(end, None)
        if other is None:
            return
        del self._pairs[other]
        for side in (end, other):
            with contextlib.suppress(OSError):
                side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            side.close()
