"""JSON as it is read: malformed, ambiguous, bottomless or endless text is refused, and at no great cost."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Fault, Invalid
from shared.strict_json import MEMBERS_MAX, NESTING_MAX, VALUES_MAX, members_of, strict_json


def _refused(text: bytes) -> list[Fault]:
    with pytest.raises(Invalid) as caught:
        strict_json(text)
    return list(caught.value.faults)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (b"", "G006"),
        (b"{", "G006"),
        (b"{'a': 1}", "G006"),
        (b'{"a": 1,}', "G006"),
        (b"NaN", "G006"),
        (b"-Infinity", "G006"),
        (b"\xef\xbb\xbf{}", "G006"),
        (b'"\xc3\x28"', "G006"),
        (b"1" * 5000, "G006"),
        (b'{"a": {"b": 1, "b": 1}}', "G007"),
        (b"[" * (NESTING_MAX + 1) + b"]" * (NESTING_MAX + 1), "G009"),
        (b'{"a":' * 10_000, "G009"),
        (b'"\\u0000"', "G010"),
        (b'{"a\\u0000": 1}', "G010"),
        (b'["\\udc00"]', "G010"),
    ],
)
def test_json_that_is_malformed_ambiguous_or_bottomless_is_refused(text: bytes, rule: str) -> None:
    assert {fault.rule for fault in _refused(text)} == {rule}


def test_brackets_inside_texts_are_no_nesting() -> None:
    text = json.dumps({"a": "[" * 200 + '\\"' + "{" * 200}).encode()
    assert strict_json(text) == json.loads(text)


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=20,
)


@given(_JSON)
def test_every_other_json_is_read_as_it_was_written(value: Any) -> None:
    written = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    if b"\\u0000" in written:
        return
    assert strict_json(written) == value


# ---- limits ----------------------------------------------------------------------------------------------


def test_nesting_up_to_the_limit_is_read() -> None:
    text = b'{"a":' * (NESTING_MAX - 1) + b"[]" + b"}" * (NESTING_MAX - 1)
    assert strict_json(text) == json.loads(text)
    assert _refused(b"[" + text + b"]")[0].rule == "G009"


def test_an_object_with_more_members_than_any_request_needs_is_refused() -> None:
    most = {f"m{number}": number for number in range(MEMBERS_MAX)}
    assert strict_json(json.dumps(most).encode()) == most
    (fault,) = _refused(json.dumps({"a": [{**most, "one more": 1}]}).encode())
    assert (fault.rule, fault.detail) == ("G012", "an object may have 1000 members at most, here are 1001")


def test_a_list_with_more_items_than_any_request_needs_is_refused_where_it_stands() -> None:
    most = [0] * MEMBERS_MAX
    assert strict_json(json.dumps(most).encode()) == most
    (fault,) = _refused(json.dumps({"a/b": [[], [*most, 0]]}).encode())
    assert (fault.rule, fault.pointer) == ("G012", "/a~1b/1")


def test_a_text_with_more_values_than_any_request_needs_is_refused() -> None:
    rows = VALUES_MAX // MEMBERS_MAX
    (fault,) = _refused(json.dumps([[0] * MEMBERS_MAX] * rows).encode())
    assert (fault.rule, fault.pointer) == ("G012", "")
    assert len(strict_json(json.dumps([[0] * (MEMBERS_MAX - 1)] * rows).encode())) == rows


@pytest.mark.parametrize("size", [20_000, 500])
def test_a_megabyte_of_one_member_is_refused(size: int) -> None:
    pairs = ",".join('"a":1' for _ in range(size))
    assert {fault.rule for fault in _refused(f"{{{pairs}}}".encode())} == {"G012" if size > 1000 else "G007"}


class _Counted(str):
    """A name that counts how often it is compared or hashed."""

    looks = 0

    def __eq__(self, other: object) -> bool:
        _Counted.looks += 1
        return str.__eq__(self, other)

    def __hash__(self) -> int:
        _Counted.looks += 1
        return str.__hash__(self)


def _looks(members: int) -> int:
    """Looks at names while an object is read in which every name stands twice."""
    pairs = [(_Counted(f"m{number % (members // 2)}"), None) for number in range(members)]
    _Counted.looks = 0
    with pytest.raises(Invalid):
        members_of(pairs)
    return _Counted.looks


def test_finding_members_that_stand_twice_takes_one_look_at_each() -> None:
    assert _looks(MEMBERS_MAX) <= 10 * MEMBERS_MAX
    assert _looks(MEMBERS_MAX) <= 2.2 * _looks(MEMBERS_MAX // 2)
