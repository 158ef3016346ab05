"""The worker: takes blocks from the broker, one at a time, and hands them back."""

import contextlib
import logging
import traceback
import weakref
from collections import deque
from types import TracebackType
from typing import Any, Callable, Optional

from bellis import connection, protocol, settings
from bellis.block import Block, BlockStatus
from bellis.errors import BrokerError

_LOG = logging.getLogger("bellis")

_FAILED_BY_STATUS = "worker set status FAILED"

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
    BELLIS_CONNECT_TIMEOUT. Only the endpoint must be given.

    Connects at once. Raises BrokerError when a setting is missing or malformed (code
    `environment`), nobody answers in time (`no_broker`), or the broker refuses (`unauthorized`,
    `unknown_task`, ...).

    A broker that goes away later is waited for without limit, with a warning in the log; when it
    is back, this says hello again under the same worker id.
    """

    job: str
    task: str
    worker_id: int
    duty: str
    broker: str  # program and version

    def __init__(
        self,
        *,
        endpoint: Optional[str] = None,
        token: Optional[str] = None,
        job: Optional[str] = None,
        task: Optional[str] = None,
        worker_id: Optional[int] = None,
        duty: Optional[str] = None,
        connect_timeout: Optional[float] = None,
    ) -> None:
        self.job = settings.job(job)
        self.task = settings.task(task)
        self.worker_id = settings.worker_id(worker_id)
        self.duty = settings.duty(duty)
        self.broker = ""
        self._token = settings.token(token)
        self._connect_timeout_s = settings.connect_timeout(connect_timeout)
        self._idle_ping_s = connection.IDLE_PING_S

        self._ready: deque[Block] = deque()  # received, not yet given to the user
        self._held: set[int] = set()  # leases that the user works on
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
            raise

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
            self._held.add(blocks[-1].lease)
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
            if self._hello_due:
                self._hello_again()
            if self._leaving:
                self._ready.clear()  # no longer ours
            if self._ready:
                block = self._ready.popleft()
                self._held.add(block.lease)
                return block
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
        self._hand_in([result], want=1 if want_next else 0)

    def _hand_in(self, results: list[dict[str, Any]], want: int) -> None:
        """Sends a release, and asks for `want` more when none is here or on its way."""
        self._held.difference_update(result["lease"] for result in results)
        if self._connection.closed:
            return  # the bye has given them back
        if want and (self._ready or self._wanted):
            want = 0
        if want:
            with contextlib.suppress(BrokerError):  # the next _take raises it
                self._handle_arrived()
            if self._draining or self._leaving or self._fatal:
                want = 0
        self._connection.send("release", results=results, want=want)
        self._wanted += want

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
        elif kind == "drain":
            self._draining = True
            _LOG.info("the broker asks this worker to drain: %s", fields.text("reason"))
        elif kind == "leave":
            self._leaving = True
            _LOG.info("the broker asks this worker to leave: %s", fields.text("reason"))
        elif kind == "welcome":
            protocol.check_version(fields)
            self.broker = fields.text("broker")
            self.job = fields.text("job", self.job)
            self.task = fields.text("task", self.task)
            self.worker_id = fields.uint("worker", self.worker_id)
        elif kind == "error":
            self._be_refused(message)
        # A pong has done its work by arriving. Other kinds may come with later brokers.
        return kind in ("welcome", "leave")

    def _be_refused(self, message: connection.Message) -> None:
        error = connection.error_of(message)
        assert error is not None
        if error.code == "hello_first":
            self._hello_due = True
        elif error.code in _FATAL_CODES:
            raise error
        else:
            _LOG.error("the broker refused a message of this worker: %s (%s)", error, error.code)

    def _greet(self) -> bool:
        """Says hello. Returns False when the broker does not answer in time."""
        hello = connection.identity(
            "worker",
            self._token,
            job=self.job,
            task=self.task,
            worker=self.worker_id,
            language="python",
            **({} if self.duty == "work" else {"duty": self.duty}),
        )
        try:
            return self._connection.greet(hello, self._connect_timeout_s, self._handle)
        except BrokerError as error:
            self._fatal = error
            raise

    def _hello_again(self) -> None:
        """Says hello to a broker that has forgotten us, and asks anew for what we wait for.

        What it leased us before is over; it counted those blocks as failed attempts.
        """
        _LOG.warning(
            "the connection to the broker at %s was lost, saying hello again; blocks held "
            "meanwhile (%d) count as failed attempts",
            self._connection.endpoint,
            len(self._held),
        )
        self._hello_due = False
        self._ready.clear()
        # When no welcome comes, the broker is gone again, and a ping will find out when it is back.
        if self._greet() and self._wanted and not self._leaving:
            self._connection.send("acquire", want=self._wanted)

    def _ping(self) -> None:
        if self._unanswered_pings == 1:
            _LOG.warning(
                "the broker at %s does not answer; waiting for it", self._connection.endpoint
            )
        self._unanswered_pings += 1
        self._connection.ping()


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
