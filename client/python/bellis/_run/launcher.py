"""The launcher role of bellis/1, whose workers the zygote forks."""

import logging
import signal
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Optional

from bellis._base.answers import refuse_undone
from bellis._base.machine import machine_name
from bellis._report.death_log import WorkerDeath
from bellis._report.printable import printable
from bellis._run.launcher_session import LauncherSession
from bellis._run.worker_process import WorkerOrder
from bellis._run.zygote import Zygote
from bellis._wire import connection, protocol
from bellis._wire.access import VARIABLES, Access
from bellis.context import Context

if TYPE_CHECKING:
    from bellis.task import Task

_LOG = logging.getLogger("bellis")


class Launcher:
    """Starts workers of `tasks` when the broker asks for them, and reports when they end.

    `log_dir` is where their output goes; None: to the streams of this process. `context` has the
    entries that are in every worker's context. Owns its connection, borrows the zygote; one thread
    uses it.
    """

    def __init__(
        self,
        access: Access,
        zygote: Zygote,
        tasks: "Iterable[Task]",
        log_dir: Optional[str],
        context: "dict[str, Any]",
    ) -> None:
        self._endpoint = access.endpoint
        self._zygote = zygote
        self._tasks = {task.task_id: task for task in tasks}
        self._begun: set[str] = set()
        self._log_dir = log_dir
        self._context = context
        self._workers: dict[int, WorkerOrder] = {}
        self._told_to_end: set[int] = set()
        self._leaving = False
        self.last_words: dict[str, tuple[int, str]] = {}  # by task: worker, end of its stderr
        hello = connection.identity("launcher", access.token, machine=machine_name())
        self._session = LauncherSession(hello, time.monotonic())
        self._connection = connection.Connection(access)

    @property
    def socket(self) -> Any:
        return self._connection.socket

    @property
    def worker_count(self) -> int:
        return len(self._workers)

    @property
    def next_at(self) -> float:
        """When `send_due` next has something to do, by time.monotonic()."""
        return self._session.next_at

    def send_due(self) -> None:
        for kind, fields in self._session.take_outgoing(time.monotonic()):
            self._connection.send(kind, **fields)

    def take_messages(self) -> None:
        """Carries out the broker's requests. Raises BrokerError if it refuses this launcher."""
        while True:
            message = self._connection.receive(0)
            if message is None:
                return
            self._handle(*message)

    def stop_all(self, grace_s: float) -> None:
        for worker in self._workers:
            self._stop_worker(worker, grace_s)

    def on_report(self, report: "dict[str, Any]") -> Optional[WorkerDeath]:
        """Takes a report of the zygote; returns the death of a worker that nobody asked to end."""
        worker: int = report["worker"]
        if report["of"] == "forked":
            if report["warning"]:
                _LOG.warning("%s", printable(report["warning"]))
            self._session.report("launched", worker=worker, pid=report["pid"])
            return None
        order = self._workers.pop(worker)
        end = WorkerDeath(
            task=order.task,
            worker=worker,
            exit_code=report.get("exit_code", 0),
            signal=report.get("signal", 0),
            start_error=report.get("start_error", ""),
            stderr_tail=report.get("stderr_tail", ""),
            log=order.log,
        )
        if end.stderr_tail.strip():
            self.last_words[end.task] = (worker, end.stderr_tail)
        self._session.report(
            "exited",
            worker=worker,
            exit_code=end.exit_code,
            signal=end.signal,
            start_error=end.start_error,
            stderr_tail=end.stderr_tail,
            working=[
                {"worker": number, "lease": lease} for number, lease in report.get("working", [])
            ],
        )
        if worker in self._told_to_end:
            self._told_to_end.discard(worker)
            return None
        return end if end.exit_code or end.signal or end.start_error else None

    def begin(self, task: "Task", job: str, run: str) -> None:
        """Workers of `task` are about to start: calls its init_callback_fn, once."""
        if task.task_id not in self._begun:
            self._begun.add(task.task_id)
            context = self._context_of(task.task_id, 0, job, run)
            refuse_undone("init_callback_fn", task.init_callback_fn(context))

    def order_of(self, worker: int) -> Optional[WorkerOrder]:
        """The order that the worker was started with; None if it has ended."""
        return self._workers.get(worker)

    def close(self) -> None:
        """Disconnects without a bye: the broker ends with the run."""
        self._connection.close(bye=False)

    def _handle(self, kind: str, fields: protocol.Fields) -> None:
        if kind == "launch":
            self._launch(fields)
        elif kind == "stop":
            self._stop(fields)
        elif kind == "welcome":
            protocol.check_version(fields)
            self._session.on_welcome()
        elif kind == "pong":
            self._session.on_pong(fields.uint("nonce", 0))
        elif kind == "leave":
            self._leaving = True
            self.stop_all(0)
        else:
            error = connection.error_of((kind, fields))
            if error is not None:
                self._session.on_error(error, time.monotonic())

    def _launch(self, fields: protocol.Fields) -> None:
        worker = fields.uint("worker")
        if worker in self._workers or self._session.exit_is_pending(worker):
            return
        task_id = fields.text("task")
        task = self._tasks.get(task_id)
        if task is None or self._leaving:
            why = "the launcher is leaving" if self._leaving else f"there is no task {task_id!r}"
            self._session.report("exited", worker=worker, start_error=why)
            return
        job, run = fields.text("job"), fields.text("run", "")
        self.begin(task, job, run)
        env: dict[str, str] = fields.map("env") if "env" in fields.raw else {}
        context = self._context_of(task_id, worker, job, run)
        if "BELLIS_SLOT" in env:
            context["slot"] = env["BELLIS_SLOT"]
        for name, variable in VARIABLES.items():  # the keys that the broker gave to this worker
            if env.get(variable):
                context[name] = env[variable]
        env = {
            **env,
            "BELLIS_ENDPOINT": self._endpoint,
            "BELLIS_JOB": job,
            "BELLIS_TASK": task_id,
            "BELLIS_WORKER_ID": str(worker),
            Context.ENV_VARIABLE: context.to_env(),
        }
        order = WorkerOrder(
            worker=worker,
            task=task_id,
            duty=env.get("BELLIS_DUTY", "work"),
            env=env,
            cwd=fields.text("cwd"),
            log_dir=self._log_dir or "",
            run=run,
            job=job,
        )
        self._workers[worker] = order
        self._zygote.start_worker(order)

    def _context_of(self, task_id: str, worker: int, job: str, run: str) -> Context:
        context = Context(**self._context, job=job, task_id=task_id, worker_id=worker)
        if self._log_dir is not None and run:
            context["logdir"] = f"{self._log_dir}/{run}"
        return context

    def _stop(self, fields: protocol.Fields) -> None:
        worker = fields.uint("worker")
        if worker in self._workers:
            self._stop_worker(worker, fields.uint("grace_ms", 0) / 1000)
        elif not self._session.exit_is_pending(worker):
            self._session.report("exited", worker=worker, signal=int(signal.SIGTERM))

    def _stop_worker(self, worker: int, grace_s: float) -> None:
        self._told_to_end.add(worker)
        self._zygote.stop_worker(worker, grace_s)
