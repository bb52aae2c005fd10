"""Months from facts to booked draws: closing, held months, late facts, corrections, the events told."""

from datetime import date

from sqlalchemy import insert, update

from buffer_ledger.casefiles import enrolments
from shared.contracts.events import (
    BufferDrawn,
    BufferExhausted,
    BufferLow,
    BufferReplenished,
    MonthSettled,
)
from shared.plumbing import TABLES
from tests.integration.ledger.ledger_office import (
    EMPLOYER,
    JANUARY,
    NOW,
    LedgerOffice,
    Scheme,
    declared,
    new_uuid,
    registered,
    slip,
)

WAGES = (70_000, 25_000, 90_000, 10_000, 65_000, 30_000)
DRAWS = [0, 46_820, 0, 53_180, 0, 0]


async def test_half_a_year_of_fluctuating_wages_draws_what_the_domain_note_works_out(
    ledger: LedgerOffice,
) -> None:
    scheme = await ledger.scheme()
    person, enrolment = await ledger.enrolled(scheme)
    for number, net in enumerate(WAGES):
        month = str(JANUARY.plus(number))
        await ledger.hear(slip(person, month, net))
        done = await ledger.close(month)
        assert (done["settled"], done["held"], done["missing"]) == (1, 0, 0)
    found = await ledger.statement(enrolment)
    assert [month["drawCents"] for month in found["months"]][:6] == DRAWS
    assert (found["capCents"], found["drawnCents"], found["balanceCents"]) == (100_000, 100_000, 0)
    february = found["months"][1]
    assert (february["cashCents"], february["cashAfterCents"]) == (86_323, 133_143)
    assert "468,20" in february["explanation"]["nl"]
    assert {line["parameter"] for line in february["receipt"]} >= {"participatiewet/norm_alleenstaande"}
    assert [order["amountCents"] for order in await ledger.orders()] == [46_820, 53_180]
    await ledger.must_be_sound()


async def test_a_month_that_is_not_closed_is_shown_and_not_booked(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme()
    person, enrolment = await ledger.enrolled(scheme)
    ledger.at("2026-02-10")
    await ledger.hear(slip(person, "2026-01", 70_000), slip(person, "2026-02", 25_000))
    found = await ledger.statement(enrolment)
    assert [(m["month"], m["provisional"], m["revision"]) for m in found["months"]] == [
        ("2026-01", True, 0),
        ("2026-02", True, 0),
    ]
    assert found["months"][1]["drawCents"] == 46_820
    assert (found["drawnCents"], found["balanceCents"]) == (0, 100_000)
    assert await ledger.orders() == []
    assert await ledger.told(MonthSettled) == []


async def test_a_month_whose_slip_is_missing_stays_held_and_settles_by_the_late_slip(
    ledger: LedgerOffice,
) -> None:
    scheme = await ledger.scheme()
    person, enrolment = await ledger.enrolled(scheme, employers=[EMPLOYER])
    await ledger.hear(slip(person, "2026-01", 70_000))
    assert (await ledger.close("2026-01"))["settled"] == 1
    done = await ledger.close("2026-02")
    assert (done["settled"], done["held"], done["missing"]) == (0, 1, 1)
    assert done["heldReasons"] == {"SLIP_MISSING": 1}
    held = (await ledger.statement(enrolment))["months"][1]
    assert (held["provisional"], held["heldReasons"]) == (True, ["SLIP_MISSING"])
    await ledger.hear(slip(person, "2026-02", 25_000))
    settled = (await ledger.settled(enrolment))[1]
    assert (settled["drawCents"], settled["revision"], settled["heldReasons"]) == (46_820, 1, [])
    assert [told.closed_by for told in await ledger.told(MonthSettled)] == ["CLOSE", "LATE_FACT"]
    await ledger.must_be_sound()


async def test_a_declared_month_without_work_settles_what_waited_for_a_slip(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme()
    person, enrolment = await ledger.enrolled(scheme, employers=[EMPLOYER])
    assert (await ledger.close("2026-01"))["held"] == 1
    await ledger.hear(declared(person, "2026-01"), declared(person, "2026-01"))
    assert [month["month"] for month in await ledger.settled(enrolment)] == ["2026-01"]


async def test_nothing_is_settled_for_a_person_whom_nobody_registered_until_it_is(
    ledger: LedgerOffice,
) -> None:
    scheme = await ledger.scheme()
    person, enrolment = await ledger.enrolled(scheme, register=False)
    await ledger.hear(slip(person, "2026-01", 70_000), slip(person, "2026-02", 25_000))
    await ledger.close("2026-01")
    assert (await ledger.close("2026-02"))["held"] == 1
    assert (await ledger.statement(enrolment))["months"][1]["heldReasons"] == ["NOT_REGISTERED"]
    await ledger.hear(registered(person))
    assert [month["drawCents"] for month in await ledger.settled(enrolment)] == [0, 46_820]
    await ledger.must_be_sound()


async def test_a_correction_supersedes_the_open_order_and_books_the_net_difference(
    ledger: LedgerOffice,
) -> None:
    scheme, person, enrolment = await _two_months(ledger)
    (first,) = await ledger.orders()
    await ledger.hear(slip(person, "2026-02", 30_000, version=2))
    month = (await ledger.settled(enrolment))[1]
    assert (month["drawCents"], month["revision"], month["balanceCents"]) == (41_820, 2, 58_180)
    (old,) = await ledger.orders(state="SUPERSEDED")
    (new,) = await ledger.orders(state="OPEN")
    assert (old["orderId"], old["state"], old["replacedBy"]) == (
        first["orderId"],
        "SUPERSEDED",
        new["orderId"],
    )
    assert (new["state"], new["amountCents"]) == ("OPEN", 41_820)
    drawn = (await ledger.told(BufferDrawn))[-1]
    assert (drawn.draw_cents, drawn.previous_draw_cents) == (41_820, 46_820)
    assert [told.amount_cents for told in await ledger.told(BufferReplenished)] == [5_000]
    fund = await ledger.call("GET", f"/funds/{scheme.fund_id}")
    assert (fund["drawnCents"], fund["committedCents"], fund["availableCents"]) == (41_820, 100_000, 900_000)
    await ledger.must_be_sound()


async def test_a_duplicate_and_a_lower_version_change_nothing(ledger: LedgerOffice) -> None:
    _, person, enrolment = await _two_months(ledger)
    await ledger.hear(slip(person, "2026-02", 30_000, version=3))
    before = (await ledger.statement(enrolment), await ledger.orders(), len(await ledger.told()))
    await ledger.hear(slip(person, "2026-02", 30_000, version=3), slip(person, "2026-02", 1, version=2))
    await ledger.hear(slip(person, "2026-02", 1, version=2))
    assert (await ledger.statement(enrolment), await ledger.orders(), len(await ledger.told())) == before


async def test_a_correction_that_moves_the_pay_date_rebooks_the_month_it_left(ledger: LedgerOffice) -> None:
    """A slip of March paid early in February; the correction says it was paid in March after all."""
    scheme = await ledger.scheme()
    person, enrolment = await ledger.enrolled(scheme)
    await ledger.hear(slip(person, "2026-03", 90_000, paid=date(2026, 2, 27)))
    await ledger.close("2026-01")
    await ledger.close("2026-02")
    assert (await ledger.settled(enrolment))[1]["wageCents"] == 90_000
    await ledger.hear(slip(person, "2026-03", 90_000, version=2, paid=date(2026, 3, 27)))
    february = (await ledger.settled(enrolment))[1]
    assert (february["wageCents"], february["revision"]) == (0, 2)


async def test_a_parked_message_holds_its_person_until_it_is_released(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme()
    person, enrolment = await ledger.enrolled(scheme)
    await ledger.hear(slip(person, "2026-01", 70_000), slip(person, "2026-02", 25_000))
    parking = TABLES.parked_message
    row = {
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
    async with ledger.service.database.write() as tx:
        await tx.execute(insert(parking), [row])
    await ledger.close("2026-01")
    assert (await ledger.close("2026-02"))["held"] == 1
    assert (await ledger.statement(enrolment))["months"][1]["heldReasons"] == ["PARKED"]
    await ledger.hear(slip(person, "2026-02", 30_000, version=2))
    assert await ledger.settled(enrolment) == []
    async with ledger.service.database.write() as tx:
        await tx.execute(update(parking).values(state="RELEASED"))
    done = await ledger.close("2026-02")
    assert (done["settled"], done["newlySettled"]) == (1, 2)
    assert [month["drawCents"] for month in await ledger.settled(enrolment)] == [0, 41_820]


async def test_closing_again_settles_new_enrolments_and_is_never_refused(ledger: LedgerOffice) -> None:
    scheme, _, _ = await _two_months(ledger)
    person, enrolment = await ledger.enrolled(scheme)
    await ledger.hear(slip(person, "2026-01", 60_000))
    assert await ledger.settled(enrolment) == []
    done = await ledger.close("2026-02")
    assert (done["settled"], done["newlySettled"], done["rebooked"]) == (2, 2, 0)
    assert len(await ledger.settled(enrolment)) == 2
    again = await ledger.close("2026-02")
    assert (again["settled"], again["newlySettled"], again["rebooked"]) == (2, 0, 0)


async def test_a_month_is_refused_before_its_cut_off_day_and_out_of_order(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme()
    await ledger.enrolled(scheme)
    ledger.at("2026-01-31")
    early = await ledger.call("POST", "/municipalities/0344/months/2026-01/_close", expect=409)
    assert "2026-02-01" in early["detail"]
    ledger.at("2026-03-01")
    skipped = await ledger.call("POST", "/municipalities/0344/months/2026-02/_close", expect=409)
    assert "2026-01" in skipped["detail"]
    ledger.clients.clear()
    other = ledger.client(municipality="0363")
    await ledger.call("POST", "/municipalities/0363/months/2026-02/_close", expect=404, office=other)
    await ledger.call("POST", "/municipalities/0344/months/2026-02/_close", expect=403, office=other)


async def test_low_and_exhausted_are_told_once_per_crossing_and_the_month_last(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme(policy={"drawAmount": "TOPUP", "capCents": 50_000})
    person, _ = await ledger.enrolled(scheme)
    await ledger.hear(slip(person, "2026-01", 70_000), slip(person, "2026-02", 25_000))
    await ledger.close("2026-01")
    await ledger.close("2026-02")
    names = [type(told).__name__ for told in await ledger.told() if told.key() == person]
    assert names == ["Enrolled", "MonthSettled", "BufferDrawn", "BufferLow", "MonthSettled"]
    await ledger.hear(slip(person, "2026-03", 90_000), slip(person, "2026-04", 10_000))
    await ledger.close("2026-03")
    await ledger.close("2026-04")
    assert len(await ledger.told(BufferLow)) == 1
    assert [str(told.month) for told in await ledger.told(BufferExhausted)] == ["2026-04"]
    assert type((await ledger.told())[-1]) is MonthSettled


async def test_after_the_late_window_the_rest_goes_back_and_late_facts_book_nothing(
    ledger: LedgerOffice,
) -> None:
    scheme = await ledger.scheme()
    person, enrolment = await ledger.enrolled(scheme)
    await ledger.hear(slip(person, "2026-01", 70_000), slip(person, "2026-02", 25_000))
    for number in range(12):
        await ledger.close(str(JANUARY.plus(number)))
    ledger.at("2027-03-03")
    await ledger.close("2026-12")
    assert (await ledger.call("GET", f"/enrolments/{enrolment}"))["state"] == "ACTIVE"
    ledger.at("2027-03-04")
    await ledger.close("2026-12")
    answer = await ledger.call("GET", f"/enrolments/{enrolment}")
    assert (answer["state"], answer["endedReason"], answer["balanceCents"]) == ("ENDED", "EXPIRED", 0)
    fund = await ledger.call("GET", f"/funds/{scheme.fund_id}")
    assert (fund["returnedCents"], fund["availableCents"]) == (27_530, 927_530)
    before = await ledger.statement(enrolment)
    await ledger.hear(slip(person, "2026-02", 5_000, version=2))
    assert await ledger.statement(enrolment) == before
    await ledger.must_be_sound()


async def test_a_participant_of_another_municipality_gets_its_cap_returned(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme()
    person, enrolment = await ledger.enrolled(scheme, register=False)
    await ledger.hear(registered(person, municipality="0363"))
    answer = await ledger.call("GET", f"/enrolments/{enrolment}")
    assert (answer["state"], answer["endedReason"]) == ("ENDED", "MUNICIPALITY_MISMATCH")
    fund = await ledger.call("GET", f"/funds/{scheme.fund_id}")
    assert fund["availableCents"] == 1_000_000
    await ledger.must_be_sound()


async def _two_months(ledger: LedgerOffice) -> tuple[Scheme, str, str]:
    """A person whose January and February are closed, with a draw of 468.20 in February."""
    scheme = await ledger.scheme()
    person, enrolment = await ledger.enrolled(scheme)
    await ledger.hear(slip(person, "2026-01", 70_000), slip(person, "2026-02", 25_000))
    await ledger.close("2026-01")
    await ledger.close("2026-02")
    async with ledger.service.database.read() as reading:
        (found,) = await enrolments(reading, enrolment_ids=[enrolment])
    assert str(found.closed_through) == "2026-02"
    return scheme, person, enrolment
