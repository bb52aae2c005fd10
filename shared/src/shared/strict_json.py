"""JSON as RFC 8259 means it, and no more of it than any request needs.

What is ambiguous is refused, and so is what costs more to judge than it can be worth: a body of a megabyte
holds room for half a million values. All work here grows in step with the length of the text.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

from shared.errors import Fault, Invalid

NESTING_MAX: Final = 24
"""Deepest nesting of objects and lists that is read; the deepest documented request has 6."""
MEMBERS_MAX: Final = 1_000
"""Most members of one object, and most items of one list; the longest documented list has 400."""
VALUES_MAX: Final = 10_000
"""Most values in a whole text; the largest documented request has some 7,000."""

_SHOWN: Final = 5
_UNKEEPABLE: Final = re.compile("[\x00\ud800-\udfff]")
_TOO_MANY_VALUES: Final = Fault("G012", "", f"a body may have {VALUES_MAX} values at most")
_TOO_DEEP: Final = f"JSON is nested deeper than {NESTING_MAX} levels"


def strict_json(raw: bytes) -> Any:
    """Decode JSON; raises Invalid for malformed, ambiguous, too large or too deeply nested text."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Invalid([Fault("G006", "", f"the body is not UTF-8 at byte {error.start}")]) from None
    # Each value but the first stands behind one of these. They may stand in texts too, hence twice as many;
    # the point is not to build half a million values before they are counted.
    if sum(text.count(mark) for mark in ",[{") > 2 * VALUES_MAX:
        raise Invalid([_TOO_MANY_VALUES])
    try:
        value = json.loads(text, object_pairs_hook=members_of, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise Invalid([Fault("G006", "", f"the body is not valid JSON at {place}: {error.msg}")]) from None
    except ValueError as error:  # a number with thousands of digits
        raise Invalid([Fault("G006", "", f"the body has a number that cannot be read: {error}")]) from None
    except RecursionError:
        raise Invalid([Fault("G009", "", _TOO_DEEP)]) from None
    # Each value takes two characters at least, so a short text cannot pass any limit but that of nesting.
    if len(text) > MEMBERS_MAX or text.count("[") + text.count("{") > NESTING_MAX:
        _must_be_of_measure(value)
    if "\\u" in text or "\x00" in text:
        faults = [
            Fault("G010", pointer, "the text holds a NUL character or half of a surrogate pair")
            for pointer in _unkeepable(value, "")
        ]
        if faults:
            raise Invalid(faults)
    return value


def members_of(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """The members of one object. Raises Invalid for more of them than are read, and for one that is there
    twice."""
    if len(pairs) > MEMBERS_MAX:
        raise Invalid([_too_many("", "an object", "members", len(pairs))])
    members = dict(pairs)
    if len(members) != len(pairs):
        counted = Counter(name for name, _ in pairs)
        twice = sorted(name for name, times in counted.items() if times > 1)
        shown = ", ".join(name[:40] for name in twice[:_SHOWN])
        raise Invalid([Fault("G007", "", f"an object has a member twice: {shown}")])
    return members


def escaped(step: str) -> str:
    """A member's name as a step of a JSON pointer (RFC 6901)."""
    return step.replace("~", "~0").replace("/", "~1")


def _too_many(pointer: str, what: str, parts: str, found: int) -> Fault:
    return Fault("G012", pointer, f"{what} may have {MEMBERS_MAX} {parts} at most, here are {found}")


def _refuse_constant(name: str) -> Any:
    raise Invalid([Fault("G006", "", f"{name} is not JSON")])


def _must_be_of_measure(value: Any) -> None:
    """Raise Invalid when a value is nested too deeply, or one of its lists or its whole is too long."""
    level: list[tuple[str, Any]] = [("", value)] if isinstance(value, dict | list) else []
    values = depth = 0
    while level:
        if depth == NESTING_MAX:
            raise Invalid([Fault("G009", "", _TOO_DEEP)])
        below: list[tuple[str, Any]] = []
        for pointer, one in level:
            values += len(one)
            if isinstance(one, list) and len(one) > MEMBERS_MAX:
                raise Invalid([_too_many(pointer, "a list", "items", len(one))])
            if values > VALUES_MAX:
                raise Invalid([_TOO_MANY_VALUES])
            named = one.items() if isinstance(one, dict) else enumerate(one)
            below += [
                (f"{pointer}/{escaped(str(name))}", inner)
                for name, inner in named
                if isinstance(inner, dict | list)
            ]
        depth += 1
        level = below


def _unkeepable(value: Any, pointer: str) -> Iterator[str]:
    if isinstance(value, str):
        if _UNKEEPABLE.search(value):
            yield pointer
    elif isinstance(value, dict):
        for name, member in value.items():
            yield from _unkeepable(name, pointer)
            yield from _unkeepable(member, f"{pointer}/{escaped(name)}")
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _unkeepable(member, f"{pointer}/{index}")
