"""The mail server of the demo: takes every message and counts it; nothing leaves this machine."""

import socket
from typing import Any


class PostBox:
    """An aiosmtpd handler that accepts all and keeps the last message to show."""

    def __init__(self) -> None:
        self.received = 0
        self.last = b""

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.received += 1
        self.last = envelope.original_content
        return "250 Message accepted for delivery"


def free_port() -> int:
    """A loopback port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
