"""Reading requests: strict JSON, all faults of both kinds at once, JSON pointers that hit the member."""

import json
import sys
from collections.abc import Callable, Mapping
from datetime import date
from functools import partial
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, field_validator

from shared.errors import Fault, Invalid
from shared.money import AnyCents, Share
from shared.months import Month
from shared.requests import (
    FAULTS_MAX,
    RULES,
    RequestModel,
    items_of,
    not_built,
    parse_line,
    parse_request,
    shortened,
)


class Part(RequestModel):
    kind: Literal["WAGE", "TAX"]
    amount_cents: AnyCents

    @classmethod
    def cross_faults(cls, parsed: Mapping[str, Any]) -> list[Fault]:
        if parsed.get("kind") == "TAX" and parsed.get("amount_cents", 0) > 0:
            return [Fault("W900", "/amountCents", "a tax takes away")]
        return []


class Whole(RequestModel):
    parts: Annotated[list[Part], Field(max_length=3)]

    @classmethod
    def cross_faults(cls, parsed: Mapping[str, Any]) -> list[Fault]:
        places = [str(place) for place, part in items_of(parsed, "parts") if part.kind == "WAGE"]
        return [Fault("W903", "/parts", ",".join([*places, "all" if "parts" in parsed else "some"]))]


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


@pytest.mark.parametrize(
    ("parts", "judged"),
    [
        ([{"kind": "TAX", "amountCents": 0}, {"kind": "WAGE", "amountCents": 1}], "1,all"),
        ([{"kind": "WAGE"}, 4, {"kind": "WAGE", "amountCents": 1}], "2,some"),
        ([{"kind": "WAGE", "amountCents": 1}] * 4, "0,1,2,3,some"),
        ({}, "some"),
        (None, "some"),
    ],
)
def test_cross_field_rules_see_the_items_of_a_list_that_parsed_with_their_places(
    parts: Any, judged: str
) -> None:
    with pytest.raises(Invalid) as caught:
        parse_request(Whole, {"parts": parts})
    assert [fault.detail for fault in caught.value.faults if fault.rule == "W903"] == [judged]


@pytest.mark.parametrize("raw", [7, {"parts": [7]}, {**GOOD, "payee": 7}])
def test_the_words_of_a_fault_name_json_and_no_class_of_ours(raw: Any) -> None:
    for model in (Slip, Whole):
        with pytest.raises(Invalid) as caught:
            parse_request(model, raw)
        words = " ".join(fault.detail for fault in caught.value.faults)
        assert "instance" not in words
        assert "dictionary" not in words


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


# ---- as many faults as a reader can use ------------------------------------------------------------------


def _many(parts: int) -> dict[str, Any]:
    return {**GOOD, "parts": [{"kind": "BONUS", "amountCents": 1}] * parts}


def test_a_hundred_faults_are_listed_and_the_rest_are_counted() -> None:
    with pytest.raises(Invalid) as caught:
        parse_request(Slip, _many(130))
    assert len(caught.value.faults) == 130
    shown = shortened(caught.value.faults)
    assert [fault.rule for fault in shown[:-1]] == ["G008"] * FAULTS_MAX
    assert (shown[-1].rule, shown[-1].detail) == ("G013", "and 30 more; repair these first")
    assert {fault.rule for fault in shown} <= RULES.keys()


def test_up_to_a_hundred_faults_are_all_listed() -> None:
    with pytest.raises(Invalid) as caught:
        parse_request(Slip, _many(FAULTS_MAX))
    assert tuple(shortened(caught.value.faults)) == caught.value.faults


def test_a_line_of_a_batch_has_as_many_faults_as_an_answer() -> None:
    faults = parse_line(Slip, json.dumps(_many(130)).encode())
    assert isinstance(faults, list)
    assert (len(faults), faults[-1].rule) == (FAULTS_MAX + 1, "G013")


def _calls(work: Callable[[], object]) -> int:
    """How many functions a piece of work calls, those written in C included: a measure without a clock."""
    calls = 0

    def count(_frame: object, event: str, _arg: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return calls


@pytest.mark.parametrize(
    "body",
    [
        _many,
        lambda size: {**GOOD, "parts": [{"kind": "TAX", "amountCents": 5}] * size},
        lambda size: {**GOOD, **{f"unknown{number}": 1 for number in range(size)}},
        lambda size: {**GOOD, "parts": [{f"unknown{n}": 1 for n in range(20)}] * (size // 20)},
        lambda size: {**GOOD, "parts": [[1] * 20] * (size // 20)},
        lambda size: {**GOOD, "reference": "[{" * size},
    ],
)
def test_work_grows_in_step_with_the_input(body: Callable[[int], Any]) -> None:
    texts = [json.dumps(body(size)).encode() for size in (400, 800)]
    small, large = (_calls(partial(parse_line, Slip, text)) for text in texts)
    assert large < 2.2 * small + 200


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_characters="\x00")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=20,
)


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
