"""What the ledger refuses, all of it in one answer, and what a refusal may not tell."""

from typing import Any

import pytest

from shared.contracts.events import EnrolmentEnded
from tests.integration.ledger.ledger_office import (
    MUNICIPALITY,
    OTHER,
    LedgerOffice,
    Scheme,
    new_uuid,
    registered,
    slip,
)

EXEMPTION = {"kind": "GENERAL", "share": "0.25", "firstMonth": "2026-01", "months": 6}


def faults(answer: dict[str, Any]) -> set[tuple[str, str]]:
    return {(fault["rule"], fault["pointer"]) for fault in answer["errors"]}


def detail(answer: dict[str, Any], pointer: str) -> str:
    (found,) = [
        fault["detail"]
        for fault in answer["errors"]
        if (fault["rule"], fault["pointer"]) == ("N001", pointer)
    ]
    return str(found)


# ---- all at once


async def test_a_scheme_tells_of_its_cap_and_its_end_with_whatever_else_is_wrong(
    ledger: LedgerOffice,
) -> None:
    scheme = await ledger.scheme()
    body = {
        "fundId": scheme.fund_id,
        "municipality": "344",
        "policy": {"drawAmount": "MORE", "capCents": 120_001, "payee": "MUNICIPALITY"},
        "validFrom": "2026-02",
        "validTo": "2026-01",
        "colour": "red",
    }
    refused = await ledger.call("PUT", f"/schemes/{new_uuid()}", body, expect=400)
    assert faults(refused) == {
        ("G005", "/municipality"),
        ("G008", "/policy/drawAmount"),
        ("N001", "/policy/payee"),
        ("L007", "/validTo"),
        ("G002", "/colour"),
    }


async def test_faults_inside_members_are_named_at_their_places(ledger: LedgerOffice) -> None:
    body = {
        "participantId": new_uuid(),
        "schemeId": new_uuid(),
        "household": {
            "kind": "SINGLE",
            "otherIncome": [{"month": "2026-01", "amountCents": 1.5, "kind": "RENT"}],
            "partnerParticipantId": "nobody",
        },
        "firstMonth": "2026-01",
        "exemptions": [{**EXEMPTION, "share": 0.25}],
    }
    refused = await ledger.call("POST", "/enrolments", body, expect=400)
    assert faults(refused) == {
        ("G003", "/household/otherIncome/0/amountCents"),
        ("G005", "/household/partnerParticipantId"),
        ("G005", "/exemptions/0/share"),
    }


async def test_what_is_not_built_is_called_by_its_name(ledger: LedgerOffice) -> None:
    scheme = {
        "fundId": new_uuid(),
        "municipality": MUNICIPALITY,
        "policy": {
            "drawAmount": "TOPUP",
            "capCents": 100_000,
            "trigger": ["LATE_PAYMENT"],
            "fundOrder": [new_uuid()],
        },
        "validFrom": "2026-01",
    }
    refused = await ledger.call("PUT", f"/schemes/{new_uuid()}", scheme, expect=400)
    assert detail(refused, "/policy/trigger/0").startswith('trigger "LATE_PAYMENT" ')
    assert detail(refused, "/policy/fundOrder").startswith("fundOrder (here a list)")


# ---- identifiers


@pytest.mark.parametrize("name", ["-" * 36, "a" * 36, f"{'a' * 9}-{'b' * 26}"])
async def test_a_scheme_is_called_by_a_uuid(ledger: LedgerOffice, name: str) -> None:
    await ledger.scheme()
    refused = await ledger.call("GET", f"/schemes/{name}", expect=400)
    assert faults(refused) == {("G005", "/schemeId")}


async def test_an_id_in_capitals_is_the_same_thing_and_the_same_key(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme()
    scheme_id = "ab" + new_uuid()[2:]
    body = {
        "fundId": scheme.fund_id.upper(),
        "municipality": MUNICIPALITY,
        "policy": {"drawAmount": "TOPUP", "capCents": 100_000},
        "validFrom": "2026-01",
    }
    key = {"Idempotency-Key": "one"}
    made = await ledger.call("PUT", f"/schemes/{scheme_id.upper()}", body, expect=201, headers=key)
    assert made["schemeId"] == scheme_id
    assert await ledger.call("PUT", f"/schemes/{scheme_id}", body, expect=201, headers=key) == made
    assert await ledger.call("GET", f"/schemes/{scheme_id.upper()}") == made
    await ledger.call("PUT", f"/schemes/{scheme_id}", body, expect=200)


async def test_a_list_of_orders_is_never_longer_than_asked_for(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme()
    person, enrolment = await ledger.enrolled(scheme)
    await ledger.hear(slip(person, "2026-01", 70_000), slip(person, "2026-02", 25_000))
    await ledger.close("2026-01")
    await ledger.close("2026-02")
    assert len(await ledger.orders(enrolmentId=enrolment.upper())) == 1
    refused = await ledger.call("GET", "/payment-orders?participantId=x&state=SPENT", expect=400)
    assert faults(refused) == {("G002", "/participantId"), ("G008", "/state")}
    assert {fault["in"] for fault in refused["errors"]} == {"query"}
    (unknown,) = [fault for fault in refused["errors"] if fault["rule"] == "G002"]
    assert "enrolmentId" in unknown["detail"]


# ---- what a refusal may not tell


async def test_an_id_that_nobody_registered_tells_no_municipality_of_another(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme()
    ledger.client()
    other = ledger.client(municipality=OTHER)
    theirs = await _scheme_of_the_other(ledger, other)
    person, enrolment = await ledger.enrolled(scheme, register=False)
    body = _enrolment(person, theirs)
    answer = await ledger.call("POST", "/enrolments", body, expect=201, office=other)
    again = await ledger.call("POST", "/enrolments", body, expect=409, office=other)
    assert answer["enrolmentId"] in again["detail"]
    assert enrolment not in again["detail"]

    await ledger.hear(registered(person))

    (ended,) = await ledger.told(EnrolmentEnded)
    assert (ended.enrolment_id, ended.reason) == (answer["enrolmentId"], "MUNICIPALITY_MISMATCH")
    assert (await ledger.call("GET", f"/enrolments/{enrolment}"))["state"] == "ACTIVE"
    await ledger.call("POST", "/enrolments", body, expect=404, office=other)
    await ledger.must_be_sound()


# ---- amounts


async def test_a_fund_takes_no_more_than_an_amount_can_tell(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme(donated=99_999_000_000)
    path = f"/funds/{scheme.fund_id}/donations"
    body = {"amountCents": 1_000_001, "valueDate": "2025-12-15"}
    assert faults(await ledger.call("POST", path, body, expect=400)) == {("L015", "/amountCents")}
    await ledger.call("POST", path, {**body, "amountCents": 1_000_000}, expect=201)
    await ledger.enrolled(scheme)
    await ledger.must_be_sound()


@pytest.mark.parametrize("net", [100_000_001, -100_000_001, 99_999_999_999])
async def test_a_simulated_wage_above_a_million_is_refused(ledger: LedgerOffice, net: int) -> None:
    refused = await ledger.call("POST", "/simulations", _simulation([net]), expect=400)
    assert faults(refused) == {("L014", "/wages/0/netCents")}


@pytest.mark.parametrize("net", [100_000_000, -100_000_000])
async def test_the_largest_wages_there_can_be_still_add_up(ledger: LedgerOffice, net: int) -> None:
    answer = await ledger.call("POST", "/simulations", _simulation([net] * 400), expect=200)
    assert answer["months"][0]["wageCents"] == max(0, 400 * net)


def _simulation(wages: list[int]) -> dict[str, Any]:
    return {
        "municipality": {"offsetMethod": "M0"},
        "household": {"kind": "SINGLE"},
        "policy": {"drawAmount": "TOPUP", "capCents": 100_000_000_000},
        "firstMonth": "2026-01",
        "wages": [{"month": "2026-01", "netCents": net} for net in wages],
    }


def _enrolment(person: str, scheme: Scheme) -> dict[str, Any]:
    return {
        "participantId": person,
        "schemeId": scheme.scheme_id,
        "household": {"kind": "SINGLE"},
        "firstMonth": "2026-01",
    }


async def _scheme_of_the_other(ledger: LedgerOffice, other: Any) -> Scheme:
    """What another municipality needs to enrol somebody."""
    settings = {"name": "Amsterdam", "offsetMethod": "M1"}
    await ledger.call("PUT", f"/municipalities/{OTHER}", settings, office=other)
    fund = {"name": "Buffer", "type": "PRIVATE", "municipalities": [OTHER]}
    fund_id = (await ledger.call("POST", "/funds", fund, office=other))["fundId"]
    gift = {"amountCents": 500_000, "valueDate": "2025-12-15"}
    await ledger.call("POST", f"/funds/{fund_id}/donations", gift, office=other)
    scheme_id = new_uuid()
    scheme = {
        "fundId": fund_id,
        "municipality": OTHER,
        "policy": {"drawAmount": "TOPUP", "capCents": 100_000},
        "validFrom": "2026-01",
    }
    await ledger.call("PUT", f"/schemes/{scheme_id}", scheme, office=other)
    return Scheme(fund_id, scheme_id)
