"""The runs of blocks in a history: which process ran which block when, and how the run ended."""

from dataclasses import dataclass, field

from tests.chaos.history import Event

COMPLETED, FAILED, DROPPED = "completed", "failed", "dropped"


@dataclass
class Stop:
    """A stop, from just before SIGSTOP to just before SIGCONT; `end` is None if there was none."""

    begin: int
    end: int | None = None


@dataclass
class Process:
    pid: int
    stops: list[Stop] = field(default_factory=list)
    until: list[tuple[int, int]] = field(default_factory=list)  # (t, until when leases last, at t)
    hello: int | None = None  # when the process was first welcomed

    def ran_until(self, t: int) -> int:
        """The last moment up to `t` at which the process was not stopped."""
        for stop in self.stops:
            if stop.begin <= t and (stop.end is None or t <= stop.end):
                return stop.begin
        return t

    def was_stopped(self, t: int, grace: int) -> bool:
        """Whether the process was stopped at `t`, or had gone on for less than `grace`."""
        return any(
            stop.begin < t and (stop.end is None or t < stop.end + grace) for stop in self.stops
        )


@dataclass
class Run:
    """The work on one block, under one lease."""

    process: Process
    job: str
    task: str
    index: int
    lease: int
    attempt: int
    worker: int
    read: list[list[int]]
    write: list[list[int]]
    begin: int
    end: int  # without an outcome: the last moment at which the run surely still went on
    outcome: str = ""  # "": the process ended in the middle of it
    inputs: list[str] = field(default_factory=list)
    digest: str = ""
    changed: list[str] = field(default_factory=list)
    writes: list[tuple[int, str]] = field(default_factory=list)

    @property
    def key(self) -> tuple[str, int]:
        return (self.task, self.index)

    def __str__(self) -> str:
        return (
            f"{self.job}/{self.task}[{self.index}] under lease {self.lease} "
            f"(worker {self.worker}, process {self.process.pid})"
        )


@dataclass
class Told:
    """A worker was told at `t` that the result of `run` is durable."""

    t: int
    run: Run


@dataclass
class Story:
    """All events, put together."""

    runs: list[Run] = field(default_factory=list)  # by time of begin
    committed: list[Told] = field(default_factory=list)
    statuses: list[Event] = field(default_factory=list)
    finals: list[Event] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)  # just before each start of a broker
    strange: list[str] = field(default_factory=list)  # events that do not fit the others


def put_together(events: list[Event]) -> Story:
    """Puts events together, which must be in the order of time."""
    assembly = _Assembly()
    for event in events:
        assembly.take(event)
    return assembly.story


_BEGIN_FIELDS = ("job", "task", "index", "lease", "attempt", "worker", "read", "write")


class _Assembly:
    """Takes events one by one; for each event there is a method of that name."""

    def __init__(self) -> None:
        self.story = Story()
        self._processes: dict[int, Process] = {}
        self._by_lease: dict[tuple[int, int], Run] = {}
        self._open: dict[int, dict[int, Run]] = {}  # runs by process and lease

    def take(self, event: Event) -> None:
        handle = getattr(self, f"_{event.event}", None)
        if handle is not None:
            handle(event)

    def _process(self, pid: int) -> Process:
        return self._processes.setdefault(pid, Process(pid))

    def _begin(self, event: Event) -> None:
        run = Run(
            process=self._process(event.pid),
            begin=event.t,
            end=event.t,
            **{name: event.fields[name] for name in _BEGIN_FIELDS},
        )
        self.story.runs.append(run)
        self._by_lease[event.pid, run.lease] = run
        self._open.setdefault(event.pid, {})[run.lease] = run

    def _run_of(self, event: Event) -> "Run | None":
        run = self._open.get(event.pid, {}).get(event.fields["lease"])
        if run is None:
            self.story.strange.append(f"process {event.pid}: {event.event} of a block it has not")
        else:
            run.end = event.t
        return run

    def _tick(self, event: Event) -> None:
        self._run_of(event)

    def _writes(self, event: Event) -> None:
        if (run := self._run_of(event)) is not None:
            run.writes.append((event.t, event.fields["digest"]))

    def _end(self, event: Event) -> None:
        if (run := self._run_of(event)) is not None:
            del self._open[event.pid][run.lease]
            run.outcome = event.fields["outcome"]
            run.inputs = event.fields["inputs"]
            run.digest = event.fields["digest"]
            run.changed = event.fields["changed"]

    def _committed(self, event: Event) -> None:
        for lease in event.fields["leases"]:
            told = self._by_lease.get((event.pid, lease))
            if told is None:
                self.story.strange.append(
                    f"process {event.pid} was told that lease {lease} is committed, and never "
                    "worked under it"
                )
            else:
                self.story.committed.append(Told(event.t, told))

    def _hello(self, event: Event) -> None:
        process = self._process(event.pid)
        process.hello = event.t if process.hello is None else process.hello

    def _broker(self, event: Event) -> None:
        self.story.starts.append(event.t)

    def _until(self, event: Event) -> None:
        self._process(event.pid).until.append((event.t, event.fields["until"]))

    def _stop(self, event: Event) -> None:
        self._process(event.fields["target"]).stops.append(Stop(event.t))

    def _continue(self, event: Event) -> None:
        for stop in self._process(event.fields["target"]).stops:
            if stop.end is None:
                stop.end = event.t

    def _kill(self, event: Event) -> None:
        target = self._process(event.fields["target"])
        ran = target.ran_until(event.t)
        for run in self._open.get(target.pid, {}).values():
            run.end = max(run.end, ran)
        self._continue(event)

    def _status(self, event: Event) -> None:
        self.story.statuses.append(event)

    def _final(self, event: Event) -> None:
        self.story.finals.append(event)
