"""A child that a block's function forks, and that returns from it, is not a second worker."""

from pathlib import Path

import pytest
from runs import Script

_RUN = """
import os, sys
from pathlib import Path
from bellis.convenience import run_blockwise
from runs import row_task

def process(block):
    if block.block_id[1] == 2:
        pid = os.fork()
        if pid == 0:
            HOW
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        Path("status").write_text(str(status))
    with open(f"did_{block.block_id[1]}", "a") as file:
        file.write("x")

states = run_blockwise([row_task("t", process, blocks=6, num_workers=2, max_retries=0)],
                       multiprocessing=MULTIPROCESSING)
print("completed", states["t"].completed_count, "by", os.getpid() == MAIN)
"""


@pytest.mark.parametrize("multiprocessing", [True, False])
@pytest.mark.parametrize(
    "how, status", [("return", "0"), ("sys.exit(3)", "3"), ("raise ValueError('no')", "1")]
)
def test_the_run_ends_with_each_block_done_once(
    how: str, status: str, multiprocessing: bool, tmp_path: Path
) -> None:
    text = _RUN.replace("HOW", how).replace("MULTIPROCESSING", str(multiprocessing))
    script = Script("import os\nMAIN = os.getpid()\n" + text, tmp_path)
    out, err = script.process.communicate(timeout=120)
    assert "completed 6 by True" in out, out + err
    assert out.count("completed 6") == 1
    assert (tmp_path / "status").read_text() == status
    assert [(tmp_path / f"did_{i}").read_text() for i in range(6)] == ["x"] * 6
    said = err + "".join(p.read_text() for p in tmp_path.glob("bellis_logs/t/*.err"))
    said += "".join(p.read_text() for p in tmp_path.glob("bellis_logs/**/*.err"))
    assert "is no worker" in said
