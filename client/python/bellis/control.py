"""A client of the broker for scripts: it submits, watches, steers and cancels jobs."""

import os
import socket
import weakref
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any, Optional

from bellis._base.closing import Closing
from bellis._base.machine import user_name
from bellis._wire import settings
from bellis._wire.client_session import ClientSession


class Control(Closing):
    """A client of the broker. One thread and one process use it.

    Arguments that are left out come from the environment, as in `bellis.Client`; without
    BELLIS_ENDPOINT, `endpoint` is where a broker runs by default,
    `ipc://$XDG_RUNTIME_DIR/bellis/broker.sock` or `ipc:///tmp/bellis-<uid>/broker.sock`.
    `timeout` is how many seconds to wait for an answer.

    Connects at once. Every method raises BrokerError, with the broker's code and sentence if the
    broker refuses, or with code `no_broker` if it does not answer in time. In that case a submit or
    cancel may or may not have been carried out.
    """

    broker: str  # program and version

    def __init__(
        self,
        *,
        access: "Optional[settings.File]" = None,
        endpoint: Optional[str] = None,
        token: Optional[str] = None,
        connect_timeout: Optional[float] = None,
        timeout: float = 30.0,
    ) -> None:
        self._access = settings.control_access(access, endpoint, token)
        self._connect_timeout_s = settings.connect_timeout(connect_timeout)
        self._timeout_s = timeout
        self._session = self._open()
        self.broker = self._session.broker
        self._finalizer = weakref.finalize(self, self._session.close)

    def submit(self, job: Mapping[str, Any], *, fresh: bool = False) -> str:
        """Submits a job, with the keys of a pipeline file. Returns its id.

        A broker with a state directory continues a job of the same name, or refuses the submit
        (`different_layout`); `fresh` forgets the stored job. A job of more than
        1 MiB as a message is refused here (`too_large`).
        """
        more = {"fresh": True} if fresh else {}
        job = {"origin": {"user": user_name(os.geteuid()), "host": socket.gethostname()}, **job}
        return self._session.request("submitted", "submit", job=job, **more).text("job")

    def status(self, job: str = "") -> list[dict[str, Any]]:
        """The status of that job, or of all jobs, each as described in MESSAGES.md "Job status"."""
        fields = self._session.request("jobs", "status", job=job)
        return [status.raw for status in fields.maps("jobs")]

    def cancel(self, job: str, reason: str = "") -> None:
        """Ends a job: no block is leased any more, and its workers are told to leave."""
        self._session.request("cancelled", "cancel", job=job, reason=reason)

    def retry_failed(self, job: str) -> int:
        """Tries failed and orphaned blocks again, with all their attempts.

        Returns how many blocks are open again. A job that had ended runs again, with all its
        unfinished blocks; BrokerError `storage` if the broker has no state directory.
        """
        return self._session.request("retried", "retry_failed", job=job).uint("blocks")

    def pause(self, job: str, task: str = "") -> None:
        """Hands out no more blocks of the job, or of that task; leased blocks go on."""
        self._session.request("ok", "pause", job=job, task=task)

    def resume(self, job: str, task: str = "") -> None:
        """Ends a pause. A task that was paused by name is resumed by name or with the job."""
        self._session.request("ok", "resume", job=job, task=task)

    def set_workers(self, job: str, count: int, task: str = "", group: int = 0) -> None:
        """Sets how many workers are started for the task's `group`, counted from 0.

        Surplus workers leave after their block. `task` may be left out if the job has only one.
        """
        fields = {"job": job, "task": task, "group": group, "count": count}
        self._session.request("ok", "set_workers", **fields)

    def worker_gone(self, worker: int) -> None:
        """States that the process of this worker has ended.

        The broker ends its leases, and does not take it back. For workers without heartbeats on
        machines that are gone. Refused as `worker_alive` if the worker is alive, or if the broker
        will notice its end by itself; refused as `unknown_worker` if it has ended already.
        """
        self._session.request("ok", "worker_gone", worker=worker)

    def explain(
        self,
        job: str,
        task: str = "",
        block: Optional[int] = None,
        worker: Optional[int] = None,
    ) -> dict[str, Any]:
        """Why a block (by its id) does not run, or why a worker is idle; give one of the two.

        Returns `summary`, one sentence, and `steps`: maps of task, block, index, state and why,
        of which each waits for the next.
        """
        if (block is None) == (worker is None):
            raise TypeError("explain() takes a block or a worker")
        about: dict[str, Any] = {"block": block} if worker is None else {"worker": worker}
        answer = self._session.request("explained", "explain", job=job, task=task, **about)
        return {
            "summary": answer.text("summary"),
            "steps": [step.raw for step in answer.maps("steps")],
        }

    def watch(self, job: str, interval_ms: int = 200) -> Iterator[dict[str, Any]]:
        """The status of a job whenever it has changed, at most every `interval_ms`, until its end.

        The last one is the final status (`state` is no longer `running`). Uses a separate
        connection, which is open during the iteration, so other methods may be called meanwhile.
        Sends nothing, and raises no error, before the first status is asked for.
        """
        with closing(self._open()) as session:
            yield from session.watch(job, interval_ms)

    def wait(self, job: str) -> dict[str, Any]:
        """Waits for the end of a job, without limit. Returns its final status."""
        return deque(self.watch(job), maxlen=1).pop()

    def close(self) -> None:
        """Says bye and disconnects. Does nothing the second time, and in a forked child."""
        self._session.close()

    def _open(self) -> ClientSession:
        return ClientSession(self._access, self._connect_timeout_s, self._timeout_s)
