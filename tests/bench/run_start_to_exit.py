"""`bellis run` of a job of one block, from start to exit: broker, launcher and worker included.

Beside it the floor: the command that the block runs, started alone three times in a row, since
that many processes are started one after the other.
"""

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
    subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - start) * 1e3


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "one.toml").write_text(PIPELINE)
        ours, floor = [], []
        for _ in range(runs):
            floor.append(sum(milliseconds(["true"], folder) for _ in range(3)))
            ours.append(milliseconds(["bellis", "run", "one.toml"], folder))
    ours.sort()
    print(
        f"{runs} runs: median {statistics.median(ours):.1f} ms "
        f"(min {ours[0]:.1f}, max {ours[-1]:.1f}); "
        f"three bare processes {statistics.median(floor):.1f} ms; "
        f"ratio {statistics.median(ours) / statistics.median(floor):.1f}"
    )


if __name__ == "__main__":
    main()
