"""Bijstand ends: the buffer settles the claim once everything is known, and a return opens it again."""

from typing import Any

from shared.contracts.events import EnrolmentEnded
from tests.integration.ledger.ledger_office import LedgerOffice, Scheme, slip

CLAIMS = {"drawAmount": "TOPUP", "trigger": ["SHORTFALL", "CLAIM"], "capCents": 100_000}
ENDED = {"benefitEndedOn": "2026-04-01", "reason": "WORK"}


async def _three_months(ledger: LedgerOffice, policy: dict[str, Any] = CLAIMS) -> tuple[Scheme, str, str]:
    """Example 4.5: wage 600 in January to March, offset a month later."""
    scheme = await ledger.scheme(policy=policy)
    person, enrolment = await ledger.enrolled(scheme)
    for month in ("2026-01", "2026-02", "2026-03"):
        await ledger.hear(slip(person, month, 60_000))
        await ledger.close(month)
    return scheme, person, enrolment


async def _end(ledger: LedgerOffice, enrolment: str, **members: Any) -> dict[str, Any]:
    path = f"/enrolments/{enrolment}/_end"
    answer: dict[str, Any] = await ledger.call("POST", path, {**ENDED, **members})
    return answer


async def test_an_exit_is_settled_from_the_buffer_and_paid_to_the_municipality(ledger: LedgerOffice) -> None:
    scheme, _, enrolment = await _three_months(ledger)
    drawn = (await ledger.statement(enrolment))["drawnCents"]
    ledger.at("2026-05-04")
    found = await _end(ledger, enrolment)
    assert (found["claimCents"], found["holidayAllowanceDueCents"], found["netClaimCents"]) == (
        61_560,
        11_301,
        50_259,
    )
    assert (found["state"], found["settledCents"], found["complete"]) == ("ENDED", 50_259, True)
    orders = [order for order in await ledger.orders(enrolmentId=enrolment) if order["kind"] == "CLAIM"]
    assert [(order["payTo"], order["amountCents"]) for order in orders] == [("MUNICIPALITY", 50_259)]
    (told,) = await ledger.told(EnrolmentEnded)
    assert (told.reason, told.returned_cents) == ("BENEFIT_ENDED", 100_000 - drawn - 50_259)
    path = f"/payment-orders/{orders[0]['orderId']}/_executed"
    await ledger.call("POST", path, {"executedOn": "2026-05-04"})
    fund = await ledger.call("GET", f"/funds/{scheme.fund_id}")
    assert fund["drawnCents"] == drawn + 50_259
    await ledger.must_be_sound()


async def test_a_gap_that_may_still_be_short_is_no_exit_and_the_close_after_it_settles(
    ledger: LedgerOffice,
) -> None:
    _, _, enrolment = await _three_months(ledger)
    ledger.at("2026-04-10")
    found = await _end(ledger, enrolment)
    assert (found["state"], found.get("settledCents")) == ("ACTIVE", None)
    assert await _end(ledger, enrolment) == found
    await ledger.close("2026-04")
    found = await ledger.call("GET", f"/enrolments/{enrolment}/exit")
    assert (found["state"], found["settledCents"]) == ("ENDED", 50_259)
    await ledger.must_be_sound()


async def test_a_scheme_without_claims_among_its_triggers_settles_nothing(ledger: LedgerOffice) -> None:
    _, _, enrolment = await _three_months(ledger, {"drawAmount": "TOPUP", "capCents": 100_000})
    ledger.at("2026-05-04")
    found = await _end(ledger, enrolment)
    assert (found["claimCents"], found["offeredCents"], found["settledCents"]) == (61_560, 0, 0)
    assert found["state"] == "ENDED"
    await ledger.must_be_sound()


async def test_the_whole_claim_is_offered_when_the_allowance_is_paid_out(ledger: LedgerOffice) -> None:
    _, _, enrolment = await _three_months(ledger)
    ledger.at("2026-05-04")
    found = await _end(ledger, enrolment, holidayAllowanceSetOff=False)
    assert (found["offeredCents"], found["settledCents"]) == (61_560, 61_560)


async def test_a_claim_that_an_official_decides_on_waits_and_is_settled_by_the_decision(
    ledger: LedgerOffice,
) -> None:
    policy = {**CLAIMS, "approval": {"autoBelowCents": 10_000}}
    _, _, enrolment = await _three_months(ledger, policy)
    ledger.at("2026-05-04")
    found = await _end(ledger, enrolment)
    assert (found["state"], found.get("settledCents")) == ("ACTIVE", None)
    (proposal,) = (await ledger.call("GET", "/draw-proposals", params={"state": "PENDING"}))["items"]
    assert (proposal["kind"], proposal["amountCents"]) == ("CLAIM_SETTLED", 50_259)
    await ledger.must_be_sound()
    path = f"/draw-proposals/{proposal['proposalId']}/_approve"
    await ledger.call("POST", path, {}, office=ledger.client("official"))
    found = await ledger.call("GET", f"/enrolments/{enrolment}/exit")
    assert (found["state"], found["settledCents"]) == ("ENDED", 50_259)
    await ledger.must_be_sound()


async def test_a_month_after_the_end_has_no_floor_and_its_draw_is_undone(ledger: LedgerOffice) -> None:
    _, person, enrolment = await _three_months(ledger)
    await ledger.hear(slip(person, "2026-04", 0))
    await ledger.close("2026-04")
    april = (await ledger.settled(enrolment))[3]
    assert april["drawCents"] > 0
    ledger.at("2026-05-04")
    await _end(ledger, enrolment)
    april = (await ledger.settled(enrolment))[3]
    assert (april["floorCents"], april["drawCents"], april["benefitPaidCents"]) == (0, 0, 0)
    await ledger.must_be_sound()


async def test_a_person_who_is_back_within_a_year_has_the_same_account_and_cap(ledger: LedgerOffice) -> None:
    scheme, _, enrolment = await _three_months(ledger)
    drawn = (await ledger.statement(enrolment))["drawnCents"]
    ledger.at("2026-05-04")
    await _end(ledger, enrolment)
    ledger.at("2026-07-01")
    path = f"/enrolments/{enrolment}/_reopen"
    await ledger.call("POST", path, {"benefitFrom": "2026-03-31"}, expect=400)
    opened = await ledger.call("POST", path, {"benefitFrom": "2026-07-01"})
    assert (opened["state"], opened["capCents"]) == ("ACTIVE", 100_000)
    shown = await ledger.call("GET", f"/enrolments/{enrolment}")
    assert shown["balanceCents"] == 100_000 - drawn - 50_259
    await ledger.call("POST", path, {"benefitFrom": "2026-07-01"}, expect=409)
    for month in ("2026-04", "2026-05", "2026-06", "2026-07"):
        await ledger.close(month)
    rows = {row["month"]: row for row in await ledger.settled(enrolment)}
    assert (rows["2026-05"]["floorCents"], rows["2026-07"]["floorCents"]) == (0, 134_849)
    fund = await ledger.call("GET", f"/funds/{scheme.fund_id}")
    assert fund["availableCents"] == 1_000_000 - 100_000
    await ledger.must_be_sound()


async def test_a_day_outside_the_enrolment_or_in_the_future_cannot_end_it(ledger: LedgerOffice) -> None:
    _, _, enrolment = await _three_months(ledger)
    for day in ("2026-01-01", "2026-12-01", "2027-02-01"):
        refused = await ledger.call(
            "POST", f"/enrolments/{enrolment}/_end", {**ENDED, "benefitEndedOn": day}, expect=400
        )
        assert [(f["rule"], f["pointer"]) for f in refused["errors"]] == [("L039", "/benefitEndedOn")]
