"""A starter: a process_function that starts a worker and may return before that worker comes.

`sbatch` without --wait is one. Its process stays and holds the worker's place, so that no second
worker is started meanwhile. The broker knows when the worker has ended, and then ends the starter.
"""

import contextlib
import signal
import time
from typing import Any, Callable, Optional

from bellis._base.answers import refuse_undone
from bellis._wire import settings
from bellis._wire.client_session import ClientSession
from bellis.errors import BrokerError

# The answers of the broker's `explain` about a launched worker that has left or was lost, and about
# one that has not come yet.
_ENDED = ("it is not connected", "it was asked to leave, and has left")
_ANSWER_S = 30.0
_NOT_COME = "it was launched, and has not said hello yet"


def run_starter(function: Callable[[], Any]) -> None:
    """Calls `function`; returns when its worker has ended, or not come in BELLIS_STARTER_WAIT."""
    refuse_undone("process_function", function())
    wait_s = settings.starter_wait()
    if wait_s == 0 or _worker_is() in (None, *_ENDED):
        return
    print(
        "The process_function has returned, and its worker has not ended: it is waited for. If it "
        f"has not come after {wait_s:g} s (BELLIS_STARTER_WAIT), it is not waited for any longer.",
        flush=True,
    )
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # TERM comes when the worker has ended
    time.sleep(wait_s)
    while _worker_is() not in (None, _NOT_COME):
        time.sleep(wait_s)


def _worker_is() -> Optional[str]:
    """The broker's answer about this starter's worker; None if it knows none."""
    job, task, worker = settings.job(None), settings.task(None), settings.worker_id(None)
    try:
        access = settings.control_access(None, None, None)
        session = ClientSession(access, settings.connect_timeout(None), _ANSWER_S)
        with contextlib.closing(session):
            answer = session.request("explained", "explain", job=job, task=task, worker=worker)
            return answer.text("summary")
    except BrokerError:
        return None
