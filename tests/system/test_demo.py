"""The demo as a user runs it: two full runs, the checks and the picture; then a run that is killed
ten times."""

import contextlib
import os
import random
import re
import signal
import struct
import subprocess
from pathlib import Path
from typing import Any

from .conftest import BIN, alive, children_of

ROOT = Path(__file__).resolve().parents[2]


def test_the_demo_runs_checks_and_draws(tmp_path: Path) -> None:
    done = subprocess.run(
        [ROOT / "scripts" / "demo"],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "DEMO_DIR": str(tmp_path), "BELLIS_BIN_DIR": str(BIN)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # Both languages took part in smoothing, in both runs.
    shares = re.findall(r"blocks by workers: c\+\+ (\d+) .*, python (\d+) ", done.stdout)
    assert len(shares) == 2
    for cpp, python in shares:
        assert int(cpp) + int(python) == 64
        assert int(python) >= 2
    assert done.stdout.count("all blocks processed successfully") == 4
    assert "all checks passed" in done.stdout
    header = (tmp_path / "astronaut.png").read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", header[16:24])
    assert width > 1500 and height > 500


def kill_whole(process: "subprocess.Popen[bytes]") -> None:
    """Kills `bellis run`, its launcher and all workers, whatever their process groups."""
    family = children_of(process.pid) | {process.pid}
    while family:
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        family = set().union(*(children_of(pid) for pid in family)) if alive(family) else set()


def test_a_demo_killed_ten_times_gives_the_same_result(tmp_path: Path) -> None:
    moments = random.Random()
    environment = {**os.environ, "PATH": f"{BIN}:{ROOT}/.venv/bin:{os.environ['PATH']}"}
    pipeline = str(ROOT / "examples" / "astronaut" / "pipeline.toml")

    def prepare(name: str) -> dict[str, str]:
        prepared = {**environment, "ASTRONAUT_ZARR": str(tmp_path / f"{name}.zarr")}
        script = ROOT / "examples" / "astronaut" / "prepare.py"
        subprocess.run(["python3", script], env=prepared, cwd=tmp_path, check=True)
        return prepared

    def run(name: str, **more: Any) -> "subprocess.Popen[bytes]":
        command: list[Any] = [BIN / "bellis", "run", pipeline, "--quiet", "--state-dir", name]
        return subprocess.Popen(command, cwd=tmp_path, start_new_session=True, **more)

    assert run("whole", env=prepare("first")).wait(timeout=120) == 0
    prepared = prepare("second")
    for _ in range(10):
        process = run("killed", env=prepared, stderr=subprocess.DEVNULL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(moments.uniform(0.05, 1.5))
        kill_whole(process)
    assert run("killed", env=prepared).wait(timeout=120) == 0
    done = subprocess.run(
        ["python3", ROOT / "examples/astronaut/check.py", "first.zarr", "second.zarr"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for data in sorted((tmp_path / "first.zarr").rglob("*")):
        other = tmp_path / "second.zarr" / data.relative_to(tmp_path / "first.zarr")
        assert data.is_dir() or data.read_bytes() == other.read_bytes(), data
