"""`bellis conformance`: our workers pass, and each deliberate mistake fails the check of it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(os.environ.get("BELLIS_BIN_DIR", ROOT / "build/release/bin")).resolve()
WORKERS = Path(__file__).parent / "workers"
PAGES = ROOT / "common" / "protocol"

pytestmark = pytest.mark.skipif(not (BIN / "bellis").exists(), reason="bellis is not built")

# A mistake, the check that it fails, and words (a pattern) of what the check says.
MISTAKES = {
    "says_no_hello": ("hello", "expected a hello"),
    "asks_before_the_welcome": ("unanswered-hello", "before the welcome"),
    "hands_in_another_lease": ("one-block", "no work after a welcome gave it out"),
    "hands_in_twice": ("one-block", "was handed in twice"),
    "ignores_drain": ("drain-waiting", "expected bye"),
    "says_no_bye": ("drain-waiting", "expected bye, but the worker exited with code 0"),
    "drops_its_block_at_drain": ("drain-working", "expected the result of its block before bye"),
    "dies_of_unknown_kinds": ("unknown-kinds", "but the worker exited with code 1"),
    "dies_of_unknown_keys": ("unknown-keys", "but the worker exited with code 1"),
    "reads_short_encodings_only": ("encodings", "but the worker exited with code 1"),
    "never_pings": ("heartbeats", "expected ping 1"),
    "pings_only_while_it_waits": ("heartbeats-working", "expected a ping every 2000 ms"),
    "works_past_its_lease": ("lease-ends", "still lived"),
    "forgets_what_it_held": ("keeps-results", "since its result was not committed"),
    "takes_a_new_session_for_each_hello": ("session", "each hello says the same session"),
    "counts_no_greetings": ("session", "a higher greeting"),
    "works_on_the_first_of_several_blocks": ("several-blocks", "the results of all blocks"),
    "says_errors_of_any_length": ("long-error", "at most 1 MiB"),
    "exits_with_0_when_refused": ("refused", "exited with 0"),
    "loses_results_with_the_connection": ("keeps-results", "that the welcome lists, again"),
    "answers_each_hello_first": ("hello-again", "one hello answers|before the welcome"),
    "takes_silence_for_nothing_to_do": ("waiting", "expected a ping"),
    "says_the_number_of_its_environment": ("hello-again", "but the welcome says 42"),
    "keeps_what_was_committed": ("forgets-committed", "but committed named it"),
    "works_on_what_came_before_the_welcome": ("hello-again", "lease 99 was handed in"),
}


def check(command: "list[str]", *options: str, **env: str) -> "subprocess.CompletedProcess[str]":
    paths = [ROOT / "client" / "python", ROOT / "client" / "python-minimal"]
    return subprocess.run(
        [str(BIN / "bellis"), "conformance", *options, "--", *command],
        env={**os.environ, "PYTHONPATH": ":".join(map(str, paths)), **env},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def python(name: str, *arguments: str) -> "list[str]":
    return [sys.executable, str(WORKERS / name), *arguments]


def verdicts(done: "subprocess.CompletedProcess[str]") -> "dict[str, dict[str, Any]]":
    return {one["name"]: one for one in json.loads(done.stdout)["checks"]}


# Our workers: the command, and options and variables for it.
OURS: "dict[str, tuple[list[str], list[str], dict[str, str]]]" = {
    "python-minimal, level 0": (python("minimal.py"), ["--level", "0"], {}),
    "python-minimal": (
        python("minimal.py"),
        ["--level", "2"],
        {"BELLIS_HEARTBEAT_MS": "2000"},
    ),
    "python": (python("library.py"), ["--level", "2"], {}),
    "c++": ([str(BIN / "conformance_worker")], ["--level", "2"], {}),
    "a command": (
        [str(BIN / "bellis"), "exec", "--", str(WORKERS / "command.sh")],
        ["--level", "2"],
        {},
    ),
}

Runs = dict[str, "Future[subprocess.CompletedProcess[str]]"]


@pytest.fixture(scope="module")
def runs() -> Runs:
    """All workers at once, since most of them wait for most of the time."""
    pool = ThreadPoolExecutor(8)
    ours = {
        name: pool.submit(check, command, "--json", *options, **env)
        for name, (command, options, env) in OURS.items()
    }
    mistaken = {
        name: pool.submit(check, python("mistaken.py", name), "--json", "--only", only)
        for name, (only, _) in MISTAKES.items()
    }
    return {**ours, **mistaken}


@pytest.mark.parametrize("name", OURS)
def test_our_workers_pass(name: str, runs: Runs) -> None:
    done = runs[name].result()
    failed = [one for one in verdicts(done).values() if one["verdict"] == "fails"]
    assert (done.returncode, failed) == (0, [])


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_found(name: str, runs: Runs) -> None:
    done = runs[name].result()
    only, words = MISTAKES[name]
    outcome = verdicts(done)[only]
    assert (done.returncode, outcome["verdict"]) == (1, "fails"), outcome
    assert re.search(words, outcome["sentence"]), outcome["sentence"]
    assert any("broker" in line for line in outcome["trace"])


def test_every_mistake_is_in_the_table() -> None:
    text = (WORKERS / "mistaken.py").read_text()
    assert set(re.findall(r"@mistake\ndef (\w+)", text)) == set(MISTAKES)


def test_each_check_cites_a_section_that_exists() -> None:
    done = subprocess.run(
        [BIN / "bellis", "conformance", "--list", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    checks = json.loads(done.stdout)
    assert len(checks) > 30
    assert len({one["name"] for one in checks}) == len(checks)
    for one in checks:
        headings = re.findall(r"^#+ (.*)$", (PAGES / one["page"]).read_text(), re.MULTILINE)
        assert one["heading"] in headings, one


def test_a_worker_that_cannot_be_slow_is_told_how() -> None:
    quick = "import bellis_minimal; bellis_minimal.work(lambda block: None, heartbeat_ms=2000)"
    command = [sys.executable, "-c", quick]
    only = ("--only", "lease-ends", "failed-block", "cut-working")
    done = check(command, "--json", *only)
    outcomes = verdicts(done)
    assert done.returncode == 0
    assert {one["verdict"] for one in outcomes.values()} == {"not shown"}
    assert "BELLIS_CONFORMANCE_MS" in outcomes["lease-ends"]["sentence"]
    assert "BELLIS_CONFORMANCE_ERROR_BYTES" in outcomes["failed-block"]["sentence"]
    assert check(command, "--strict", "--only", "cut-working").returncode == 1


def test_ipc(tmp_path: Path) -> None:
    done = check(python("minimal.py"), "--ipc", "--only", "one-block", "hello-again")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "'--' and a program after it"),
        (["--", "no-such-program-here"], "no-such-program-here"),
        (["--only", "nonsense", "--", "true"], "there is no check 'nonsense'"),
        (["--level", "3", "--", "true"], "--level"),
    ],
)
def test_bad_usage(arguments: "list[str]", words: str) -> None:
    done = subprocess.run(
        [BIN / "bellis", "conformance", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert words in done.stderr


def test_an_interrupt_ends_all_processes(tmp_path: Path) -> None:
    """A worker that says nothing and a child of it, which has left its session."""
    script = f"setsid sleep 1000 & echo $! $$ >> {tmp_path}/pids; touch {tmp_path}/up; sleep 1000"
    checker = subprocess.Popen(
        [BIN / "bellis", "conformance", "--level", "0", "--jobs", "1", "--", "sh", "-c", script]
    )
    try:
        while not (tmp_path / "up").exists():
            assert checker.poll() is None
            time.sleep(0.02)
        # SIGINT would be ignored where the tests run in the background of a script.
        checker.send_signal(signal.SIGTERM)
        assert checker.wait(60) == 128 + signal.SIGTERM
    finally:
        checker.kill()
    for pid in (tmp_path / "pids").read_text().split():
        assert not Path(f"/proc/{pid}").exists()
