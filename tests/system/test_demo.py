"""The demo as a user runs it: two full runs, the checks and the picture."""

import os
import re
import struct
import subprocess
from pathlib import Path

from .conftest import BIN

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
