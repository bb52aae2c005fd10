"""The committed schemas, examples and AsyncAPI document are what the code writes and reads."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator, FormatChecker

from shared.bus.port import Message, Received
from shared.contracts.catalogue import ALL_EVENTS, EVENT_BY_TYPE, TOPICS
from shared.contracts.cloudevents import decode, encode
from shared.contracts.events import Event, FundEvent
from shared.contracts.export import EXAMPLES, FOLDER, SCHEMAS, examples, export, stale

ALL_EXAMPLES = [
    pytest.param(event_type, example, id=f"{event_type}/{name}")
    for event_type, named in examples().items()
    for name, example in named.items()
]


def schema(event_type: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(
        (FOLDER / SCHEMAS / f"{event_type}.schema.json").read_text(encoding="utf-8")
    )
    return read


def test_committed_documents_are_what_the_code_exports() -> None:
    assert stale() == [], "run python -m shared.contracts and look at what changed"


def test_an_export_removes_schemas_of_events_that_are_gone(tmp_path: Path) -> None:
    export(tmp_path)
    orphan = tmp_path / SCHEMAS / "nl.bufferbudget.funds.long-gone.v1.schema.json"
    orphan.write_text("{}")
    assert export(tmp_path) == [orphan]
    assert not orphan.exists()
    assert export(tmp_path) == []


def test_every_event_has_an_example_and_every_example_an_event() -> None:
    assert set(examples()) == set(EVENT_BY_TYPE)
    assert {path.name for path in (FOLDER / EXAMPLES).iterdir()} == set(EVENT_BY_TYPE)


@pytest.mark.parametrize("event", ALL_EVENTS, ids=lambda event: event.type_name())
def test_every_schema_is_a_valid_and_closed_schema(event: type[Event]) -> None:
    written = schema(event.type_name())
    Draft7Validator.check_schema(written)
    assert written["additionalProperties"] is False
    for part in written.get("definitions", {}).values():
        assert part["additionalProperties"] is False


@pytest.mark.parametrize(("event_type", "example"), ALL_EXAMPLES)
def test_an_example_keeps_to_its_schema(event_type: str, example: Mapping[str, Any]) -> None:
    validator = Draft7Validator(schema(event_type), format_checker=FormatChecker())
    assert [error.message for error in validator.iter_errors(example["payload"])] == []


@pytest.mark.parametrize(("event_type", "example"), ALL_EXAMPLES)
def test_an_example_is_read_and_written_again_as_it_stands(
    event_type: str, example: Mapping[str, Any]
) -> None:
    headers = tuple((name, value.encode()) for name, value in example["headers"].items())
    topic = EVENT_BY_TYPE[event_type].topic()
    value = json.dumps(example["payload"]).encode()
    envelope = decode(Received(Message(topic, example["key"], value, headers), 0, 0))
    assert envelope.type == event_type
    again = encode(envelope)
    assert json.loads(again.value) == example["payload"]
    assert (again.topic, again.key, again.headers) == (topic, example["key"], headers)


@pytest.mark.parametrize(("event_type", "example"), ALL_EXAMPLES)
def test_every_member_that_the_schema_refuses_the_producer_model_refuses_too(
    event_type: str, example: Mapping[str, Any]
) -> None:
    validator = Draft7Validator(schema(event_type), format_checker=FormatChecker())
    required = schema(event_type)["required"]
    for member, value in example["payload"].items():
        # Never written, but an optional member that is null reads as one that is absent.
        nothing: list[Any] = [None] if member in required else []
        for wrong in (*nothing, [], {}, "x", -(10**12), 1.5, True, str(value)):
            changed = {**example["payload"], member: wrong}
            if not validator.is_valid(changed):
                with pytest.raises(ValueError, match="validation error"):
                    EVENT_BY_TYPE[event_type].model_validate_json(json.dumps(changed))


@pytest.mark.parametrize(("event_type", "example"), ALL_EXAMPLES)
def test_a_producer_cannot_write_a_member_that_the_contract_does_not_have(
    event_type: str, example: Mapping[str, Any]
) -> None:
    with pytest.raises(ValueError, match="extra_forbidden"):
        EVENT_BY_TYPE[event_type].model_validate_json(json.dumps({**example["payload"], "name": "J. Jansen"}))


def test_no_example_holds_a_number_that_could_be_a_bsn_or_an_account() -> None:
    for named in examples().values():
        for example in named.values():
            text = json.dumps(example["payload"])
            assert re.findall(r'"[0-9]{8,9}"', text) == []
            assert re.findall(r"[A-Z]{2}[0-9]{2}[A-Z]{4}[0-9]{10}", text) == []


def test_every_event_names_its_municipality_and_a_fund_event_no_participant() -> None:
    for event in ALL_EVENTS:
        members = schema(event.type_name())["properties"]
        assert "municipality" in members
        assert ("participantId" in members) is not issubclass(event, FundEvent)


def test_no_event_has_room_for_free_text() -> None:
    """Each text member is a pattern, a format or a list of values: nothing personal fits in by accident."""
    for event in ALL_EVENTS:
        written = schema(event.type_name())
        for part in (written, *written.get("definitions", {}).values()):
            for name, member in part["properties"].items():
                if member.get("type") == "string":
                    assert member.keys() & {"pattern", "format", "enum"}, f"{event.type_name()}/{name}"


def asyncapi() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((FOLDER / "asyncapi.yaml").read_text(encoding="utf-8"))
    return document


def test_the_asyncapi_document_has_every_topic_and_message_with_its_key() -> None:
    document = asyncapi()
    assert document["asyncapi"] == "3.0.0"
    channels = {channel["address"]: channel for channel in document["channels"].values()}
    assert set(channels) == set(TOPICS)
    for topic in TOPICS.values():
        assert channels[topic.name]["bindings"]["kafka"]["partitions"] == topic.partitions
        assert set(channels[topic.name]["messages"]) == {event.FACT for event in topic.events}
    messages = document["components"]["messages"]
    assert set(messages) == set(EVENT_BY_TYPE)
    for message in messages.values():
        assert message["bindings"]["kafka"]["key"]["format"] == "uuid"
        assert message["examples"]


def test_every_reference_in_the_asyncapi_document_leads_somewhere() -> None:
    document = asyncapi()

    def references(part: Any) -> list[str]:
        if isinstance(part, dict):
            own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
            return own + [found for value in part.values() for found in references(value)]
        return [found for value in part for found in references(value)] if isinstance(part, list) else []

    for reference in references(document):
        if reference.startswith("#/"):
            target: Any = document
            for step in reference.removeprefix("#/").split("/"):
                target = target[step]
        else:
            assert (FOLDER / reference).is_file(), reference


def test_every_service_that_reads_or_writes_a_topic_has_its_operation() -> None:
    operations = asyncapi()["operations"]
    wanted = {f"{topic.producer}.sends.{topic.family}" for topic in TOPICS.values()} | {
        f"{group}.receives.{topic.family}" for topic in TOPICS.values() for group in topic.consumers
    }
    assert set(operations) == wanted
