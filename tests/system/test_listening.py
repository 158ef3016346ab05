"""Where a broker really listens, by the kernel's tables, and which endpoint its peers get."""

import ipaddress
import os
import socket
import subprocess
from pathlib import Path

import pytest
from bellis._wire import endpoint as endpoints

from .access import KeyPeer, access_of
from .conftest import BIN, Broker, Peer
from .test_broker import refused_start

_LISTENING = "0A"


def listening_at(port: int) -> set[str]:
    """The addresses at which sockets of this machine listen on `port`."""
    found = set()
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            address, _, shown = local.rpartition(":")
            if state != _LISTENING or int(shown, 16) != port:
                continue
            data = bytes.fromhex(address)  # words of the machine's byte order
            words = [data[i : i + 4][::-1] for i in range(0, len(data), 4)]
            found.add(socket.inet_ntop(family, b"".join(words)))
    return found


def started(private: Path, endpoint: str, *options: str) -> Broker:
    access = ("--access", str(private / "access"))
    return Broker(private, "--no-launcher", *access, *options, endpoint=endpoint)


def is_welcome(private: Path, **other: str) -> bool:
    """Whether the broker answers at the endpoint of its access file, or at `other`'s."""
    peer = KeyPeer({**access_of(private / "access"), **other})
    answer, _ = peer.ask("hello", role="client")
    peer.close()
    return answer == "welcome"


def bindable(host: str) -> bool:
    try:
        with socket.create_server((host, 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def test_localhost_is_the_loopback_alone(private: Path) -> None:
    broker = started(private, "tcp://localhost:*")
    address = endpoints.parse(broker.endpoint)
    assert address.host in ("127.0.0.1", "::1")
    assert listening_at(address.port) == {address.host}
    assert is_welcome(private)
    assert is_welcome(private, endpoint=f"tcp://localhost:{address.port}")
    assert "no other machine" not in broker.log()
    broker.stop()


def test_the_machine_s_own_name_is_one_of_its_addresses(private: Path) -> None:
    name = socket.gethostname()
    try:
        known = {str(entry[4][0]) for entry in socket.getaddrinfo(name, None)}
    except OSError:
        pytest.skip(f"this machine does not know its own name, {name}")
    broker = started(private, f"tcp://{name}:0")
    address = endpoints.parse(broker.endpoint)
    assert listening_at(address.port) == {address.host} <= known
    assert is_welcome(private)
    told = f"the name {name} stands for {address.host} on this machine"
    assert (told in broker.log()) == ipaddress.ip_address(address.host).is_loopback
    broker.stop()


@pytest.mark.skipif(not bindable("::1"), reason="no IPv6 here")
def test_a_broker_on_ipv6_has_clients_of_every_kind(private: Path) -> None:
    broker = started(private, "tcp://[::1]:0")
    address = endpoints.parse(broker.endpoint)
    assert address.host == "::1"
    assert listening_at(address.port) == {"::1"}
    done = subprocess.run(
        [BIN / "bellis", "jobs", "--access", private / "access"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    broker.stop()


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]"])
def test_peers_are_told_an_address_in_place_of_every_address(private: Path, host: str) -> None:
    if host == "[::]" and not bindable("::"):
        pytest.skip("no IPv6 here")
    broker = started(private, f"tcp://{host}:0")
    address = endpoints.parse(broker.endpoint)  # refuses addresses that nobody can connect to
    assert listening_at(address.port) == {host.strip("[]")}
    assert is_welcome(private)
    broker.stop()


def test_peers_are_told_the_name_that_is_asked_for(private: Path) -> None:
    broker = started(private, "tcp://127.0.0.1:0", "--advertise", "localhost")
    assert broker.endpoint.startswith("tcp://localhost:")
    assert f"workers are told to connect to {broker.endpoint}" in broker.log()
    broker.stop()


@pytest.mark.parametrize("host", ["*", "0.0.0.0", "tcp://h:1", "h:1"])
def test_an_invalid_name_is_not_advertised(private: Path, host: str) -> None:
    options = ("--endpoint", "tcp://127.0.0.1:0", "--insecure", "--no-launcher")
    code, error = refused_start(*options, "--advertise", host, cwd=private)
    assert code == 2
    assert f'advertise is "{host}": ' in error


@pytest.mark.parametrize(
    "address",
    [
        "ipc://@abstract",
        "ipc://*",
        "tcp://127.0.0.1:1;0.0.0.0:0",
        "tcp://*:0",
        "tcp://127.0.0.1:99999",
        "tcp://lo:0",
        "tcp://127.1:0",
        "tcp://192.0.2.1.nip:0",
        "ipc://" + "d" * 108,
    ],
)
def test_endpoints_that_libzmq_reads_differently_are_refused(private: Path, address: str) -> None:
    code, error = refused_start("--endpoint", address, "--insecure", cwd=private)
    assert code == 2
    assert f'endpoint is "{address}": ' in error or f'endpoint "{address}": ' in error


def test_peers_are_told_the_whole_path_of_a_socket(private: Path) -> None:
    broker = Broker(private, "--no-launcher", endpoint="ipc://b.sock")
    assert broker.endpoint == f"ipc://{os.path.realpath(private)}/b.sock"
    assert Peer(broker.endpoint).ask("hello", role="client")[0] == "welcome"
    broker.stop()
