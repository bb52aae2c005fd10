"""Reading what callers send: strict JSON, every fault at once, each with a stable rule id.

A request model lists its shape as fields; what concerns several members together stands in `cross_faults`,
which sees the members that parsed. So one answer names both kinds of fault.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeVar, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, PydanticCustomError

from shared.errors import Fault, Invalid
from shared.months import Month

RULES: Mapping[str, str] = {
    "G001": "A required member or parameter is missing.",
    "G002": "A member is not known here. Members are written exactly as documented.",
    "G003": "A value has the wrong JSON type. Amounts are integers (whole cents), shares decimal strings.",
    "G004": "A value, or the length of a text or list, lies outside its limits.",
    "G005": "A text does not have the form asked for, such as a date, a month or an identifier.",
    "G006": "The body is not valid JSON (RFC 8259) in UTF-8. NaN and Infinity are not JSON.",
    "G007": "A member stands twice in one object, so that it is unclear which one counts.",
    "G008": "A value is not one of the values listed for this member.",
    "G009": "JSON is nested deeper than any request here needs.",
    "G010": "A text holds a character that cannot be kept: NUL or half of a surrogate pair.",
    "G011": "A body is required and there is none.",
    "N001": "The member and value are known, but this version has not built them yet.",
}
"""The general rules; each service publishes its own beside them (`W001` ... slips, `L001` ... ledger)."""

NESTING_MAX = 24
"""Deepest nesting of objects and lists that is read; the deepest documented request has 6."""

_SECOND_PASS = {"second_pass": True}
_M = TypeVar("_M", bound="RequestModel")


class RequestModel(BaseModel):
    """A body that callers send: closed (unknown members are refused), camelCase outside, snake_case inside.

    Put what concerns one member in its field type, and what concerns several in `cross_faults`; do not add
    model validators, because they do not run while any member is at fault.
    """

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, str_strip_whitespace=True)

    @classmethod
    def cross_faults(cls, parsed: Mapping[str, Any]) -> list[Fault]:
        """Faults between members; pointers are relative to this object: `/payDate`.

        `parsed` holds, by Python name, the members that parsed (defaults included). One that did not parse
        is absent and has its own fault: look with `in` before you take None for "not given".
        """
        return []

    @model_validator(mode="after")
    def _check_cross_faults(self, info: ValidationInfo) -> Self:
        if info.context is _SECOND_PASS:
            return self
        faults = type(self).cross_faults({name: getattr(self, name) for name in type(self).model_fields})
        if faults:
            raise PydanticCustomError("cross_faults", "members contradict each other", {"faults": faults})
        return self


class ResponseModel(BaseModel):
    """A body that we answer with; it may grow, so callers ignore members they do not know."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


ParameterPlace = Literal["path", "query", "header"]


class InvalidParameters(Invalid):
    """Faults in parameters instead of the body; pointers name the parameter: `/month`."""

    def __init__(self, place: ParameterPlace, faults: Sequence[Fault]) -> None:
        super().__init__(faults)
        self.place = place


if TYPE_CHECKING:
    MonthParameter = Month
else:
    # FastAPI takes scalars alone as parameters, and Month is a class of our own.
    MonthParameter = Annotated[
        str,
        AfterValidator(Month.parse),
        WithJsonSchema({"type": "string", "pattern": "^[0-9]{4}-(0[1-9]|1[0-2])$", "examples": ["2026-03"]}),
    ]
"""A month in a path or query: `month: Annotated[MonthParameter, Path()]` gives a Month."""


def not_built(pointer: str, value: object) -> Fault:
    """The fault for a known member whose value this version has not built yet; names both."""
    shown = json.dumps(value, default=str, ensure_ascii=False)[:80]
    member = pointer.rsplit("/", 1)[-1] or "body"
    return Fault("N001", pointer, f"{member} {shown} is known but not built yet in this version")


def parse_request(model: type[_M], raw: object, pointer: str = "") -> _M:
    """Read a decoded JSON value into a model. Raises Invalid with all faults of both kinds."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        faults = faults_of(error.errors(include_url=False, include_input=False), raw)
        faults += _second_pass(model, raw)
        raise Invalid([_moved(fault, pointer) for fault in _once(faults)]) from None


def parse_line(model: type[_M], line: bytes) -> _M | list[Fault]:
    """Read one line of a batch; a bad line gives its faults instead of an exception."""
    try:
        return parse_request(model, strict_json(line))
    except Invalid as invalid:
        return list(invalid.faults)


# ---- JSON ------------------------------------------------------------------------------------------------


def strict_json(raw: bytes) -> Any:
    """Decode JSON as RFC 8259 means it; raises Invalid for malformed, ambiguous or too deeply nested text."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Invalid([Fault("G006", "", f"the body is not UTF-8 at byte {error.start}")]) from None
    if text.count("[") + text.count("{") > NESTING_MAX and _depth(text) > NESTING_MAX:
        raise Invalid([Fault("G009", "", f"JSON is nested deeper than {NESTING_MAX} levels")])
    try:
        value = json.loads(text, object_pairs_hook=_pairs, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise Invalid([Fault("G006", "", f"the body is not valid JSON at {place}: {error.msg}")]) from None
    except ValueError as error:  # a number with thousands of digits
        raise Invalid([Fault("G006", "", f"the body has a number that cannot be read: {error}")]) from None
    if "\\u" in text or "\x00" in text:
        faults = [
            Fault("G010", pointer, "the text holds a NUL character or half of a surrogate pair")
            for pointer in _unkeepable(value, "")
        ]
        if faults:
            raise Invalid(faults)
    return value


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        twice = sorted({name for name in names if names.count(name) > 1})
        shown = ", ".join(name[:40] for name in twice[:5])
        raise Invalid([Fault("G007", "", f"an object has a member twice: {shown}")])
    return members


def _refuse_constant(name: str) -> Any:
    raise Invalid([Fault("G006", "", f"{name} is not JSON")])


def _depth(text: str) -> int:
    """Deepest nesting outside strings."""
    depth = deepest = 0
    in_string = escaped = False
    for character in text:
        if in_string:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                in_string = False
        elif character == '"':
            in_string = True
        elif character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


def _unkeepable(value: Any, pointer: str) -> Iterator[str]:
    if isinstance(value, str):
        if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
            yield pointer
    elif isinstance(value, dict):
        for name, member in value.items():
            yield from _unkeepable(name, pointer)
            yield from _unkeepable(member, f"{pointer}/{_escaped(name)}")
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _unkeepable(member, f"{pointer}/{index}")


# ---- from pydantic's errors to faults --------------------------------------------------------------------

_TYPE_RULES: Mapping[str, str] = {
    "missing": "G001",
    "extra_forbidden": "G002",
    "literal_error": "G008",
    "enum": "G008",
    "int_from_float": "G003",
    "int_parsing": "G003",
    "bool_parsing": "G003",
    "too_long": "G004",
    "too_short": "G004",
    "string_too_long": "G004",
    "string_too_short": "G004",
    "greater_than": "G004",
    "greater_than_equal": "G004",
    "less_than": "G004",
    "less_than_equal": "G004",
    "multiple_of": "G004",
    "decimal_max_digits": "G004",
    "decimal_max_places": "G004",
    "decimal_whole_digits": "G004",
    "int_parsing_size": "G004",
    "string_unicode": "G010",
    "json_invalid": "G006",
}


def faults_of(errors: Sequence[ErrorDetails | Mapping[str, Any]], raw: object) -> list[Fault]:
    """Turn pydantic's errors about `raw` into faults with JSON pointers, never the value."""
    faults: list[Fault] = []
    for error in errors:
        pointer = pointer_of(error["loc"], raw, missing=error["type"] == "missing")
        if error["type"] == "cross_faults":
            faults += [_moved(fault, pointer) for fault in error["ctx"]["faults"]]
        else:
            faults.append(Fault(_rule_of(error["type"]), pointer, _detail_of(error)))
    return _once(faults)


def parameter_faults(errors: Sequence[Mapping[str, Any]]) -> list[Fault]:
    """Turn pydantic's errors about parameters into faults; the pointer is `/` and the parameter's name."""
    return _once(
        [Fault(_rule_of(error["type"]), f"/{error['loc'][0]}", _detail_of(error)) for error in errors]
    )


def pointer_of(location: Sequence[int | str], raw: object, *, missing: bool = False) -> str:
    """The JSON pointer (RFC 6901) of a pydantic location; leaves out the labels it puts in for unions."""
    pointer = ""
    value: Any = raw
    for position, step in enumerate(location):
        known = isinstance(value, Mapping) and step in value
        if known or (isinstance(value, list) and isinstance(step, int) and step < len(value)):
            value = cast(Any, value)[step]
        elif not (missing and position == len(location) - 1):
            continue
        pointer += f"/{_escaped(str(step))}"
    return pointer


def _rule_of(kind: str) -> str:
    if kind in _TYPE_RULES:
        return _TYPE_RULES[kind]
    return "G003" if kind.endswith(("_type", "_attributes_type")) else "G005"


def _detail_of(error: ErrorDetails | Mapping[str, Any]) -> str:
    kind = error["type"]
    if kind == "missing":
        return "is required"
    if kind == "extra_forbidden":
        return "is not a known member here"
    message = str(error["msg"])
    if kind in {"value_error", "assertion_error"}:
        return message.partition(", ")[2] or message
    return message.replace("Input should be", "must be").replace("Input should", "must")


def _second_pass(model: type[RequestModel], raw: object) -> list[Fault]:
    """Cross-field faults of every object of which at least one member is at fault."""
    if not isinstance(raw, Mapping):
        return []
    faults: list[Fault] = []
    parsed: dict[str, Any] = {}
    blank = model.model_construct()
    for name, field in model.model_fields.items():
        member = field.alias or name
        if member not in raw:
            if not field.is_required():
                parsed[name] = field.get_default(call_default_factory=True, validated_data={})
            continue
        value = raw[member]
        try:
            model.__pydantic_validator__.validate_assignment(blank, name, value, context=_SECOND_PASS)
        except ValidationError:
            pass
        else:
            parsed[name] = getattr(blank, name)
        for inner, item, place in _inner_models(field.annotation, value):
            found = _second_pass(inner, item)
            faults += [_moved(fault, f"/{_escaped(member)}{place}") for fault in found]
    return faults + model.cross_faults(parsed)


def _inner_models(annotation: Any, value: object) -> Iterator[tuple[type[RequestModel], object, str]]:
    """The request models inside a field, each with its raw value and its place."""
    if isinstance(annotation, type) and issubclass(annotation, RequestModel):
        yield annotation, value, ""
        return
    for argument in getattr(annotation, "__args__", ()):
        if isinstance(value, list):
            for index, item in enumerate(value):
                for model, inner, place in _inner_models(argument, item):
                    yield model, inner, f"/{index}{place}"
        else:
            yield from _inner_models(argument, value)


def _moved(fault: Fault, pointer: str) -> Fault:
    return Fault(fault.rule, pointer + fault.pointer, fault.detail) if pointer else fault


def _once(faults: Sequence[Fault]) -> list[Fault]:
    return list(dict.fromkeys(faults))


def _escaped(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")
