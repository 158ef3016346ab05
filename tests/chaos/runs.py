"""The runs of blocks that a history tells of: who ran what, from when to when, and how it ended."""

from dataclasses import dataclass, field

from tests.chaos.history import Event

COMPLETED, FAILED, DROPPED = "completed", "failed", "dropped"


@dataclass
class Stop:
    """From just before SIGSTOP to just before SIGCONT; `end` is None if it never went on."""

    begin: int
    end: int | None = None


@dataclass
class Process:
    pid: int
    stops: list[Stop] = field(default_factory=list)
    until: list[tuple[int, int]] = field(default_factory=list)  # at t it knew: leases last until
    hello: int | None = None  # when it was first welcomed

    def ran_until(self, t: int) -> int:
        """The last moment up to `t` at which it was not stopped."""
        for stop in self.stops:
            if stop.begin <= t and (stop.end is None or t <= stop.end):
                return stop.begin
        return t

    def was_stopped(self, t: int, grace: int) -> bool:
        """Whether it was stopped at `t`, or had gone on for less than `grace`."""
        return any(
            stop.begin < t and (stop.end is None or t < stop.end + grace) for stop in self.stops
        )


@dataclass
class Run:
    """One block worked on once, under one lease."""

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
    end: int  # without an outcome: the last moment at which it was surely still going on
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
    starts: list[int] = field(default_factory=list)  # of brokers: just before each
    strange: list[str] = field(default_factory=list)  # events that fit nothing


def put_together(events: list[Event]) -> Story:
    """`events` are in the order of time."""
    story = Story()
    processes: dict[int, Process] = {}
    by_lease: dict[tuple[int, int], Run] = {}
    open_runs: dict[int, dict[int, Run]] = {}

    def process_of(pid: int) -> Process:
        return processes.setdefault(pid, Process(pid))

    for event in events:
        fields = event.fields
        if event.event == "begin":
            run = Run(
                process=process_of(event.pid),
                begin=event.t,
                end=event.t,
                **{name: fields[name] for name in _BEGIN_FIELDS},
            )
            story.runs.append(run)
            by_lease[event.pid, run.lease] = run
            open_runs.setdefault(event.pid, {})[run.lease] = run
        elif event.event in ("tick", "writes", "end"):
            found = open_runs.get(event.pid, {}).get(fields["lease"])
            if found is None:
                story.strange.append(f"process {event.pid}: {event.event} of a block it has not")
                continue
            found.end = event.t
            if event.event == "writes":
                found.writes.append((event.t, fields["digest"]))
            elif event.event == "end":
                del open_runs[event.pid][found.lease]
                found.outcome = fields["outcome"]
                found.inputs = fields["inputs"]
                found.digest = fields["digest"]
                found.changed = fields["changed"]
        elif event.event == "committed":
            for lease in fields["leases"]:
                told = by_lease.get((event.pid, lease))
                if told is None:
                    story.strange.append(
                        f"process {event.pid} was told that lease {lease} is committed, and never "
                        "worked under it"
                    )
                else:
                    story.committed.append(Told(event.t, told))
        elif event.event == "hello":
            welcomed = process_of(event.pid)
            welcomed.hello = event.t if welcomed.hello is None else welcomed.hello
        elif event.event == "broker":
            story.starts.append(event.t)
        elif event.event == "until":
            process_of(event.pid).until.append((event.t, fields["until"]))
        elif event.event == "stop":
            process_of(fields["target"]).stops.append(Stop(event.t))
        elif event.event in ("continue", "kill"):
            target = process_of(fields["target"])
            if event.event == "kill":
                ran = target.ran_until(event.t)
                for run in open_runs.get(target.pid, {}).values():
                    run.end = max(run.end, ran)
            for stop in target.stops:
                if stop.end is None:
                    stop.end = event.t
        elif event.event == "status":
            story.statuses.append(event)
        elif event.event == "final":
            story.finals.append(event)
    return story


_BEGIN_FIELDS = ("job", "task", "index", "lease", "attempt", "worker", "read", "write")
