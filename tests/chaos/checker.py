"""Decides from the histories and the outputs of a run whether the promises were kept.

The checker uses none of the scheduler's code. It works out a job's blocks in `blocks.py`, and takes
what happened from the histories of the workers and the driver (`history.py`).

The violations that it finds, by name:

    exclusion     two conflicting blocks of a task ran at overlapping times
    twice         a block ran twice at overlapping times
    order         a block began before all blocks that it waits for had completed
    input         what a block read changed while it ran
    lease         a lease was used twice, a later run of a block has a smaller lease, or a broker
                  gave a lease smaller than one that was in use before the broker started
    kept          a block was leased again while its worker's lease surely lasted
    geometry      a block does not exist, is masked, or has another ROI than it should
    durable       a block began again after its worker was told that its result is on disk
    count         the broker's counts do not add up, or not with what ran
    completeness  a job did not end, or ended with blocks not done
    output        a file differs from that of the undisturbed computation

A process that was stopped (SIGSTOP) past its lease's end and then goes on cannot know in time that
another worker has the block by now. Overlaps that such a process makes are *outside the guarantee*:
they are counted and named, apart from violations. Only the process of the stale run itself is
excused, and only if it was stopped.
"""

from pathlib import Path

from tests.chaos.blocks import Block, JobBlocks, JobSpec
from tests.chaos.history import Event
from tests.chaos.output import ABSENT, Outputs, digest_of, undisturbed
from tests.chaos.report import Report, Violation
from tests.chaos.runs import COMPLETED, Run, Story, Told, put_together

# How long a stopped process may take, after it went on, to be killed by its watchdog.
GRACE_NS = 500_000_000


def check(
    jobs: list[JobSpec], events: list[Event], folder: Path, grace_ns: int = GRACE_NS
) -> Report:
    """Judges the jobs that were run; the outputs of job J are in `folder`/J."""
    report = Report()
    story = put_together(events)
    for text in story.strange:
        report.violations.append(Violation("history", text))
    by_job: dict[str, list[Run]] = {job.name: [] for job in jobs}
    for run in story.runs:
        if run.job in by_job:
            by_job[run.job].append(run)
        else:
            report.violations.append(Violation("geometry", f"{run}: no such job was submitted"))
    _check_lease_ids(story.runs, report)
    _check_lease_growth(story, report)
    for spec in jobs:
        _JobCheck(spec, by_job[spec.name], story, folder / spec.name, grace_ns, report).check()
    report.runs = len(story.runs)
    distinct = {(run.job, run.task, run.index) for run in story.runs}
    report.runs_again = report.runs - len(distinct)
    report.told_committed = len(story.committed)
    return report


def _check_lease_ids(runs: list[Run], report: Report) -> None:
    seen: dict[int, Run] = {}
    for run in runs:
        first = seen.setdefault(run.lease, run)
        if first is not run:
            report.violations.append(Violation("lease", f"{first} and then {run}: one lease"))


def _check_lease_growth(story: Story, report: Report) -> None:
    """Processes first welcomed after a broker's start have larger leases than all runs before."""
    for start in story.starts:
        before = max((run.lease for run in story.runs if run.begin < start), default=0)
        for run in story.runs:
            hello = run.process.hello
            if hello is not None and hello > start and run.lease <= before:
                text = f"{run}: a broker before had given lease {before}"
                report.violations.append(Violation("lease", text))


class _JobCheck:
    """The checks of one job."""

    def __init__(
        self,
        spec: JobSpec,
        runs: list[Run],
        story: Story,
        folder: Path,
        grace_ns: int,
        report: Report,
    ) -> None:
        self._spec = spec
        self._job = JobBlocks(spec)
        self._outputs = Outputs(folder)
        self._grace = grace_ns
        self._report = report
        self._statuses = [event for event in story.statuses if event.fields["job"] == spec.name]
        self._finals = [event for event in story.finals if event.fields["job"] == spec.name]
        self._committed = [
            told
            for told in story.committed
            if told.run.job == spec.name and told.run.outcome == COMPLETED
        ]
        self._runs = [run for run in runs if self._is_block(run)]
        self._by_block: dict[tuple[str, int], list[Run]] = {}
        for run in self._runs:
            self._by_block.setdefault(run.key, []).append(run)
        # For each block: when it first completed.
        self._done: dict[tuple[str, int], int] = {}
        for run in sorted(self._runs, key=lambda run: run.end):
            if run.outcome == COMPLETED:
                self._done.setdefault(run.key, run.end)
        self._stale: set[int] = set()  # leases of runs that are outside the guarantee

    def check(self) -> None:
        self._report.blocks += self._job.total
        self._check_overlaps()
        self._check_lease_order()
        self._check_order()
        self._check_durable()
        self._check_inputs()
        self._check_outputs()
        for event in self._statuses + self._finals:
            self._check_counts(event)
        self._check_end()

    def _fail(self, kind: str, text: str) -> None:
        self._report.violations.append(Violation(kind, text))

    def _is_block(self, run: Run) -> bool:
        block = self._job.find(run.task, run.index)
        if block is None:
            self._fail("geometry", f"{run}: there is no such block")
            return False
        if block.masked:
            self._fail("geometry", f"{run}: the block is masked")
        if run.read != block.read.roi or run.write != block.write.roi:
            self._fail(
                "geometry",
                f"{run}: reads {run.read}, writes {run.write}; should read {block.read.roi}, "
                f"write {block.write.roi}",
            )
        return True

    def _block(self, run: Run) -> Block:
        block = self._job.find(run.task, run.index)
        assert block is not None
        return block

    # ---- exclusion ----

    def _check_overlaps(self) -> None:
        running: list[Run] = []
        for run in self._runs:  # by begin
            running = [other for other in running if other.end > run.begin]
            rivals = {other.key for other in self._job.conflicts[run.key]}
            for other in running:
                if other.key == run.key:
                    self._overlap("twice", other, run)
                elif other.key in rivals:
                    self._overlap("exclusion", other, run)
            running.append(run)

    def _overlap(self, kind: str, first: Run, second: Run) -> None:
        stale, current = sorted((first, second), key=lambda run: run.lease)
        text = f"{stale} and {current} overlap by {_ms(first.end - second.begin)} ms at least"
        kept = [until for t, until in stale.process.until if t <= second.begin]
        if kept and second.begin < kept[-1]:
            early = _ms(kept[-1] - second.begin)
            self._fail("kept", f"{text}; the lease of the former lasted {early} ms more")
        elif self._excused(stale, second.begin):
            self._stale.add(stale.lease)
            self._report.outside.append(f"stopped process {stale.process.pid}: {kind}: {text}")
        else:
            self._fail(kind, text)

    def _excused(self, stale: Run, t: int) -> bool:
        """Whether the process of `stale` was stopped at `t`, which excuses its later work."""
        return stale.process.was_stopped(t, self._grace)

    # ---- order ----

    def _check_lease_order(self) -> None:
        for runs in self._by_block.values():
            for before, after in zip(runs, runs[1:], strict=False):
                if after.lease < before.lease:
                    text = f"{after} began after {before}"
                    if self._excused(after, after.begin):
                        self._stale.add(after.lease)
                        self._report.outside.append(
                            f"stopped process {after.process.pid}: lease: {text}"
                        )
                    else:
                        self._fail("lease", text)

    def _check_order(self) -> None:
        for run in self._runs:
            for other in self._job.waits_for[run.key]:
                done = self._done.get(other.key)
                if done is None or done > run.begin:
                    when = "never" if done is None else f"{_ms(done - run.begin)} ms later"
                    self._fail(
                        "order",
                        f"{run} began before {other.task}[{other.index}] had completed ({when})",
                    )

    def _check_durable(self) -> None:
        first_told: dict[tuple[str, int], Told] = {}
        for told in self._committed:
            first_told.setdefault(told.run.key, told)
        for key, told in first_told.items():
            for run in self._by_block[key]:
                if run.begin <= told.t:
                    continue
                text = f"{run} began {_ms(run.begin - told.t)} ms after {told.run} was committed"
                if run.lease < told.run.lease and self._excused(run, run.begin):
                    self._stale.add(run.lease)
                    self._report.outside.append(
                        f"stopped process {run.process.pid}: durable: {text}"
                    )
                else:
                    self._fail("durable", text)

    # ---- outputs ----

    def _check_inputs(self) -> None:
        for run in self._runs:
            if run.changed and run.lease not in self._stale:
                self._fail("input", f"{run}: changed while it ran: {', '.join(run.changed)}")

    def _check_outputs(self) -> None:
        """Checks the digests of all completed runs, then the files.

        Output of a stale run, and everything computed from it, is outside the guarantee.
        """
        expected = undisturbed(self._job)
        tainted = {
            digest for run in self._runs if run.lease in self._stale for _, digest in run.writes
        }
        tainted -= set(expected.values())
        for run in sorted(self._runs, key=lambda run: run.end):
            if run.outcome != COMPLETED:
                continue
            right = expected.get(run.key) or self._from_inputs(run)
            if run.digest == right:
                continue
            if run.lease in self._stale or tainted & set(run.inputs):
                tainted.add(run.digest)
                self._report.outside.append(
                    f"stopped process: output: {run} computed from what a stale run wrote"
                )
            else:
                self._fail("output", f"{run} computed {run.digest[:12]}, should be {right[:12]}")
        for task in self._job.tasks.values():
            for block in task:
                self._check_file(block, expected, tainted)

    def _from_inputs(self, run: Run) -> str:
        """The right digest where the order is free. It follows from the inputs, if these could
        be read at the time."""
        block = self._block(run)
        reads = self._job.reads(block)
        if len(reads) != len(run.inputs):
            return "as many inputs as it reads"
        for other, digest in zip(reads, run.inputs, strict=True):
            if digest not in self._could_be_read(other, run):
                return f"without {digest[:12]} for {other.task}[{other.index}]"
        return digest_of(block, run.inputs)

    def _could_be_read(self, block: Block, reader: Run) -> set[str]:
        """The digests that the file of `block` may have had when `reader` read it.

        These are the last write that surely happened before the reader began, and every later
        write of a run that may have been killed before it wrote.
        """
        possible = {ABSENT}
        for run in self._by_block.get(block.key, []):
            for t, digest in run.writes:
                if t > reader.begin and run.lease not in self._stale:
                    continue
                surely = run.outcome == COMPLETED and run.end <= reader.begin
                possible = {digest} if surely else possible | {digest}
        return possible

    def _check_file(
        self, block: Block, expected: dict[tuple[str, int], str], tainted: set[str]
    ) -> None:
        found = self._outputs.read(block)
        runs = self._by_block.get(block.key, [])
        completed = [run for run in runs if run.outcome == COMPLETED]
        if not completed:
            return  # the check of completeness reports that it is missing
        right = expected.get(block.key) or max(completed, key=lambda run: run.end).digest
        if found == right:
            return
        written = {digest for run in runs if run.lease in self._stale for _, digest in run.writes}
        if found in tainted or found in written:
            self._report.outside.append(
                f"stopped process: output: {block.task}[{block.index}] is what a stale run wrote"
            )
        else:
            self._fail(
                "output",
                f"{self._spec.name}/{block.task}[{block.index}] is {found[:12]}, should be "
                f"{right[:12]}",
            )

    # ---- what the broker says ----

    def _check_counts(self, event: Event) -> None:
        """Checks a status, which is from some moment between `asked` and its arrival."""
        asked, told = event.fields["asked"], event.t
        named = {task["task"]: task for task in event.fields["tasks"]}
        if set(named) != set(self._job.tasks):
            self._fail("count", f"{self._spec.name}: status of tasks {sorted(named)}")
            return
        for name, task in self._job.tasks.items():
            says = named[name]
            where = f"{self._spec.name}/{name}: the broker says"
            masked = sum(block.masked for block in task)
            if (says["blocks"], says["masked"]) != (len(task.blocks), masked):
                self._fail(
                    "count",
                    f"{where} {says['blocks']} blocks, {says['masked']} masked; there are "
                    f"{len(task.blocks)}, {masked}",
                )
            parts = ("masked", "pending", "ready", "leased", "completed", "failed", "orphaned")
            if says["blocks"] != sum(says[part] for part in parts):
                self._fail("count", f"{where} what does not add up: {says}")
            possible = sum(1 for key, t in self._done.items() if key[0] == name and t <= told)
            if says["completed"] > possible:
                self._fail(
                    "count", f"{where} {says['completed']} completed; workers had done {possible}"
                )
            known = {
                told.run.key for told in self._committed if told.run.task == name and told.t < asked
            }
            if says["completed"] < len(known):
                self._fail(
                    "count",
                    f"{where} {says['completed']} completed; workers had been told that "
                    f"{len(known)} are on disk",
                )

    def _check_end(self) -> None:
        if not self._finals:
            self._fail("completeness", f"{self._spec.name} did not end")
            return
        final = self._finals[-1].fields
        state = final["state"]
        if state != "completed" and not self._spec.may_fail:
            self._fail("completeness", f"{self._spec.name} is {state}: {final['reason']}")
        for says in final["tasks"]:
            where = f"{self._spec.name}/{says['task']}"
            if says["pending"] or says["ready"] or says["leased"]:
                self._fail("completeness", f"{where} ended with blocks that are not: {says}")
            if state == "completed" and (says["failed"] or says["orphaned"]):
                self._fail("completeness", f"{where} is completed with failed blocks: {says}")
        if state == "completed":
            for task in self._job.tasks.values():
                missing = [b.index for b in task if not b.masked and b.key not in self._done]
                if missing:
                    self._fail(
                        "completeness",
                        f"{self._spec.name}/{task.spec.name} is completed; never done: {missing}",
                    )


def _ms(ns: int) -> str:
    return f"{ns / 1e6:.1f}"
