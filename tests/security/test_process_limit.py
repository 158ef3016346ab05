"""A user who may have few processes and threads (RLIMIT_NPROC; it does not bind root)."""

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ..system.conftest import BIN, PATIENCE, eventually

USER = 54400  # the ids that follow are used, too: one for each limit

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("setpriv", "prlimit"))),
    reason="playing another user takes root, setpriv and prlimit",
)

JOB = f"""
[[tasks]]
task_id = "t"
total_roi = [[0], [30]]
read_roi = [[0], [1]]
write_roi = [[0], [1]]
read_write_conflict = false
max_worker_restarts = 1
[[tasks.workers]]
command = ["{BIN}/bellis", "exec", "--", "true"]
count = 4
"""


def processes_of(user: int) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_uid == user:
                found.append(path.name)
    return found


@pytest.mark.parametrize("limit", [1, 6, 11, 14, 80])
def test_a_run_says_so_and_leaves_nothing(private: Path, limit: int) -> None:
    user = USER + limit
    os.chown(private, user, user)
    (private / "job.toml").write_text(JOB)
    done = subprocess.run(
        [
            *("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"),
            *("prlimit", f"--nproc={limit}:{limit}", BIN / "bellis", "run", "job.toml"),
        ],
        cwd=private,
        env={**os.environ, "XDG_RUNTIME_DIR": "", "HOME": str(private)},
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        check=False,
    )
    if limit < 10:
        assert done.returncode == 3
        assert "ulimit -u" in done.stderr
    else:
        assert done.returncode == (0 if limit == 80 else 1)
    eventually(lambda: not processes_of(user), "no process is left")
