"""The broker's side of bellis/1 for tests, written from PROTOCOL.md alone.

A test gives a script, a function that plays the broker message by message in a thread of its own:

    def script(wire: Wire) -> None:
        wire.welcome()
        wire.expect("acquire", want=1)
        wire.send("leave", reason="")
        wire.expect("bye")

    with FakeBroker(script) as broker:
        client = Client(endpoint=broker.endpoint)

A message that the script did not expect fails the test, at the end of the `with` block at the
latest. A script that fails tells its peer to leave, so that the peer does not wait for ever.
"""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Callable, Optional

import msgpack
import zmq
from bellis import Block, Client

# A test that hangs ends after this time; no result depends on it.
_HANG_MS = 20_000

HELLO_DEFAULTS = {
    "version": 1,
    "token": "",
    "job": "",
    "task": "",
    "worker": 0,
    "language": "",
    "host": "",
    "pid": 0,
}


def block(lease: int, /, **fields: Any) -> dict[str, Any]:
    """A block of a `work` message: 2-d, with an index and an id that follow from the lease."""
    made = {
        "lease": lease,
        "index": lease + 100,
        "id": lease + 200,
        "read": [[-1, 0], [6, 4]],
        "write": [[0, 1], [4, 2]],
        "attempt": 1,
    }
    return {**made, **fields}


def completed(lease: int) -> dict[str, Any]:
    return {"lease": lease, "status": "completed"}


class Wire:
    """A script's connection, to expect and to send. Sends to the peer that spoke last."""

    def __init__(self, router: "zmq.Socket[bytes]") -> None:
        self._router = router
        self._peer = b""
        self.stopped = threading.Event()

    def receive(self) -> tuple[str, dict[str, Any]]:
        """The next message, checked by the rules of PROTOCOL.md for every message."""
        assert self._router.poll(_HANG_MS), "expected a message, and none came"
        frames = self._router.recv_multipart()
        assert len(frames) == 2, f"a message is one frame, not {len(frames) - 1}"
        self._peer, data = frames
        assert len(data) <= 1_048_576
        kind, fields = msgpack.unpackb(data)
        assert isinstance(kind, str)
        assert all(isinstance(key, str) for key in fields)
        return kind, fields

    def expect(self, kind: str, **fields: Any) -> dict[str, Any]:
        """The next message, which must be of `kind` and, where given, have just these fields."""
        got_kind, got = self.receive()
        assert got_kind == kind, f"expected {kind} {fields}, got {got_kind} {got}"
        if fields or kind in ("acquire", "release"):
            assert got == fields, kind
        return got

    def expect_hello(self, **fields: Any) -> dict[str, Any]:
        hello = {**HELLO_DEFAULTS, **self.expect("hello")}
        shown = {key: hello[key] for key in fields}
        assert shown == fields
        return hello

    def welcome(self, **fields: Any) -> dict[str, Any]:
        """Expects a hello and answers it."""
        hello = self.expect_hello()
        answer = {"version": 1, "broker": "fake 0"}
        if hello["role"] == "worker":
            answer.update(
                job=hello["job"] or "job-1", task=hello["task"] or "A", worker=hello["worker"] or 7
            )
        self.send("welcome", **{**answer, **fields})
        return hello

    def send(self, kind: str, **fields: Any) -> None:
        self.send_bytes(msgpack.packb([kind, fields]))

    def send_bytes(self, data: bytes) -> None:
        self._router.send_multipart([self._peer, data])

    def work(self, *leases: int) -> None:
        self.send("work", blocks=[block(lease) for lease in leases])

    def error(self, code: str, message: str = "no", **fields: Any) -> None:
        self.send("error", code=code, message=message, **fields)

    def leave_and_bye(self) -> None:
        self.send("leave", reason="the task is done")
        self.expect("bye")

    # ---- for FakeBroker ----

    def play(self, script: Callable[["Wire"], None]) -> None:
        """Plays the script, then expects silence until stopped."""
        try:
            script(self)
            while not self.stopped.is_set():
                if self._router.poll(20):
                    raise AssertionError(f"unexpected message: {self.receive()}")
        finally:
            while not self.stopped.is_set():  # the script failed: tell all peers to leave
                if self._peer:
                    self.send("leave", reason="the test has failed")
                if self._router.poll(20):
                    self._peer = self._router.recv_multipart()[0]


class FakeBroker:
    """A ROUTER socket at a free port, or at `endpoint`, and a thread that plays a script."""

    def __init__(self, script: Callable[[Wire], None], endpoint: str = "tcp://127.0.0.1:*") -> None:
        self._script = script
        self._context = zmq.Context()
        self._router = self._context.socket(zmq.ROUTER)
        self._router.linger = 1000
        self._router.bind(endpoint)
        bound = self._router.getsockopt(zmq.LAST_ENDPOINT)
        assert isinstance(bound, bytes)
        self.endpoint = bound.rstrip(b"\0").decode()
        self._wire = Wire(self._router)
        self._failure: Optional[BaseException] = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "FakeBroker":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self._wire.stopped.set()
        self._thread.join()
        self._context.term()
        if self._failure is not None:
            raise self._failure from error

    def _run(self) -> None:
        try:
            self._wire.play(self._script)
        except BaseException as error:
            self._failure = error
        finally:
            self._router.close()


def serve_until_asked_ahead(wire: Wire) -> int:
    """Leases blocks one by one until the worker asks for two; returns how many it has done.

    A block may take long on a busy machine, so nobody knows how many that takes.
    """
    wire.expect("acquire", want=1)
    done = 0
    while True:
        done += 1
        wire.work(done)
        wanted = 0
        while not wanted:
            kind, fields = wire.receive()
            assert kind in ("acquire", "release")
            wanted += fields["want"]
        if wanted == 2:
            return done
        assert wanted == 1


@contextmanager
def unanswering_broker() -> Iterator[str]:
    """An endpoint that accepts connections and says nothing."""
    context = zmq.Context()
    router = context.socket(zmq.ROUTER)
    port = router.bind_to_random_port("tcp://127.0.0.1")
    yield f"tcp://127.0.0.1:{port}"
    router.close(0)
    context.term()


def serve_blocks(
    count: int, log: Optional[list[Mapping[str, Any]]] = None, at_most: int = 128
) -> Callable[[Wire], None]:
    """A script that leases `count` blocks to one worker, by credit, as PROTOCOL.md says.

    The worker may have and ask for `at_most` blocks at once.
    """

    def script(wire: Wire) -> None:
        wire.welcome()
        wanted = 0
        leased: set[int] = set()
        last = 0
        while True:
            kind, fields = wire.receive()
            if kind == "bye":
                assert not leased
                return
            assert kind in ("acquire", "release")
            for result in fields.get("results", []):
                leased.remove(result["lease"])
                if log is not None:
                    log.append(result)
            wanted += fields.get("want", 0 if kind == "release" else 1)
            assert wanted + len(leased) <= at_most
            while wanted and last < count:
                last += 1
                wanted -= 1
                leased.add(last)
                wire.work(last)
            if wanted and not leased:
                wire.send("leave", reason="the task is done")

    return script


# ---- what a worker's function does meanwhile ----


def slowly(block: Block) -> None:
    """Takes so long that the worker asks for no further block meanwhile."""
    time.sleep(0.003)


def wait_until_message_arrived(client: Client) -> None:
    assert client._worker.await_message(20)
    time.sleep(0.003)  # a worker that is called at once does not look


def compute_until_message_arrives(client: Client) -> None:
    """Stands for a user's function: sends a ping, for which the script waits before it sends."""
    client._worker.ping()
    wait_until_message_arrived(client)
