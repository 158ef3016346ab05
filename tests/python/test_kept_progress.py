"""Runs with a state_dir: the next run does the blocks that are left."""

import signal
from functools import partial
from pathlib import Path
from typing import Any, Callable

import pytest
from bellis._run.function_digest import function_digest
from bellis.convenience import run_blockwise
from bellis.errors import BrokerError
from bellis.server import Server
from runs import Script, row_task, wait_until

pytestmark = pytest.mark.usefixtures("logs_in_a_folder")


class Work:
    """Notes which blocks ran; block 2 fails until there is a file `ok`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, block: Any) -> None:
        index = block.read_roi.offset[0]
        with (self.folder / "ran").open("a") as file:
            file.write(f"{index}\n")
        if index == 2 and not (self.folder / "ok").exists():
            raise ValueError("not yet")

    def ran(self) -> "list[int]":
        """The blocks that ran since the last call."""
        file = self.folder / "ran"
        blocks = sorted(map(int, file.read_text().split())) if file.exists() else []
        file.unlink(missing_ok=True)
        return blocks


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(tmp_path)


def run(function: "Callable[[Any], None]", folder: Path, blocks: int = 4, **named: Any) -> bool:
    task = row_task("t", function, blocks, max_retries=0)
    return bool(run_blockwise([task], progress="quiet", state_dir=folder / "state", **named))


@pytest.mark.parametrize("start_method", ["fork", "spawn"])
def test_the_next_run_does_what_is_left(work: Work, tmp_path: Path, start_method: str) -> None:
    assert not run(work, tmp_path, start_method=start_method)
    assert work.ran() == [0, 1, 2, 3]
    (tmp_path / "ok").touch()
    assert run(work, tmp_path, start_method=start_method)
    assert work.ran() == [2]
    assert run(work, tmp_path, start_method=start_method)
    assert work.ran() == []


def test_without_a_state_dir_nothing_is_kept(work: Work, tmp_path: Path) -> None:
    (tmp_path / "ok").touch()
    for _ in range(2):
        assert run_blockwise([row_task("t", work)], progress="quiet")
        assert work.ran() == [0, 1, 2, 3]
    assert not (tmp_path / "state").exists()


def test_another_function_is_refused_without_resume_or_fresh(work: Work, tmp_path: Path) -> None:
    def edited(block: Any) -> None:
        work(block)

    run(work, tmp_path)
    work.ran()
    with pytest.raises(BrokerError, match="process_function of task t") as refused:
        run(edited, tmp_path)
    assert refused.value.code == "different_programs"
    assert "3 blocks" in str(refused.value)
    assert work.ran() == []
    (tmp_path / "ok").touch()
    assert run(edited, tmp_path, resume=True)
    assert work.ran() == [2]
    assert run(edited, tmp_path, fresh=True)
    assert work.ran() == [0, 1, 2, 3]


def test_other_blocks_are_refused(work: Work, tmp_path: Path) -> None:
    run(work, tmp_path)
    with pytest.raises(BrokerError, match="total_roi") as refused:
        run(work, tmp_path, blocks=5)
    assert refused.value.code == "different_layout"


KILLED = """
import sys
import bellis
from runs import row_task

def work(block):
    index = block.read_roi.offset[0]
    with open("ran", "a") as file:
        file.write(f"{index}\\n")
    while index == 2 and sys.argv[-1] == "wait":
        pass

states = bellis.run_blockwise(
    [row_task("t", work, num_workers=2)], progress="quiet", state_dir="state", FRESH
)
assert states
"""


@pytest.mark.parametrize("fresh", [False, True])
def test_a_run_that_was_killed_is_continued(tmp_path: Path, fresh: bool) -> None:
    program = KILLED.replace("FRESH", f"fresh={fresh}")
    ran = tmp_path / "ran"
    first = Script("import sys; sys.argv.append('wait')" + program, tmp_path)
    wait_until(lambda: ran.exists() and len(ran.read_text().split()) == 4, 60)
    first.process.send_signal(signal.SIGKILL)
    first.process.communicate(timeout=60)
    wait_until(lambda: not first.processes(), 60)
    ran.unlink()
    code, _, err = Script(program, tmp_path).wait(120)
    assert code == 0, err
    blocks = sorted(map(int, ran.read_text().split()))
    assert blocks == [0, 1, 2, 3] if fresh else set(blocks) >= {2}


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ({"state_dir": "s", "resume": True, "fresh": True}, "both true"),
        ({"resume": True}, "resume is true without a state_dir"),
        ({"fresh": True}, "fresh is true without a state_dir"),
        ({"state_dir": ""}, "state_dir is empty"),
        ({"state_dir": "s", "multiprocessing": False}, "multiprocessing is False"),
        ({"job_memory_max": 1, "multiprocessing": False}, "job_memory_max needs worker processes"),
    ],
)
def test_arguments_that_exclude_one_another_are_refused(
    named: "dict[str, Any]", words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        run_blockwise([row_task("t", print)], **named)


def test_server_takes_the_same(work: Work, tmp_path: Path) -> None:
    (tmp_path / "ok").touch()
    for ran in ([0, 1, 2, 3], []):
        server = Server()
        assert server.run_blockwise(
            [row_task("t", work)], progress="quiet", state_dir=str(tmp_path / "s")
        )
        assert work.ran() == ran


FACTOR = 2


def helper(value: int) -> int:
    return value * FACTOR


def calls(block: Any) -> int:
    return helper(block)


def module_of(text: str) -> "dict[str, Any]":
    names: dict[str, Any] = {"__name__": "edited"}
    exec(compile(text, "edited.py", "exec"), names)
    return names


CODE = """
FACTOR = 2
def helper(value):
    return value * FACTOR
class Kind:
    def __call__(self, block):
        return helper(block)
def work(block):
    return [helper(x) for x in (1, 2)] if block in {"a", "b"} else None
"""


@pytest.mark.parametrize("name", ["work", "Kind"])
def test_a_digest_is_of_code_and_what_it_calls(name: str) -> None:
    def digest(text: str) -> str:
        item = module_of(text)[name]
        return function_digest(item() if isinstance(item, type) else item)

    assert digest(CODE) == digest("# a comment\n\n" + CODE)
    assert digest(CODE) == digest(CODE + "\ndef other(): pass\n")
    assert digest(CODE) != digest(CODE.replace("value * F", "value + F"))
    assert digest(CODE) != digest(CODE.replace("FACTOR = 2", "FACTOR = 3"))


def test_a_digest_sees_through_partials_and_stands_for_anything_that_can_be_called() -> None:
    assert function_digest(partial(calls, 1)) == function_digest(calls)
    assert function_digest(calls) != function_digest(helper)
    for item in (print, Work(Path()), Work(Path()).ran, lambda block: None, partial(print)):
        assert len(function_digest(item)) == 16
