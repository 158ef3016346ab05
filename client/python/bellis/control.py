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

    Connects at once. Every method raises BrokerError with the broker's code and sentence when it
    refuses, and of code `no_broker` when it does not answer in time; after that, a submit or cancel
    may or may not have been carried out.
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

        A broker with a state directory goes on with a job of the same name where it stopped, or
        refuses it (`different_layout`); `fresh` forgets what is stored of it. A job of more than
        1 MiB as a message is refused here (`too_large`).
        """
        more = {"fresh": True} if fresh else {}
        job = {"origin": {"user": user_name(os.geteuid()), "host": socket.gethostname()}, **job}
        return self._session.request("submitted", "submit", job=job, **more).text("job")

    def status(self, job: str = "") -> list[dict[str, Any]]:
        """The status of that job, or of all of them, each as PROTOCOL.md "Job status" says."""
        fields = self._session.request("jobs", "status", job=job)
        return [status.raw for status in fields.maps("jobs")]

    def cancel(self, job: str, reason: str = "") -> None:
        """Ends a job: no block of it is leased any more, its workers are told to leave."""
        self._session.request("cancelled", "cancel", job=job, reason=reason)

    def retry_failed(self, job: str) -> int:
        """What has failed is tried again, with all attempts, and what was orphaned.

        Returns how many blocks are open again. A job that had ended runs again, with all that it
        had left to do; BrokerError `storage` where the broker has no state directory.
        """
        return self._session.request("retried", "retry_failed", job=job).uint("blocks")

    def pause(self, job: str, task: str = "") -> None:
        """No block of the job, or of that task of it, is handed out; what is out goes on."""
        self._session.request("ok", "pause", job=job, task=task)

    def resume(self, job: str, task: str = "") -> None:
        """Ends a pause. A task that was paused by name is resumed by name or with the job."""
        self._session.request("ok", "resume", job=job, task=task)

    def set_workers(self, job: str, count: int, task: str = "", group: int = 0) -> None:
        """From now on `count` workers are started for the task's `group`, counted from 0.

        Those that are too many leave after their block. `task` may be left out for the only one.
        """
        fields = {"job": job, "task": task, "group": group, "count": count}
        self._session.request("ok", "set_workers", **fields)

    def worker_gone(self, worker: int) -> None:
        """Says that the process of this worker has ended, which you vouch for.

        Its leases are over, and it is not taken back. For workers without heartbeats on machines
        that are gone. Refused as `worker_alive` where the worker is there, or the broker will
        notice its end itself; as `unknown_worker` where it is over already.
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
        each of which waits for the next.
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
        """The status of a job whenever it changed, at most every `interval_ms`, to its end.

        The last one is the final status (`state` is no longer `running`). Uses a connection of its
        own, open as long as the iteration, so other methods may be called meanwhile. Nothing is
        sent, and no error raised, before the first status is asked for.
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
