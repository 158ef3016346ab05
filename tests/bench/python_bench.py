"""run_blockwise and its parts, beside daisy 1.2.3 and 2.0.0: scripts/bench-python runs this.

daisy 1.2.3 is measured twice: as it is, and with TCP_NODELAY set on its connections. Without
TCP_NODELAY it waits 40 ms for the acknowledgement of each message.

Every figure is measured in a process of its own, by python_cases.py. If a count of blocks would
take longer than the limit, the figure is computed from the largest counts measured, and has a "~".
A ratio says how many times better Bellis is than the engine of that column.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

CASES = Path(__file__).with_name("python_cases.py")


@dataclass(frozen=True)
class Engine:
    name: str
    python: str
    module: str


@dataclass(frozen=True)
class Figure:
    """A measurement, or an estimate in its place (`scaled`); None when the measurement failed."""

    value: Optional[float]
    scaled: bool = False


@dataclass
class Bench:
    engines: Sequence[Engine]
    limit_s: float
    failures: list[str] = field(default_factory=list)

    def measure(
        self, engine: Engine, case: str, whole_program: bool = False, **arguments: Any
    ) -> Optional[float]:
        """Seconds that the case took; None if it failed, or took ten times the limit.

        With `whole_program`, from the start of the interpreter to its end.
        """
        with tempfile.TemporaryDirectory() as folder:
            try:
                begin = time.perf_counter()
                done = subprocess.run(
                    [engine.python, str(CASES), engine.module, case, json.dumps(arguments)],
                    cwd=folder,
                    stdout=subprocess.PIPE,
                    timeout=30 + 10 * self.limit_s,
                )
                program_seconds = time.perf_counter() - begin
                seconds = float(json.loads(done.stdout)["seconds"])
                return program_seconds if whole_program else seconds
            except (subprocess.TimeoutExpired, ValueError) as error:
                errors = Path(folder, "errors.txt")
                last = errors.read_text(errors="replace").strip()[-300:] if errors.exists() else ""
                self.failures.append(f"{engine.name}: {case} {arguments}: {error!r} {last}")
                return None

    def times(
        self, engine: Engine, case: str, sizes: Sequence[tuple[int, dict[str, Any]]], **rest: Any
    ) -> dict[int, Figure]:
        """Seconds for each size: a number of blocks, and the arguments for that number.

        Sizes ascend. The first two are always measured. Each further one is measured if, going by
        the two before it, it should stay within the limit. The first two are small and mostly
        start-up, so the third may exceed the limit four times.
        """
        found: dict[int, Figure] = {}
        measured: list[tuple[int, float]] = []
        for blocks, arguments in sizes:
            expected = 0.0
            if len(measured) > 1:
                (fewer, short), (more, long) = measured[-2:]
                slope = max(0.0, long - short) / (more - fewer)
                expected = long + slope * (blocks - more)
            if expected > self.limit_s * (4 if len(measured) < 3 else 1):
                found[blocks] = Figure(expected, scaled=True)
                continue
            seconds = self.measure(engine, case, **arguments, **rest)
            if seconds is None:
                break
            measured.append((blocks, seconds))
            found[blocks] = Figure(seconds)
        return found

    def print_heading(self, title: str, unit: str) -> None:
        print(f"\n== {title}")
        columns = "".join(f"{engine.name:>20}" for engine in self.engines)
        print(f"{unit:24}{columns}", flush=True)

    def print_line(self, label: str, figures: Sequence[Figure], higher_is_better: bool) -> None:
        own = figures[0].value
        cells = []
        for figure in figures:
            if figure.value is None or own is None:
                cells.append(f"{'-' if figure.value is None else number(figure.value):>20}")
                continue
            text = ("~" if figure.scaled else "") + number(figure.value)
            if figure is not figures[0]:
                ratio = own / figure.value if higher_is_better else figure.value / own
                text += f" {number(ratio) + 'x':>8}"
            cells.append(f"{text:>20}")
        print(f"{label:24}{''.join(cells)}", flush=True)


def number(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.4f}"


def rate(blocks: int, figure: Optional[Figure]) -> Figure:
    if figure is None or figure.value is None:
        return Figure(None)
    return Figure(blocks / figure.value, figure.scaled)


def bench_start_up(bench: Bench, workers: Sequence[int], rounds: int) -> None:
    """The median of some rounds."""

    def print_one(label: str, count: int, whole_program: bool = False, before: int = 0) -> None:
        figures = []
        for engine in bench.engines:
            taken = [
                bench.measure(engine, "run", whole_program, blocks=1, workers=count, before=before)
                for _ in range(rounds)
            ]
            good = [seconds for seconds in taken if seconds is not None]
            figures.append(Figure(statistics.median(good) if good else None))
        bench.print_line(label, figures, higher_is_better=False)

    bench.print_heading("start-up: a run of one block", "seconds: workers")
    for count in workers:
        print_one(f"{count}, not the first", count, before=1)
    for count in workers:
        print_one(f"{count}, first of a process", count)
    print_one(f"{workers[0]}, python and import", workers[0], whole_program=True)


def bench_sizes(
    bench: Bench,
    case: str,
    sizes: Sequence[tuple[int, dict[str, Any]]],
    shown: Sequence[int],
    label: str,
    tasks: int = 1,
    **rest: Any,
) -> None:
    """Prints a line of blocks/s of the whole run, start-up included, for each count shown."""
    if tasks > 1:
        rest["tasks"] = tasks
    times = [bench.times(engine, case, sizes, **rest) for engine in bench.engines]
    for blocks in shown:
        figures = [rate(blocks * tasks, found.get(blocks)) for found in times]
        bench.print_line(f"{label}{blocks:,}", figures, higher_is_better=True)


def bench_memory(bench: Bench, blocks: int, workers: int) -> None:
    bench.print_heading(
        f"memory: the most at a time, all processes, {blocks:,} blocks, {workers} workers", "MB"
    )
    figures = []
    for engine in bench.engines:
        if engine.module == "daisy" and engine.name == "daisy 1.2.3":
            figures.append(Figure(None))  # the same as the next column, but would take too long
        else:
            figures.append(Figure(peak_megabytes(engine, blocks=blocks, workers=workers)))
    bench.print_line("proportional set size", figures, higher_is_better=False)


def peak_megabytes(engine: Engine, **arguments: Any) -> Optional[float]:
    """The largest sampled memory of all processes of a run; shared pages count once."""
    mark = f"BELLIS_BENCH_MARK={uuid.uuid4()}"
    name, _, value = mark.partition("=")
    peak = 0.0
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [engine.python, str(CASES), engine.module, "run", json.dumps(arguments)],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            env={**os.environ, name: value},
        )
        watchdog = threading.Timer(180, process.kill)
        watchdog.start()
        while process.poll() is None:
            peak = max(peak, megabytes_of(mark))
            time.sleep(0.05)
        watchdog.cancel()
    return peak if process.returncode == 0 else None


def megabytes_of(mark: str) -> float:
    kilobytes = 0
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            if mark.encode() not in (folder / "environ").read_bytes():
                continue
            for line in (folder / "smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    kilobytes += int(line.split()[1])
        except (OSError, ProcessLookupError):
            continue  # the process has ended
    return kilobytes / 1024


def cubes(*sides: int) -> list[tuple[int, dict[str, Any]]]:
    return [(side**3, {"side": side}) for side in sides]


def counts(*blocks: int) -> list[tuple[int, dict[str, Any]]]:
    return [(count, {"blocks": count}) for count in blocks]


def bench_no_op_blocks(bench: Bench, workers: Sequence[int]) -> None:
    bench.print_heading("no-op blocks, the whole run", "blocks/s: workers, blocks")
    shown = (1_000, 10_000, 100_000)
    for count in workers:
        bench_sizes(bench, "run", counts(1, 100, *shown), shown, label=f"{count}, ", workers=count)


def bench_chained_tasks(bench: Bench) -> None:
    bench.print_heading("two chained tasks, 4 workers each", "blocks/s: blocks each")
    shown = (1_000, 10_000)
    bench_sizes(bench, "run", counts(1, 100, *shown), shown, "", tasks=2, workers=4)


def bench_serial_mode(bench: Bench) -> None:
    bench.print_heading("serial mode: no processes", "blocks/s: blocks")
    bench_sizes(bench, "serial", counts(1_000, 10_000, 100_000), (10_000, 100_000), "")


def bench_dependencies(bench: Bench) -> None:
    bench.print_heading("enumerating dependencies in 3-D", "blocks/s: blocks")
    sizes, shown = cubes(10, 22, 100), (1_000_000,)
    for label, conflict in (("free, ", False), ("conflict, ", True)):
        bench_sizes(bench, "enumerate_dependencies", sizes, shown, label, conflict=conflict)


def bench_scheduler(bench: Bench) -> None:
    bench.print_heading("in-process Scheduler, 3-D, conflict", "blocks/s: blocks")
    bench_sizes(bench, "schedule", cubes(5, 10, 22, 46), (1_000, 10_648, 97_336), "")


def bench_squares(bench: Bench) -> None:
    bench.print_heading("squares of 4,096,000 integers in 250 blocks, 8 workers", "seconds")
    figures = [
        Figure(bench.measure(engine, "square", elements=4_096_000, workers=8))
        for engine in bench.engines
    ]
    bench.print_line("", figures, higher_is_better=False)


def engines_in(venvs: Path) -> list[Engine]:
    """Bellis, and those that scripts/bench-python has installed in `venvs`."""
    # Do not resolve links: a venv's python is a link to a python that does not know the venv.
    venvs = venvs.absolute()
    return [
        Engine("bellis", sys.executable, "bellis"),
        Engine("daisy 1.2.3", str(venvs / "daisy-1.2.3/bin/python"), "daisy"),
        Engine("1.2.3 + NODELAY", str(venvs / "daisy-1.2.3/bin/python"), "daisy-nodelay"),
        Engine("daisy 2.0.0", str(venvs / "daisy-2.0.0/bin/python"), "daisy"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venvs", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help="fewer workers, smaller counts")
    options = parser.parse_args()
    quick: bool = options.quick
    bench = Bench(engines_in(options.venvs), limit_s=2 if quick else 12)
    # Two of the columns differ only in what goes over a socket.
    without_sockets = Bench(
        [engine for engine in bench.engines if engine.module != "daisy-nodelay"],
        bench.limit_s,
        bench.failures,
    )
    workers = (2,) if quick else (1, 2, 4, 8)
    begin = time.perf_counter()
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")

    bench_start_up(bench, workers, rounds=1 if quick else 3)
    bench_no_op_blocks(bench, workers)
    bench_chained_tasks(bench)
    bench_serial_mode(without_sockets)
    bench_dependencies(without_sockets)
    bench_scheduler(without_sockets)
    bench_squares(bench)
    bench_memory(bench, blocks=1_000 if quick else 10_000, workers=4)

    print(f"\n{time.perf_counter() - begin:.0f} s; load {os.getloadavg()[0]:.1f}")
    for failure in bench.failures:
        print(f"failed: {failure}")


if __name__ == "__main__":
    main()
