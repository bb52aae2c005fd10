"""The envelope: CloudEvents 1.0 in Kafka binary mode, as the NL GOV profile for CloudEvents 1.1 narrows it.

Attributes are headers `ce_...` in UTF-8, the payload is the message's value. `subject` is never written: what
an event is about stands in the payload, and a header that names a person ends up in logs and traces.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from pydantic import ValidationError

from shared.bus.port import Message, Received
from shared.clock import format_instant, parse_instant
from shared.contracts.catalogue import EVENT_BY_TYPE, TOPICS
from shared.contracts.events import TYPE_PREFIX, Event
from shared.errors import PoisonMessage

SPEC_VERSION = b"1.0"
CONTENT_TYPE = b"application/json"
HEADERS = ("ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "content-type")
_SOURCE = re.compile(r"urn:nld:oin:[0-9]{20}:systeem:[a-z][a-z0-9-]{1,62}")
_ID_MAX = 64


@dataclass(frozen=True, slots=True)
class Envelope:
    """One event with who said it and when; `source` and `id` together are unique."""

    id: str
    source: str
    type: str
    time: datetime
    key: str
    event: Event | None
    """None when the type belongs to the topic's family but this version does not know it: skip it."""

    @classmethod
    def of(cls, event: Event, *, id: str, source: str, time: datetime) -> "Envelope":
        """Wrap an event that is about to be published; `time` is the instant of recording."""
        return cls(id, source, event.type_name(), time, event.key(), event)


def source_of(oin: str, service: str) -> str:
    """The source of a service, `urn:nld:oin:<oin>:systeem:<service>`; ValueError when a part is malformed."""
    source = f"urn:nld:oin:{oin}:systeem:{service}"
    if not _is_source(source):
        raise ValueError("an OIN has 20 digits and a service is named in lower case letters and hyphens")
    return source


def encode(envelope: Envelope) -> Message:
    """Write an envelope as a message of its topic; ValueError when it holds no event."""
    event = envelope.event
    if event is None:
        raise ValueError("an envelope without an event cannot be published")
    headers = (
        ("ce_specversion", SPEC_VERSION),
        ("ce_id", envelope.id.encode()),
        ("ce_source", envelope.source.encode()),
        ("ce_type", envelope.type.encode()),
        ("ce_time", format_instant(envelope.time).encode()),
        ("content-type", CONTENT_TYPE),
    )
    return Message(event.topic(), event.key(), event.written(), headers)


def decode(received: Received) -> Envelope:
    """Read a message. Unknown members and headers are ignored; a malformed one raises PoisonMessage.

    The reason names headers, members and rules, never what stands in them.
    """
    message = received.message
    headers = dict(message.headers)
    if headers.get("ce_specversion") != SPEC_VERSION:
        raise PoisonMessage("the header ce_specversion is not 1.0")
    if headers.get("content-type", b"").partition(b";")[0].strip().lower() != CONTENT_TYPE:
        raise PoisonMessage("the header content-type is not application/json")
    event_id = _text(headers, "ce_id")
    if len(event_id) > _ID_MAX:
        raise PoisonMessage(f"the header ce_id is longer than {_ID_MAX} characters")
    source = _text(headers, "ce_source")
    if not _is_source(source):
        raise PoisonMessage("the header ce_source is not urn:nld:oin:<oin>:systeem:<service>")
    event_type = _text(headers, "ce_type")
    event = _read(message, event_type)
    return Envelope(event_id, source, event_type, _time(headers), message.key, event)


def _read(message: Message, event_type: str) -> Event | None:
    topic = TOPICS.get(message.topic)
    if topic is None or not event_type.startswith(f"{TYPE_PREFIX}.{topic.family}."):
        raise PoisonMessage("the header ce_type does not belong to this topic")
    event_class = EVENT_BY_TYPE.get(event_type)
    if event_class is None:
        return None
    try:
        event = event_class.read(message.value)
    except ValidationError as error:
        raise PoisonMessage(_reason(event_type, error)) from None
    if event.key() != message.key:
        raise PoisonMessage(f"the message key is not the payload's {topic.key}")
    return event


def _reason(event_type: str, error: ValidationError) -> str:
    """Which members break which rule; values are left out because they are about people."""
    faults = sorted(
        {
            f"/{'/'.join(str(step) for step in fault['loc'])} {fault['type']}"
            for fault in error.errors(include_url=False, include_context=False, include_input=False)
        }
    )
    return f"the payload is not a {event_type}: {', '.join(faults)}"


def _text(headers: dict[str, bytes], name: str) -> str:
    try:
        text = headers[name].decode()
    except (KeyError, UnicodeDecodeError):
        raise PoisonMessage(f"the header {name} is absent or not UTF-8") from None
    if not text:
        raise PoisonMessage(f"the header {name} is empty")
    return text


def _time(headers: dict[str, bytes]) -> datetime:
    text = _text(headers, "ce_time")
    try:
        return parse_instant(text)
    except ValueError:
        raise PoisonMessage("the header ce_time is not an RFC 3339 instant") from None


@lru_cache(maxsize=256)
def _is_source(text: str) -> bool:
    return _SOURCE.fullmatch(text) is not None
