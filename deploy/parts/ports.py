"""Free ports on the loopback interface."""

import random
import socket
from pathlib import Path

from deploy.parts.errors import PartFailedError

LOOPBACK = "127.0.0.1"

_FIRST = 20_000
_EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_EPHEMERAL_BY_STANDARD = 32_768
_TRIES = 200


def free_port() -> int:
    """Return a port on which nothing listens now, chosen at random below the ephemeral range.

    A port of the ephemeral range would not do: while a killed part is down, the kernel may lend
    its port to any outgoing connection, even to the client that is trying to reach the part, which
    is then connected to itself, and the restart on the same port fails.
    """
    choice = random.SystemRandom()
    for _ in range(_TRIES):
        port = choice.randrange(_FIRST, _first_ephemeral())
        if is_free(port):
            return port
    raise PartFailedError(f"no free port found on {LOOPBACK} in {_TRIES} tries; end what uses them")


def is_free(port: int) -> bool:
    """Tell whether a server could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
            listener.listen(1)
        except OSError:
            return False
    return True


def answers(port: int, *, within: float = 1.0) -> bool:
    """Tell whether something accepts connections on this loopback port, within so many seconds."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=within):
            return True
    except OSError:
        return False


def _first_ephemeral() -> int:
    try:
        first = int(_EPHEMERAL_RANGE.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        first = _EPHEMERAL_BY_STANDARD
    return first if first > _FIRST + 1_000 else _EPHEMERAL_BY_STANDARD
