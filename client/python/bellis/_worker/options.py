"""The settings of a worker, before it connects."""

import os
from typing import TYPE_CHECKING, Callable, NamedTuple, Optional

from bellis._wire import access as access_module
from bellis._wire import settings
from bellis._wire.access import Access
from bellis._worker import pulse, work_page

if TYPE_CHECKING:
    from bellis.context import Context


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
    heartbeat_ms: int  # 0: none
    on_fence: Optional[Callable[[], object]]
    on_committed: Optional[Callable[[list[int]], object]]


def resolve(
    context: "Optional[Context]",
    *,
    access: "Optional[settings.File]",
    endpoint: Optional[str],
    token: Optional[str],
    job: Optional[str],
    task: Optional[str],
    worker_id: Optional[int],
    duty: Optional[str],
    connect_timeout: Optional[float],
    heartbeat_ms: Optional[int],
    on_fence: Optional[Callable[[], object]],
    on_committed: Optional[Callable[[list[int]], object]],
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
        work_page=os.environ.get(work_page.VARIABLE, "") if number else "",
        heartbeat_ms=settings.heartbeat_ms(heartbeat_ms) if pulse.is_possible() else 0,
        duty=settings.duty(duty),
        connect_timeout_s=settings.connect_timeout(connect_timeout),
        lost_timeout_s=settings.lost_timeout(None),
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
