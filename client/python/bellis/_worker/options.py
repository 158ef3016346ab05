"""The settings of a worker, before it connects."""

import os
from typing import TYPE_CHECKING, Callable, NamedTuple, Optional

from bellis import _core
from bellis._wire import access as access_module
from bellis._wire import settings
from bellis._wire.access import Access

if TYPE_CHECKING:
    from bellis.context import Context


# A worker that waits pings this often. A broker that was restarted does not know that anybody
# waits, and only its answer to a message (`hello_first`) shows that.
PING_INTERVAL_S = 10.0


class WorkerOptions(NamedTuple):
    """The arguments of `bellis.Client`, with defaults in place of those that were left out."""

    access: Access
    job: str
    task: str
    worker_id: int  # 0: the broker gives one
    duty: str  # work, check or post_check
    work_page: str  # where the launcher reads which lease it works on; empty: nowhere
    connect_timeout_s: float
    lost_timeout_s: float
    ping_interval_s: float  # while it waits
    prefetch: Optional[int]  # of loops; None: as block times allow
    heartbeat_ms: int  # 0: none
    on_fence: Optional[Callable[[], object]]
    on_committed: Optional[Callable[[list[int]], object]]


def resolve(
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
) -> WorkerOptions:
    """Arguments go before `context`, and `context` before the other variables of the environment,
    which may belong to a run around this one.

    Raises BrokerError (`environment`) for a setting that is missing or malformed.
    """
    if context is not None:
        if access is None and token is None:
            access = _access_of(context)
        endpoint = endpoint_of(context) if endpoint is None else endpoint
        job = context.get("job") if job is None else job
        task = context.get("task_id") if task is None else task
        if worker_id is None and "worker_id" in context:
            worker_id = settings.number_of_worker(context["worker_id"], "the context's worker_id")
    number = settings.worker_id(worker_id)
    return WorkerOptions(
        job=settings.job(job),
        task=settings.task(task),
        worker_id=number,
        work_page=os.environ.get(_core.WORK_PAGE_VARIABLE, "") if number else "",
        heartbeat_ms=settings.heartbeat_ms(heartbeat_ms),
        prefetch=settings.prefetch(),
        duty=settings.duty(duty),
        connect_timeout_s=settings.connect_timeout(connect_timeout),
        lost_timeout_s=settings.lost_timeout(None),
        ping_interval_s=PING_INTERVAL_S,
        access=settings.worker_access(access, endpoint, token),
        on_fence=on_fence,
        on_committed=on_committed,
    )


def _access_of(context: "Context") -> Optional[Access]:
    """The keys in a context; None if it has none."""
    fields = {name: context.get(name, "") for name in access_module.VARIABLES}
    return access_module.of_fields(fields, "the context") if any(fields.values()) else None


def endpoint_of(context: "Context") -> Optional[str]:
    """The endpoint in a context; None if it has none.

    A context made by hand, as for daisy, has a host name and a port.
    """
    endpoint = context.get("endpoint")
    host, port = context.get("hostname"), context.get("port", "0")
    if endpoint or not host or not port or port == "0":
        return endpoint
    shown = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return f"tcp://{shown}:{port}"  # worker_access checks it
