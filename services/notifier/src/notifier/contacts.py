"""How a resident can be reached, and by which channel a message goes. Values in, values out.

An electronic message needs the resident's recorded consent for that kind of message (Awb 2:8, as changed by
the Wmebv); without it, or when e-mail fails for good, the message goes on paper.
"""

import json
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Final

from notifier.languages import MessageLanguage
from notifier.wording import MessageKind


class ChannelName(StrEnum):
    """A way a message can go out."""

    EMAIL = "EMAIL"
    LETTER = "LETTER"


class ConsentKind(StrEnum):
    """What a resident can consent to receive electronically."""

    BUFFER = "BUFFER"


CONSENT_FOR: Final = {
    MessageKind.BUFFER_MONTH: ConsentKind.BUFFER,
    MessageKind.BUFFER_END: ConsentKind.BUFFER,
}


@dataclass(frozen=True, slots=True)
class PostalAddress:
    """Where a letter goes; `name` is the person's, or that of a coach or administrator."""

    name: str
    street: str
    postal_code: str
    city: str

    def lines(self) -> tuple[str, ...]:
        """The address as it stands on the letter."""
        return (self.name, self.street, f"{self.postal_code}  {self.city.upper()}")


@dataclass(frozen=True, slots=True)
class Consent:
    """The resident agreed, on a day, to get a kind of message by a channel."""

    channel: ChannelName
    message_kind: ConsentKind
    given_on: date


@dataclass(frozen=True, slots=True)
class Contact:
    """A resident's contact details; `channels` in order of preference."""

    language: MessageLanguage
    email: str | None
    phone: str | None
    postal_address: PostalAddress | None
    channels: tuple[ChannelName, ...]
    consents: tuple[Consent, ...]

    def channel_for(self, kind: MessageKind) -> ChannelName | None:
        """The first channel that may and can be used, else a letter, None when there is no way."""
        for channel in (*self.channels, ChannelName.LETTER):
            if channel is ChannelName.EMAIL and self.email and self._agreed(channel, kind):
                return channel
            if channel is ChannelName.LETTER and self.postal_address:
                return channel
        return None

    def may_use(self, channel: ChannelName, kind: MessageKind) -> bool:
        """Whether a message that was planned for a channel may still go that way."""
        if channel is ChannelName.LETTER:
            return self.postal_address is not None
        return bool(channel in self.channels and self.email and self._agreed(channel, kind))

    def _agreed(self, channel: ChannelName, kind: MessageKind) -> bool:
        wanted = CONSENT_FOR[kind]
        return any(consent.channel is channel and consent.message_kind is wanted for consent in self.consents)

    def to_bytes(self) -> bytes:
        """For encryption and storage; `from_bytes` gives an equal value."""
        return json.dumps(asdict(self), default=str, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, stored: bytes) -> "Contact":
        plain: dict[str, Any] = json.loads(stored)
        address = plain.pop("postal_address")
        return cls(
            **{
                **plain,
                "postal_address": PostalAddress(**address) if address else None,
                "channels": tuple(ChannelName(name) for name in plain["channels"]),
                "consents": tuple(
                    Consent(
                        ChannelName(consent["channel"]),
                        ConsentKind(consent["message_kind"]),
                        date.fromisoformat(consent["given_on"]),
                    )
                    for consent in plain["consents"]
                ),
            }
        )
