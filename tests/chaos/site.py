"""The site of a chaos run: network namespaces, a small disk, a broker, external workers.

As root, in a network namespace of its own (`python -m tests.chaos` makes one), each group of
external workers has a namespace with a link that can be cut, and the state directory is a file
system of a few MiB that can be filled. Without root there is neither, and the run says so.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.chaos.process_table import ProcessTable
from tests.chaos.proxy import Proxy

HOST = "10.77.0.1"
PORT = 5570
LEASE_MS = 2000
START_S = 60.0
DISK_MIB = 4
ROOT = Path(__file__).resolve().parents[2]


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


class Space:
    """A network namespace with one link to the site's, kept alive by a sleeping process."""

    def __init__(self, number: int) -> None:
        self.link = f"chaos{number}"
        self._sleeper = subprocess.Popen(["unshare", "--net", "sleep", "1000000"])
        own = os.stat("/proc/self/ns/net").st_ino
        end = time.monotonic() + 10
        while os.stat(f"/proc/{self._sleeper.pid}/ns/net").st_ino == own:
            assert time.monotonic() < end, "unshare does not begin"
            time.sleep(0.01)
        pid = str(self._sleeper.pid)
        peer = f"peer{number}"
        run("ip", "link", "add", self.link, "type", "veth", "peer", "name", peer, "netns", pid)
        run("ip", "link", "set", self.link, "up")
        run("ip", "route", "add", f"10.77.0.{10 + number}/32", "dev", self.link)
        inside = ["nsenter", "-t", pid, "-n", "ip"]
        run(*inside, "link", "set", "lo", "up")
        run(*inside, "addr", "add", f"10.77.0.{10 + number}/32", "dev", peer)
        run(*inside, "link", "set", peer, "up")
        run(*inside, "route", "add", f"{HOST}/32", "dev", peer)
        self._number = number

    def command(self, *command: str) -> list[str]:
        return ["nsenter", "-t", str(self._sleeper.pid), "-n", *command]

    def cut(self, cut: bool) -> None:
        run("ip", "link", "set", self.link, "down" if cut else "up")
        if not cut:  # the route was lost with the link
            run("ip", "route", "replace", f"10.77.0.{10 + self._number}/32", "dev", self.link)

    def close(self) -> None:
        self._sleeper.kill()
        self._sleeper.wait()


class Disk:
    """The state directory's file system, which a file can fill."""

    def __init__(self, folder: Path, own: bool) -> None:
        self.folder = folder
        self._own = own
        folder.mkdir()
        if own:
            run("mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "chaos", str(folder))

    @property
    def can_fill(self) -> bool:
        return self._own

    def fill(self) -> None:
        with contextlib.suppress(OSError), open(self.folder / "filler", "wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)

    def free(self) -> None:
        (self.folder / "filler").unlink(missing_ok=True)

    def close(self) -> None:
        if self._own:
            subprocess.run(["umount", "-l", str(self.folder)], check=False)


class Site:
    """The whole site. `folder` gets logs, histories and outputs."""

    def __init__(self, folder: Path, bin_dir: Path, rooted: bool, durability: str) -> None:
        self.folder = folder
        self.bin_dir = bin_dir
        self._durability = durability
        self.histories = folder / "history"
        self.jobs = folder / "jobs"
        self.outputs = folder / "outputs"  # by job
        for made in (self.histories, self.jobs, self.outputs):
            made.mkdir()
        self._host = "127.0.0.1"
        self.spaces: list[Space] = []
        if rooted:
            run("ip", "link", "set", "lo", "up")
            run("ip", "addr", "add", f"{HOST}/32", "dev", "lo")
            self._host = HOST
            self.spaces = [Space(number) for number in range(2)]
        self.disk = Disk(folder / "disk", own=rooted)
        self.state = self.disk.folder / "state"
        self.broker_log = folder / "broker.log"
        self.table = ProcessTable()
        self.endpoint = f"tcp://{self._host}:{PORT}"
        self.access = folder / "access"
        self.proxy = Proxy(self._host, (self._host, PORT))
        self.proxied = f"tcp://{self._host}:{self.proxy.port}"
        self.broker: subprocess.Popen[bytes] | None = None
        self.starts = 0
        self._said_before = 0  # the bytes of broker.err that earlier brokers wrote

    def start_broker(self) -> None:
        """Starts a broker, if need be in several tries. Returns when it listens."""
        end = time.monotonic() + 60
        while not self.try_broker():
            assert time.monotonic() < end, f"the broker does not start: {self.last_words()}"
            time.sleep(0.2)

    def try_broker(self) -> bool:
        """Starts a broker once. Returns when it listens (true) or has ended (false)."""
        self.starts += 1
        errors = open(self.folder / "broker.err", "ab")  # noqa: SIM115
        self._said_before = errors.tell()
        program = str(self.bin_dir / "bellis-broker")
        self.broker = subprocess.Popen(
            self.table.command(
                *(program, "--endpoint", self.endpoint, "--access", str(self.access)),
                *("--state-dir", str(self.state), "--lease-ms", str(LEASE_MS)),
                *("--reconnect-window", "5", "--durability", self._durability),
                *("--log-file", str(self.broker_log)),
            ),
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        errors.close()
        assert self.broker.stdout is not None
        if not select.select([self.broker.stdout], [], [], START_S)[0]:
            self.kill_broker()
            raise RuntimeError(f"the broker neither listens nor ends within {START_S:g} s")
        if self.broker.stdout.readline():
            return True
        self.broker.wait()
        return False

    def last_words(self) -> str:
        """The last broker's last words on stderr; a launcher may have written after it."""
        with open(self.folder / "broker.err", "rb") as file:
            file.seek(self._said_before)
            text = file.read().decode(errors="replace")
        at = text.rfind("bellis-broker: ")
        return " ".join(text[at:].split()) if at >= 0 else ""

    def kill_broker(self) -> None:
        assert self.broker is not None
        self.broker.kill()
        self.broker.wait()

    def environment(self, job: str, seed: int, through_proxy: bool) -> dict[str, str]:
        """The variables that a chaos worker needs besides those of a launcher."""
        environment = {
            "CHAOS_JOB_DIR": str(self.jobs / job),
            "CHAOS_HISTORY": str(self.histories),
            "CHAOS_SEED": str(seed),
            "PYTHONPATH": f"{ROOT}:{ROOT / 'client' / 'python'}",
        }
        if through_proxy:
            environment["CHAOS_ENDPOINT"] = self.proxied
        return environment

    def external_worker(
        self, space: Space | None, module: str, name: str, job: str, task: str, seed: int
    ) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", module]
        if space is not None:
            command = space.command(*command)
        return subprocess.Popen(
            command,
            env={
                **os.environ,
                **self.environment(name, seed, through_proxy=False),
                **self._keys(),
                "BELLIS_ENDPOINT": self.endpoint,
                "BELLIS_JOB": job,
                "BELLIS_TASK": task,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=open(self.folder / "external.err", "ab"),
            start_new_session=True,
        )

    def _keys(self) -> dict[str, str]:
        """The owner's keys, as environment variables."""
        keys = json.loads(self.access.read_text())
        names = ("server_key", "public_key", "secret_key")
        return {f"BELLIS_{name.upper()}": keys[name] for name in names}

    def close(self) -> None:
        if self.broker is not None and self.broker.poll() is None:
            self.broker.send_signal(signal.SIGTERM)
            try:
                self.broker.wait(20)
            except subprocess.TimeoutExpired:
                self.kill_broker()
        self.proxy.close()
        for space in self.spaces:
            space.close()
        self.table.close()
        self.disk.close()
