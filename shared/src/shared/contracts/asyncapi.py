"""The AsyncAPI 3.0 document: channels are topics, messages are events, with keys and Kafka bindings."""

from collections.abc import Mapping
from typing import Any

from shared.contracts.catalogue import ALL_EVENTS, TOPICS, Topic
from shared.contracts.cloudevents import CONTENT_TYPE
from shared.contracts.events import Event

VERSION = "1.0.0"
_BINDING = "0.5.0"
_SCHEMA_FORMAT = "application/schema+json;version=draft-07"
_DESCRIPTION = """\
What income-intake, buffer-ledger and notifier tell each other. CloudEvents in Kafka binary mode after the
NL GOV profile 1.1: attributes are record headers, the payload is the record value. The record key orders
events: the participant, or the fund. Delivery is at least once; `ce_source` with `ce_id` recognises a
repetition. Readers ignore members and types they do not know. Amounts are whole euro cents. No event holds a
name, a BSN or an account.
"""

Examples = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Type -> name of the example -> its `key`, `headers` and `payload`."""


def document(examples: Examples) -> dict[str, Any]:
    """The whole document as JSON values."""
    return {
        "asyncapi": "3.0.0",
        "id": "urn:bufferbudget:events",
        "info": {"title": "bufferbudget events", "version": VERSION, "description": _DESCRIPTION},
        "defaultContentType": CONTENT_TYPE.decode(),
        "servers": {
            "kafka": {
                "host": "{host}:{port}",
                "protocol": "kafka",
                "description": "The distributed shape. The embedded shape keeps the same messages in SQLite.",
                "variables": {"host": {"default": "127.0.0.1"}, "port": {"default": "9092"}},
            }
        },
        "channels": {topic.family: _channel(topic) for topic in TOPICS.values()},
        "operations": _operations(),
        "components": {
            "messages": {
                event.type_name(): _message(event, examples.get(event.type_name(), {}))
                for event in ALL_EVENTS
            },
            "messageTraits": {"cloudEvent": {"headers": _headers()}},
        },
    }


def _channel(topic: Topic) -> dict[str, Any]:
    return {
        "address": topic.name,
        "description": f"Facts about {topic.family}, written by {topic.producer}, keyed by {topic.key}.",
        "messages": {
            event.FACT: {"$ref": f"#/components/messages/{event.type_name()}"} for event in topic.events
        },
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": {"cleanup.policy": ["delete"], "retention.ms": -1},
                "bindingVersion": _BINDING,
            }
        },
    }


def _operations() -> dict[str, Any]:
    operations: dict[str, Any] = {}
    for topic in TOPICS.values():
        channel = {"$ref": f"#/channels/{topic.family}"}
        operations[f"{topic.producer}.sends.{topic.family}"] = {
            "action": "send",
            "channel": channel,
            "summary": f"{topic.producer} publishes from its outbox, in order per {topic.key}.",
        }
        for group in topic.consumers:
            operations[f"{group}.receives.{topic.family}"] = {
                "action": "receive",
                "channel": channel,
                "summary": f"The group {group} handles each message at least once and knows repetitions.",
                "bindings": {
                    "kafka": {"groupId": {"type": "string", "enum": [group]}, "bindingVersion": _BINDING}
                },
            }
    return operations


def _message(event: type[Event], examples: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    topic = TOPICS[event.topic()]
    return {
        "name": event.type_name(),
        "title": event.FACT,
        "summary": (event.__doc__ or "").strip(),
        "contentType": CONTENT_TYPE.decode(),
        "traits": [{"$ref": "#/components/messageTraits/cloudEvent"}],
        "payload": {
            "schemaFormat": _SCHEMA_FORMAT,
            "schema": {"$ref": f"./schemas/{event.type_name()}.schema.json"},
        },
        "bindings": {
            "kafka": {
                "key": {"type": "string", "format": "uuid", "description": f"The payload's {topic.key}."},
                "bindingVersion": _BINDING,
            }
        },
        "examples": [
            {"name": name, "headers": dict(example["headers"]), "payload": dict(example["payload"])}
            for name, example in examples.items()
        ],
    }


def _headers() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "content-type"],
        "properties": {
            "ce_specversion": {"type": "string", "const": "1.0"},
            "ce_id": {"type": "string", "maxLength": 64, "description": "Unique together with ce_source."},
            "ce_source": {
                "type": "string",
                "pattern": "^urn:nld:oin:[0-9]{20}:systeem:[a-z][a-z0-9-]{1,62}$",
                "description": "The organisation's OIN and the service that recorded the fact.",
            },
            "ce_type": {"type": "string", "pattern": r"^nl\.bufferbudget\.[a-z-]+\.[a-z-]+\.v[0-9]+$"},
            "ce_time": {
                "type": "string",
                "format": "date-time",
                "description": "Instant of recording, UTC; the month it is about is in the payload.",
            },
            "content-type": {"type": "string", "const": CONTENT_TYPE.decode()},
        },
    }
