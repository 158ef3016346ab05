"""Histories: what happened, as each process saw it. Append-only files of JSON lines, one a process.

Every line has `t`, nanoseconds of CLOCK_MONOTONIC, which all processes of a machine share, and
`event`. A line is written by one write(2), so a process that is killed leaves whole lines, and at
most one torn line at the end, which is ignored.

A worker writes:

    hello      worker, job, task, client, lease_ms   the worker was welcomed
    until      until                         (raw workers) its leases surely last until then
    begin      job, task, index, lease, attempt, worker, read, write
    tick       lease                         the block still runs; every few milliseconds
    writes     lease, digest                 the block's output is about to appear
    end        lease, outcome, inputs, digest, changed
    committed  leases                        the broker said that these results are on disk

`end` is written before the release is sent. Its outcome is completed, failed, or dropped (the
broker said that the worker no longer has the lease). `changed` lists inputs that changed meanwhile.

The driver writes:

    stop, continue, kill    target (pid)     just before it sends the signal
    fault      kind                          it has made a fault
    damage     what                          just after the damage, before the next broker starts
    broker                                   just before it starts a broker after another has ended
    status     asked, job, state, reason, tasks     the broker's answer to a question at `asked`
    final      as status                     when the job had ended
"""

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Event:
    t: int
    pid: int
    event: str
    fields: dict[str, Any]


class History:
    """The file of this process, in `folder`."""

    def __init__(self, folder: Path, who: str) -> None:
        self._pid = os.getpid()
        name = f"{who}-{self._pid}-{time.monotonic_ns()}.jsonl"
        self._file = os.open(folder / name, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)

    def add(self, event: str, **fields: Any) -> int:
        """Appends an event that happens now. Returns its time."""
        t = time.monotonic_ns()
        line = json.dumps({"t": t, "pid": self._pid, "event": event, **fields})
        os.write(self._file, line.encode() + b"\n")
        return t


def read_histories(folder: Path) -> list[Event]:
    """All events of all processes, in the order in which they happened."""
    events = []
    for path in sorted(folder.glob("*.jsonl")):
        *lines, torn = path.read_bytes().split(b"\n")
        for line in lines:
            fields = json.loads(line)
            events.append(Event(fields.pop("t"), fields.pop("pid"), fields.pop("event"), fields))
    return sorted(events, key=lambda event: event.t)
