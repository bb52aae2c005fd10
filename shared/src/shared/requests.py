"""Reading what callers send: every fault at once, each with a stable rule id.

A request model lists its shape as fields; what concerns several members together stands in `cross_faults`,
which sees the members that parsed. So one answer names both kinds of fault.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar, Literal, Self, TypeVar, cast

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, PydanticCustomError

from shared.errors import Fault, Invalid
from shared.strict_json import escaped, strict_json

RULES: Mapping[str, str] = {
    "G001": "A required member or parameter is missing.",
    "G002": "A member or parameter is not known here. They are written exactly as documented.",
    "G003": "A value has the wrong JSON type. Amounts are integers (whole cents), shares decimal strings.",
    "G004": "A value, or the length of a text or list, lies outside its limits.",
    "G005": "A text does not have the form asked for, such as a date, a month or an identifier.",
    "G006": "The body is not valid JSON (RFC 8259) in UTF-8. NaN and Infinity are not JSON.",
    "G007": "A member stands twice in one object, so that it is unclear which one counts.",
    "G008": "A value is not one of the values listed for this member.",
    "G009": "JSON is nested deeper than any request here needs.",
    "G010": "A text holds a character that cannot be kept: NUL or half of a surrogate pair.",
    "G011": "A body is required and there is none.",
    "G012": "An object, a list or the whole body has more members than any request here needs.",
    "G013": "There are more faults than one answer lists; this last one says how many are left out.",
    "N001": "The member and value are known, but this version has not built them yet.",
}
"""The general rules; each service publishes its own beside them (`W001` ... slips, `L001` ... ledger)."""

FAULTS_MAX = 100
"""Most faults of one answer or one line of a batch; more of them come from one mistake made many times."""

_SECOND_PASS = {"second_pass": True}
_ITEMS = "[]"
"""Behind a member's name: those items of its list that parsed, when not all did."""
_MEMBERS = "{}"
"""Behind a member's name: those members of its object that parsed, when not all did."""
_M = TypeVar("_M", bound="RequestModel")


class RequestModel(BaseModel):
    """A body that callers send: closed (unknown members are refused), camelCase outside, snake_case inside.

    Put what concerns one member in its field type, and what concerns several in `cross_faults`; do not add
    model validators, because they do not run while any member is at fault.
    """

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, str_strip_whitespace=True)
    unbuilt: ClassVar[tuple[str, ...]] = ()
    """Members, by Python name, that are known and not built at all: whatever is given for them, well formed
    or not, is refused by name. Null and the member's default say nothing and pass."""

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
        members = {name: getattr(self, name) for name in type(self).model_fields}
        faults = _unbuilt_faults(type(self), members) + type(self).cross_faults(members)
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


def items_of(parsed: Mapping[str, Any], name: str) -> list[tuple[int, Any]]:
    """The items of a list member as `cross_faults` gets it, with their places, also when others are at fault.

    Whether all of them parsed tells `name in parsed`; without it a rule about their sum may not hold yet.
    """
    if name in parsed:
        return list(enumerate(parsed[name] or ()))
    return list(parsed.get(f"{name}{_ITEMS}", ()))


def members_of(parsed: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The members of an object member as `cross_faults` gets it, by Python name, also when others of them did
    not parse; empty when it was not given."""
    if name not in parsed:
        inner: Mapping[str, Any] = parsed.get(f"{name}{_MEMBERS}", {})
        return inner
    value = parsed[name]
    return {} if value is None else {inner: getattr(value, inner) for inner in type(value).model_fields}


def not_built(pointer: str, value: object) -> Fault:
    """The fault for a known member whose value this version has not built yet; names both."""
    shown = json.dumps(value, default=str, ensure_ascii=False)[:80]
    return Fault("N001", pointer, f"{_member_at(pointer)} {shown} is known but not built yet in this version")


def member_not_built(pointer: str, value: object) -> Fault:
    """The fault for a known member that this version has not built at all; names it and the kind of value,
    never the value: it may be a person's."""
    kinds = {list: "a list", dict: "an object", str: "a text", int: "a number", float: "a number"}
    kind = kinds.get(type(value), "an object" if isinstance(value, BaseModel) else "a value")
    detail = f"{_member_at(pointer)} (here {kind}) is known but not built yet in this version: leave it out"
    return Fault("N001", pointer, detail)


def unknown_parameters(given: Iterable[str], known: Sequence[str]) -> list[Fault]:
    """The faults for query parameters that a call does not know; they name those that it does."""
    said = f"those of this call are {', '.join(known)}" if known else "this call has none"
    return [
        Fault("G002", f"/{escaped(name[:80])}", f"is not a known parameter here: {said}")
        for name in dict.fromkeys(given)
        if name not in known
    ]


def _member_at(pointer: str) -> str:
    """The member a pointer leads to; of an item of a list the list."""
    names = [step for step in pointer.split("/") if step and not step.isdigit()]
    return names[-1] if names else "body"


def _unbuilt_faults(model: type[RequestModel], given: Mapping[str, object]) -> list[Fault]:
    faults = []
    for name in model.unbuilt:
        value, field = given.get(name), model.model_fields[name]
        default = field.get_default(call_default_factory=True, validated_data={})
        if value is not None and value != default:
            faults.append(member_not_built(f"/{field.alias or name}", value))
    return faults


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
        return shortened(invalid.faults)


def shortened(faults: Sequence[Fault]) -> list[Fault]:
    """The faults as one answer lists them: the first ones, then one that says how many more there are.

    Done where they leave, once: what came before may still have faults to add.
    """
    more = len(faults) - FAULTS_MAX
    if more <= 0:
        return list(faults)
    return [*faults[:FAULTS_MAX], Fault("G013", "", f"and {more} more; repair these first")]


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
    "out_of_range": "G004",
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
        pointer += f"/{escaped(str(step))}"
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
    if kind in {"model_type", "model_attributes_type", "dict_type"}:
        return "must be a JSON object"
    message = str(error["msg"])
    if kind in {"value_error", "assertion_error"}:
        return message.partition(", ")[2] or message
    return message.replace("Input should be", "must be").replace("Input should", "must")


def _second_pass(model: type[RequestModel], raw: object) -> list[Fault]:
    """Cross-field faults of every object of which at least one member is at fault."""
    return _parts(model, raw)[0]


def _parts(model: type[RequestModel], raw: object) -> tuple[list[Fault], dict[str, Any]]:
    """Cross-field faults of an object and of those in it, and what parsed of it."""
    if not isinstance(raw, Mapping):
        return [], {}
    given = {name: raw.get(field.alias or name) for name, field in model.model_fields.items()}
    faults = _unbuilt_faults(model, given)
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
            parsed[f"{name}{_ITEMS}"] = _parsed_items(field.annotation, value)
        else:
            parsed[name] = getattr(blank, name)
        for inner, item, place in _inner_models(field.annotation, value):
            found, members = _parts(inner, item)
            faults += [_moved(fault, f"/{escaped(member)}{place}") for fault in found]
            if not place and name not in parsed:
                parsed[f"{name}{_MEMBERS}"] = members
    return faults + model.cross_faults(parsed), parsed


def _parsed_items(annotation: Any, value: object) -> list[tuple[int, Any]]:
    """The items of a list that parse by themselves, as request models, with their places."""
    found: dict[int, Any] = {}
    for index, item in enumerate(value if isinstance(value, list) else ()):
        for model, _, place in _inner_models(annotation, [item]):
            if place == "/0" and index not in found:
                with suppress(ValidationError):
                    found[index] = model.model_validate(item, context=_SECOND_PASS)
    return list(found.items())


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
