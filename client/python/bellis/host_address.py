"""The address of this machine that others can reach."""

import socket

# Of a network that is kept for documentation: nothing is sent there, the kernel only says by which
# of our addresses it would go.
_ELSEWHERE = (
    (socket.AF_INET, ("192.0.2.1", 9)),
    (socket.AF_INET6, ("2001:db8::1", 9)),
)


def own_address() -> str:
    """That of the route to the outside, else what our host name stands for.

    ValueError when there is none but the loopback's.
    """
    for family, elsewhere in _ELSEWHERE:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect(elsewhere)
                address = str(probe.getsockname()[0])
        except OSError:
            continue
        if not _is_loopback(address):
            return address
    name = socket.gethostname()
    try:
        found = [str(entry[4][0]) for entry in socket.getaddrinfo(name, None)]
    except OSError:
        found = []
    for address in found:
        if not _is_loopback(address):
            return address
    raise ValueError(
        f'host is "auto", and this machine ({name}) has no address that others can reach: give one '
        "of its names or addresses"
    )


def _is_loopback(address: str) -> bool:
    return address.startswith("127.") or address in ("::1", "0.0.0.0", "::")
