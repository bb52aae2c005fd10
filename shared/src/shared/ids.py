"""Identifiers: random for people, time-ordered for everything that is listed."""

import secrets
from datetime import datetime
from typing import Annotated, Final, Protocol
from uuid import UUID

from pydantic import Field, StringConstraints

UUID_PATTERN: Final = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
UuidText = Annotated[
    str,
    StringConstraints(pattern=UUID_PATTERN, to_lower=True),
    Field(description="UUID.", examples=["7f1c3d52-6a7e-4d0b-9a58-0c0f4f3f6d11"]),
]
"""A UUID in a body, path or query: capitals are read as small letters, so that it names the same thing."""


class Ids(Protocol):
    """Makes identifiers; tests bring a predictable one."""

    def random(self) -> str:
        """A UUID that tells nothing, for people."""
        ...

    def ordered(self, now: datetime) -> str:
        """A UUID that sorts by the instant it was made, for rows that are listed page by page."""
        ...


class RandomIds:
    """UUID version 4 and version 7 (RFC 9562) from the system's randomness."""

    def random(self) -> str:
        return str(_uuid(secrets.randbits(128), version=4))

    def ordered(self, now: datetime) -> str:
        milliseconds = int(now.timestamp() * 1000)
        return str(_uuid(milliseconds << 80 | secrets.randbits(80), version=7))


class SequenceIds:
    """Counts up: the same run gives the same identifiers."""

    def __init__(self, start: int = 1) -> None:
        self._next = start

    def random(self) -> str:
        self._next += 1
        return str(_uuid(self._next - 1, version=4))

    def ordered(self, now: datetime) -> str:
        return self.random()


def _uuid(bits: int, *, version: int) -> UUID:
    bits = bits & ~(0xF << 76) | version << 76
    bits = bits & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=bits)
