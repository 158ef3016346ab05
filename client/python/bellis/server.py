"""The server of runs with worker processes."""

import logging
import os
import socket
from collections.abc import Iterable
from typing import Any, Optional, Union

from bellis import _core
from bellis._report.no_blocks import warn_of_no_blocks
from bellis._report.progress import open_progress
from bellis._run.job_run import JobRun
from bellis._run.kept_progress import KeptProgress
from bellis._run.local_broker import LocalBroker
from bellis._wire import settings
from bellis._wire.endpoint import is_every_address, parse_host
from bellis._wire.host_address import own_address, own_host
from bellis.task import Task, collect_tasks
from bellis.task_state import TaskStates

_LOG = logging.getLogger("bellis")

_STARTER_MARGIN_S = 60.0
_LOOPBACK = ("127.", "::1")


class Server:
    """Runs tasks with worker processes on this machine.

    Workers find the server in their environment. By default it listens on a socket file that only
    this user can reach. With `host`, a name or address of this machine, it listens there on a free
    port, and workers on other machines can connect. Such connections are encrypted, and each worker
    proves a key that it finds in its environment. "auto" means an address of this machine that
    other machines can reach; with 0.0.0.0 or ::, which mean every address, workers are told one
    address. If `host` is left out, the environment's BELLIS_HOST is used. Raises ValueError for a
    `host` that is not an address of this machine.

    `stop_event`, any object with `is_set()`, ends a run once it is set.
    """

    hostname: str
    port: int  # 0 without `host`

    def __init__(self, stop_event: Any = None, host: Optional[str] = None) -> None:
        self.stop_event = stop_event
        field = "host" if host else "BELLIS_HOST"
        host = host or os.environ.get("BELLIS_HOST") or None
        if host is not None:
            host = own_address() if host == "auto" else parse_host(host, listen=True, field=field)
        self._host = None if host is None else own_host(host, field)
        self.hostname = "localhost" if host is None else host
        if host is not None and is_every_address(host):
            self.hostname = _core.own_address(":" in host)  # the address that workers are told
        self.port = 0 if self._host is None else _free_port(self._host)
        if self._host is not None and not self._host.startswith(_LOOPBACK):
            _LOG.warning(
                "this server will listen on %s:%s, for whoever reaches it and has a key",
                host,
                self.port,
            )

    def run_blockwise(
        self,
        tasks: Iterable[Task],
        scheduler: Any = None,
        *,
        start_method: Optional[str] = None,
        progress: Optional[str] = None,
        state_dir: "Optional[Union[str, os.PathLike[str]]]" = None,
        resume: bool = False,
        fresh: bool = False,
        job_memory_max: "Optional[Union[int, str]]" = None,
    ) -> TaskStates:
        """Runs `tasks` and all tasks upstream of them, as `bellis.run_blockwise` does.

        `scheduler` is accepted for compatibility with daisy, and not used: a broker schedules.
        """
        if scheduler is not None:
            _LOG.warning("Server.run_blockwise: `scheduler` is not used, a broker schedules")
        memory_max = settings.job_memory_max(job_memory_max)
        kept = KeptProgress.of(state_dir, resume, fresh)
        collected = collect_tasks(tasks)
        if not collected:
            return TaskStates()
        warn_of_no_blocks(collected)
        shown = open_progress(progress)
        broker = LocalBroker(
            self._host, self.port, _hello_wait_s(collected), kept.state_dir, memory_max
        )
        try:
            states = JobRun(collected, broker, shown, self.stop_event, start_method, kept).run()
        except BaseException:
            shown.close()
            raise
        shown.finish(states)
        return states


def _hello_wait_s(tasks: Iterable[Task]) -> Optional[float]:
    """How long a worker may take to say hello: a worker of a starter may wait in a queue."""
    if all(task.takes_block for task in tasks):
        return None
    return settings.starter_wait() + _STARTER_MARGIN_S


def _free_port(host: str) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
    return port
