"""`bellis run` of a job of one block, from start to exit: broker, launcher and worker included.

For comparison: the block's command alone, started three times in a row, since a run starts that
many processes one after the other. And the same run again, which finds no blocks left to do.
"""

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PIPELINE = """
[[tasks]]
task_id = "one"
total_roi = { offset = [0], shape = [1] }
read_roi = { offset = [0], shape = [1] }
write_roi = { offset = [0], shape = [1] }
[[tasks.workers]]
command = ["bellis", "exec", "--", "true"]
"""


def milliseconds(command: list[str], cwd: str) -> float:
    start = time.perf_counter()
    subprocess.run(
        command, cwd=cwd, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    return (time.perf_counter() - start) * 1e3


def print_line(label: str, ours: list[float], floor: float) -> None:
    median = statistics.median(ours)
    print(
        f"{label}: median {median:.1f} ms (min {min(ours):.1f}, max {max(ours):.1f}); "
        f"three bare processes {floor:.1f} ms; ratio {median / floor:.1f}"
    )


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "one.toml").write_text(PIPELINE)
        ours, again, floor = [], [], []
        for _ in range(runs):
            floor.append(sum(milliseconds(["true"], folder) for _ in range(3)))
            shutil.rmtree(Path(folder, "bellis_state"), ignore_errors=True)
            ours.append(milliseconds(["bellis", "run", "one.toml"], folder))
            again.append(milliseconds(["bellis", "run", "one.toml"], folder))
    print_line(f"{runs} runs", ours, statistics.median(floor))
    print_line("all was done before", again, statistics.median(floor))


if __name__ == "__main__":
    main()
