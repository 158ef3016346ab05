"""Blocks/s of `bellis exec -- true`, one worker, beside a shell that starts `true` in a loop.

The time of a run of one block is taken off, so that starting broker and launcher does not count.
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
task_id = "true"
total_roi = {{ offset = [0], shape = [{blocks}] }}
read_roi = {{ offset = [0], shape = [1] }}
write_roi = {{ offset = [0], shape = [1] }}
[[tasks.workers]]
command = ["bellis", "exec", "--", "{program}"]
"""


def seconds(command: "list[str]", folder: str) -> float:
    shutil.rmtree(Path(folder, "bellis_state"), ignore_errors=True)
    start = time.perf_counter()
    subprocess.run(
        command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    return time.perf_counter() - start


def main() -> None:
    blocks = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    program = shutil.which("true")
    loop = ["bash", "-c", f"for ((i = 0; i < {blocks}; i++)); do {program}; done"]
    ours, floors, ratios = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for name, count in (("one", 1), ("many", blocks)):
            text = PIPELINE.format(blocks=count, program=program)
            Path(folder, f"{name}.toml").write_text(text)
        for _ in range(5):
            start_s = seconds(["bellis", "run", "one.toml"], folder)
            ours.append(blocks / (seconds(["bellis", "run", "many.toml"], folder) - start_s))
            floors.append(blocks / seconds(loop, folder))
            ratios.append(ours[-1] / floors[-1])
    ours_s, floor_s = statistics.median(ours), statistics.median(floors)
    ratio = statistics.median(ratios)
    print(f"{ours_s:.0f} blocks/s; a loop of bash {floor_s:.0f}/s; ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
