"""Workers that come from a fresh interpreter."""

import functools
import multiprocessing
import threading
from pathlib import Path
from typing import Any

import pytest
from bellis.convenience import run_blockwise
from bellis.job_run import resolve_start_method
from runs import Script, row_task


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


def test_what_cannot_be_pickled_is_named_before_anything_starts() -> None:
    lock = threading.Lock()

    def process(block: Any) -> None:
        with lock:
            pass

    with pytest.raises(TypeError) as caught:
        run_blockwise([row_task("my task", process)], start_method="spawn")
    text = str(caught.value)
    assert "task 'my task': process_function" in text
    assert "lock = <unlocked _thread.lock" in text


def test_what_multiprocessing_was_set_to_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for chosen, expected in ((None, "fork"), ("fork", "fork"), ("spawn", "spawn")):
        monkeypatch.setattr(
            multiprocessing, "get_start_method", lambda allow_none, chosen=chosen: chosen
        )
        assert resolve_start_method(None) == expected
    assert resolve_start_method("fork") == "fork"


def test_what_stands_deep_inside_is_named() -> None:
    def process(options: Any, block: Any) -> None:
        pass

    function = functools.partial(process, {"locks": [threading.Lock()]})
    with pytest.raises(TypeError, match=r"args\[0\]\['locks'\]\[0\] = <unlocked _thread.lock"):
        run_blockwise([row_task("t", function)], start_method="spawn")


def test_a_start_method_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="start_method is 'forkserver'"):
        run_blockwise([row_task("t", print)], start_method="forkserver")
