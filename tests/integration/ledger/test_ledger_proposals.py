"""Draws that wait for a person: held, decided on once by another than who proposed, and only then booked."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from shutil import copytree
from typing import Any

import httpx
import pytest_asyncio

from shared.contracts.events import BufferDrawn, DrawProposed, MonthSettled
from shared.law import PARAMETERS, Law
from shared.settings import Settings
from tests.integration.ledger.ledger_office import MUNICIPALITY, OTHER, LedgerOffice, slip, started, stop

FOUR_EYES = {"drawAmount": "REPLACE", "capCents": 100_000, "approval": "FOUR_EYES"}
STATUTORY = {"drawAmount": "REPLACE", "capCents": 100_000, "triggerSource": "SHADOW"}
REASONS = {
    "reasonA": "In February she had less than the norm at hand.",
    "reasonB": "She works two days more since January.",
    "reason2": "The payment keeps her month stable.",
    "decisionReference": "B 2027/118",
}


def _law_that_goes_on(folder: Path) -> Law:
    """The law with the figures of 2026 also after 2026: invented, for months nobody published figures of."""
    copied = Path(copytree(PARAMETERS, folder / "law"))
    for file in copied.rglob("*.yaml"):
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        file.write_text("".join(line for line in lines if "until: 2026-12-31" not in line), encoding="utf-8")
    return Law.load(copied)


@pytest_asyncio.fixture
async def later(ledger_settings: Settings, tmp_path: Path) -> AsyncIterator[LedgerOffice]:
    """The ledger with a law that has figures for 2027."""
    made = await started(ledger_settings, law=_law_that_goes_on(tmp_path))
    yield made
    await stop(made)


async def _proposed(
    ledger: LedgerOffice, policy: dict[str, Any] = FOUR_EYES
) -> tuple[str, str, dict[str, Any]]:
    """January's offset of a wage of 600 waits: the person, the enrolment and the proposal."""
    scheme = await ledger.scheme(policy=policy, method="M0")
    person, enrolment = await ledger.enrolled(scheme)
    await ledger.hear(slip(person, "2026-01", 60_000))
    await ledger.close("2026-01")
    (proposal,) = (await ledger.call("GET", "/draw-proposals"))["items"]
    return person, enrolment, proposal


async def _decide(
    ledger: LedgerOffice,
    proposal: dict[str, Any],
    call: str,
    body: dict[str, Any] | None = None,
    *,
    expect: int = 200,
    office: httpx.AsyncClient | None = None,
) -> dict[str, Any]:
    official = office or ledger.client("official")
    path = f"/draw-proposals/{proposal['proposalId']}/{call}"
    answer: dict[str, Any] = await ledger.call("POST", path, body or {}, expect=expect, office=official)
    return answer


async def test_a_draw_that_waits_is_held_and_neither_drawn_nor_ordered_nor_told(ledger: LedgerOffice) -> None:
    _, enrolment, proposal = await _proposed(ledger)
    assert (proposal["state"], proposal["amountCents"], proposal["approvalNeeded"]) == (
        "PENDING",
        61_560,
        "FOUR_EYES",
    )
    statement = await ledger.statement(enrolment)
    assert (statement["drawnCents"], statement["balanceCents"]) == (0, 100_000 - 61_560)
    assert await ledger.orders() == []
    assert [each.amount_cents for each in await ledger.told(DrawProposed)] == [61_560]
    assert await ledger.told(MonthSettled) == []
    await ledger.must_be_sound()


async def test_an_approved_draw_is_booked_ordered_and_told_once_as_the_month_it_is(
    ledger: LedgerOffice,
) -> None:
    _, enrolment, proposal = await _proposed(ledger)
    decided = await _decide(ledger, proposal, "_approve")
    assert (decided["state"], decided["decision"]["outcome"]) == ("APPROVED", "APPROVED")
    (january,) = await ledger.settled(enrolment)
    assert (january["drawCents"], january["proposedCents"], january["revision"]) == (61_560, 0, 2)
    assert [order["amountCents"] for order in await ledger.orders()] == [61_560]
    (told,) = await ledger.told(MonthSettled)
    assert (told.closed_by, told.draw_cents, told.previous_draw_cents) == ("CLOSE", 61_560, None)
    await _decide(ledger, proposal, "_approve", expect=409)
    await _decide(ledger, proposal, "_reject", {"reason": "too late"}, expect=409)
    await ledger.must_be_sound()


async def test_a_refused_draw_frees_its_hold_and_is_not_proposed_again_until_it_is_another(
    ledger: LedgerOffice,
) -> None:
    person, enrolment, proposal = await _proposed(ledger)
    await _decide(ledger, proposal, "_reject", {}, expect=400)
    refused = await _decide(ledger, proposal, "_reject", {"reason": "He told that he stopped."})
    assert refused["decision"]["reasons"] == {"reason": "He told that he stopped."}
    (january,) = await ledger.settled(enrolment)
    assert (january["drawCents"], january["proposedCents"], january["balanceCents"]) == (0, 0, 100_000)
    assert "nog eens naar te kijken" in january["explanation"]["nl"]
    await ledger.close("2026-01")
    assert len((await ledger.call("GET", "/draw-proposals"))["items"]) == 1
    await ledger.hear(slip(person, "2026-01", 40_000, version=2))
    waiting = (await ledger.call("GET", "/draw-proposals", params={"state": "PENDING"}))["items"]
    assert [each["amountCents"] for each in waiting] == [41_040]
    await ledger.must_be_sound()


async def test_a_part_can_be_agreed_to_and_the_rest_is_free_again(ledger: LedgerOffice) -> None:
    _, enrolment, proposal = await _proposed(ledger)
    refused = await _decide(ledger, proposal, "_approve", {"amountCents": 61_561}, expect=400)
    assert [(fault["rule"], fault["pointer"]) for fault in refused["errors"]] == [("L037", "/amountCents")]
    await _decide(ledger, proposal, "_approve", {"amountCents": 20_000})
    (january,) = await ledger.settled(enrolment)
    assert (january["drawCents"], january["proposedCents"], january["balanceCents"]) == (20_000, 0, 80_000)
    await ledger.must_be_sound()


async def test_a_correction_withdraws_what_waits_and_proposes_the_new_amount(ledger: LedgerOffice) -> None:
    person, enrolment, proposal = await _proposed(ledger)
    await ledger.hear(slip(person, "2026-01", 40_000, version=2))
    listed = (await ledger.call("GET", "/draw-proposals"))["items"]
    assert {each["state"]: each["amountCents"] for each in listed} == {"WITHDRAWN": 61_560, "PENDING": 41_040}
    assert (await ledger.statement(enrolment))["balanceCents"] == 100_000 - 41_040
    await _decide(ledger, proposal, "_approve", expect=409)
    await ledger.must_be_sound()


async def test_below_an_amount_a_draw_needs_nobody(ledger: LedgerOffice) -> None:
    policy = {**FOUR_EYES, "approval": {"autoBelowCents": 61_561}, "capCents": 200_000, "giftGuard": "OFF"}
    scheme = await ledger.scheme(policy=policy, method="M0")
    person, _ = await ledger.enrolled(scheme)
    await ledger.hear(slip(person, "2026-01", 60_000), slip(person, "2026-02", 60_001))
    await ledger.close("2026-01")
    await ledger.close("2026-02")
    assert [order["amountCents"] for order in await ledger.orders()] == [61_560]
    assert len((await ledger.call("GET", "/draw-proposals"))["items"]) == 1
    await ledger.must_be_sound()


async def test_only_an_official_of_the_municipality_who_did_not_propose_decides(ledger: LedgerOffice) -> None:
    _, _, proposal = await _proposed(ledger)
    await _decide(ledger, proposal, "_approve", expect=403, office=ledger.client())
    await _decide(ledger, proposal, "_approve", expect=404, office=ledger.client("official", OTHER))
    proposer = ledger.client("official", SUBJECT=proposal["proposedBy"])
    await _decide(ledger, proposal, "_approve", expect=403, office=proposer)
    await _decide(ledger, proposal, "_approve")


async def test_two_who_decide_at_once_decide_once(ledger: LedgerOffice) -> None:
    _, _, proposal = await _proposed(ledger)
    path = f"/draw-proposals/{proposal['proposalId']}"
    official = ledger.client("official")
    answers = await asyncio.gather(
        official.post(f"{path}/_approve", json={}),
        official.post(f"{path}/_reject", json={"reason": "no"}),
        official.post(f"{path}/_approve", json={}),
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
    await ledger.must_be_sound()


async def test_what_still_waits_when_the_period_ends_expires_and_goes_back(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme(policy={**FOUR_EYES, "lateWindowDays": 0}, method="M0")
    person, enrolment = await ledger.enrolled(scheme, first="2026-01")
    for number in range(1, 13):
        await ledger.hear(slip(person, f"2026-{number:02}", 60_000 if number == 12 else 0))
        await ledger.close(f"2026-{number:02}")
    (proposal,) = (await ledger.call("GET", "/draw-proposals"))["items"]
    assert proposal["state"] == "EXPIRED"
    fund = await ledger.call("GET", f"/funds/{scheme.fund_id}")
    assert (fund["availableCents"], fund["drawnCents"]) == (1_000_000, 0)
    assert (await ledger.call("GET", f"/enrolments/{enrolment}"))["state"] == "ENDED"
    await ledger.must_be_sound()


# ---- statutory money


async def test_a_statutory_scheme_takes_the_defaults_of_its_article_and_refuses_what_it_forbids(
    ledger: LedgerOffice,
) -> None:
    scheme = await ledger.scheme(policy=STATUTORY, kind="STATUTORY")
    shown = (await ledger.call("GET", f"/schemes/{scheme.scheme_id}"))["policy"]
    assert (shown["approval"], shown["period"], shown["yearAttribution"], shown["giftGuard"]) == (
        "OFFICIAL_DECISION",
        "CALENDAR_YEAR",
        "BY_BOOKING",
        "OFF",
    )
    for members, fault in (
        ({"approval": "AUTO"}, ("L033", "/policy/approval")),
        ({"approval": {"autoBelowCents": 100}}, ("L033", "/policy/approval")),
        ({"period": "ENROLMENT_YEAR"}, ("L035", "/policy/period")),
        ({"capCents": 100_001}, ("L035", "/policy/capCents")),
    ):
        body = {
            "fundId": scheme.fund_id,
            "municipality": MUNICIPALITY,
            "policy": {**STATUTORY, **members},
            "validFrom": "2026-01",
        }
        refused = await ledger.call("PUT", f"/schemes/{scheme.scheme_id}", body, expect=400)
        assert [(f["rule"], f["pointer"]) for f in refused["errors"]] == [fault]


async def test_nothing_of_article_34b_is_drawn_or_proposed_for_a_month_before_2027(
    ledger: LedgerOffice,
) -> None:
    scheme = await ledger.scheme(policy=STATUTORY, kind="STATUTORY", method="M0")
    person, enrolment = await ledger.enrolled(scheme)
    await ledger.hear(slip(person, "2026-01", 60_000))
    await ledger.close("2026-01")
    (january,) = await ledger.settled(enrolment)
    assert (january["drawCents"], january["proposedCents"], january["offsetCents"]) == (0, 0, 61_560)
    assert "1 januari 2027" in january["explanation"]["nl"]
    assert (await ledger.call("GET", "/draw-proposals"))["items"] == []


async def test_a_statutory_draw_is_a_decision_with_reasons_announced_before_anybody_is_told(
    later: LedgerOffice,
) -> None:
    scheme = await later.scheme(policy=STATUTORY, kind="STATUTORY", method="M0")
    later.at("2027-01-10")
    person, enrolment = await later.enrolled(scheme, first="2027-01")
    await later.hear(slip(person, "2027-01", 60_000))
    await later.close("2027-01")
    (proposal,) = (await later.call("GET", "/draw-proposals"))["items"]
    assert (proposal["approvalNeeded"], proposal["statutory"], proposal["flags"]) == (
        "OFFICIAL_DECISION",
        True,
        [],
    )
    refused = await _decide(later, proposal, "_approve", expect=400)
    assert {fault["pointer"] for fault in refused["errors"]} == {
        "/reasonA",
        "/reasonB",
        "/reason2",
        "/decisionReference",
    }
    decided = await _decide(later, proposal, "_approve", REASONS)
    assert decided["decision"]["reasons"]["reasonB"] == REASONS["reasonB"]
    assert (decided["floorCents"], decided["normCents"]) == (134_849, 141_946)
    assert [order["amountCents"] for order in await later.orders()] == [
        (await later.settled(enrolment))[0]["drawCents"]
    ]
    assert await later.told(MonthSettled) == await later.told(BufferDrawn) == []

    announced = await _decide(later, proposal, "_announced", {"announcedOn": "2027-02-01"})
    assert announced["decision"]["objectionUntil"] == "2027-03-15"
    (told,) = await later.told(MonthSettled)
    assert (str(told.month), told.closed_by, told.draw_cents) == ("2027-01", "CLOSE", decided["amountCents"])
    await _decide(later, proposal, "_announced", {"announcedOn": "2027-02-01"})
    await _decide(later, proposal, "_announced", {"announcedOn": "2027-01-31"}, expect=409)
    assert len(await later.told(MonthSettled)) == 1
    await later.must_be_sound()


async def test_a_month_without_wage_is_flagged_and_needs_a_reason_of_its_own(later: LedgerOffice) -> None:
    scheme = await later.scheme(policy=STATUTORY, kind="STATUTORY", method="M1")
    later.at("2027-01-10")
    person, _ = await later.enrolled(scheme, first="2027-01")
    await later.hear(slip(person, "2027-01", 60_000))
    await later.close("2027-01")
    await later.close("2027-02")
    (proposal,) = (await later.call("GET", "/draw-proposals"))["items"]
    assert proposal["flags"] == ["WAGE_NIL"]
    refused = await _decide(later, proposal, "_approve", REASONS, expect=400)
    assert [fault["pointer"] for fault in refused["errors"]] == ["/flagReasons/WAGE_NIL"]
    reasons = {**REASONS, "flagReasons": {"WAGE_NIL": "Her shifts were cancelled in February."}}
    await _decide(later, proposal, "_approve", reasons)
    await later.must_be_sound()


async def test_a_decision_after_the_year_is_over_cannot_use_its_cap(later: LedgerOffice) -> None:
    scheme = await later.scheme(policy=STATUTORY, kind="STATUTORY", method="M0")
    later.at("2027-11-02")
    person, enrolment = await later.enrolled(scheme, first="2027-11")
    assert (await later.call("GET", f"/enrolments/{enrolment}"))["lastMonth"] == "2027-11"
    await later.hear(slip(person, "2027-11", 60_000))
    await later.close("2027-11")
    (proposal,) = (await later.call("GET", "/draw-proposals"))["items"]
    later.at("2028-01-03")
    refused = await _decide(later, proposal, "_approve", REASONS, expect=409)
    assert "2028" in refused["detail"]


async def test_a_month_decided_late_is_told_last_and_with_what_was_agreed(ledger: LedgerOffice) -> None:
    """February waited while March was closed: March's balance is put right before February is told."""
    policy = {"drawAmount": "TOPUP", "capCents": 100_000, "approval": "FOUR_EYES"}
    scheme = await ledger.scheme(policy=policy)
    person, enrolment = await ledger.enrolled(scheme)
    for month, net in (("2026-01", 90_000), ("2026-02", 20_000), ("2026-03", 70_000)):
        await ledger.hear(slip(person, month, net))
        await ledger.close(month)
    (proposal,) = (await ledger.call("GET", "/draw-proposals"))["items"]
    before = len(await ledger.told(MonthSettled))
    await _decide(ledger, proposal, "_approve", {"amountCents": 20_000})
    told = [(str(one.month), one.balance_cents) for one in (await ledger.told(MonthSettled))[before:]]
    assert told == [("2026-03", 80_000), ("2026-02", 80_000)]
    february = (await ledger.settled(enrolment))[1]["explanation"]
    assert "ging akkoord met €\u00a0200,00" in february["nl"]
    assert "agreed to €200.00" in february["en"]
    await ledger.must_be_sound()
