"""A question to a Kafka-protocol broker, written by hand so that no client library is needed."""

import socket
import struct

from deploy.parts.ports import LOOPBACK

_METADATA = 3
_METADATA_VERSION = 4
_CORRELATION = 7
_CLIENT = b"bufferbudget-probe"
_NO_TOPICS = struct.pack(">i?", 0, False)


def live_brokers(port: int, *, within: float = 2.0) -> int:
    """Return how many brokers the cluster behind this loopback port says can serve clients now.

    0 means that nothing answers, that it speaks another protocol, or that the broker listens but
    its controller has not admitted it yet: topics created at that moment would be refused.
    """
    header = struct.pack(">hhih", _METADATA, _METADATA_VERSION, _CORRELATION, len(_CLIENT)) + _CLIENT
    request = header + _NO_TOPICS
    try:
        with socket.create_connection((LOOPBACK, port), timeout=within) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            (size,) = struct.unpack(">i", _exactly(connection, 4))
            answer = _exactly(connection, size)
    except OSError:
        return 0
    if len(answer) < 12:
        return 0
    correlation, _throttle, brokers = struct.unpack(">iii", answer[:12])
    return int(brokers) if correlation == _CORRELATION else 0


def _exactly(connection: socket.socket, size: int) -> bytes:
    if not 0 < size < 1_000_000:
        raise OSError(f"an answer of {size} bytes is no Kafka metadata")
    received = b""
    while len(received) < size:
        more = connection.recv(size - len(received))
        if not more:
            raise OSError("the connection was closed in the middle of an answer")
        received += more
    return received
