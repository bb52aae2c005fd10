"""The end of a period: only what the person never brought lapses, and it stays to be seen."""

from typing import Any

from sqlalchemy import insert, update

from shared.contracts.events import EnrolmentEnded
from shared.plumbing import TABLES
from tests.integration.ledger.ledger_office import (
    EMPLOYER,
    NOW,
    LedgerOffice,
    declared,
    new_uuid,
    registered,
    slip,
)

AFTER_THE_WINDOW = "2026-06-02"
"""More than 62 days after the last of March."""


async def test_a_month_whose_slip_never_came_lapses_and_is_named(ledger: LedgerOffice) -> None:
    person, enrolment = await _three_months(ledger, employers=[EMPLOYER])
    await ledger.hear(slip(person, "2026-01", 70_000), declared(person, "2026-03"))
    await _close_all(ledger)
    before = (await ledger.statement(enrolment))["months"]
    assert [(m["month"], m["provisional"]) for m in before] == [
        ("2026-01", False),
        ("2026-02", True),
        ("2026-03", True),
    ]
    ledger.at(AFTER_THE_WINDOW)
    await ledger.close("2026-03")
    assert await _state(ledger, enrolment) == ("ENDED", "EXPIRED")
    (ended,) = await ledger.told(EnrolmentEnded)
    assert [str(month) for month in ended.unsettled_months] == ["2026-02", "2026-03"]
    assert (ended.returned_cents, ended.reason) == (100_000, "EXPIRED")
    await ledger.must_be_sound()


async def test_the_statement_of_an_ended_enrolment_keeps_its_months_that_were_never_settled(
    ledger: LedgerOffice,
) -> None:
    person, enrolment = await _three_months(ledger, employers=[EMPLOYER])
    await ledger.hear(slip(person, "2026-01", 70_000), slip(person, "2026-03", 30_000))
    await _close_all(ledger)
    ledger.at(AFTER_THE_WINDOW)
    await ledger.close("2026-03")

    found = await ledger.statement(enrolment)

    february = found["months"][1]
    assert (february["provisional"], february["revision"]) == (True, 0)
    assert february["heldReasons"] == ["SLIP_MISSING", "EXPIRED"]
    assert february["drawCents"] == 71_820
    assert "komt er niets meer uit uw buffer" in february["explanation"]["nl"]
    assert (found["drawnCents"], found["balanceCents"]) == (0, 0)
    assert [month["balanceCents"] for month in found["months"]] == [100_000] * 3


async def test_a_slip_after_the_end_shows_what_it_would_have_been_and_books_nothing(
    ledger: LedgerOffice,
) -> None:
    person, enrolment = await _three_months(ledger, employers=[EMPLOYER])
    await ledger.hear(slip(person, "2026-01", 70_000), slip(person, "2026-03", 30_000))
    await _close_all(ledger)
    ledger.at(AFTER_THE_WINDOW)
    await ledger.close("2026-03")
    told = len(await ledger.told())
    await ledger.hear(slip(person, "2026-02", 25_000))
    february = (await ledger.statement(enrolment))["months"][1]
    assert (february["heldReasons"], february["drawCents"]) == (["EXPIRED"], 46_820)
    assert len(await ledger.told()) == told
    assert await ledger.orders() == []
    await ledger.must_be_sound()


async def test_a_buffer_does_not_expire_over_a_month_whose_figure_is_missing_in_this_system(
    ledger: LedgerOffice,
) -> None:
    """January 2027 has no norm here."""
    scheme = await ledger.scheme()
    person = new_uuid()
    await ledger.hear(registered(person))
    enrolment = (await _enrol(ledger, person, scheme.scheme_id, "2026-12", "2027-01"))["enrolmentId"]
    await ledger.close("2026-12")
    await ledger.close("2027-01")
    ledger.at("2027-06-01")
    done = await ledger.close("2027-02")
    assert (done["held"], done["heldReasons"]) == (0, {"PARAMETER_MISSING": 1})
    assert await _state(ledger, enrolment) == ("ACTIVE", None)
    january = (await ledger.statement(enrolment))["months"][1]
    assert january["heldReasons"] == ["PARAMETER_MISSING"]
    (missing,) = january["missingParameters"]
    assert "norm_alleenstaande has no value for 2027-01-01" in missing
    assert "In ons systeem mist nog een bedrag" in january["explanation"]["nl"]
    assert (january["benefitPaidCents"], january["floorCents"], january["shortfallCents"]) == (0, 0, 0)


async def test_a_buffer_does_not_expire_while_a_fact_about_its_person_is_parked(
    ledger: LedgerOffice,
) -> None:
    person, enrolment = await _three_months(ledger)
    parking = TABLES.parked_message
    async with ledger.service.database.write() as tx:
        await tx.execute(insert(parking), [_parked(person)])
    await _close_all(ledger)
    ledger.at(AFTER_THE_WINDOW)
    done = await ledger.close("2026-03")
    assert (done["held"], done["heldReasons"]) == (1, {"PARKED": 3})
    assert await _state(ledger, enrolment) == ("ACTIVE", None)
    async with ledger.service.database.write() as tx:
        await tx.execute(update(parking).values(state="RELEASED"))
    done = await ledger.close("2026-03")
    assert (done["newlySettled"], done["heldReasons"]) == (3, {})
    assert await _state(ledger, enrolment) == ("ENDED", "EXPIRED")
    (ended,) = await ledger.told(EnrolmentEnded)
    assert ended.unsettled_months == ()


async def test_a_buffer_does_not_expire_while_its_person_is_not_registered(ledger: LedgerOffice) -> None:
    _, enrolment = await _three_months(ledger, register=False)
    await _close_all(ledger)
    ledger.at(AFTER_THE_WINDOW)
    done = await ledger.close("2026-03")
    assert done["heldReasons"] == {"NOT_REGISTERED": 3}
    assert await _state(ledger, enrolment) == ("ACTIVE", None)


async def test_a_row_held_for_two_reasons_counts_under_both(ledger: LedgerOffice) -> None:
    person, _ = await _three_months(ledger, employers=[EMPLOYER])
    async with ledger.service.database.write() as tx:
        await tx.execute(insert(TABLES.parked_message), [_parked(person)])
    done = await ledger.close("2026-01")
    assert (done["held"], done["heldReasons"]) == (1, {"SLIP_MISSING": 1, "PARKED": 1})


async def test_a_buffer_does_not_expire_before_its_last_month_was_closed(ledger: LedgerOffice) -> None:
    person, enrolment = await _three_months(ledger)
    await ledger.hear(slip(person, "2026-01", 70_000), slip(person, "2026-02", 25_000))
    ledger.at(AFTER_THE_WINDOW)
    await ledger.close("2026-01")
    await ledger.close("2026-02")
    assert await _state(ledger, enrolment) == ("ACTIVE", None)
    await ledger.close("2026-03")
    assert await _state(ledger, enrolment) == ("ENDED", "EXPIRED")
    assert [m["month"] for m in await ledger.settled(enrolment)] == ["2026-01", "2026-02", "2026-03"]


async def test_a_person_registered_elsewhere_leaves_no_projection_behind(ledger: LedgerOffice) -> None:
    person, enrolment = await _three_months(ledger, register=False)
    await ledger.hear(slip(person, "2026-01", 70_000))
    await ledger.close("2026-01")
    await ledger.hear(registered(person, municipality="0363"))
    assert (await ledger.statement(enrolment))["months"] == []
    (ended,) = await ledger.told(EnrolmentEnded)
    assert [str(month) for month in ended.unsettled_months] == ["2026-01"]


async def _three_months(
    ledger: LedgerOffice, *, employers: tuple[str, ...] | list[str] = (), register: bool = True
) -> tuple[str, str]:
    """A person enrolled from January to March."""
    scheme = await ledger.scheme()
    person = new_uuid()
    if register:
        await ledger.hear(registered(person, employers=employers))
    return person, (await _enrol(ledger, person, scheme.scheme_id, "2026-01", "2026-03"))["enrolmentId"]


async def _enrol(ledger: LedgerOffice, person: str, scheme_id: str, first: str, last: str) -> dict[str, Any]:
    body = {
        "participantId": person,
        "schemeId": scheme_id,
        "household": {"kind": "SINGLE"},
        "firstMonth": first,
        "lastMonth": last,
    }
    answer: dict[str, Any] = await ledger.call("POST", "/enrolments", body)
    return answer


async def _close_all(ledger: LedgerOffice) -> None:
    for month in ("2026-01", "2026-02", "2026-03"):
        await ledger.close(month)


async def _state(ledger: LedgerOffice, enrolment: str) -> tuple[str, str | None]:
    answer = await ledger.call("GET", f"/enrolments/{enrolment}")
    return answer["state"], answer.get("endedReason")


def _parked(person: str) -> dict[str, Any]:
    return {
        "parked_id": new_uuid(),
        "consumer": "buffer-ledger",
        "state": "PARKED",
        "source": "urn:test",
        "message_id": new_uuid(),
        "type": "",
        "topic": "bufferbudget.wage-slips",
        "partition": 0,
        "offset": 1,
        "key": person,
        "value": b"",
        "headers": [],
        "reason": "a test",
        "attempts": 1,
        "parked_at": NOW,
    }
