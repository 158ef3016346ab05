"""A worker of bellis/1 in pure Python: one file, which follows the protocol's pages alone.

    import bellis_minimal

    bellis_minimal.work(smooth)      # smooth(block), with block.read and block.write

The environment says where the broker is (WORKERS.md, "Environment"). It is for machines
where the package `bellis` cannot be installed, and an example for workers in other languages.
"""

import os
import random
import signal
import sys
import threading
import time
import traceback
from dataclasses import dataclass
from typing import Any, Callable, Optional

import msgpack
import zmq

ERROR_BYTES_MAX = 16 << 10
ENDING_ERRORS = {
    "unauthorized",
    "unknown_job",
    "unknown_task",
    "unknown_worker",
    "version",
    "wrong_role",
}
PING_S = 10.0  # a worker that waits pings this often


@dataclass(frozen=True)
class Block:
    """A block. `read` and `write` are (offset, shape) in world units, each with as many integers as
    the volume has dimensions."""

    task: str
    id: int
    index: int
    attempt: int
    lease: int
    read: tuple[list[int], list[int]]
    write: tuple[list[int], list[int]]


class BrokerError(Exception):
    """The broker refuses this worker, or does not answer. `code` is the broker's, or no_broker."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def work(function: Callable[[Block], object], heartbeat_ms: int = 0) -> int:
    """Calls `function` with one block after the other until the broker has no more.

    If `function` raises an Exception, the block fails, and the exception is printed; any other
    BaseException fails the block and is raised here. For a checker (BELLIS_DUTY), the return value
    of `function` is the answer. Returns the number of blocks. Raises BrokerError.

    `heartbeat_ms`: how often a thread sends a heartbeat to the broker; 0: never. If a heartbeat is
    not answered in time, or if `function` holds the interpreter for a whole lease, SIGALRM ends the
    process, whatever it does, but not the processes that it has started. So `function` must not use
    SIGALRM and ITIMER_REAL. Call it in the main thread.
    """
    return _Worker(heartbeat_ms).run(function)


def _read(name: str, otherwise: str = "") -> str:
    return os.environ.get(name) or otherwise


def _connect() -> "zmq.Socket[bytes]":
    socket = zmq.Context.instance().socket(zmq.DEALER)
    socket.linger = 1000
    endpoint = os.environ["BELLIS_ENDPOINT"]
    socket.ipv6 = "[" in endpoint
    if _read("BELLIS_SERVER_KEY"):  # nothing is sent to a peer that does not prove to be the broker
        socket.curve_serverkey = os.environ["BELLIS_SERVER_KEY"].encode()
        socket.curve_publickey = os.environ["BELLIS_PUBLIC_KEY"].encode()
        socket.curve_secretkey = os.environ["BELLIS_SECRET_KEY"].encode()
    socket.connect(endpoint)
    return socket


def _machine() -> str:
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return f"{file.readline().strip()}:{os.readlink('/proc/self/ns/pid')}"


def _now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class _Worker:
    """A worker's connection, and the leases and results that it has.

    The user's function runs between two messages; no message is handled meanwhile.
    """

    def __init__(self, heartbeat_ms: int) -> None:
        self.heartbeat_ms = heartbeat_ms
        self.given = int(_read("BELLIS_WORKER_ID", "0"))  # from a launcher; 0: the broker gives one
        self.number = self.given
        self.session = _new_session()
        self.job, self.task = _read("BELLIS_JOB"), _read("BELLIS_TASK")
        self.duty = _read("BELLIS_DUTY", "work")
        self.hellos = 0
        self.hello_sent = 0.0  # when the first unanswered hello was sent, by _now()
        self.is_welcome = False
        self.limit_s = float(_read("BELLIS_CONNECT_TIMEOUT", "10"))  # how long the broker may be
        # silent
        self.working: list[dict[str, int]] = []  # this and the next go into `held` of a hello
        self.unstored: dict[int, dict[str, int]] = {}  # handed in, but perhaps not stored
        self.results: dict[int, dict[str, Any]] = {}  # the results of the unstored leases
        self.is_durable = False
        self.pulse: Optional[_Pulse] = None
        self.socket = _connect()

    def held(self) -> list[dict[str, int]]:
        """The pulse calls this, too, from its thread: list() of a dict's values is atomic."""
        return self.working + list(self.unstored.values())

    def send(self, kind: str, **fields: Any) -> None:
        self.socket.send(msgpack.packb([kind, fields]))

    def run(self, function: Callable[[Block], object]) -> int:
        blocks = 0
        silent_s = 0.0
        self.say_hello()
        try:
            while True:
                wait_s = min(PING_S, self.limit_s)
                if not self.socket.poll(int(wait_s * 1000)):
                    silent_s += wait_s
                    if silent_s >= self.limit_s:
                        raise BrokerError("no_broker", f"no broker answers for {self.limit_s:g} s")
                    self.ask_for_a_sign(silent_s > wait_s)
                    continue
                silent_s = 0.0
                kind, fields = _unpacked(self.socket.recv())
                if kind == "work" and self.is_welcome:
                    for block in fields["blocks"]:
                        blocks += self.work_on(block, function)
                elif kind in ("leave", "drain"):
                    return blocks
                else:
                    self.handle(kind, fields)
        finally:
            self.send("bye")
            if self.pulse:
                self.pulse.end()
            self.socket.close()

    def handle(self, kind: str, fields: dict[str, Any]) -> None:
        if kind == "welcome" and not self.is_welcome:
            self.be_welcomed(fields)
        elif kind == "committed":
            for lease in [*fields.get("leases", ()), *fields.get("dropped", ())]:
                self.forget(lease)
        elif kind == "error" and fields["code"] == "hello_first":
            if self.is_welcome:  # one hello is enough for all errors of a restarted broker
                self.say_hello()
        elif kind == "error" and fields["code"] == "unknown_worker" and self.number != self.given:
            self.number, self.session, self.hellos = self.given, _new_session(), 0
            self.say_hello()
        elif kind == "error" and self.is_welcome and fields["code"] not in ENDING_ERRORS:
            print("the broker refused a message:", fields.get("message"), file=sys.stderr)
        elif kind == "error":
            raise BrokerError(fields["code"], fields.get("message") or fields["code"])

    def ask_for_a_sign(self, again: bool) -> None:
        """Pings a silent broker: if it was restarted, it answers with hello_first."""
        if again:  # libzmq may have given up the endpoint, because another program listened there
            self.socket.close(0)
            self.socket = _connect()
        if self.is_welcome and not again:
            self.send("ping")
        else:
            self.say_hello()

    def say_hello(self) -> None:
        if self.is_welcome or not self.hellos:
            self.hello_sent = _now()
        self.is_welcome = False
        self.hellos += 1
        self.send(
            "hello",
            version=1,
            role="worker",
            token=_read("BELLIS_TOKEN"),
            language="python",
            job=self.job,
            task=self.task,
            worker=self.number,
            duty=self.duty,
            host=os.uname().nodename,
            pid=os.getpid(),
            machine=_machine(),
            session=self.session,
            greeting=self.hellos,
            held=self.held(),
            heartbeat_ms=self.heartbeat_ms,
        )

    def be_welcomed(self, welcome: dict[str, Any]) -> None:
        if welcome.get("version", 1) != 1:
            raise BrokerError("version", f"the broker speaks version {welcome['version']}, not 1")
        self.is_welcome = True
        self.limit_s = float(_read("BELLIS_LOST_TIMEOUT", "300"))
        self.number = welcome["worker"]
        self.job, self.task = welcome["job"], welcome["task"]
        self.is_durable = welcome.get("durable", False)
        for lease in self.unstored.keys() - set(welcome.get("held", ())):
            self.forget(lease)
        if welcome.get("lease_ms") and not self.pulse:
            self.pulse = _Pulse(self)
            self.pulse.take_over(welcome, self.hello_sent)
            self.pulse.thread.start()
        elif self.pulse:
            self.pulse.take_over(welcome, self.hello_sent)
        self.send("release", results=list(self.results.values()), want=1)

    def forget(self, lease: int) -> None:
        self.unstored.pop(lease, None)
        self.results.pop(lease, None)

    def work_on(self, fields: dict[str, Any], function: Callable[[Block], object]) -> int:
        """Works on a block. Returns 1, or 0 if its lease has ended."""
        lease, attempt = fields["lease"], fields.get("attempt", 1)
        rois = fields["read"], fields["write"]
        block = Block(self.task, fields["id"], fields["index"], attempt, lease, *rois)
        held = {"lease": lease, "index": block.index, "attempt": attempt}
        if self.pulse and not self.pulse.guard(held):
            self.say_hello()  # the hello does not list this lease, so the block goes back as it was
            return 0
        result: dict[str, Any] = {"lease": lease, "status": "completed"}
        leaving = None
        try:
            value = function(block)
            if self.duty != "work" and not value:
                result["status"] = "failed"
        except BaseException as error:
            traceback.print_exc()
            result.update(status="failed", error=_cut(traceback.format_exc()))
            leaving = None if isinstance(error, Exception) else error
        self.working = []
        if self.pulse:
            self.pulse.disarm()
        if self.is_durable:
            self.unstored[lease], self.results[lease] = held, result
        self.send("release", results=[result], want=0 if leaving else 1)
        if leaving is not None:
            raise leaving
        return 1


class _Pulse:
    """A thread that sends heartbeats to the broker, over a separate connection.

    The leases surely last until `deadline`. While the user's function runs, a timer of the kernel
    ends the process at that time, even if the interpreter is blocked.
    """

    def __init__(self, worker: _Worker) -> None:
        self.worker = worker
        self.lock = threading.Lock()
        self.lease_s = self.beat_s = self.deadline = 0.0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def take_over(self, welcome: dict[str, Any], sent: float) -> None:
        """Takes the terms of a welcome: a restarted broker may grant other leases."""
        with self.lock:
            lease_s = welcome["lease_ms"] / 1000
            self.lease_s = lease_s - lease_s / 100 - min(0.5, lease_s / 10)  # clocks differ
            self.beat_s = welcome["heartbeat_ms"] / 1000
        self.extend(sent)

    def extend(self, sent: float) -> None:
        """Extends the leases: a message that was sent at `sent` was answered."""
        with self.lock:
            self.deadline = max(self.deadline, sent + self.lease_s)
            if self.worker.working:
                self.arm()

    def arm(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, max(1e-3, self.deadline - _now()))

    def guard(self, held: dict[str, int]) -> bool:
        """Starts the timer before the user's function runs. False: the leases have ended."""
        with self.lock:
            if _now() >= self.deadline:
                return False
            self.worker.working = [held]
            self.arm()
            return True

    def disarm(self) -> None:
        with self.lock:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def end(self) -> None:
        self.ended.set()
        self.thread.join()

    def run(self) -> None:
        socket = _connect()
        is_welcome = False
        heard, sent_at, nonce = _now(), {}, 0
        while not self.ended.is_set():
            if _now() - heard > PING_S:  # as in _Worker.ask_for_a_sign
                socket.close(0)
                socket, is_welcome, heard = _connect(), False, _now()
            if is_welcome:
                nonce += 1
                sent_at[nonce] = _now()
                message: list[Any] = ["ping", {"nonce": nonce}]
            else:
                sent_at = {}
                message = ["hello", self.hello()]
            socket.send(msgpack.packb(message))
            next_at = _now() + (self.beat_s if is_welcome else min(self.beat_s, 0.25))
            while not self.ended.is_set() and _now() < next_at:
                if not socket.poll(min(50, max(1, int((next_at - _now()) * 1000)))):
                    continue
                heard = _now()
                kind, fields = _unpacked(socket.recv())
                if kind == "pong" and fields.get("nonce") in sent_at:
                    self.extend(sent_at.pop(fields["nonce"]))
                elif kind == "welcome":
                    self.take_over(fields, 0.0)
                    is_welcome, next_at = True, 0.0
                elif kind == "error":
                    is_welcome = False
        socket.close(0)

    def hello(self) -> dict[str, Any]:
        worker = self.worker
        me = {"role": "pulse", "token": _read("BELLIS_TOKEN"), "machine": _machine()}
        return {**me, "worker": worker.number, "session": worker.session, "held": worker.held()}


def _unpacked(data: bytes) -> Any:
    return msgpack.unpackb(data, strict_map_key=False)  # an unknown key's value may have any keys


def _new_session() -> int:
    return random.SystemRandom().randrange(1, 1 << 62)


def _cut(text: str) -> str:
    """Error texts may have 16 KiB: a longer one loses its middle. Lone surrogates are escaped."""
    data = text.encode("utf-8", "backslashreplace")
    if len(data) > ERROR_BYTES_MAX:
        half = ERROR_BYTES_MAX // 2 - 8
        data = data[:half] + b"\n...\n" + data[-half:]
    return data.decode("utf-8", "ignore")
