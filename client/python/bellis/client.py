"""The worker: it takes blocks from the broker, one at a time, and hands them back."""

import weakref
from typing import TYPE_CHECKING, Callable, Optional

from bellis._base.closing import Closing
from bellis._wire import endpoint as endpoints
from bellis._wire import settings
from bellis._worker import loop, session
from bellis._worker import options as worker_options
from bellis._worker.lease import Lease
from bellis.block import Block
from bellis.logging import set_log_basedir

if TYPE_CHECKING:
    from bellis.context import Context


def work(function: Callable[[Block], object]) -> int:
    """Calls `function` with one block after the other until the broker has no more.

    Everything else comes from the environment (see `Client`). Returns how many blocks were worked
    on, failed ones included. `Client.acquire_block` says what an exception does.
    """
    with Client() as client:
        return client.process(function)


def check(function: Callable[[Block], object], batch: int = 32) -> int:
    """Answers the broker's question about one block after the other, until it has no more.

    For programs that a task names as `check` (is the block's output there already?) or `post_check`
    (is what a worker has just done right?). `function` returns a truth value. An Exception counts
    as no; it is logged, here and by the broker. Where an answer takes microseconds, up to `batch`
    blocks are asked for at a time. Returns how many were answered.
    """
    with Client() as client:
        return client.check(function, batch)


class Client(Closing):
    """A worker's connection to the broker. One thread and one process use it.

    Arguments that are left out come from the environment, as a launcher sets it: `endpoint` from
    BELLIS_ENDPOINT; `access`, what is to be proved on tcp, from BELLIS_SERVER_KEY,
    BELLIS_PUBLIC_KEY and BELLIS_SECRET_KEY, or BELLIS_TOKEN, else from the access file that
    BELLIS_ACCESS names (as an argument it is such a file's path, or a bellis.access.Access); `job`,
    `task` and `worker_id` from BELLIS_JOB, BELLIS_TASK and BELLIS_WORKER_ID; `duty` ("work",
    "check" or "post_check") from BELLIS_DUTY; `connect_timeout` (seconds, default 10) from
    BELLIS_CONNECT_TIMEOUT; `heartbeat_ms` from BELLIS_HEARTBEAT_MS. Only the endpoint must be
    given.

    `context` says what is left out, and goes before these variables. It is BELLIS_CONTEXT by
    default, which is all that a starter needs to hand on; or it is one that an init_callback_fn was
    given. Connects at once. Raises BrokerError when a setting is missing or malformed (code
    `environment`), nobody answers in time (`no_broker`), or the broker refuses (`unauthorized`,
    `unknown_task`, ...).

    A broker that goes away later is waited for, with a warning in the log, for BELLIS_LOST_TIMEOUT
    (300 s; then BrokerError, `no_broker`). When it is back, this says hello again under the same
    worker id, goes on with the block that it holds if that is still its own, and hands in again
    what was not known to be stored.

    Heartbeats: every `heartbeat_ms` (4000; 0: none) a thread tells the broker that this worker
    lives. It needs no interpreter, so it does so also while code computes that never lets go of
    that. When no heartbeat is answered for so long that the broker is about to give the worker's
    blocks to others, this process is ended by SIGKILL, and its process group when it leads one.
    `on_fence` is called a second before (a quarter of a lease at most), in a thread, if the
    interpreter is free. Set `heartbeat_ms` to 0 to sit in a debugger. `on_committed` is called, in
    the calling thread, with the lease ids of results that the broker has stored.
    """

    def __init__(
        self,
        context: "Optional[Context]" = None,
        *,
        access: "Optional[settings.File]" = None,
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
        options = worker_options.resolve(
            self.context,
            access=access,
            endpoint=endpoint,
            token=token,
            job=job,
            task=task,
            worker_id=worker_id,
            duty=duty,
            connect_timeout=connect_timeout,
            heartbeat_ms=heartbeat_ms,
            on_fence=on_fence,
            on_committed=on_committed,
        )
        self._options = options
        self._worker = session.connect(options)
        # Otherwise a script that ends without close() could lose its last release.
        self._finalizer = weakref.finalize(self, self._worker.close)
        if self.context is not None and "logdir" in self.context:
            set_log_basedir(self.context["logdir"])  # for get_worker_log_basename

    @property
    def job(self) -> str:
        return self._worker.job

    @property
    def task(self) -> str:
        return self._worker.task

    @property
    def task_id(self) -> str:
        return self._worker.task

    @property
    def worker_id(self) -> int:
        return self._worker.worker_id

    @property
    def slot(self) -> int:
        """This worker's place among the workers of its task, from 0.

        A worker that replaces it has the same place. It is for things of which each worker has one,
        such as a GPU: `gpus[client.slot]`.
        """
        return self._worker.slot

    @property
    def host(self) -> str:
        """Where the broker is: "localhost" for a socket file."""
        return endpoints.parse(self._options.access.endpoint).host or "localhost"

    @property
    def port(self) -> int:
        """The broker's port; 0 for a socket file."""
        return endpoints.parse(self._options.access.endpoint).port

    @property
    def duty(self) -> str:
        return self._options.duty

    @property
    def broker(self) -> str:
        """The broker's program and version."""
        return self._worker.broker

    def acquire_block(self) -> Lease:
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
        return Lease(self._worker)

    def process(self, function: Callable[[Block], object]) -> int:
        """Calls `function` with one block after the other until there are no more.

        Each block ends as `acquire_block` says. What `function` returns is ignored, but a
        coroutine, a generator or the like fails the block, as nothing of it has run; TypeError for
        a function that is async or a generator. One message and one round trip a block; blocks that
        take microseconds are asked for ahead, as many as take a millisecond. Returns how many
        blocks were worked on, failed ones included.
        """
        return loop.work(self._worker, function, "the function of blocks")

    def check(self, function: Callable[[Block], object], batch: int = 32) -> int:
        """Answers for block after block, as `bellis.check` says. `batch` is 1 to 1024."""
        return loop.check(self._worker, function, "the function of checks", batch - 1)

    def close(self) -> None:
        """Says bye and disconnects, waiting up to a second for what is still to be sent.

        A block that is still held counts as a failed attempt. Does nothing the second time, and
        in a forked child.
        """
        self._worker.close()
