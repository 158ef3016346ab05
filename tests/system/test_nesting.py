"""Runs that the workers of a run start."""

import os
import subprocess
from pathlib import Path

from .conftest import BIN, PATIENCE

JOB = f"""
[[tasks]]
task_id = "t"
total_roi = [[0], [1]]
read_roi = [[0], [1]]
write_roi = [[0], [1]]
max_retries = 0
[[tasks.workers]]
command = ["{BIN}/bellis", "exec", "--", "sh", "-c", "exec sh $ROOT/again"]
"""

AGAIN = f"""
echo $BELLIS_DEPTH >> $ROOT/depths
mkdir $ROOT/$BELLIS_DEPTH
cd $ROOT/$BELLIS_DEPTH
exec {BIN}/bellis run $ROOT/job.toml
"""


def test_a_run_that_starts_itself_comes_to_an_end(private: Path) -> None:
    (private / "job.toml").write_text(JOB)
    (private / "again").write_text(AGAIN)
    done = subprocess.run(
        [BIN / "bellis", "run", "job.toml"],
        cwd=private,
        env={**os.environ, "ROOT": str(private)},
        capture_output=True,
        text=True,
        timeout=3 * PATIENCE,
    )
    assert done.returncode == 1
    depths = (private / "depths").read_text().split()
    assert depths == [str(depth) for depth in range(1, 9)]
    innermost = private / "8" / "bellis_logs"
    assert not innermost.exists(), "it started no worker"
    words = subprocess.run(["grep", "-r", "inside of 8 others", private], capture_output=True)
    assert words.returncode == 0, "a log says why"
