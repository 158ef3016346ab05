"""The keys by which a peer and its broker identify each other (TRANSPORT.md, "Keys")."""

import json
import os
from typing import Any, NamedTuple

import zmq

from bellis._base.private_files import read_private
from bellis.errors import BrokerError

_FILE_BYTES_MAX = 16 << 10
_KEY_CHARS = 40
_KEYS = ("server_key", "public_key", "secret_key")
VARIABLES = {
    "server_key": "BELLIS_SERVER_KEY",
    "public_key": "BELLIS_PUBLIC_KEY",
    "secret_key": "BELLIS_SECRET_KEY",
    "token": "BELLIS_TOKEN",
}


class Access(NamedTuple):
    """A broker's endpoint, and the keys for it (Z85), or a token if nothing is encrypted.

    An empty field is unknown.
    """

    endpoint: str = ""
    token: str = ""
    server_key: str = ""
    public_key: str = ""
    secret_key: str = ""

    def __repr__(self) -> str:
        return f"Access(endpoint={self.endpoint!r}, ...)"

    def secure(self, socket: "zmq.Socket[bytes]") -> bool:
        """Sets the keys of `socket`; call it before `connect`. Returns whether there are any."""
        if not self.server_key or not self.endpoint.startswith("tcp://"):
            return False
        socket.curve_serverkey = self.server_key.encode("ascii")
        socket.curve_publickey = self.public_key.encode("ascii")
        socket.curve_secretkey = self.secret_key.encode("ascii")
        return True

    def fields(self) -> "dict[str, str]":
        """The known fields, without the endpoint, for a context."""
        return {name: value for name in VARIABLES if (value := getattr(self, name))}


def of_fields(fields: "dict[str, Any]", shown: str) -> Access:
    """Raises BrokerError (`environment`), which names `shown`, for malformed keys."""
    values = {name: fields.get(name, "") for name in Access._fields}
    for name, value in values.items():
        if not isinstance(value, str):
            raise BrokerError("environment", f"{shown}: {name} is not a text")
    if any(values[name] for name in _KEYS):
        for name in _KEYS:
            if len(values[name]) != _KEY_CHARS or not values[name].isascii():
                raise BrokerError(
                    "environment",
                    f"{shown}: {name} has {len(values[name])} characters; all three keys are "
                    "expected, each of 40 (Z85)",
                )
    return Access(**values)


def read_file(path: "str | os.PathLike[str]") -> Access:
    """Raises BrokerError (`environment`) for a file that others can read, or that is malformed."""
    shown = f"access file {os.fspath(path)!r}"
    try:
        data = read_private(os.fspath(path), _FILE_BYTES_MAX)
    except (OSError, ValueError) as error:
        raise BrokerError("environment", f"{shown} cannot be read: {error}") from error
    try:
        fields = json.loads(data)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise BrokerError("environment", f"{shown} is not a JSON object")
    access = of_fields(fields, shown)
    if not access.server_key and not access.token:
        raise BrokerError("environment", f"{shown} has neither keys nor a token")
    return access
