"""Whether events of one version of the schemas can still be read by consumers of another.

A topic holds old messages and is read by old and new services at once. A change is *breaking* when consumers
of the new version would refuse messages that lie in the topic already, or when a fact that others rely on
goes away: then it needs a new type (`.v2`). It is *widening* when only old consumers would refuse new
messages: then consumers are deployed before producers.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]

_LOWER_LIMITS = ("minimum", "exclusiveMinimum", "minLength", "minItems")
_UPPER_LIMITS = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
_EXACT = ("type", "pattern", "format", "const")


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two versions."""

    where: str
    what: str
    breaking: bool

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def breaking_changes(old: Mapping[str, Schema], new: Mapping[str, Schema]) -> list[Change]:
    """What would break, comparing schemas by event type; empty when nothing does."""
    return [change for change in changes(old, new) if change.breaking]


def changes(old: Mapping[str, Schema], new: Mapping[str, Schema]) -> list[Change]:
    """Every difference that a reader of messages can notice."""
    found: list[Change] = []
    for name in sorted(old.keys() | new.keys()):
        if name not in new:
            found.append(Change(name, "the event is gone", breaking=True))
        elif name not in old:
            found.append(Change(name, "the event is new", breaking=False))
        else:
            found += _compare(name, _resolved(old[name], old[name]), _resolved(new[name], new[name]))
    return found


def _compare(where: str, old: Schema, new: Schema) -> Iterator[Change]:
    for word in (*_EXACT, "anyOf"):
        if old.get(word) != new.get(word):
            yield Change(where, f"{word} is another", breaking=True)
    yield from _limits(where, old, new)
    yield from _values(where, old.get("enum"), new.get("enum"))
    yield from _members(where, old, new)
    if "items" in old and "items" in new:
        yield from _compare(f"{where}[]", old["items"], new["items"])


def _limits(where: str, old: Schema, new: Schema) -> Iterator[Change]:
    for words, sign in ((_LOWER_LIMITS, 1), (_UPPER_LIMITS, -1)):
        for word in words:
            before, after = old.get(word), new.get(word)
            if before == after:
                continue
            narrower = after is not None and (before is None or sign * after > sign * before)
            yield Change(where, f"{word} went from {before} to {after}", breaking=narrower)


def _values(where: str, old: list[Any] | None, new: list[Any] | None) -> Iterator[Change]:
    if old is None and new is None:
        return
    if old is None or new is None:
        yield Change(where, "the list of values came or went", breaking=new is not None)
        return
    for value in old:
        if value not in new:
            yield Change(where, f"the value {value} is gone", breaking=True)
    for value in new:
        if value not in old:
            yield Change(where, f"the value {value} is new", breaking=False)


def _members(where: str, old: Schema, new: Schema) -> Iterator[Change]:
    before, after = old.get("properties", {}), new.get("properties", {})
    needed_before, needed_after = set(old.get("required", ())), set(new.get("required", ()))
    for name in sorted(before.keys() | after.keys()):
        here = f"{where}/{name}"
        if name not in after:
            yield Change(here, "the member is gone", breaking=True)
        elif name not in before:
            required = name in needed_after
            yield Change(
                here, f"the {'required' if required else 'optional'} member is new", breaking=required
            )
        else:
            if name in needed_after - needed_before:
                yield Change(here, "the member became required", breaking=True)
            if name in needed_before - needed_after:
                yield Change(here, "the member became optional", breaking=False)
            yield from _compare(here, before[name], after[name])


def _resolved(part: Any, whole: Schema) -> Any:
    """The schema with its local references put in place."""
    if isinstance(part, Mapping):
        reference = part.get("$ref")
        if isinstance(reference, str):
            return _resolved(whole["definitions"][reference.removeprefix("#/definitions/")], whole)
        return {word: _resolved(value, whole) for word, value in part.items() if word != "definitions"}
    if isinstance(part, list):
        return [_resolved(value, whole) for value in part]
    return part
