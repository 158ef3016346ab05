"""Measures, and writes the figures and plots of docs/BENCHMARKS.md: scripts/benchmarks runs this.

Every section between two marks of the page is replaced; the text around them stays.
"""

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Optional

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams.update(
    {"svg.hashsalt": "bellis", "svg.fonttype": "none", "font.size": 9, "figure.figsize": (6, 3.2)}
)
import matplotlib.pyplot as plt  # noqa: E402  the backend is chosen first

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/BENCHMARKS.md"
PLOTS = ROOT / "docs/plots"
CASES = ROOT / "tests/bench"
Json = Any


def output_of(*command: str, timeout: float = 600) -> str:
    return subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, timeout=timeout
    ).stdout


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(heads) + " |", "| --- |" + " ---: |" * (len(heads) - 1)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def number(value: Optional[float]) -> str:
    if value is None:
        return "-"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def plot(name: str, text: str) -> str:
    """Saves the current figure, and returns the line that shows it."""
    PLOTS.mkdir(exist_ok=True)
    plt.tight_layout()
    plt.savefig(PLOTS / f"{name}.svg", metadata={"Date": None, "Creator": None})
    plt.close()
    return f"![{text}](plots/{name}.svg)"


# ---- what is measured where ----


def machine() -> str:
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    zmq = output_of("pkg-config", "--modversion", "libzmq").strip()
    rows = [
        ("processor", f"{model[1] if model else platform.machine()}, {os.cpu_count()} CPUs"),
        ("memory", f"{int(memory[1]) / 2**20:.0f} GiB" if memory else "?"),
        ("kernel", platform.release()),
        ("libzmq", zmq),
        ("Python", platform.python_version()),
        ("Bellis", output_of("bellis", "--version").split()[-1]),
        ("pinning", "none, but for many workers: the broker on CPU 0, the workers on CPU 1"),
    ]
    return table(["", "measured on"], rows).replace("---: |", "--- |")


# ---- dispatch ----


def dispatch(seconds: float) -> str:
    text = []
    for transport, flags in (("a socket file", []), ("tcp, encrypted", ["--tcp"])):
        command = ["bellis", "bench", "--json", "--workers", "1,4,16", "--seconds", str(seconds)]
        runs = [json.loads(output_of(*command, *flags)) for _ in range(3)]
        text.append(f"Over {transport}:\n\n" + dispatch_table(runs))
        if not flags:
            text.append(dispatch_plot(runs))
    return "\n\n".join(text)


def median_rows(runs: Sequence[Json], key: str) -> list[tuple[Json, list[float]]]:
    """The rows of the first run, each with the medians of all runs."""
    rows = []
    for i, row in enumerate(runs[0]["rows"]):
        if key in row:
            columns = zip(*(run["rows"][i][key] for run in runs))
            rows.append((row, [statistics.median(column) for column in columns]))
    return rows


def dispatch_table(runs: Sequence[Json]) -> str:
    workers = runs[0]["workers"]
    ratios = {row["what"]: values for row, values in median_rows(runs, "ratio")}
    lines = []
    for row, values in median_rows(runs, "per_second"):
        cells = [number(value) for value in values]
        if row["what"] in ratios:
            pairs = zip(cells, ratios[row["what"]])
            cells = [f"{cell} ({ratio:.2f})" for cell, ratio in pairs]
        lines.append([row["what"], *cells])
    heads = [f"{n} worker{'s' * (n > 1)}" for n in workers]
    return table(["per second (of the floor above)", *heads], lines)


def dispatch_plot(runs: Sequence[Json]) -> str:
    workers = runs[0]["workers"]
    rows = [(r["what"], v) for r, v in median_rows(runs, "per_second") if "ping" not in r["what"]]
    width = 0.8 / len(rows)
    for i, (what, values) in enumerate(rows):
        at = [w + (i - len(rows) / 2 + 0.5) * width for w in range(len(workers))]
        plt.bar(at, values, width, label=what)
    plt.xticks(range(len(workers)), [f"{n} worker{'s' * (n > 1)}" for n in workers])
    plt.ylabel("per second")
    plt.yscale("log")
    plt.legend(fontsize=7)
    return plot("dispatch", "Blocks a second beside a raw ZeroMQ echo, over a socket file")


# ---- many workers ----


def many_workers(seconds: float) -> str:
    rows = json.loads(output_of("many_workers_bench", "--json", "--seconds", str(seconds)))
    lines = []
    for row in rows:
        wait = row["wait_us"]
        figures = (
            row["blocks_per_s"], row["broker_us_per_block"], wait["p50"], wait["p99"], wait["max"],
            row["rss_kib_per_worker"], row["connect_ms"], row["idle_cpu_percent"],
            row["answer_after_vanishing_ms"], row["restart_ms"],
        )  # fmt: skip
        lines.append([f"{row['workers']:,}", *map(number, figures)])
    heads = [
        "workers", "blocks/s", "µs/block", "p50 µs", "p99 µs", "max µs",
        "KiB each", "connect ms", "idle %", "vanish ms", "restart ms",
    ]  # fmt: skip
    counts = [row["workers"] for row in rows]
    figure, (left, right) = plt.subplots(1, 2)
    left.plot(counts, [row["broker_us_per_block"] for row in rows], "o-")
    left.set(xscale="log", xlabel="workers", ylabel="broker CPU, µs a block", ylim=(0, None))
    for key in ("p50", "p99", "max"):
        right.plot(counts, [row["wait_us"][key] / 1000 for row in rows], "o-", label=key)
    right.set(xscale="log", yscale="log", xlabel="workers", ylabel="wait for the next block, ms")
    right.legend(fontsize=7)
    return table(heads, lines) + "\n\n" + plot("many_workers", "One broker with many workers")


# ---- Python, daisy and dask ----


def python_seconds(python: str, module: str, blocks: int, workers: int) -> Optional[float]:
    arguments = json.dumps({"blocks": blocks, "workers": workers})
    command = [python, str(CASES / "python_cases.py"), module, "run", arguments]
    if module == "dask":
        command = [python, str(CASES / "dask_case.py"), str(blocks), str(workers)]
    try:
        return float(json.loads(output_of(*command, timeout=180))["seconds"])
    except (subprocess.SubprocessError, ValueError):
        return None


def peers(venvs: Path, limit_s: float) -> str:
    engines = [
        ("Bellis", str(ROOT / ".venv/bin/python"), "bellis"),
        ("daisy 1.2.3", str(venvs / "daisy-1.2.3/bin/python"), "daisy"),
        ("daisy 2.0.0", str(venvs / "daisy-2.0.0/bin/python"), "daisy"),
        ("dask.distributed", str(venvs / "dask/bin/python"), "dask"),
    ]
    counts = [1, 100, 1_000, 10_000, 100_000]
    found: dict[str, dict[int, float]] = {}
    for name, python, module in engines:
        found[name] = {}
        for blocks in counts:
            taken = [python_seconds(python, module, blocks, 2) for _ in range(3)]
            good = [seconds for seconds in taken if seconds is not None]
            if not good:
                break
            found[name][blocks] = statistics.median(good)
            if statistics.median(good) > limit_s:
                break
    lines = [
        [f"{blocks:,}", *(number(found[name].get(blocks)) for name, _, _ in engines)]
        for blocks in counts
    ]
    for name, _, _ in engines:
        plt.plot(list(found[name]), list(found[name].values()), "o-", label=name)
    plt.gca().set(xscale="log", yscale="log", xlabel="blocks", ylabel="seconds")
    plt.legend(fontsize=7)
    return (
        table(["blocks", *(f"{name}, s" for name, _, _ in engines)], lines)
        + "\n\n"
        + plot("peers", "A run of no-op blocks from start to end")
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venvs", type=Path, required=True, help="with daisy-1.2.3 and so on")
    parser.add_argument("--seconds", type=float, default=1.0, help="for each rate")
    parser.add_argument("--limit", type=float, default=8.0, help="no more blocks after this long")
    parser.add_argument("--only", nargs="*", help="these sections")
    options = parser.parse_args()
    sections: dict[str, Callable[[], str]] = {
        "machine": machine,
        "dispatch": lambda: dispatch(options.seconds),
        "many-workers": lambda: many_workers(4 * options.seconds),
        "peers": lambda: peers(options.venvs, options.limit),
    }
    for name, measure in sections.items():
        if options.only and name not in options.only:
            continue
        print(f"measuring: {name}", flush=True)
        begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
        text = measure()
        page = PAGE.read_text()
        before, rest = page.split(begin)
        after = rest.split(end)[1]
        PAGE.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}")


if __name__ == "__main__":
    main()
