"""What all buffers of one person give in a calendar year never passes the gift limit without the college."""

from typing import Any

import pytest

from shared.contracts.events import DrawProposed, MonthSettled
from tests.integration.ledger.ledger_office import LedgerOffice, new_uuid, registered, slip


async def _enrol(ledger: LedgerOffice, person: str, scheme_id: str, first: str, last: str) -> str:
    body = {
        "participantId": person,
        "schemeId": scheme_id,
        "household": {"kind": "SINGLE"},
        "firstMonth": first,
        "lastMonth": last,
    }
    answer: dict[str, Any] = await ledger.call("POST", "/enrolments", body, expect=201)
    return str(answer["enrolmentId"])


def _replace(**members: Any) -> dict[str, Any]:
    return {"drawAmount": "REPLACE", "capCents": 200_000, **members}


async def test_a_draw_that_would_pass_the_limit_waits_for_the_college(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme(policy=_replace(), method="M0")
    person, enrolment = await ledger.enrolled(scheme)
    await ledger.hear(slip(person, "2026-01", 60_000), slip(person, "2026-02", 60_000))
    await ledger.close("2026-01")
    await ledger.close("2026-02")

    january, february = await ledger.settled(enrolment)
    assert (january["drawCents"], january["proposedCents"]) == (61_560, 0)
    assert (february["drawCents"], february["proposedCents"]) == (0, 61_560)
    assert february["approvalNeeded"] == "NEEDS_COLLEGE_VIEW"
    assert "grens voor giften" in february["explanation"]["nl"]
    (told,) = await ledger.told(DrawProposed)
    assert (told.need, told.flags, told.amount_cents) == (
        "NEEDS_COLLEGE_VIEW",
        ("ABOVE_GIFT_LIMIT",),
        61_560,
    )
    assert [str(each.month) for each in await ledger.told(MonthSettled)] == ["2026-01"]
    assert (await ledger.statement(enrolment))["balanceCents"] == 200_000 - 2 * 61_560
    await ledger.must_be_sound()


async def test_exactly_the_limit_is_given_and_a_cent_more_waits(ledger: LedgerOffice) -> None:
    for limit, waits in ((61_560, 0), (61_559, 61_560)):
        policy = _replace(giftGuard={"mode": "BLOCK", "limitCents": limit})
        scheme = await ledger.scheme(policy=policy, method="M0")
        person, enrolment = await ledger.enrolled(scheme)
        await ledger.hear(slip(person, "2026-01", 60_000))
        await ledger.close("2026-01")
        (january,) = await ledger.settled(enrolment)
        assert january["proposedCents"] == waits
    await ledger.must_be_sound()


@pytest.mark.parametrize("guard", ["WARN", "OFF"])
async def test_a_scheme_that_only_warns_or_does_not_look_draws_above_the_limit(
    ledger: LedgerOffice, guard: str
) -> None:
    scheme = await ledger.scheme(policy=_replace(giftGuard=guard), method="M0")
    person, enrolment = await ledger.enrolled(scheme)
    await ledger.hear(slip(person, "2026-01", 60_000), slip(person, "2026-02", 60_000))
    await ledger.close("2026-01")
    await ledger.close("2026-02")
    rows = await ledger.settled(enrolment)
    assert [row["drawCents"] for row in rows] == [61_560, 61_560]
    assert [row["aboveGiftLimit"] for row in rows] == [False, guard == "WARN"]


async def test_what_another_buffer_gave_counts_in_the_year_in_which_it_was_received(
    ledger: LedgerOffice,
) -> None:
    one = await ledger.scheme(policy=_replace(), method="M0")
    other = await ledger.scheme(policy=_replace(), method="M0")
    person = new_uuid()
    await ledger.hear(registered(person))
    first = await _enrol(ledger, person, one.scheme_id, "2026-01", "2026-02")
    second = await _enrol(ledger, person, other.scheme_id, "2026-03", "2026-12")
    for month in ("2026-01", "2026-02", "2026-03"):
        await ledger.hear(slip(person, month, 40_000))
        await ledger.close(month)

    assert [row["drawCents"] for row in await ledger.settled(first)] == [41_040, 41_040]
    (march,) = await ledger.settled(second)
    assert (march["drawCents"], march["proposedCents"]) == (0, 41_040)
    await ledger.must_be_sound()
