"""The address of this machine that other machines can reach."""

import socket

# Addresses of networks that are reserved for documentation. Nothing is sent there: the kernel only
# tells from which address of this machine it would send.
_ELSEWHERE = (
    (socket.AF_INET, ("192.0.2.1", 9)),
    (socket.AF_INET6, ("2001:db8::1", 9)),
)


def own_address() -> str:
    """The address of the route to the outside, else the one of this machine's host name.

    Raises ValueError if this machine has no address except the loopback's.
    """
    for family, elsewhere in _ELSEWHERE:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect(elsewhere)
                address = str(probe.getsockname()[0])
        except OSError:
            continue
        if not is_loopback(address):
            return address
    name = socket.gethostname()
    try:
        found = [str(entry[4][0]) for entry in socket.getaddrinfo(name, None)]
    except OSError:
        found = []
    for address in found:
        if not is_loopback(address):
            return address
    raise ValueError(
        f'host is "auto", and this machine ({name}) has no address that others can reach: give one '
        "of its names or addresses"
    )


def own_host(host: str, field: str) -> str:
    """The numeric address of this machine that `host` stands for, IPv4 before IPv6.

    Raises ValueError, which names `field`, when the name is unknown or stands for another machine.
    """
    try:
        found = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ValueError(f'{field} is "{host}", which cannot be looked up: {error}') from None
    found.sort(key=lambda entry: entry[0] != socket.AF_INET)
    for family, kind, number, _, address in found:
        try:
            with socket.socket(family, kind, number) as probe:
                probe.bind(address)
        except OSError:
            continue
        return str(address[0])
    shown = ", ".join(str(entry[4][0]) for entry in found)
    raise ValueError(
        f'{field} is "{host}", that is {shown}, which is not an address of this machine: expected '
        "a name or an address of this machine, or auto"
    )


def is_loopback(address: str) -> bool:
    """Whether no other machine can reach `address`."""
    return address.startswith("127.") or address in ("::1", "0.0.0.0", "::")
