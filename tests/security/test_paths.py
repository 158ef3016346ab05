"""Paths that another user of the machine may change: planted files are refused, with the path, the
reason and a remedy; none of our files is touched, no secret is sent, no program is run; nothing
hangs."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.system.conftest import BIN, PATIENCE, Broker, Peer, line_task

from .conftest import PLANTED, STRANGER, WORDS, Stranger, own, own_python, plant

OURS = "our own words\n"
PIPELINE = """
name = "p"
[[tasks]]
task_id = "t"
total_roi = { offset = [0], shape = [10] }
read_roi = { offset = [0], shape = [10] }
write_roi = { offset = [0], shape = [10] }
"""
FLIPS = """
libc = ctypes.CDLL(None)
names = [name.encode() for name in sys.argv[1:]]
print("flips", flush=True)
while True:
    libc.renameat2(-100, names[0], -100, names[1], 2)  # RENAME_EXCHANGE
"""


@pytest.fixture
def victim(private: Path) -> Path:
    file = private / "victim"
    file.write_text(OURS)
    file.chmod(0o600)
    return file


def check_refusal(said: str, kind: str, path: Path, victim: Path) -> None:
    assert str(path) in said
    for words in WORDS[kind]:
        assert words in said
    assert victim.read_text() == OURS
    assert victim.stat().st_size == len(OURS)


@pytest.mark.parametrize("kind", PLANTED)
class TestPlanted:
    def test_log_of_the_broker(self, stranger: Stranger, victim: Path, kind: str) -> None:
        path = stranger.folder / "log"
        plant(stranger, kind, path, victim)
        endpoint = f"ipc://{victim.parent}/own/b"
        code, said = own("bellis-broker", "--endpoint", endpoint, "--log-file", path)
        assert code == 3
        check_refusal(said, kind, path, victim)

    def test_log_of_a_worker(self, stranger: Stranger, victim: Path, kind: str) -> None:
        pipeline = victim.parent / "pipeline.toml"
        pipeline.write_text(
            PIPELINE + "max_worker_restarts = 0\nmax_retries = 0\n[[tasks.workers]]\n"
            f"command = ['{BIN}/bellis', 'exec', '--', 'false']\n"
        )
        state = ("--state-dir", victim.parent / "state", "--log-dir", stranger.folder)
        assert own("bellis", "run", pipeline, *state)[0] == 1
        # Nobody can know the folder's name before it is made, but the job then goes on in it.
        (run,) = (path for path in stranger.folder.iterdir() if not path.is_symlink())
        stranger.does("mv", run, stranger.folder / "away")
        (run / "t").mkdir(parents=True)
        (run / "t").chmod(0o777)
        path = run / "t" / "worker_2.err"
        plant(stranger, kind, path, victim)
        code, said = own("bellis", "run", pipeline, *state)
        assert code == 1
        check_refusal(said, kind, path, victim)

    def test_log_of_a_python_worker(self, stranger: Stranger, victim: Path, kind: str) -> None:
        path = stranger.folder / "w.err"
        plant(stranger, kind, path, victim)
        said = own_python(
            """
            import sys
            from bellis.logging import open_logs
            open_logs(sys.argv[1], "w")
            """,
            stranger.folder / "w",
        )
        check_refusal(said, kind, path, victim)

    def test_key_file(self, stranger: Stranger, victim: Path, kind: str) -> None:
        path = stranger.folder / "server_key"
        plant(stranger, kind, path, victim)
        keys = ("--access", victim.parent / "access", "--key-file", path)
        code, said = own("bellis-broker", "--no-launcher", "--endpoint", "tcp://127.0.0.1:*", *keys)
        assert code == 2
        check_refusal(said, kind, path, victim)

    def test_access_file(self, stranger: Stranger, victim: Path, kind: str) -> None:
        path = stranger.folder / "access"
        plant(stranger, kind, path, victim)
        code, said = own("bellis", "jobs", "--access", path)
        assert code == 3
        check_refusal(said, kind, path, victim)
        code, said = own("bellis-launcher", "--access", path)
        assert code == 1
        check_refusal(said, kind, path, victim)
        asks = "from bellis._wire import settings; settings.control_access(None, None, None)"
        check_refusal(own_python(asks, BELLIS_ACCESS=str(path)), kind, path, victim)

    def test_file_in_a_state_directory(self, stranger: Stranger, victim: Path, kind: str) -> None:
        state = stranger.folder / "state"
        state.mkdir()
        state.chmod(0o777)
        plant(stranger, kind, state / "progress.sqlite", victim)
        state.chmod(0o700)  # as the error message advises
        endpoint = f"ipc://{victim.parent}/own/b"
        code, said = own(
            "bellis-broker", "--no-launcher", "--endpoint", endpoint, "--state-dir", state
        )
        assert code == 3
        assert f"state directory {state}" in said
        assert 'holds "progress.sqlite", which is no file of yours alone' in said
        assert "remove it" in said
        assert victim.read_text() == OURS


class TestStateDirectory:
    def test_of_another_user_is_refused(self, stranger: Stranger, private: Path) -> None:
        state = stranger.folder / "state"
        stranger.does("mkdir", "-m", "700", state)
        endpoint = f"ipc://{private}/own/b"
        code, said = own("bellis-broker", "--endpoint", endpoint, "--state-dir", state)
        assert code == 3
        assert f"{state} has mode 0700 and owner {STRANGER}" in said
        assert "chmod 700" in said

    def test_that_is_swapped_meanwhile_runs_no_planted_job(
        self, stranger: Stranger, private: Path
    ) -> None:
        ours, planted = stranger.folder / "state", stranger.folder / "planted"
        ours.mkdir(mode=0o700)
        endpoint = f"ipc://{private}/own/b"
        run: list[str | Path] = [
            BIN / "bellis-broker", "--no-launcher", "--endpoint", endpoint,
            "--state-dir", ours, "--log-level", "off",
        ]  # fmt: skip
        self.make_planted(stranger, planted)
        flips = stranger.python(FLIPS, ours, planted)
        assert flips.stdout is not None
        assert flips.stdout.readline() == "flips\n"
        ends = set()
        for _ in range(150):
            broker = subprocess.Popen(
                run, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            assert broker.stdout is not None
            said = broker.stdout.readline()
            broker.terminate()
            said += broker.communicate(timeout=PATIENCE)[0]
            assert "planted job" not in said, "it took up a job that another user had written"
            ends.add("is refused" if f"owner {STRANGER}" in said else "goes on")
        assert flips.poll() is None
        assert "is refused" in ends, "the directories were never swapped at the right time"

    @staticmethod
    def make_planted(stranger: Stranger, planted: Path) -> None:
        """Makes the state of another user's broker, in the middle of a job."""
        stranger.does("mkdir", "-m", "700", planted)
        theirs = stranger.folder.parent / "theirs"
        theirs.mkdir(mode=0o700)
        os.chown(theirs, STRANGER, STRANGER)
        endpoint = f"ipc://{theirs}/b"
        broker = stranger.start(
            BIN / "bellis-broker", "--no-launcher", "--endpoint", endpoint, "--state-dir", planted
        )
        assert broker.stdout is not None
        while endpoint not in broker.stdout.readline():
            assert broker.poll() is None
        job = {"name": "planted job", "tasks": [line_task("t", 1, external_workers=True)]}
        peer = Peer(endpoint)
        assert peer.ask("hello", role="client")[0] == "welcome"
        assert peer.ask("submit", req=1, job=job)[0] == "submitted"
        peer.close()
        broker.kill()
        broker.wait()


def test_a_run_goes_on_with_its_own_job_only(private: Path) -> None:
    state = private / "state"
    broker = Broker(private, "--no-launcher", "--state-dir", str(state))
    peer = Peer(broker.endpoint)
    assert peer.ask("hello", role="client")[0] == "welcome"
    job = {"name": "another", "tasks": [line_task("t", 1, external_workers=True)]}
    assert peer.ask("submit", req=1, job=job)[0] == "submitted"
    peer.close()
    broker.process.kill()
    broker.process.communicate()
    pipeline = private / "pipeline.toml"
    pipeline.write_text(PIPELINE + f"[[tasks.workers]]\ncommand = ['touch', '{private}/ran']\n")
    code, said = own("bellis", "run", pipeline, "--state-dir", state)
    assert code == 3
    assert f'state directory {state} holds job "another", which has not ended' in said
    assert "choose another directory (--state-dir)" in said
    assert not (private / "ran").exists()


class TestSocket:
    """No command of ours connects to another user's socket at the place of our broker."""

    def check_nobody_comes(self, stranger: Stranger, socket: Path, reason: str) -> None:
        listener = stranger.listens(socket)
        endpoint = f"ipc://{socket}"
        for program, words, code in (
            ("bellis", ("jobs", "--endpoint", endpoint), (2, 3)),
            ("bellis-launcher", ("--endpoint", endpoint), (1,)),
        ):
            got, said = own(program, *words)
            assert got in code, said
            assert reason in said
            assert str(socket) in said
        said = own_python("import bellis; bellis.Control()", BELLIS_ENDPOINT=endpoint)
        assert reason in said
        assert not stranger.heard(listener)

    def test_in_a_directory_that_another_user_made(self, stranger: Stranger, private: Path) -> None:
        sticky = private / "tmp"
        sticky.mkdir()
        sticky.chmod(0o1777)
        folder = sticky / "bellis-0"
        stranger.does("mkdir", "-m", "777", folder)
        self.check_nobody_comes(stranger, folder / "broker.sock", f"owner {STRANGER}")

    def test_in_a_directory_that_is_ours_in_one_that_another_may_change(
        self, stranger: Stranger
    ) -> None:
        folder = stranger.folder / "bellis"
        folder.mkdir()
        folder.chmod(0o777)
        self.check_nobody_comes(stranger, folder / "broker.sock", '"shared" on the way has mode')

    def test_in_a_directory_of_a_group_of_others(self, stranger: Stranger, private: Path) -> None:
        folder = private / "group"
        folder.mkdir()
        os.chown(folder, 0, STRANGER)
        folder.chmod(0o770)
        self.check_nobody_comes(stranger, folder / "broker.sock", "mode 0770 and owner 0")

    def test_in_the_sticky_directory_itself(self, stranger: Stranger, private: Path) -> None:
        sticky = private / "tmp"
        sticky.mkdir()
        sticky.chmod(0o1777)
        reason = f"the socket belongs to another user (uid {STRANGER}; you are 0)"
        self.check_nobody_comes(stranger, sticky / "broker.sock", reason)

    def test_nobody_waits_for_a_socket_that_anybody_could_make(
        self, stranger: Stranger, private: Path
    ) -> None:
        sticky = private / "tmp"
        sticky.mkdir()
        sticky.chmod(0o1777)
        code, said = own("bellis", "jobs", "--endpoint", f"ipc://{sticky}/bellis-0/broker.sock")
        assert code == 3
        assert "any user of this machine could make it meanwhile" in said

    def test_a_broker_does_not_listen_in_a_directory_of_another(self, stranger: Stranger) -> None:
        folder = stranger.folder / "bellis"
        stranger.does("mkdir", "-m", "777", folder)
        code, said = own("bellis-broker", "--endpoint", f"ipc://{folder}/broker.sock")
        assert code == 2
        assert str(folder) in said
        assert "another user can put something else there" in said


class TestRuntimeDirectory:
    """XDG_RUNTIME_DIR belongs to another user, as after `su`."""

    def test_a_runtime_directory_of_another_user_is_not_used(self, stranger: Stranger) -> None:
        runtime = stranger.folder / "runtime"
        stranger.does("mkdir", "-m", "755", runtime)
        stranger.does("mkdir", "-m", "777", runtime / "bellis")
        listener = stranger.listens(runtime / "bellis" / "broker.sock")
        _, said = own("bellis", "jobs", XDG_RUNTIME_DIR=str(runtime))
        assert str(runtime) not in said
        asks = "settings.control_access(None, None, None).endpoint"
        code = f"from bellis._wire import settings; print({asks})"
        said = own_python(code, XDG_RUNTIME_DIR=str(runtime))
        assert said == "ipc:///tmp/bellis-0/broker.sock"
        assert not stranger.heard(listener)

    def test_of_another_user_gets_no_socket_of_a_run(
        self, stranger: Stranger, private: Path
    ) -> None:
        runtime = stranger.folder / "runtime"
        stranger.does("mkdir", "-m", "777", runtime)
        pipeline = private / "pipeline.toml"
        pipeline.write_text(
            PIPELINE + "[[tasks.workers]]\n"
            f"command = ['{BIN}/bellis', 'exec', '--', 'sh', '-c', "
            f"'echo $BELLIS_ENDPOINT > {private}/endpoint']\n"
        )
        folders = ("--state-dir", private / "state", "--log-dir", private / "logs")
        code, said = own("bellis", "run", pipeline, *folders, XDG_RUNTIME_DIR=str(runtime))
        assert code == 0, said
        assert (private / "endpoint").read_text().startswith("ipc:///tmp/bellis-run-")

    def test_python_runs_have_no_socket_where_others_can_change_the_way(
        self, stranger: Stranger
    ) -> None:
        code = """
        from bellis._run.local_broker import LocalBroker
        broker = LocalBroker(None)
        broker.prepare()
        print(broker.endpoint)
        broker.stop()
        """
        said = own_python(code, TMPDIR=str(stranger.folder))
        assert said.startswith("ipc:///tmp/bellis-run-")
        assert list(stranger.folder.iterdir()) == []


class TestLatestRun:
    def test_link_of_another_user_stays_and_nothing_goes_through_it(
        self, stranger: Stranger, private: Path
    ) -> None:
        (private / "ours").mkdir()
        for name in ("latest", "t"):
            stranger.does("ln", "-s", private / "ours", stranger.folder / name)
        pipeline = private / "pipeline.toml"
        pipeline.write_text(
            PIPELINE + f"[[tasks.workers]]\ncommand = ['{BIN}/bellis', 'exec', '--', 'true']\n"
        )
        folders = ("--state-dir", private / "state", "--log-dir", stranger.folder)
        code, said = own("bellis", "run", pipeline, *folders)
        assert code == 0, said
        assert f"{stranger.folder}/latest is a symbolic link of another user" in said
        for name in ("latest", "t"):
            assert os.readlink(stranger.folder / name) == str(private / "ours")
        assert list((private / "ours").iterdir()) == []
        (run,) = (path for path in stranger.folder.iterdir() if not path.is_symlink())
        assert (run / "t" / "worker_1.out").exists()


class TestOwnOutput:
    @pytest.mark.parametrize("name", ["/dev/stderr", "/dev/stdout", "/dev/null"])
    def test_is_a_log_file(self, private: Path, name: str) -> None:
        endpoint = f"ipc://{private}/b"
        broker = subprocess.Popen(
            [BIN / "bellis-broker", "--no-launcher", "--endpoint", endpoint, "--log-file", name],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert broker.stdout is not None
        said = broker.stdout.readline()
        broker.terminate()
        out, err = broker.communicate(timeout=PATIENCE)
        assert broker.returncode == 0
        assert ("listening at" in said + out) == (name == "/dev/stdout")
        assert ("listening at" in err) == (name == "/dev/stderr")
