"""Workers that are started in a fresh interpreter."""

import functools
import multiprocessing
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from bellis._run import nesting
from bellis._run.job_run import resolve_start_method
from bellis.convenience import run_blockwise
from runs import PACKAGE_DIR, Script, lives, read, row_task, wait_until


def test_functions_of_main_and_closures_are_sent(tmp_path: Path) -> None:
    script = Script(
        """
import os, sys
from pathlib import Path
from bellis.convenience import run_blockwise
from runs import row_task

class Marker:
    def __call__(self, name):
        Path("done", name).touch()

mark = Marker()

def main():
    prefix = "block"
    def process(block):
        assert "pytest" not in sys.modules
        mark(f"{prefix}-{block.block_id[1]}")
    states = run_blockwise([row_task("t", process, max_retries=0)], start_method="spawn")
    print(bool(states), states["t"].failures)

os.mkdir("done")
if __name__ == "__main__":
    main()
""",
        tmp_path,
    )
    code, out, err = script.wait()
    assert code == 0, err
    assert out.strip().splitlines()[-1] == "True []"
    assert sorted(path.name for path in (tmp_path / "done").iterdir()) == [
        f"block-{i}" for i in range(4)
    ]


def test_an_object_that_cannot_be_pickled_is_named_before_anything_starts() -> None:
    lock = threading.Lock()

    def process(block: Any) -> None:
        with lock:
            pass

    with pytest.raises(TypeError) as caught:
        run_blockwise([row_task("my task", process)], start_method="spawn")
    text = str(caught.value)
    assert "task 'my task': process_function" in text
    assert "lock = <unlocked _thread.lock" in text


def test_the_start_method_of_multiprocessing_is_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for chosen, expected in ((None, "fork"), ("fork", "fork"), ("spawn", "spawn")):
        monkeypatch.setattr(
            multiprocessing, "get_start_method", lambda allow_none, chosen=chosen: chosen
        )
        assert resolve_start_method(None) == expected
    assert resolve_start_method("fork") == "fork"


def test_a_nested_object_is_named() -> None:
    def process(options: Any, block: Any) -> None:
        pass

    function = functools.partial(process, {"locks": [threading.Lock()]})
    with pytest.raises(TypeError, match=r"args\[0\]\['locks'\]\[0\] = <unlocked _thread.lock"):
        run_blockwise([row_task("t", function)], start_method="spawn")


def test_an_unknown_start_method_is_refused() -> None:
    with pytest.raises(ValueError, match="start_method is 'forkserver'"):
        run_blockwise([row_task("t", print)], start_method="forkserver")


_LOOPING = """
import bellis
from runs import row_task

def process(block):
    pass

print(bool(bellis.run_blockwise([row_task("t", process)]{arguments})))
"""


@pytest.mark.parametrize("arguments", [', start_method="spawn"', ", multiprocessing=False"])
def test_a_run_that_is_made_while_its_module_is_imported_is_refused_in_the_helper(
    tmp_path: Path, arguments: str
) -> None:
    # Importing the module makes a run. Its function cannot be sent by value, so the helper process
    # imports the module.
    tmp_path.joinpath("looping.py").write_text(_LOOPING.format(arguments=arguments))
    main = Script(
        "import bellis, looping\n"
        "from runs import row_task\n"
        'bellis.run_blockwise([row_task("u", looping.process)], start_method="spawn")\n',
        tmp_path,
        PYTHONPATH=os.pathsep.join([PACKAGE_DIR, str(Path(__file__).parent), str(tmp_path)]),
    )
    try:
        code, out, err = main.wait()
        assert code == 1
        assert "finished its bootstrapping phase" in err
        assert 'under `if __name__ == "__main__":`' in err
        wait_until(lambda: not main.processes(), 60)
    finally:
        for pid in main.processes():
            os.kill(pid, signal.SIGKILL)


def test_a_child_of_multiprocessing_that_imports_main_starts_no_run(tmp_path: Path) -> None:
    tmp_path.joinpath("main.py").write_text(
        "import multiprocessing\n"
        "import bellis\n"
        "from runs import row_task\n"
        "def call(block):\n"
        '    process = multiprocessing.get_context("spawn").Process(target=print)\n'
        "    process.start()\n"
        "    process.join()\n"
        "    assert process.exitcode == 1\n"
        'states = bellis.run_blockwise([row_task("t", call, blocks=1)])\n'
        "print(bool(states), states['t'].failures)\n"
    )
    main = Script("import runpy\nrunpy.run_path('main.py', run_name='__main__')\n", tmp_path)
    code, out, err = main.wait()
    assert code == 0, err
    assert out.splitlines()[-1] == "True []"
    logs = "".join(path.read_text() for path in tmp_path.rglob("worker_*.err"))
    assert "finished its bootstrapping phase" in logs


def test_the_nesting_of_runs_is_bounded(tmp_path: Path) -> None:
    main = Script(
        """
import os
import bellis
from bellis._run import nesting
from runs import row_task

def process(block):
    with open("depths", "a") as file:
        file.write(f"{os.environ[nesting.VARIABLE]}\\n")
    states = bellis.run_blockwise([row_task("t", process, blocks=1, max_retries=0)])
    assert states, states["t"].failures

print(bool(bellis.run_blockwise([row_task("t", process, blocks=1, max_retries=0)])))
""",
        tmp_path,
    )
    code, out, err = main.wait(180)
    assert code == 0, err
    assert out.splitlines()[-1] == "False"
    depths = tmp_path.joinpath("depths").read_text().split()
    assert depths == [str(depth) for depth in range(1, nesting.DEPTH_MAX + 1)]
    wait_until(lambda: not main.processes(), 60)


def test_a_helper_ends_with_its_maker_also_while_it_imports_the_users_modules(
    tmp_path: Path,
) -> None:
    tmp_path.joinpath("slow.py").write_text(
        "import os, sys, time\n"
        "def process(block):\n"
        "    pass\n"
        "if 'bellis._run.zygote_process' in sys.modules and os.path.exists('made'):\n"
        "    open('helper.new', 'w').write(str(os.getpid()))\n"
        "    os.rename('helper.new', 'helper')\n"
        "    time.sleep(1000)\n"
        "open('made', 'w').close()\n"
    )
    main = Script(
        "import slow, bellis\n"
        "from runs import row_task\n"
        'bellis.run_blockwise([row_task("t", slow.process)], start_method="spawn")\n',
        tmp_path,
        PYTHONPATH=os.pathsep.join([PACKAGE_DIR, str(Path(__file__).parent), str(tmp_path)]),
    )
    wait_until(lambda: read(tmp_path / "helper"), 60)
    helper = int(tmp_path.joinpath("helper").read_text())
    main.process.kill()
    main.wait()
    wait_until(lambda: not lives(helper), 60)
    assert not main.processes()
