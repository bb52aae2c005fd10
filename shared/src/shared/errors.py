"""What can go wrong, in words for the reader; what it means in HTTP stands in one table, in problems.py."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault in an input: a stable rule id, where it is (JSON pointer) and what the sender can do.

    Input can hold halves of surrogate pairs, which no answer and no database can carry: they become `?`.
    """

    rule: str
    pointer: str
    detail: str

    def __post_init__(self) -> None:
        for name in ("pointer", "detail"):
            text: str = getattr(self, name)
            if not text.isascii():
                object.__setattr__(self, name, text.encode("utf-8", "replace").decode("utf-8"))


class BufferbudgetError(Exception):
    """Something was refused or failed; the message says what happened and what the reader can do."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class Invalid(BufferbudgetError):
    """The input has faults; all of them are listed."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(f"{fault.pointer or '/'}: {fault.detail}" for fault in faults))
        self.faults = tuple(faults)


class NotFound(BufferbudgetError):
    """There is no such thing, or the caller may not know that there is.

    `faults` tells which member of the input names it, where it is not the path.
    """

    def __init__(self, detail: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__(detail)
        self.faults = tuple(faults)


class NotAllowed(BufferbudgetError):
    """The caller is known but may not do this."""


class NotAuthenticated(BufferbudgetError):
    """The caller did not show a valid token."""


class Conflict(BufferbudgetError):
    """The request contradicts what is already recorded."""


class TooEarly(BufferbudgetError):
    """What is asked may be done from a later instant on."""

    def __init__(self, detail: str, available_from: datetime | None = None) -> None:
        super().__init__(detail)
        self.available_from = available_from


class TooLarge(BufferbudgetError):
    """The input is larger than the limit that the message names."""


class TooSlow(BufferbudgetError):
    """The input did not arrive within the time that the message names."""


class UnsupportedMedia(BufferbudgetError):
    """The content type of the input is not one that this call reads."""


class PoisonMessage(BufferbudgetError):
    """A message can never be handled as it is: it is parked with this reason."""


class TryAgain(BufferbudgetError):
    """A part that is needed is away for now; the same work is done again later."""
