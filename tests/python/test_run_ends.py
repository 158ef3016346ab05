"""However a run ends, no process and no file of it is left."""

import contextlib
import os
import signal
from pathlib import Path

from bellis._run.private_folder import PrivateFolder, sweep
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
    assert len(script.processes()) >= 6  # the script, the zygote, two workers, two sleepers
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


def test_the_kill_is_noticed_though_another_process_holds_the_caller_s_descriptors(
    tmp_path: Path,
) -> None:
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


def test_spawned_helpers_leave_nothing_either(tmp_path: Path) -> None:
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
    for pid in script.processes():  # nobody ends processes that left a worker's group
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


def test_a_run_that_was_killed_as_a_whole_leaves_a_folder_that_the_next_one_removes(
    tmp_path: Path,
) -> None:
    text = """
import bellis, os, time
from runs import row_task

def process(block):
    open("begun", "w").close()
    while not os.path.exists("go"):
        time.sleep(0.01)

print(bool(bellis.run_blockwise([row_task("t", process)])))
"""
    killed = Script(text, tmp_path)
    wait_until((tmp_path / "begun").exists, 60)
    folders = list(killed.temp_dir.glob("bellis-run-*"))
    assert len(folders) == 1
    # Kill all of them at the same moment, so that none can tidy up for another.
    os.kill(killed.process.pid, signal.SIGSTOP)
    for pid in killed.processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    for pid in killed.processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    killed.wait()
    wait_until(lambda: not killed.processes(), 60)
    assert folders[0].exists()

    (tmp_path / "go").touch()
    following = Script(text, tmp_path)
    code, out, err = following.wait()
    assert (code, out.splitlines()[-1]) == (0, "True"), err
    assert list(killed.temp_dir.iterdir()) == []


def test_the_folder_of_a_run_that_lives_stays(tmp_path: Path) -> None:
    first = PrivateFolder(str(tmp_path))
    second = PrivateFolder(str(tmp_path))
    assert Path(first.path).is_dir()
    first.remove()
    first.remove()
    sweep(str(tmp_path))
    assert [str(path) for path in tmp_path.iterdir()] == [second.path]
    assert Path(second.path).stat().st_mode & 0o777 == 0o700
    second.remove()
