"""However a run ends, nothing of it is left."""

import os
import signal
from pathlib import Path

from runs import Script, lives, wait_until

_SLEEPERS = """
import os, subprocess, sys, time
from pathlib import Path
from bellis.convenience import run_blockwise
from runs import row_task

def process(block):
    subprocess.Popen(["sleep", "600"], start_new_session=True)
    Path("begun", str(os.getpid())).touch()
    time.sleep(600)

os.mkdir("begun")
try:
    run_blockwise([row_task("t", process, num_workers=2)], start_method=START_METHOD)
except KeyboardInterrupt:
    print("interrupted")
    sys.exit(42)
"""


def _sleepers(tmp_path: Path, start_method: str = "fork") -> Script:
    script = Script(f"START_METHOD = {start_method!r}\n{_SLEEPERS}", tmp_path)
    wait_until(lambda: (tmp_path / "begun").exists())
    wait_until(lambda: len(os.listdir(tmp_path / "begun")) == 2)
    return script


def test_ctrl_c_ends_everything_and_is_raised(tmp_path: Path) -> None:
    script = _sleepers(tmp_path)
    assert len(script.processes()) >= 6  # it, the zygote, two workers, two that those started
    script.process.send_signal(signal.SIGINT)
    code, out, err = script.wait(20)
    assert (code, out) == (42, "interrupted\n"), err
    assert script.processes() == []
    assert os.listdir(script.temp_dir) == []


def test_the_kill_of_the_caller_leaves_nothing(tmp_path: Path) -> None:
    script = _sleepers(tmp_path)
    script.process.kill()
    wait_until(lambda: script.processes() == [])
    wait_until(lambda: os.listdir(script.temp_dir) == [])
    script.wait()


def test_though_another_process_holds_the_caller_s_descriptors(tmp_path: Path) -> None:
    fork = """
import threading
def fork():
    while len(os.listdir("begun")) < 2:
        time.sleep(0.01)
    pid = os.fork()
    if pid == 0:
        time.sleep(600)
    Path("fork.part").write_text(str(pid))
    os.rename("fork.part", "fork")
threading.Thread(target=fork, daemon=True).start()
try:"""
    script = Script("START_METHOD = None" + _SLEEPERS.replace("\ntry:", fork), tmp_path)
    wait_until((tmp_path / "fork").exists)
    child = int((tmp_path / "fork").read_text())
    script.process.kill()
    wait_until(lambda: script.processes() == [child])
    os.kill(child, signal.SIGKILL)
    script.wait()


def test_so_it_is_with_spawned_helpers(tmp_path: Path) -> None:
    script = _sleepers(tmp_path, "spawn")
    script.process.kill()
    wait_until(lambda: script.processes() == [])
    wait_until(lambda: os.listdir(script.temp_dir) == [])
    script.wait()


def test_the_kill_of_the_helper_is_an_error(tmp_path: Path) -> None:
    script = _sleepers(tmp_path)
    zygote = next(
        int(pid)
        for pid in Path(f"/proc/{script.process.pid}/task/{script.process.pid}/children")
        .read_text()
        .split()
        if Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    )
    os.kill(zygote, signal.SIGKILL)
    code, _, err = script.wait(20)
    assert code == 1
    assert "that starts workers was killed by signal 9 unexpectedly" in err
    assert os.listdir(script.temp_dir) == []
    for worker in os.listdir(tmp_path / "begun"):
        wait_until(lambda worker=worker: not lives(int(worker)))  # type: ignore[misc]
    for pid in script.processes():  # what left the group of a worker has nobody to end it
        os.kill(pid, signal.SIGKILL)


def test_a_daemon_that_a_worker_leaves_behind_is_ended(tmp_path: Path) -> None:
    script = Script(
        """
import subprocess
from bellis.convenience import run_blockwise
from runs import row_task

def process(block):
    subprocess.Popen(["sleep", "600"], start_new_session=True)

assert run_blockwise([row_task("t", process, blocks=2)])
""",
        tmp_path,
    )
    code, _, err = script.wait(30)
    assert code == 0, err
    assert script.processes() == []
