"""The polyglot example, as a user runs it: workers of all languages whose programs are there."""

import os
import re
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
BIN = os.environ.get("BELLIS_BIN_DIR")
ALWAYS = {"c++", "perl", "python", "shell"}  # need nothing that the build or Debian does not have

pytest.importorskip("nibabel")


@pytest.mark.skipif(BIN is None, reason="BELLIS_BIN_DIR says where the programs are")
def test_every_language_does_blocks_and_the_result_is_right(tmp_path: Path) -> None:
    done = subprocess.run(
        [TOP / "examples" / "polyglot" / "run"],
        env={**os.environ, "POLYGLOT_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all 294912 voxels are right" in done.stdout
    line = re.search(r"blocks by workers: (.*)", done.stdout)
    assert line, done.stdout
    blocks = {name: int(count) for name, count in re.findall(r"(\S+) (\d+) \(", line[1])}
    assert sum(blocks.values()) == 504
    # A worker that was started got a block: the first one waits until all have asked.
    groups = (tmp_path / "pipeline.toml").read_text().count("[[tasks.workers]]")
    assert blocks.keys() >= ALWAYS
    assert len(blocks) == groups - 1, "the two workers in Python count as one language"
    assert min(blocks.values()) >= 1
