"""The package as a user gets it: `pip install ./client/python` into an empty venv."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

SCRIPT = """
import multiprocessing
import subprocess
import sys

import bellis as daisy
from bellis import Coordinate, Roi


def task(name, **more):
    return daisy.Task(
        name,
        total_roi=Roi((0,), (100,)),
        read_roi=Roi((0,), (9,)),
        write_roi=Roi((2,), (5,)),
        **more,
    )


def start():
    worker = "import daisy_worker"
    subprocess.run([sys.executable, "-c", worker], check=True)


if __name__ == "__main__":
    done = multiprocessing.Array("i", 100)

    def process(block):
        done[block.write_roi.begin[0]] = 1

    first = task("first", process_function=process, num_workers=2)
    second = task("second", process_function=start, fit="overhang", upstream_tasks=[first])
    states = daisy.run_blockwise([second])
    assert states, states
    assert states["first"].completed_count == 19 == sum(done[:])
    assert states["second"].completed_count == 20
    assert daisy.run_blockwise([first], multiprocessing=False)
    print("complete", daisy.__file__)
"""

WORKER = """
import bellis as daisy

client = daisy.Client()
while True:
    with client.acquire_block() as block:
        if block is None:
            break
        assert block.read_roi.shape == (9,)
"""


@pytest.fixture(scope="module")
def clean_venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("package") / "venv"
    venv.create(folder, with_pip=True)
    install = subprocess.run(
        [folder / "bin/python", "-m", "pip", "install", "-q", ROOT / "client/python"],
        env=clean_environment(folder),
        capture_output=True,
        text=True,
        check=False,
    )
    assert install.returncode == 0, install.stdout + install.stderr
    return folder


def clean_environment(folder: Path) -> dict[str, str]:
    ours = ("BELLIS_", "PYTHON", "VIRTUAL_ENV")
    env = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    env["PATH"] = f"{folder}/bin:/usr/local/bin:/usr/bin:/bin"
    env["CCACHE_NOHASHDIR"] = "1"  # as in the Makefile, so that its compiled files are used again
    return env


def test_the_script_of_a_daisy_user_runs(clean_venv: Path, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "daisy_worker.py").write_text(WORKER)
    run = subprocess.run(
        [clean_venv / "bin/python", "script.py"],
        cwd=tmp_path,
        env=clean_environment(clean_venv),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "all blocks processed successfully" in run.stdout
    assert str(clean_venv) in run.stdout.rpartition("complete")[2]
    assert (tmp_path / "bellis_logs/first/worker_1.out").exists()


def test_the_programs_are_installed(clean_venv: Path, tmp_path: Path) -> None:
    (tmp_path / "pipeline.toml").write_text(
        "[[tasks]]\n"
        'task_id = "hello"\n'
        "total_roi = [[0], [30]]\nread_roi = [[0], [10]]\nwrite_roi = [[0], [10]]\n"
        '[[tasks.workers]]\ncommand = ["bellis", "exec", "--", "true"]\n'
    )
    run = subprocess.run(
        [clean_venv / "bin/bellis", "run", "pipeline.toml", "--json"],
        cwd=tmp_path,
        env=clean_environment(clean_venv),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    version = subprocess.run(
        [clean_venv / "bin/bellis-broker", "--version"], capture_output=True, text=True, check=True
    )
    ours = subprocess.run(
        [sys.executable, "-c", "import bellis; print(bellis.__version__)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ours.stdout.strip() in version.stdout
    installed = subprocess.run(
        [
            clean_venv / "bin/python",
            "-c",
            "from importlib.metadata import version; print(version('bellis'))",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert installed.stdout == ours.stdout
