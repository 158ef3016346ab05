"""A worker's side of bellis/1: it says hello, takes leases, hands results in, and says bye.

The broker may go away and come back at any time. Messages on their way are lost then, and a new
hello says which leases this worker has.
"""

import contextlib
import logging
import weakref
from typing import Optional

from bellis._wire import connection, protocol
from bellis._worker import pulse
from bellis._worker.identity import WorkerIdentity
from bellis._worker.lease_book import LeaseBook, Result
from bellis._worker.options import WorkerOptions
from bellis._worker.work_page import WorkNote
from bellis.block import Block
from bellis.errors import BrokerError

_LOG = logging.getLogger("bellis")

# After one of these errors the worker cannot go on. Any other error is logged.
_FATAL_CODES = frozenset(
    ["unauthorized", "unknown_job", "unknown_task", "unknown_worker", "version", "wrong_role"]
)


class WorkerSession:
    """A worker's connection, its leases and its pulse. One thread and one process use it.

    Connects at once; raises BrokerError as `bellis.Client` says.
    """

    def __init__(self, options: WorkerOptions) -> None:
        self._options = options
        self.identity = WorkerIdentity(options)
        self.idle_ping_s = connection.IDLE_PING_S

        self._pulse: Optional[pulse.Pulse] = None  # only where leases end by themselves
        self._note: Optional[WorkNote] = None  # only where the launcher gave a work page
        self._leases = LeaseBook()
        self._wanted = 0  # blocks asked for and not received
        self._draining = False
        self._leaving = False
        self._hello_due = False  # the broker does not know this connection
        self._unanswered_pings = 0
        self._quiet_s = 0.0  # how long the broker has been silent while this worker waited
        self._fatal: Optional[BrokerError] = None

        self.connection = connection.Connection(options.access)
        # Otherwise a script that ends without close() could lose its last release.
        self._finalizer = weakref.finalize(self, self.connection.close)
        try:
            if not self._greet():
                raise self.connection.no_broker(options.connect_timeout_s)
        except BaseException:
            self.connection.close(bye=False)
            self._end_pulse()
            raise

    @property
    def duty(self) -> str:
        return self._options.duty

    @property
    def is_inherited(self) -> bool:
        """Whether this process is a forked child, and the session belongs to its parent."""
        return self.connection.is_inherited

    def take(self, want: int = 1) -> Optional[Block]:
        """Waits for the next block; None when this worker is to leave.

        Asks for `want` blocks if no block is on its way.
        """
        self.connection.check_usable()
        while True:
            self._handle_arrived()
            if self._cut_off and not self._leases.working_count:
                # The worker was cut off for a whole lease: a welcome says which leases it has.
                self._hello_due = True
            if self._hello_due:
                self._hello_again()
            if self._draining and self._leases.ready_count:
                self._return_unstarted()
            if self._leaving:
                self._leases.drop_ready()  # the broker has taken them back
            if self._leases.ready_count and not self._cut_off:
                block = self._leases.begin()
                self._tell_pulse()
                if not self._cut_off:
                    self._note_work()
                    return block
                self._leases.put_back(block)
                self._tell_pulse()
                continue
            if self._leaving or self._draining:
                if not self._leases.working_count:
                    self.connection.say_bye()
                return None
            if self._wanted == 0:
                self.connection.send("acquire", want=want)
                # After the send: a Ctrl-C in between asks twice, and before it the wait would hang.
                self._wanted = want
            if self._receive(self.idle_ping_s):
                self._quiet_s = 0.0
                continue
            # Counted, since a clock goes on while this process is stopped.
            self._quiet_s += self.idle_ping_s
            if self._quiet_s >= self._options.lost_timeout_s:
                raise self._lost()
            self.ping()

    def _lost(self) -> BrokerError:
        return BrokerError(
            "no_broker",
            f"the broker at {self.connection.endpoint} has not been heard of for "
            f"{self._options.lost_timeout_s:g} s (BELLIS_LOST_TIMEOUT)",
        )

    def take_batch(self, size: int) -> list[Block]:
        """Waits for blocks; returns those that have come, `size` at most, and [] to leave."""
        first = self.take(want=size)
        if first is None:
            return []
        blocks = [first]
        while self._leases.ready_count and len(blocks) < size:
            blocks.append(self._leases.begin())
        self._tell_pulse()
        self._note_work()
        return blocks

    def works_on(self, block: Block) -> None:
        """The caller begins with this block of a batch."""
        if self._note is not None:
            self._note.works_on([block.lease])

    def give_back(self, block: Block, error: Optional[str], want_next: bool) -> None:
        """Hands a block in: as failed if there is an error text, else as completed."""
        result: Result = {"lease": block.lease, "status": "completed"}
        if error is not None:
            result.update(status="failed", error=protocol.cut_error_text(error))
        ours = self._leases.is_working_on(block)
        self.hand_in([result] if ours else [], want=1 if want_next else 0)

    def hand_in(self, results: list[Result], want: int) -> None:
        """Hands results in, and asks for `want` blocks if no block is here or on its way.

        Results of leases that a welcome has taken away are left out.
        """
        if self.connection.closed:
            return  # its bye has given all leases back
        with contextlib.suppress(BrokerError):  # the next `take` raises it
            self._handle_arrived()
        results = self._leases.finish(results, keep=self.identity.is_durable or self._hello_due)
        self._note_work()
        self._tell_pulse()
        if self._hello_due:  # the broker does not know these leases before the hello
            with contextlib.suppress(BrokerError):
                self._hello_again()
            return
        on_its_way = self._leases.ready_count or self._wanted
        if on_its_way or self._draining or self._leaving or self._fatal:
            want = 0
        if results:
            self.connection.send("release", results=results, want=want)
        elif want:
            self.connection.send("acquire", want=want)
        self._wanted += want

    def ping(self) -> None:
        if self._unanswered_pings == 1:
            _LOG.warning(
                "the broker at %s does not answer; waiting for it", self.connection.endpoint
            )
        self._unanswered_pings += 1
        self.connection.ping()

    def close(self) -> None:
        """Says bye and disconnects. Does nothing the second time, and in a forked child."""
        self.connection.close()
        self._end_pulse()
        if self._note is not None:
            self._note.close()

    def _return_unstarted(self) -> None:
        """Hands back, as they were, blocks that were asked for in advance."""
        results = self._leases.return_ready()
        self._tell_pulse()
        self.connection.send("release", results=results, want=0)

    # ---- the pulse ----

    def _tell_pulse(self) -> None:
        if self._pulse is None:
            return
        self._pulse.tell(
            self.identity.worker_id,
            self.identity.session,
            self.identity.hello_sent_ns,
            self.identity.lease_ms,
            self.identity.heartbeat_ms,
            self._leases.all(),
            bool(self._leases.working_count),
        )

    def _note_work(self) -> None:
        """Called before and after the user's code, which may end the process."""
        if self._note is not None:
            self._note.works_on(self._leases.working())

    def _end_pulse(self) -> None:
        if self._pulse is not None:
            self._pulse.close()

    @property
    def _cut_off(self) -> bool:
        return self._pulse is not None and self._pulse.expired

    # ---- messages ----

    def _handle_arrived(self) -> None:
        """Acts on all messages that have arrived, without waiting."""
        if self._fatal is not None:
            raise self._fatal
        while self.connection.has_message():
            self._receive(0)

    def _receive(self, timeout_s: float) -> bool:
        """Acts on the next message. Returns False when none came in time."""
        try:
            message = self.connection.receive(timeout_s)
            if message is not None:
                self._handle(message)
        except BrokerError as error:
            self._fatal = error
            raise
        return message is not None

    def _handle(self, message: connection.Message) -> bool:
        """Acts on one message. Returns whether it ends a greeting."""
        if self._unanswered_pings > 1:
            _LOG.warning("the broker at %s answers again", self.connection.endpoint)
        self._unanswered_pings = 0
        kind, fields = message
        if kind == "work":
            blocks = protocol.blocks_of_work(fields, self.identity.task)
            self._leases.add(blocks)
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
        # A pong counts by its arrival alone. Later brokers may send other kinds.
        return kind in ("welcome", "leave")

    def _be_committed(self, leases: list[int], dropped: list[int]) -> None:
        self._leases.drop_stored(leases + dropped)
        self._tell_pulse()
        if dropped:
            _LOG.warning("results of leases that were over were not taken: %s", dropped)
        if leases and self._options.on_committed is not None:
            self._options.on_committed(leases)

    def _be_refused(self, message: connection.Message) -> None:
        error = connection.error_of(message)
        assert error is not None
        if error.code == "hello_first":
            self._hello_due = True
        elif error.code == "unknown_worker" and self.identity.is_numbered_by_broker:
            self._be_nobody()
        elif error.code in _FATAL_CODES:
            raise error
        else:
            _LOG.error("the broker refused a message of this worker: %s (%s)", error, error.code)

    # ---- greetings ----

    def _greet(self) -> bool:
        """Says hello. Returns False when the broker does not answer in time."""
        identity = self.identity
        while True:
            hello = identity.hello(self._leases.all())
            try:
                timeout_s = self._options.connect_timeout_s
                return self.connection.greet(hello, timeout_s, self._handle)
            except BrokerError as error:
                if error.code == "unknown_worker" and identity.is_forgettable:
                    self._be_nobody()
                    continue
                self._fatal = error
                raise

    def _be_welcomed(self, welcome: protocol.Fields) -> None:
        protocol.check_version(welcome)
        self._hello_due = False
        self.identity.be_welcomed(welcome)
        lost = self._leases.keep_only(set(welcome.uints("held")))
        if self._note is None:
            self._note = WorkNote.claim(self._options.work_page, self.identity.worker_id)
        else:
            self._note.renumber(self.identity.worker_id)
        self._note_work()
        if lost:
            _LOG.warning("blocks held meanwhile (%d) are no longer this worker's", lost)
        options = self._options
        if self._pulse is not None:
            self._tell_pulse()
            self._pulse.renew()
        elif self.identity.lease_ms > 0 and options.heartbeat_ms > 0:
            self._pulse = pulse.Pulse(options.access, options.on_fence)
            self._tell_pulse()
            weakref.finalize(self, self._pulse.close)

    def _hello_again(self) -> None:
        """Says hello to a broker that does not know this connection, and asks for blocks again.

        The welcome says which leases this worker still has. Those that are finished are handed in
        again.
        """
        _LOG.warning(
            "the connection to the broker at %s was lost, saying hello again with %d blocks held",
            self.connection.endpoint,
            self._leases.working_count + self._leases.ready_count,
        )
        self._hello_due = False
        # Without a welcome the broker is gone again, and a later ping finds it.
        if not self._greet() or self._leaving:
            return
        results = self._leases.unstored_results()
        if results:
            self.connection.send("release", results=results, want=self._wanted)
        elif self._wanted:
            self.connection.send("acquire", want=self._wanted)
        if not self.identity.is_durable:
            self._leases.drop_stored()

    def _be_nobody(self) -> None:
        self.identity.be_nobody()
        self._hello_due = True
