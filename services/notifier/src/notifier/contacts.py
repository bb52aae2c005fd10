"""How a resident can be reached, and by which channel a message goes. Values in, values out.

An electronic message needs the resident's recorded consent for that kind of message (Awb 2:8, as changed by
the Wmebv); without it, or when e-mail fails for good, the message goes on paper.
"""

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Final

from notifier.languages import MessageLanguage
from notifier.wording import MessageKind


class ChannelName(StrEnum):
    """A way a message can go out."""

    EMAIL = "EMAIL"
    SMS = "SMS"
    TASK = "TASK"
    """Somebody tells the resident: the official, or the coach the contact names."""
    LETTER = "LETTER"


ELECTRONIC: Final = frozenset({ChannelName.EMAIL, ChannelName.SMS})
"""Channels that need consent, keep quiet hours and can bounce."""


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
    coach: str | None = None

    def channel_for(
        self, kind: MessageKind, broken: Collection[ChannelName] = frozenset()
    ) -> ChannelName | None:
        """The first channel that may and can be used, else a letter, None when there is no way.

        `broken` are channels whose address bounced too often: they wait for a new contact.
        """
        for channel in (*self.channels, ChannelName.LETTER):
            if channel not in broken and self._reaches(channel) and self._agreed(channel, kind):
                return channel
        return None

    def may_use(self, channel: ChannelName, kind: MessageKind) -> bool:
        """Whether a message that was planned for a channel may still go that way."""
        listed = channel is ChannelName.LETTER or channel in self.channels
        return listed and self._reaches(channel) and self._agreed(channel, kind)

    def _reaches(self, channel: ChannelName) -> bool:
        addresses = {
            ChannelName.EMAIL: self.email,
            ChannelName.SMS: self.phone,
            ChannelName.LETTER: self.postal_address,
            ChannelName.TASK: True,
        }
        return bool(addresses[channel])

    def _agreed(self, channel: ChannelName, kind: MessageKind) -> bool:
        wanted = CONSENT_FOR[kind]
        return channel not in ELECTRONIC or any(
            consent.channel is channel and consent.message_kind is wanted for consent in self.consents
        )

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
