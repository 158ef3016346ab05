"""The worker: takes blocks from the broker, one at a time, and hands them back."""

import contextlib
import logging
import secrets
import traceback
import weakref
from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Optional

from bellis import connection, protocol, pulse, settings
from bellis.block import Block, BlockStatus
from bellis.errors import BrokerError
from bellis.lease_board import Held
from bellis.machine import boot_time_ns, machine_name

if TYPE_CHECKING:
    from bellis.context import Context

_LOG = logging.getLogger("bellis")

_FAILED_BY_STATUS = "worker set status FAILED"
_SESSION_BITS = 62

# After these there is nothing to come. Anything else that the broker refuses is logged.
_FATAL_CODES = frozenset(
    ["unauthorized", "unknown_job", "unknown_task", "unknown_worker", "version", "wrong_role"]
)


def work(function: Callable[[Block], object]) -> int:
    """Calls `function` with one block after the other until the broker has no more.

    Everything else comes from the environment (see `Client`). Returns how many blocks were worked
    on, failed ones included. What an exception does is said at `Client.acquire_block`.
    """
    with Client() as client:
        return client.process(function)


def check(function: Callable[[Block], object], batch: int = 32) -> int:
    """Answers the broker's question about one block after the other, until it has no more.

    For programs that a task names as `check` (is the block's output there already?) or `post_check`
    (is what a worker has just done right?). `function` returns a truth value. An Exception counts
    as no; it is logged, here and by the broker. Up to `batch` blocks are asked for at a time, and
    answered in one message. Returns how many were answered.
    """
    with Client() as client:
        return client.check(function, batch)


class Client:
    """A worker's connection to the broker. One thread and one process use it.

    Arguments that are left out come from the environment, as a launcher sets it: `endpoint` from
    BELLIS_ENDPOINT; `token` from BELLIS_TOKEN, else from the file BELLIS_TOKEN_FILE; `job`,
    `task` and `worker_id` from BELLIS_JOB, BELLIS_TASK and BELLIS_WORKER_ID; `duty` ("work",
    "check" or "post_check") from BELLIS_DUTY; `connect_timeout` (seconds, default 10) from
    BELLIS_CONNECT_TIMEOUT; `heartbeat_ms` from BELLIS_HEARTBEAT_MS. Only the endpoint must be
    given.

    `context` (`Context.from_env()`, or one that an init_callback_fn was given) says where these are
    left out. Connects at once. Raises BrokerError when a setting is missing or malformed (code
    `environment`), nobody answers in time (`no_broker`), or the broker refuses (`unauthorized`,
    `unknown_task`, ...).

    A broker that goes away later is waited for without limit, with a warning in the log; when it
    is back, this says hello again under the same worker id, goes on with the block that it holds if
    that is still its own, and hands in again what was not known to be stored.

    Heartbeats: every `heartbeat_ms` (4000; 0: none) a process of its own (bellis.pulse) tells the
    broker that this worker lives, also while code computes that never lets go of the interpreter.
    When no heartbeat is answered for so long that the worker's blocks are about to be given to
    others, that process ends this one, and its process group when it leads one, by SIGKILL.
    `on_fence` is called a second before (a quarter of a lease at most), in a thread, if the
    interpreter is free to. Set heartbeat_ms to 0 to sit in a debugger. `on_committed` is called, in
    this thread, with the lease ids of results that the broker has stored, where it stores them.
    """

    job: str
    task: str
    worker_id: int
    duty: str
    broker: str  # program and version

    def __init__(
        self,
        context: "Optional[Context]" = None,
        *,
        endpoint: Optional[str] = None,
        token: Optional[str] = None,
        job: Optional[str] = None,
        task: Optional[str] = None,
        worker_id: Optional[int] = None,
        duty: Optional[str] = None,
        connect_timeout: Optional[float] = None,
        heartbeat_ms: Optional[int] = None,
        on_fence: Optional[Callable[[], object]] = None,
        on_committed: Optional[Callable[[list[int]], object]] = None,
    ) -> None:
        self.context = settings.context() if context is None else context
        if context is not None:
            endpoint = context.get("endpoint") if endpoint is None else endpoint
            token = context.get("token") if token is None else token
            job = context.get("job") if job is None else job
            task = context.get("task_id") if task is None else task
            if worker_id is None and "worker_id" in context:
                worker_id = int(context["worker_id"])
        self.job = settings.job(job)
        self.task = settings.task(task)
        self.worker_id = settings.worker_id(worker_id)
        self._numbered_by_broker = self.worker_id == 0
        self._heartbeat_ms = settings.heartbeat_ms(heartbeat_ms) if pulse.is_possible() else 0
        self._on_fence = on_fence
        self._on_committed = on_committed
        self.duty = settings.duty(duty)
        self.broker = ""
        self._token = settings.token(token)
        self._connect_timeout_s = settings.connect_timeout(connect_timeout)
        self._idle_ping_s = connection.IDLE_PING_S

        self._session = _new_session()
        self._machine = machine_name()
        self._pulse: Optional[pulse.Pulse] = None  # where leases end
        self._durable = False  # results are kept until they are committed
        self._hellos = 0
        self._greeting_sent_ns = 0
        self._hello_sent_ns = 0  # of the last hello that was answered, and what the answer said
        self._lease_ms = 0
        self._beat_ms = 0
        self._ready: deque[Block] = deque()  # received, not yet given to the user
        self._held: dict[int, Block] = {}  # by lease: what the user works on
        self._unstored: dict[int, _Unstored] = {}  # by lease: handed in, not known to be stored
        self._wanted = 0  # blocks asked for and not received
        self._draining = False
        self._leaving = False
        self._hello_due = False  # the broker has forgotten us
        self._unanswered_pings = 0
        self._fatal: Optional[BrokerError] = None

        self._connection = connection.Connection(settings.worker_endpoint(endpoint))
        # Without this, a script that ends without close() could lose its last release.
        self._finalizer = weakref.finalize(self, self._connection.close)
        try:
            if not self._greet():
                raise self._connection.no_broker(self._connect_timeout_s)
        except BaseException:
            self._connection.close(bye=False)
            self._end_pulse()
            raise

    @property
    def task_id(self) -> str:
        return self.task

    def acquire_block(self) -> "Lease":
        """The next block, for a `with` statement; waits until one is ready.

            with client.acquire_block() as block:
                if block is None:
                    break
                ...

        `block` is None when this worker is to leave: the task is done or cancelled, or another
        worker takes its place. Then `bye` is said, and only None comes from here on.

        The end of the `with` block hands the block back at once:
        - as completed;
        - as failed when `block.status` is `BlockStatus.FAILED` (`block.error` says why);
        - as failed with the traceback when an Exception was raised. That is logged (to stderr,
          unless logging is configured otherwise) and goes no further, so that the loop goes on to
          the next block;
        - as failed when it was KeyboardInterrupt, SystemExit or the like, which goes on.

        Nothing is asked for ahead: the block that follows is requested by the next call, so a
        script may stop between two blocks, or do other things for long, without sitting on a block
        or on a finished result. That costs a second small message, not a second round trip.
        `process`, which is sure to go on, asks for the next block in the message that hands in the
        last one.

        Raises BrokerError when the broker refuses this worker, or speaks something else than
        bellis/1; RuntimeError in a forked child and after `close`.
        """
        return Lease(self, want_next=False)

    def process(self, function: Callable[[Block], object]) -> int:
        """Calls `function` with one block after the other until there are no more.

        Each block ends as `acquire_block` says; what `function` returns is ignored. One message and
        one round trip a block. Returns how many blocks were worked on, failed ones included.
        """
        blocks = 0
        while True:
            with Lease(self, want_next=True) as block:
                if block is None:
                    return blocks
                blocks += 1
                function(block)

    def check(self, function: Callable[[Block], object], batch: int = 32) -> int:
        """Answers for block after block, as `bellis.check` says. `batch` is 1 to 1024."""
        answered = 0
        while True:
            blocks = self._take_batch(batch)
            if not blocks:
                return answered
            results = [self._answer(function, block) for block in blocks]
            answered += len(results)
            self._hand_in(results, want=batch)

    def close(self) -> None:
        """Says bye and disconnects, waiting up to a second for what is still to be sent.

        A block that is still held counts as a failed attempt. Does nothing the second time, and
        in a forked child.
        """
        self._connection.close()
        self._end_pulse()

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    # ---- what Lease calls ----

    def _take_batch(self, size: int) -> list[Block]:
        """All blocks that are here, at least one and `size` at most; none to leave."""
        first = self._take(want=size)
        if first is None:
            return []
        blocks = [first]
        while self._ready and len(blocks) < size:
            blocks.append(self._ready.popleft())
            self._held[blocks[-1].lease] = blocks[-1]
        self._tell_pulse()
        return blocks

    def _answer(self, function: Callable[[Block], object], block: Block) -> dict[str, Any]:
        """The result of a checker: completed is yes."""
        result: dict[str, Any] = {"lease": block.lease, "status": "failed"}
        try:
            if function(block):
                result["status"] = "completed"
        except Exception:
            text = traceback.format_exc()
            _LOG.error("%s of block %s failed, which counts as no:\n%s", self.duty, block, text)
            result["error"] = protocol.cut_error_text(text.strip().rpartition("\n")[2])
        return result

    def _take(self, want: int = 1) -> Optional[Block]:
        """The next block, or None to leave. Asks for `want` blocks when none is on its way; waits
        for the broker."""
        self._connection.check_usable()
        while True:
            self._handle_arrived()
            if self._cut_off and not self._held:
                # Cut off for a whole lease: the broker says what is still ours of what is here.
                self._hello_due = True
            if self._hello_due:
                self._hello_again()
            if self._draining and self._ready:
                self._return_unstarted()
            if self._leaving:
                self._ready.clear()  # no longer ours
            if self._ready and not self._cut_off:
                block = self._ready.popleft()
                self._held[block.lease] = block
                self._tell_pulse()
                if not self._cut_off:
                    return block
                del self._held[block.lease]
                self._ready.appendleft(block)
                self._tell_pulse()
                continue
            if self._leaving or self._draining:
                if not self._held:
                    self._connection.say_bye()
                return None
            if self._wanted == 0:
                self._connection.send("acquire", want=want)
                self._wanted = want  # Ctrl-C just before this asks twice; the other order hangs
            if not self._receive(self._idle_ping_s):
                self._ping()

    def _give_back(self, block: Block, error: Optional[str], want_next: bool) -> None:
        """Sends the release of a block: completed, or failed when there is an error text."""
        result: dict[str, Any] = {"lease": block.lease, "status": "completed"}
        if error is not None:
            result.update(status="failed", error=protocol.cut_error_text(error))
        ours = self._held.get(block.lease) is block
        self._hand_in([result] if ours else [], want=1 if want_next else 0)

    def _hand_in(self, results: list[dict[str, Any]], want: int) -> None:
        """Sends a release, and asks for `want` more when none is here or on its way.

        What is not ours any more, since a hello said so, is left out.
        """
        if self._connection.closed:
            return  # the bye has given them back
        with contextlib.suppress(BrokerError):  # the next _take raises it
            self._handle_arrived()
        results = [result for result in results if result["lease"] in self._held]
        for result in results:
            block = self._held.pop(result["lease"])
            if self._durable or self._hello_due:
                self._unstored[block.lease] = _Unstored(_held_of(block), result)
        self._tell_pulse()
        if self._hello_due:  # the broker would not know what it is about
            with contextlib.suppress(BrokerError):
                self._hello_again()
            return
        if self._ready or self._wanted or self._draining or self._leaving or self._fatal:
            want = 0
        if results:
            self._connection.send("release", results=results, want=want)
        elif want:
            self._connection.send("acquire", want=want)
        self._wanted += want

    def _return_unstarted(self) -> None:
        """What was asked for ahead goes back as it was."""
        results = [{"lease": block.lease, "status": "returned"} for block in self._ready]
        self._ready.clear()
        self._tell_pulse()
        self._connection.send("release", results=results, want=0)

    # ---- the pulse ----

    def _tell_pulse(self) -> None:
        if self._pulse is None:
            return
        self._pulse.tell(
            self.worker_id,
            self._session,
            self._hello_sent_ns,
            self._lease_ms,
            self._beat_ms,
            self._all_held(),
            bool(self._held),
        )

    def _all_held(self) -> list[Held]:
        """All that a hello lists."""
        held = [_held_of(block) for block in self._held.values()]
        held += [_held_of(block) for block in self._ready]
        held += [unstored.held for unstored in self._unstored.values()]
        return held

    def _end_pulse(self) -> None:
        if self._pulse is not None:
            self._pulse.close()

    @property
    def _cut_off(self) -> bool:
        return self._pulse is not None and self._pulse.expired

    # ---- messages ----

    def _handle_arrived(self) -> None:
        """Acts on all that is already here, without waiting."""
        if self._fatal is not None:
            raise self._fatal
        while self._connection.has_message():
            self._receive(0)

    def _receive(self, timeout_s: float) -> bool:
        """Acts on the next message. Returns False when none came in time."""
        try:
            message = self._connection.receive(timeout_s)
            if message is not None:
                self._handle(message)
        except BrokerError as error:
            self._fatal = error
            raise
        return message is not None

    def _handle(self, message: connection.Message) -> bool:
        """Acts on one message. Returns whether it ends a greeting."""
        if self._unanswered_pings > 1:
            _LOG.warning("the broker at %s answers again", self._connection.endpoint)
        self._unanswered_pings = 0
        kind, fields = message
        if kind == "work":
            blocks = protocol.blocks_of_work(fields, self.task)
            self._ready.extend(blocks)
            self._wanted = max(0, self._wanted - len(blocks))
        elif kind == "committed":
            self._be_committed(fields.uints("leases"), fields.uints("dropped"))
        elif kind == "drain":
            self._draining = True
            _LOG.info("the broker asks this worker to drain: %s", fields.text("reason"))
        elif kind == "leave":
            self._leaving = True
            _LOG.info("the broker asks this worker to leave: %s", fields.text("reason"))
        elif kind == "welcome":
            self._be_welcomed(fields)
        elif kind == "error":
            self._be_refused(message)
        # A pong has done its work by arriving. Other kinds may come with later brokers.
        return kind in ("welcome", "leave")

    def _be_welcomed(self, welcome: protocol.Fields) -> None:
        protocol.check_version(welcome)
        self._hello_due = False
        self.broker = welcome.text("broker")
        self.job = welcome.text("job", self.job)
        self.task = welcome.text("task", self.task)
        self.worker_id = welcome.uint("worker", self.worker_id)
        self._durable = welcome.flag("durable")
        ours = set(welcome.uints("held"))
        lost = len(self._held.keys() - ours)
        if lost:
            _LOG.warning("blocks held meanwhile (%d) are no longer this worker's", lost)
        self._held = {lease: block for lease, block in self._held.items() if lease in ours}
        self._ready = deque(block for block in self._ready if block.lease in ours)
        self._unstored = {lease: kept for lease, kept in self._unstored.items() if lease in ours}
        self._hello_sent_ns = self._greeting_sent_ns
        self._lease_ms = welcome.uint("lease_ms", self._lease_ms)
        self._beat_ms = welcome.uint("heartbeat_ms", self._heartbeat_ms)
        if self._pulse is not None:
            self._tell_pulse()
            self._pulse.renew()
        elif self._lease_ms > 0 and self._heartbeat_ms > 0:
            self._pulse = pulse.Pulse(self._connection.endpoint, self._token, self._on_fence)
            self._tell_pulse()
            weakref.finalize(self, self._pulse.close)

    def _be_committed(self, leases: list[int], dropped: list[int]) -> None:
        for lease in leases + dropped:
            self._unstored.pop(lease, None)
        self._tell_pulse()
        if dropped:
            _LOG.warning("results of leases that were over were not taken: %s", dropped)
        if leases and self._on_committed is not None:
            self._on_committed(leases)

    def _be_refused(self, message: connection.Message) -> None:
        error = connection.error_of(message)
        assert error is not None
        if error.code == "hello_first":
            self._hello_due = True
        elif error.code == "unknown_worker" and self._numbered_by_broker:
            self._be_nobody()
        elif error.code in _FATAL_CODES:
            raise error
        else:
            _LOG.error("the broker refused a message of this worker: %s (%s)", error, error.code)

    def _greet(self) -> bool:
        """Says hello. Returns False when the broker does not answer in time."""
        while True:
            self._hellos += 1
            hello = connection.identity(
                "worker",
                self._token,
                job=self.job,
                task=self.task,
                worker=self.worker_id,
                language="python",
                session=self._session,
                greeting=self._hellos,
                machine=self._machine,
                heartbeat_ms=self._heartbeat_ms,
                held=[held.to_field() for held in self._all_held()],
                **({} if self.duty == "work" else {"duty": self.duty}),
            )
            self._greeting_sent_ns = boot_time_ns() if self._heartbeat_ms else 0
            try:
                return self._connection.greet(hello, self._connect_timeout_s, self._handle)
            except BrokerError as error:
                if error.code == "unknown_worker" and self._numbered_by_broker and self.worker_id:
                    self._be_nobody()
                    continue
                self._fatal = error
                raise

    def _be_nobody(self) -> None:
        """The broker that gave us a number does not know it any more, or is another one."""
        self.worker_id = 0
        self._session = _new_session()
        self._hello_due = True

    def _hello_again(self) -> None:
        """Says hello to a broker that has forgotten us, and asks anew for what we wait for.

        It says which of the blocks are still ours; what is finished of them is handed in again.
        """
        _LOG.warning(
            "the connection to the broker at %s was lost, saying hello again with %d blocks held",
            self._connection.endpoint,
            len(self._held) + len(self._ready),
        )
        self._hello_due = False
        # When no welcome comes, the broker is gone again, and a ping will find out when it is back.
        if not self._greet() or self._leaving:
            return
        if self._unstored:
            results = [kept.result for kept in self._unstored.values()]
            self._connection.send("release", results=results, want=self._wanted)
        elif self._wanted:
            self._connection.send("acquire", want=self._wanted)
        if not self._durable:
            self._unstored.clear()

    def _ping(self) -> None:
        if self._unanswered_pings == 1:
            _LOG.warning(
                "the broker at %s does not answer; waiting for it", self._connection.endpoint
            )
        self._unanswered_pings += 1
        self._connection.ping()


class _Unstored(NamedTuple):
    held: Held
    result: dict[str, Any]


def _held_of(block: Block) -> Held:
    return Held(block.lease, block.index, block.attempt)


def _new_session() -> int:
    return secrets.randbits(_SESSION_BITS) | 1


class Lease:
    """One block from being taken to being handed back: what `Client.acquire_block` returns."""

    def __init__(self, client: Client, want_next: bool) -> None:
        self._client = client
        self._want_next = want_next
        self._block: Optional[Block] = None

    def __enter__(self) -> Optional[Block]:
        self._block = self._client._take()
        if self._block is not None:
            self._block.status = BlockStatus.PROCESSING
        return self._block

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> bool:
        block, self._block = self._block, None
        if block is None or self._client._connection.is_inherited:
            return False  # in a forked child the block is still the parent's
        if error is not None:
            block.status = BlockStatus.FAILED
            block.error = "".join(traceback.format_exception(kind, error, trace))
        elif block.status is not BlockStatus.FAILED:
            block.status = BlockStatus.SUCCESS
        goes_on = error is None or isinstance(error, Exception)
        if error is not None and goes_on:
            _LOG.error("block %s failed:\n%s", block, block.error)
        reason = None
        if block.status is BlockStatus.FAILED:
            reason = str(block.error or _FAILED_BY_STATUS)
        self._client._give_back(block, reason, self._want_next and goes_on)
        return error is not None and goes_on
