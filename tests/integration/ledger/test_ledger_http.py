"""What callers may do and see: settings, funds, schemes, enrolments, payees, other municipalities."""

from typing import Any

import pytest
from sqlalchemy import select

from shared.contracts.events import CapitalCommitted, EnrolmentEnded, FundLow
from shared.plumbing import TABLES
from tests.integration.ledger.ledger_office import (
    EMPLOYER,
    MUNICIPALITY,
    OTHER,
    LedgerOffice,
    erased,
    new_uuid,
    registered,
    slip,
)

CANARY_IBAN = "NL91ABNA0417164300"
CANARY_HOLDER = "Kanarie Zwaluwstaart"


# ---- municipalities


async def test_settings_are_replaced_freely_until_a_month_is_closed_and_dated_after_that(
    ledger: LedgerOffice,
) -> None:
    scheme = await ledger.scheme(method="M0")
    _, enrolment = await ledger.enrolled(scheme)
    path = f"/municipalities/{MUNICIPALITY}"
    await ledger.call("PUT", path, {"name": "Utrecht", "offsetMethod": "M1"}, expect=200)
    await ledger.close("2026-01")
    again = await ledger.call("PUT", path, {"name": "Utrecht", "offsetMethod": "M1"}, expect=200)
    assert (again["lastClosedMonth"], len(again["settings"])) == ("2026-01", 1)
    for body in ({"offsetMethod": "M0"}, {"offsetMethod": "M0", "validFrom": "2026-01"}):
        refused = await ledger.call("PUT", path, {"name": "Utrecht", **body}, expect=400)
        assert [(fault["rule"], fault["pointer"]) for fault in refused["errors"]] == [("L006", "/validFrom")]
        assert "2026-02" in refused["detail"] + refused["errors"][0]["detail"]
    dated = await ledger.call(
        "PUT", path, {"name": "Utrecht", "offsetMethod": "M0", "validFrom": "2026-02"}, expect=200
    )
    assert [each.get("validFrom") for each in dated["settings"]] == [None, "2026-02"]
    assert (await ledger.settled(enrolment))[0]["month"] == "2026-01"


async def test_the_cut_off_day_of_the_month_decides_when_it_can_be_closed(ledger: LedgerOffice) -> None:
    body = {"name": "Utrecht", "offsetMethod": "M1", "cutOffDay": 12}
    await ledger.call("PUT", f"/municipalities/{MUNICIPALITY}", body, expect=201)
    ledger.at("2026-02-11")
    early = await ledger.call("POST", f"/municipalities/{MUNICIPALITY}/months/2026-01/_close", expect=409)
    assert "2026-02-12" in early["detail"]
    ledger.at("2026-02-12")
    await ledger.call("POST", f"/municipalities/{MUNICIPALITY}/months/2026-01/_close", expect=202)


# ---- funds and schemes


async def test_a_fund_sees_its_own_gifts_at_once_and_people_only_ten_at_a_time(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme(donated=2_000_000)
    fund = ledger.client("fund", FUND=scheme.fund_id)
    path = f"/funds/{scheme.fund_id}"

    async def seen() -> tuple[int, int, int, int]:
        answer = await ledger.call("GET", path, office=fund)
        return tuple(answer[f"{name}Cents"] for name in ("donated", "committed", "drawn", "available"))

    people = [await ledger.enrolled(scheme) for _ in range(9)]
    await ledger.call(
        "POST", f"{path}/donations", {"amountCents": 500, "valueDate": "2025-12-20"}, office=fund
    )
    await ledger.close("2026-01")
    assert await seen() == (2_000_500, 0, 0, 2_000_500)
    assert (await ledger.call("GET", path))["committedCents"] == 900_000
    people.append(await ledger.enrolled(scheme))
    assert await seen() == (2_000_500, 0, 0, 2_000_500)
    await ledger.close("2026-01")
    assert await seen() == (2_000_500, 1_000_000, 0, 1_000_500)
    await ledger.hear(slip(people[0][0], "2026-01", 70_000))
    await ledger.close("2026-02")
    assert (await ledger.call("GET", path))["drawnCents"] > 0
    assert (await seen())[2] == 0


async def test_a_fund_token_sees_no_other_fund_and_nobody_names_another_municipality(
    ledger: LedgerOffice,
) -> None:
    scheme = await ledger.scheme()
    stranger = ledger.client("fund", FUND=new_uuid())
    await ledger.call("GET", f"/funds/{scheme.fund_id}", expect=404, office=stranger)
    body = {"amountCents": 500, "valueDate": "2025-12-20"}
    await ledger.call("POST", f"/funds/{scheme.fund_id}/donations", body, expect=404, office=stranger)
    fund = {"name": "X", "type": "PRIVATE", "municipalities": [MUNICIPALITY, OTHER]}
    await ledger.call("POST", "/funds", fund, expect=403)


@pytest.mark.parametrize("reference", ["gift NL91 ABNA 0417 1643 00", "123456782", "a@example.nl", "=1"])
async def test_a_donor_reference_that_names_a_person_is_refused(ledger: LedgerOffice, reference: str) -> None:
    scheme = await ledger.scheme(donated=0)
    path = f"/funds/{scheme.fund_id}/donations"
    body = {"amountCents": 500, "valueDate": "2025-12-15", "donorReference": reference}
    refused = await ledger.call("POST", path, body, expect=400)
    assert [(f["rule"], f["pointer"]) for f in refused["errors"]] == [("L016", "/donorReference")]
    assert reference not in str(refused)
    await ledger.call("POST", path, {**body, "donorReference": "GIFT-2026/42"}, expect=201)


@pytest.mark.parametrize("name", ["Buffer\r\nBcc: x", "Buf\tfer", "Buffer\x00", "\u202eBuffer", " "])
async def test_the_name_of_a_fund_is_one_readable_line(ledger: LedgerOffice, name: str) -> None:
    body = {"name": name, "type": "PRIVATE", "municipalities": [MUNICIPALITY]}
    refused = await ledger.call("POST", "/funds", body, expect=400)
    assert [fault["pointer"] for fault in refused["errors"]] == ["/name"]


async def test_a_policy_stays_as_it_is_once_people_are_enrolled(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme()
    path = f"/schemes/{scheme.scheme_id}"
    body: dict[str, Any] = {
        "fundId": scheme.fund_id,
        "municipality": MUNICIPALITY,
        "policy": {"drawAmount": "REPLACE", "capCents": 80_000},
        "validFrom": "2026-01",
    }
    changed = await ledger.call("PUT", path, body, expect=200)
    assert (changed["policyVersion"], changed["policy"]["minDrawCents"]) == (2, 500)
    assert await ledger.call("PUT", path, body, expect=200) == changed
    await ledger.enrolled(scheme)
    refused = await ledger.call(
        "PUT", path, {**body, "policy": {"drawAmount": "TOPUP", "capCents": 80_000}}, expect=409
    )
    assert "new scheme" in refused["detail"]
    ended = await ledger.call("PUT", path, {**body, "validTo": "2026-12-31"}, expect=200)
    assert ended["validTo"] == "2026-12"


BASE = {"reference": "B&W 2026/14", "date": "2026-01-06"}


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("payee", "SPLIT_SPOUSES"),
        ("expiry", "CARRY"),
        ("onNegativeCorrection", "RECLAIM"),
    ],
)
async def test_a_policy_value_that_is_not_built_is_refused_by_name(
    ledger: LedgerOffice, member: str, value: Any
) -> None:
    scheme = await ledger.scheme()
    policy = {"drawAmount": "TOPUP", "capCents": 100_000, member: value}
    body = {"fundId": scheme.fund_id, "municipality": MUNICIPALITY, "policy": policy, "validFrom": "2026-01"}
    refused = await ledger.call("PUT", f"/schemes/{new_uuid()}", body, expect=400)
    assert [(f["rule"], f["pointer"]) for f in refused["errors"]] == [("N001", f"/policy/{member}")]
    assert str(value) in refused["errors"][0]["detail"]


@pytest.mark.parametrize(
    ("members", "fault"),
    [
        ({"drawAmount": "FIXED", "fixedCents": 30_000}, ("L032", "/policy/legalBase")),
        ({"drawAmount": "FIXED", "legalBase": BASE}, ("L031", "/policy/fixedCents")),
        ({"floor": "INCOME_GUARANTEE", "guaranteeShare": "0.25"}, ("L032", "/policy/legalBase")),
        ({"floor": "INCOME_GUARANTEE", "legalBase": BASE}, ("L031", "/policy/guaranteeShare")),
        ({"floor": "BESLAGVRIJE_VOET"}, ("L031", "/policy/floorCents")),
        ({"floor": "CUSTOM"}, ("L031", "/policy/floorCents")),
        ({"giftGuard": {"mode": "OFF", "limitCents": 90_000}}, ("L031", "/policy/giftGuard/limitCents")),
    ],
)
async def test_a_word_that_needs_a_figure_or_a_decision_is_refused_without(
    ledger: LedgerOffice, members: dict[str, Any], fault: tuple[str, str]
) -> None:
    scheme = await ledger.scheme()
    policy = {"drawAmount": "TOPUP", "capCents": 100_000, **members}
    body = {"fundId": scheme.fund_id, "municipality": MUNICIPALITY, "policy": policy, "validFrom": "2026-01"}
    refused = await ledger.call("PUT", f"/schemes/{new_uuid()}", body, expect=400)
    assert [(f["rule"], f["pointer"]) for f in refused["errors"]] == [fault]


async def test_a_fixed_allowance_with_its_decision_is_drawn_without_any_slip(ledger: LedgerOffice) -> None:
    policy = {"drawAmount": "FIXED", "fixedCents": 30_000, "capCents": 100_000, "legalBase": BASE}
    scheme = await ledger.scheme(policy=policy)
    _, enrolment = await ledger.enrolled(scheme)
    await ledger.close("2026-01")
    (january,) = await ledger.settled(enrolment)
    assert (january["drawCents"], january["balanceCents"]) == (30_000, 70_000)
    assert "vast bedrag" in january["explanation"]["nl"]
    await ledger.must_be_sound()


@pytest.mark.parametrize("guard", ["OFF", {"mode": "OFF"}])
async def test_a_gift_guard_can_be_switched_off_knowingly(ledger: LedgerOffice, guard: Any) -> None:
    policy = {"drawAmount": "TOPUP", "capCents": 500_000, "giftGuard": guard}
    await ledger.enrolled(await ledger.scheme(policy=policy))


# ---- enrolments


async def test_enrolling_commits_the_cap_and_tells_when_the_fund_runs_low(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme(donated=250_000)
    await ledger.enrolled(scheme)
    assert await ledger.told(FundLow) == []
    await ledger.enrolled(scheme)
    (low,) = await ledger.told(FundLow)
    assert (low.available_cents, low.threshold_cents) == (50_000, 100_000)
    assert [told.available_cents for told in await ledger.told(CapitalCommitted)] == [150_000, 50_000]


async def test_one_person_has_no_two_enrolments_at_once(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme()
    person, enrolment = await ledger.enrolled(scheme)
    body = {
        "participantId": person,
        "schemeId": scheme.scheme_id,
        "household": {"kind": "SINGLE"},
        "firstMonth": "2026-12",
    }
    refused = await ledger.call("POST", "/enrolments", body, expect=409)
    assert enrolment in refused["detail"]
    await ledger.call("POST", "/enrolments", {**body, "firstMonth": "2027-01"}, expect=201)


async def test_faults_of_an_enrolment_come_together(ledger: LedgerOffice) -> None:
    body = {
        "participantId": "not-an-id",
        "schemeId": new_uuid(),
        "household": {"kind": "SINGLE", "adultsSharingCosts": 3, "partnerParticipantId": new_uuid()},
        "firstMonth": "2026-01",
        "lastMonth": "2027-01",
        "exemptions": [{"kind": "GENERAL", "share": "0.25", "firstMonth": "2026-01", "months": 6}],
    }
    refused = await ledger.call("POST", "/enrolments", body, expect=400)
    assert {(fault["rule"], fault["pointer"]) for fault in refused["errors"]} == {
        ("G005", "/participantId"),
        ("L061", "/household/partnerParticipantId"),
        ("L003", "/lastMonth"),
    }


async def test_enrolments_are_listed_page_by_page_with_what_is_booked(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme()
    made = {(await ledger.enrolled(scheme))[1] for _ in range(3)}
    first = await ledger.call("GET", "/enrolments", params={"limit": "2"})
    rest = await ledger.call("GET", "/enrolments", params={"cursor": first["nextCursor"]})
    items = first["items"] + rest["items"]
    assert {item["enrolmentId"] for item in items} == made
    assert {(item["capCents"], item["drawnCents"], item["balanceCents"]) for item in items} == {
        (100_000, 0, 100_000)
    }
    assert "nextCursor" not in rest


async def test_an_idempotency_key_enrols_once(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme()
    body = {
        "participantId": new_uuid(),
        "schemeId": scheme.scheme_id,
        "household": {"kind": "SINGLE"},
        "firstMonth": "2026-01",
    }
    key = {"Idempotency-Key": "once"}
    first = await ledger.call("POST", "/enrolments", body, headers=key, expect=201)
    assert await ledger.call("POST", "/enrolments", body, headers=key, expect=201) == first
    other = {**body, "firstMonth": "2026-02"}
    await ledger.call("POST", "/enrolments", other, headers=key, expect=409)


# ---- people's data


async def test_a_payee_is_kept_encrypted_and_read_back_masked(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme()
    person, enrolment = await ledger.enrolled(scheme)
    path = f"/enrolments/{enrolment}/payee"
    body = {"iban": "NL91 ABNA 0417 1643 00", "holder": CANARY_HOLDER, "kind": "ADMINISTRATOR"}
    put = await ledger.call("PUT", path, body)
    assert put == {"iban": "NL************4300", "holder": "K*** Z***", "kind": "ADMINISTRATOR"}
    assert await ledger.call("GET", path) == put
    wrong = await ledger.call("PUT", path, {**body, "iban": "NL92ABNA0417164300"}, expect=400)
    assert [fault["rule"] for fault in wrong["errors"]] == ["L004"]
    await ledger.hear(erased(person))
    await ledger.call("GET", path, expect=404)
    assert await ledger.told(EnrolmentEnded)
    if ledger.service.database.dialect == "sqlite":
        await ledger.service.database.close()
        stored = b"".join(file.read_bytes() for file in ledger.settings.data_dir.glob("buffer-ledger.db*"))
        assert CANARY_IBAN.encode() not in stored
        assert CANARY_HOLDER.encode() not in stored
    await ledger.must_be_sound()


async def test_every_look_at_a_person_and_every_decision_is_noted(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme()
    person, enrolment = await ledger.enrolled(scheme)
    await ledger.call("GET", f"/enrolments/{enrolment}")
    await ledger.statement(enrolment)
    await ledger.call("GET", "/enrolments")
    async with ledger.service.database.read() as reading:
        log = TABLES.access_log
        rows = await reading.rows(select(log.c.action).where(log.c.participant_id == person))
    assert {row.action for row in rows} == {"enrol", "read-enrolment", "read-statement", "list-enrolments"}


async def test_another_municipality_sees_and_changes_nothing(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme()
    person, enrolment = await ledger.enrolled(scheme, employers=[EMPLOYER])
    await ledger.hear(slip(person, "2026-01", 70_000), slip(person, "2026-02", 25_000))
    await ledger.close("2026-01")
    close = await ledger.close("2026-02")
    (order,) = await ledger.orders()
    other = ledger.client(municipality=OTHER)
    payee = {"iban": CANARY_IBAN, "holder": "X", "kind": "PERSON"}
    enrol = {"participantId": new_uuid(), "schemeId": scheme.scheme_id, "household": {"kind": "SINGLE"}}
    for method, path, body in (
        ("GET", f"/municipalities/{MUNICIPALITY}", None),
        ("PUT", f"/municipalities/{MUNICIPALITY}", {"name": "X", "offsetMethod": "M0"}),
        ("GET", f"/funds/{scheme.fund_id}", None),
        ("POST", f"/funds/{scheme.fund_id}/donations", {"amountCents": 1, "valueDate": "2026-01-01"}),
        ("GET", f"/schemes/{scheme.scheme_id}", None),
        ("POST", "/enrolments", {**enrol, "firstMonth": "2026-01"}),
        ("GET", f"/enrolments/{enrolment}", None),
        ("GET", f"/enrolments/{enrolment}/statement", None),
        ("GET", f"/enrolments/{enrolment}/payee", None),
        ("PUT", f"/enrolments/{enrolment}/payee", payee),
        ("GET", f"/month-closes/{close['closeId']}", None),
        ("POST", f"/municipalities/{MUNICIPALITY}/months/2026-02/_close", None),
        ("GET", f"/payment-orders/{order['orderId']}", None),
        ("POST", f"/payment-orders/{order['orderId']}/_executed", {"executedOn": "2026-03-01"}),
    ):
        answer = await other.request(method, path, json=body)
        assert answer.status_code in {403, 404}, (method, path, answer.text)
    assert (await ledger.call("GET", "/payment-orders", office=other))["items"] == []
    assert (await ledger.call("GET", "/enrolments", office=other))["items"] == []
    assert (await ledger.call("GET", "/funds", office=other))["items"] == []
    checks = await ledger.call("GET", "/ledger-checks", office=other)
    assert (checks["accounts"], checks["transfers"]) == (0, 0)


async def test_a_person_of_another_municipality_cannot_be_enrolled(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme()
    stranger = new_uuid()
    await ledger.hear(registered(stranger, municipality=OTHER))
    body = {
        "participantId": stranger,
        "schemeId": scheme.scheme_id,
        "household": {"kind": "SINGLE"},
        "firstMonth": "2026-01",
    }
    await ledger.call("POST", "/enrolments", body, expect=404)


async def test_the_ledger_checks_itself_for_its_back_office(ledger: LedgerOffice) -> None:
    await ledger.scheme()
    answer = await ledger.call("GET", "/ledger-checks")
    assert (answer["ledgerSumCents"], answer["violations"]) == (0, [])
    assert answer["transfers"] == 1
