"""The JSON Schema (draft 7) of each event, closed, as a producer must keep to it."""

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from shared.contracts.catalogue import TOPICS
from shared.contracts.events import Event

DIALECT = "http://json-schema.org/draft-07/schema#"


class _Written(GenerateJsonSchema):
    """What is written: a member without a value is left out, so null never occurs."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])


def schema_of(event: type[Event]) -> dict[str, Any]:
    """The schema of an event's payload, with the topic, key and producer it belongs to."""
    generated = event.model_json_schema(
        by_alias=True, schema_generator=_Written, ref_template="#/definitions/{model}"
    )
    definitions = generated.pop("$defs", None)
    topic = TOPICS[event.topic()]
    schema = {
        "$schema": DIALECT,
        "$id": f"urn:bufferbudget:schema:{event.type_name()}",
        "title": generated.pop("title"),
        "description": generated.pop("description"),
        "x-topic": topic.name,
        "x-key": topic.key,
        "x-producer": topic.producer,
        **_untitled(generated),
    }
    if definitions:
        schema["definitions"] = _untitled(definitions)
    return schema


def _untitled(part: Any) -> Any:
    """Without the titles that repeat a member's name."""
    if isinstance(part, dict):
        return {
            word: _untitled(value)
            for word, value in part.items()
            if word != "title" or isinstance(value, dict)
        }
    return [_untitled(value) for value in part] if isinstance(part, list) else part
