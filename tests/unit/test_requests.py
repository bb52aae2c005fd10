"""Reading requests: strict JSON, all faults of both kinds at once, JSON pointers that hit the member."""

import json
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, field_validator

from shared.errors import Fault, Invalid
from shared.money import AnyCents, Share
from shared.months import Month
from shared.requests import (
    NESTING_MAX,
    RULES,
    RequestModel,
    not_built,
    parse_line,
    parse_request,
    strict_json,
)


class Part(RequestModel):
    kind: Literal["WAGE", "TAX"]
    amount_cents: AnyCents

    @classmethod
    def cross_faults(cls, parsed: Mapping[str, Any]) -> list[Fault]:
        if parsed.get("kind") == "TAX" and parsed.get("amount_cents", 0) > 0:
            return [Fault("W900", "/amountCents", "a tax takes away")]
        return []


class Payee(RequestModel):
    holder: Annotated[str, Field(min_length=1)]


class Slip(RequestModel):
    month: Month
    period_from: date
    period_to: date
    share: Share | None = None
    net_cents: AnyCents | None = None
    parts: list[Part] | None = None
    payee: Payee | Literal["PERSON"] = "PERSON"
    reference: str = "none"

    @field_validator("reference")
    @classmethod
    def _no_spaces(cls, value: str) -> str:
        if " " in value:
            raise ValueError("a reference has no spaces")
        return value

    @classmethod
    def cross_faults(cls, parsed: Mapping[str, Any]) -> list[Fault]:
        faults: list[Fault] = []
        if {"period_from", "period_to"} <= parsed.keys() and parsed["period_to"] < parsed["period_from"]:
            faults.append(Fault("W901", "/periodTo", "lies before periodFrom"))
        if all(name in parsed and parsed[name] is None for name in ("net_cents", "parts")):
            faults.append(Fault("W902", "", "needs netCents or parts"))
        if parsed.get("reference") == "later":
            faults.append(not_built("/reference", "later"))
        return faults


GOOD: dict[str, Any] = {
    "month": "2026-03",
    "periodFrom": "2026-03-01",
    "periodTo": "2026-03-31",
    "netCents": 61250,
}


def _found(raw: Any) -> set[tuple[str, str]]:
    with pytest.raises(Invalid) as caught:
        parse_request(Slip, raw)
    assert all(fault.rule in RULES or fault.rule.startswith("W") for fault in caught.value.faults)
    assert len(set(caught.value.faults)) == len(caught.value.faults)
    return {(fault.rule, fault.pointer) for fault in caught.value.faults}


def test_a_good_request_becomes_its_values() -> None:
    slip = parse_request(Slip, GOOD)
    assert (slip.month, slip.net_cents, slip.period_to) == (Month(2026, 3), 61250, date(2026, 3, 31))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"month": None}, {("G005", "/month")}),
        ({"month": "2026-13"}, {("G005", "/month")}),
        ({"periodFrom": "01-03-2026"}, {("G005", "/periodFrom")}),
        ({"netCents": 612.5}, {("G003", "/netCents")}),
        ({"netCents": "61250"}, {("G003", "/netCents")}),
        ({"netCents": True}, {("G003", "/netCents")}),
        ({"netCents": 10**12}, {("G004", "/netCents")}),
        ({"share": 0.15}, {("G005", "/share")}),
        ({"share": "1.5"}, {("G004", "/share")}),
        ({"parts": [{"kind": "BONUS", "amountCents": 1}]}, {("G008", "/parts/0/kind")}),
        ({"parts": {}}, {("G003", "/parts")}),
        ({"colour": 1}, {("G002", "/colour")}),
        ({"period_to": "2026-03-31"}, {("G002", "/period_to")}),
        ({"a/b~c": 1}, {("G002", "/a~1b~0c")}),
        ({"reference": "a b"}, {("G005", "/reference")}),
        ({"reference": 5}, {("G003", "/reference")}),
        ({"reference": "later"}, {("N001", "/reference")}),
        ({"netCents": None}, {("W902", "")}),
        ({"periodTo": "2026-02-01"}, {("W901", "/periodTo")}),
        ({"parts": [{"kind": "TAX", "amountCents": 5}]}, {("W900", "/parts/0/amountCents")}),
    ],
)
def test_each_fault_has_its_rule_and_points_at_its_member(
    change: dict[str, Any], expected: set[tuple[str, str]]
) -> None:
    assert _found({**GOOD, **change}) == expected


def test_members_are_known_by_their_documented_name_alone() -> None:
    raw = {**GOOD, "net_cents": 1}
    del raw["netCents"]
    assert _found(raw) == {("G002", "/net_cents"), ("W902", "")}


def test_missing_members_are_each_told() -> None:
    assert _found({"netCents": 1}) == {("G001", "/month"), ("G001", "/periodFrom"), ("G001", "/periodTo")}


def test_cross_field_faults_are_told_beside_shape_faults() -> None:
    raw = {
        **GOOD,
        "month": 3,
        "periodTo": "2026-02-01",
        "netCents": None,
        "parts": [{"kind": "TAX", "amountCents": 5, "why": 1}, {"kind": "TAX", "amountCents": 7}, 4],
    }
    assert _found(raw) == {
        ("G005", "/month"),
        ("W901", "/periodTo"),
        ("G002", "/parts/0/why"),
        ("W900", "/parts/0/amountCents"),
        ("W900", "/parts/1/amountCents"),
        ("G003", "/parts/2"),
    }


def test_a_member_that_did_not_parse_is_not_judged_again() -> None:
    assert _found({**GOOD, "periodFrom": "?", "periodTo": "2026-02-01"}) == {("G005", "/periodFrom")}


@pytest.mark.parametrize("raw", [None, [], "text", 5, True])
def test_a_body_that_is_no_object_is_refused(raw: Any) -> None:
    assert {rule for rule, _ in _found(raw)} == {"G003"}


def test_no_fault_repeats_what_was_sent() -> None:
    secret = "999993653"
    raw = {
        "month": secret,
        "periodFrom": secret,
        "periodTo": secret,
        "netCents": secret,
        "share": secret,
        "parts": [{"kind": secret, "amountCents": secret}],
        "payee": secret,
    }
    with pytest.raises(Invalid) as caught:
        parse_request(Slip, raw)
    assert not [fault for fault in caught.value.faults if secret in fault.detail]


def test_a_value_that_is_not_built_yet_is_named_with_its_member() -> None:
    fault = not_built("/policy/floor", {"pct": "1.10"})
    assert (fault.rule, fault.pointer) == ("N001", "/policy/floor")
    assert fault.detail.startswith('floor {"pct": "1.10"} is known but not built yet')


# ---- JSON -------------------------------------------------------------------------------------------------


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
        (b'{"a":' * 100_000, "G009"),
        (b'"\\u0000"', "G010"),
        (b'{"a\\u0000": 1}', "G010"),
        (b'["\\udc00"]', "G010"),
    ],
)
def test_json_that_is_malformed_ambiguous_or_bottomless_is_refused(text: bytes, rule: str) -> None:
    with pytest.raises(Invalid) as caught:
        strict_json(text)
    assert {fault.rule for fault in caught.value.faults} == {rule}


def test_brackets_inside_texts_are_no_nesting() -> None:
    text = json.dumps({"a": "[" * 200 + '\\"' + "{" * 200}).encode()
    assert strict_json(text) == json.loads(text)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_characters="\x00")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=20,
)


@given(_JSON)
def test_every_other_json_is_read_as_it_was_written(value: Any) -> None:
    written = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    if b"\\u0000" in written:
        return
    assert strict_json(written) == value


@given(_JSON)
def test_no_json_whatever_does_more_than_give_faults(value: Any) -> None:
    line = json.dumps({**GOOD, "parts": value, "payee": value, "reference": value}).encode()
    read = parse_line(Slip, line)
    assert isinstance(read, Slip) or read


# ---- batches ----------------------------------------------------------------------------------------------


def test_a_line_gives_its_model_or_its_faults() -> None:
    assert isinstance(parse_line(Slip, json.dumps(GOOD).encode()), Slip)
    faults = parse_line(Slip, b'{"month": "2026-03", "month": "2026-04"}')
    assert isinstance(faults, list)
    assert [fault.rule for fault in faults] == ["G007"]
