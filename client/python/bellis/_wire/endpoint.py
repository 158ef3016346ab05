"""Endpoints: `ipc://PATH` or `tcp://HOST:PORT`.

libzmq accepts more as an endpoint: lists (`;`), `*`, names of network interfaces, abstract sockets
(`@`), and ports modulo 65536. So every endpoint is parsed here before libzmq sees it. The rules are
those of common/endpoint.cc; tests/common/endpoints.json tests both.
"""

import os
import re
import socket
from typing import NamedTuple, Optional

_IPC = "ipc://"
_TCP = "tcp://"
_PATH_BYTES_MAX = 107
_HOST_NAME_MAX = 253
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*\.?", re.ASCII)
# getaddrinfo takes "127.1" and "0x7f000001" for addresses, but other programs do not.
_ENDS_IN_NUMBER = re.compile(r"(.*\.)?([0-9]+|0[xX][^.]*)\.?", re.ASCII | re.DOTALL)
_PORT = re.compile(r"[1-9][0-9]{0,4}", re.ASCII)
_PORT_MAX = 65535


class Endpoint(NamedTuple):
    path: str  # ipc; empty: tcp
    host: str  # tcp; an IPv6 address without its brackets
    port: int  # tcp; 0: any free port

    @property
    def text(self) -> str:
        if self.path:
            return f"{_IPC}{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{_TCP}{host}:{self.port}"

    @property
    def needs_ipv6(self) -> bool:
        """Whether a socket must speak IPv6 to connect: the host is an IPv6 address, or a name that
        has only such addresses. Looks up names."""
        if self.path:
            return False
        if _is_numeric(self.host):
            return ":" in self.host
        try:
            found = socket.getaddrinfo(self.host, None, type=socket.SOCK_STREAM)
        except OSError:
            return False
        return all(family == socket.AF_INET6 for family, *_ in found)


def parse(text: str, *, listen: bool = False, field: str = "endpoint") -> Endpoint:
    """Raises ValueError, which names `field`, the text, and what is accepted.

    `listen`: a broker may let the system choose the port, and may listen at every address of its
    machine; no peer can connect to such an endpoint. Looks up no name, and touches no file.
    """
    _check_text(text, field, "ipc://PATH or tcp://HOST:PORT")
    try:
        if text.startswith(_IPC):
            return Endpoint(_path(text[len(_IPC) :]), "", 0)
        if text.startswith(_TCP):
            return Endpoint("", *_host_and_port(text[len(_TCP) :], listen))
        raise ValueError("expected ipc://PATH or tcp://HOST:PORT")
    except ValueError as error:
        raise ValueError(f'{field} is "{text}": {error}') from None


def parse_host(text: str, *, listen: bool = False, field: str = "host") -> str:
    """A host without a port; an IPv6 address needs no brackets. Raises ValueError."""
    _check_text(text, field, "a name or an address")
    host = text[1:-1] if text.startswith("[") and text.endswith("]") and ":" in text else text
    try:
        _check_host(host, listen)
    except ValueError as error:
        raise ValueError(f'{field} is "{text}": {error}') from None
    return host


def _check_text(value: object, field: str, accepted: str) -> None:
    if not isinstance(value, str):
        raise ValueError(f"{field} is {value!r}: expected a string, {accepted}")


def is_every_address(host: str) -> bool:
    """Whether `host` is 0.0.0.0 or ::."""
    v4, v6 = _packed(socket.AF_INET, host), _packed(socket.AF_INET6, host)
    return v4 == bytes(4) or v6 == bytes(16) or v6 == b"\0" * 10 + b"\xff\xff" + bytes(4)


def _path(path: str) -> str:
    if not path:
        raise ValueError("expected a path after ipc://")
    if path[0] == "@":
        raise ValueError(
            "a path that begins with @ is an abstract socket, which every user of the machine can "
            "reach: expected the path of a file in a directory of mode 0700"
        )
    if path[0] == "*":
        raise ValueError("with * libzmq takes a file of its own choice: expected a path")
    if any(c < " " or c == "\x7f" for c in path):
        raise ValueError("the path has control characters")
    size = len(os.fsencode(path))
    if size > _PATH_BYTES_MAX:
        raise ValueError(f"the path has {size} bytes: at most {_PATH_BYTES_MAX} are accepted")
    return path


def _host_and_port(text: str, listen: bool) -> "tuple[str, int]":
    if ";" in text:
        raise ValueError("one address is accepted, and no list of them (;)")
    host, _, port = text.rpartition(":")
    if not host or not port:
        raise ValueError("expected tcp://HOST:PORT")
    if host[0] == "[" and host[-1] == "]":
        host = host[1:-1]
        if ":" not in host:
            raise ValueError(f'"{host}" is not an IPv6 address')
    elif ":" in host:
        raise ValueError("expected an IPv6 address in brackets, as in tcp://[::1]:5555")
    _check_host(host, listen)
    return host, _port(port, listen)


def _port(text: str, listen: bool) -> int:
    if listen and text in ("0", "*"):
        return 0
    if not _PORT.fullmatch(text) or int(text) > _PORT_MAX:
        free = ", or 0 for a free one" if listen else ""
        raise ValueError(
            f'port "{text}" is not accepted: expected a number from 1 to {_PORT_MAX}{free}'
        )
    return int(text)


def _check_host(host: str, listen: bool) -> None:
    if host == "*":
        raise ValueError(
            "* is not accepted as a host: expected a name or an address; a broker may listen at "
            "0.0.0.0, every IPv4 address of its machine, or at [::], every address"
        )
    if ":" in host:
        if _packed(socket.AF_INET6, host) is None:
            raise ValueError(f'"{host}" is not an IPv6 address')
    elif _ENDS_IN_NUMBER.fullmatch(host):
        if _packed(socket.AF_INET, host) is None:
            raise ValueError(
                f'"{host}" is not an IPv4 address: expected four numbers from 0 to 255'
            )
    elif len(host) > _HOST_NAME_MAX or not _NAME.fullmatch(host):
        raise ValueError(
            f'"{host}" is not a host name: expected letters, digits, -, _ and dots between them'
        )
    if not listen and is_every_address(host):
        raise ValueError(
            f"{host} stands for every address of the broker's machine: expected one of them, or "
            "its name"
        )


def _packed(family: int, host: str) -> Optional[bytes]:
    try:
        return socket.inet_pton(family, host)
    except (OSError, ValueError):
        return None


def _is_numeric(host: str) -> bool:
    return _packed(socket.AF_INET, host) is not None or _packed(socket.AF_INET6, host) is not None
