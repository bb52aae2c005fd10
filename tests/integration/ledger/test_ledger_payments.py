"""Payment orders: only a report of execution pays, a paid month stays, money that moved is never denied."""

from datetime import UTC, datetime
from typing import Any

import pytest

from shared.contracts.events import BufferDrawn, MonthSettled
from tests.integration.ledger.ledger_office import JANUARY, LedgerOffice, Scheme, slip


async def test_executing_twice_on_one_day_is_the_same_answer_and_another_day_a_conflict(
    ledger: LedgerOffice,
) -> None:
    await _drawn(ledger)
    (order,) = await ledger.orders()
    first = await _execute(ledger, order, "2026-03-05")
    assert (first["state"], first["executedOn"]) == ("EXECUTED", "2026-03-05")
    assert await _execute(ledger, order, "2026-03-05") == first
    await ledger.call(
        "POST", f"/payment-orders/{order['orderId']}/_executed", {"executedOn": "2026-03-06"}, expect=409
    )
    await ledger.must_be_sound()


async def test_a_paid_month_stays_and_later_months_go_on_from_it(ledger: LedgerOffice) -> None:
    _, person, enrolment = await _drawn(ledger)
    (order,) = await ledger.orders()
    await _execute(ledger, order, "2026-03-05")
    paid = (await ledger.settled(enrolment))[1]
    told = len(await ledger.told(MonthSettled))
    await ledger.hear(slip(person, "2026-02", 60_000, version=2), slip(person, "2026-01", 10_000, version=2))
    assert [each.month for each in (await ledger.told(MonthSettled))[told:]] == [JANUARY]
    assert (await ledger.settled(enrolment))[1] == paid
    assert (await ledger.orders(month="2026-02")) == [
        await ledger.call("GET", f"/payment-orders/{order['orderId']}")
    ]
    await ledger.close("2026-03")
    march = (await ledger.settled(enrolment))[2]
    assert (march["attributedWageCents"], march["balanceCents"]) == (
        60_000,
        100_000 - 46_820 - march["drawCents"],
    )
    await ledger.must_be_sound()


async def test_a_paid_month_tells_what_is_left_after_an_earlier_unpaid_month_was_rebooked(
    ledger: LedgerOffice,
) -> None:
    scheme = await ledger.scheme()
    person, enrolment = await ledger.enrolled(scheme)
    for month, net in (("2026-01", 70_000), ("2026-02", 25_000), ("2026-03", 40_000), ("2026-04", 10_000)):
        await ledger.hear(slip(person, month, net))
        await ledger.close(month)
    (april,) = await ledger.orders(month="2026-04")
    await _execute(ledger, april, "2026-05-05")
    paid = (await ledger.settled(enrolment))[3]
    told = len(await ledger.told(MonthSettled))

    await ledger.hear(slip(person, "2026-02", 30_000, version=2))

    rows = await ledger.settled(enrolment)
    used = 0
    for row in rows:
        used += row["drawCents"]
        assert row["balanceCents"] == 100_000 - used
    moved = {"balanceCents", "explanation"}
    assert {name: rows[3][name] for name in paid.keys() - moved} == {
        name: paid[name] for name in paid.keys() - moved
    }
    assert rows[3]["balanceCents"] == paid["balanceCents"] + 46_820 - rows[1]["drawCents"]
    for language, words in (("nl", "€ {},{}"), ("en", "€{}.{}")):
        euros, cents = divmod(rows[3]["balanceCents"], 100)
        said = rows[3]["explanation"][language].replace("\u00a0", " ")
        assert words.format(euros, f"{cents:02}") in said
    assert all(str(each.month) != "2026-04" for each in (await ledger.told(MonthSettled))[told:])
    await ledger.must_be_sound()


async def test_an_order_paid_after_it_was_superseded_fixes_its_month_and_cancels_its_replacement(
    ledger: LedgerOffice,
) -> None:
    _, person, enrolment = await _drawn(ledger)
    (old,) = await ledger.orders()
    await ledger.hear(slip(person, "2026-02", 30_000, version=2))
    (new,) = await ledger.orders(state="OPEN")
    assert (new["amountCents"], (await ledger.settled(enrolment))[1]["drawCents"]) == (41_820, 41_820)
    await _execute(ledger, old, "2026-03-05")
    states = {order["orderId"]: order["state"] for order in await ledger.orders()}
    assert states == {old["orderId"]: "EXECUTED", new["orderId"]: "CANCELLED"}
    month = (await ledger.settled(enrolment))[1]
    assert (month["drawCents"], month["revision"]) == (46_820, 3)
    assert (await ledger.told(BufferDrawn))[-1].payment_order_id == old["orderId"]
    await ledger.must_be_sound()
    answer = await ledger.call(
        "POST", f"/payment-orders/{new['orderId']}/_executed", {"executedOn": "2026-03-05"}, expect=409
    )
    assert old["orderId"] in answer["detail"]


async def test_an_order_paid_after_its_draw_became_nil_is_booked_again(ledger: LedgerOffice) -> None:
    _, person, enrolment = await _drawn(ledger)
    (old,) = await ledger.orders()
    await ledger.hear(slip(person, "2026-02", 90_000, version=2))
    assert (await ledger.settled(enrolment))[1]["drawCents"] == 0
    await _execute(ledger, old, "2026-03-05")
    assert (await ledger.settled(enrolment))[1]["drawCents"] == 46_820
    await ledger.must_be_sound()


async def test_an_order_paid_after_the_same_amount_was_ordered_again_takes_that_draw(
    ledger: LedgerOffice,
) -> None:
    _, person, enrolment = await _drawn(ledger)
    (old,) = await ledger.orders()
    await ledger.hear(slip(person, "2026-02", 30_000, version=2))
    await ledger.hear(slip(person, "2026-02", 25_000, version=3))
    await _execute(ledger, old, "2026-03-05")
    assert await ledger.orders(state="OPEN") == []
    assert (await ledger.settled(enrolment))[1]["drawCents"] == 46_820
    await ledger.must_be_sound()


async def test_more_than_the_cap_cannot_be_reported_as_paid(ledger: LedgerOffice) -> None:
    """February is superseded by nil, so the whole cap goes to April; then both would be paid."""
    scheme = await ledger.scheme(policy={"drawAmount": "TOPUP", "capCents": 60_000})
    person, _ = await ledger.enrolled(scheme)
    for month, net in (("2026-01", 70_000), ("2026-02", 25_000), ("2026-03", 90_000), ("2026-04", 10_000)):
        await ledger.hear(slip(person, month, net))
        await ledger.close(month)
    (february,) = await ledger.orders(month="2026-02")
    await ledger.hear(slip(person, "2026-02", 90_000, version=2))
    (april,) = await ledger.orders(month="2026-04", state="OPEN")
    assert april["amountCents"] == 60_000
    await _execute(ledger, april, "2026-05-05")
    refused = await ledger.call(
        "POST", f"/payment-orders/{february['orderId']}/_executed", {"executedOn": "2026-05-05"}, expect=409
    )
    assert "cap" in refused["detail"]
    await ledger.must_be_sound()


async def test_orders_are_listed_page_by_page_and_by_state_and_month(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme()
    people = [(await ledger.enrolled(scheme))[0] for _ in range(5)]
    await ledger.hear(*(slip(person, "2026-01", 70_000) for person in people))
    await ledger.hear(*(slip(person, "2026-02", 25_000) for person in people))
    await ledger.close("2026-01")
    await ledger.close("2026-02")
    seen: list[str] = []
    cursor = ""
    while True:
        page = await ledger.call("GET", "/payment-orders", params={"limit": "2", "cursor": cursor})
        seen += [order["orderId"] for order in page["items"]]
        if "nextCursor" not in page:
            break
        cursor = page["nextCursor"]
    assert len(set(seen)) == len(seen) == 5
    assert await ledger.orders(month="2026-01") == []
    assert len(await ledger.orders(month="2026-02", state="OPEN")) == 5


@pytest.mark.parametrize("day", ["1900-01-01", "2025-12-31", "2026-01-31", "2026-03-06", "2026-12-31"])
async def test_a_payment_is_refused_on_a_day_before_its_month_and_after_today(
    ledger: LedgerOffice, day: str
) -> None:
    await _drawn(ledger)
    ledger.at("2026-03-05")
    (order,) = await ledger.orders()
    path = f"/payment-orders/{order['orderId']}/_executed"
    refused = await ledger.call("POST", path, {"executedOn": day}, expect=400)
    assert [(fault["rule"], fault["pointer"]) for fault in refused["errors"]] == [("L010", "/executedOn")]
    assert "2026-02-01" in refused["errors"][0]["detail"]
    assert "2026-03-05" in refused["errors"][0]["detail"]
    (still,) = await ledger.orders()
    assert still["state"] == "OPEN"


@pytest.mark.parametrize("day", ["2026-02-01", "2026-03-05"])
async def test_a_payment_may_be_made_from_the_first_day_of_its_month_to_today(
    ledger: LedgerOffice, day: str
) -> None:
    await _drawn(ledger)
    (order,) = await ledger.orders()
    ledger.clock.set(datetime(2026, 3, 4, 23, 30, tzinfo=UTC))  # half past twelve on the fifth in Amsterdam
    path = f"/payment-orders/{order['orderId']}/_executed"
    assert (await ledger.call("POST", path, {"executedOn": day}))["executedOn"] == day


async def test_a_payment_run_books_what_can_be_paid_and_says_why_the_rest_is_refused(
    ledger: LedgerOffice,
) -> None:
    scheme = await ledger.scheme()
    people = [(await ledger.enrolled(scheme))[0] for _ in range(4)]
    for month, net in (("2026-01", 70_000), ("2026-02", 25_000)):
        await ledger.hear(*(slip(person, month, net) for person in people))
        await ledger.close(month)
    of_person = {order["participantId"]: order["orderId"] for order in await ledger.orders()}
    first, second, third, fourth = [of_person[person] for person in people]
    await ledger.hear(slip(people[3], "2026-02", 30_000, version=2))  # the fourth is superseded
    (new,) = [order["orderId"] for order in await ledger.orders(state="OPEN") if order["revision"] == 2]
    unknown = "00000000-0000-4000-8000-000000000000"
    ledger.at("2026-03-06")
    await ledger.call("POST", f"/payment-orders/{third}/_executed", {"executedOn": "2026-03-06"})
    run = {"executedOn": "2026-03-05", "orderIds": [first, unknown, third, second, fourth, new]}
    answer = await ledger.call("POST", "/payment-runs", run)
    assert (answer["executed"], answer["refused"]) == (3, 3)
    lines = {line["orderId"]: (line["status"], line.get("detail", "")) for line in answer["results"]}
    assert [line["orderId"] for line in answer["results"]] == run["orderIds"]
    assert {order for order, (status, _) in lines.items() if status == "EXECUTED"} == {first, second, new}
    assert "no such payment order" in lines[unknown][1]
    assert "2026-03-06 already" in lines[third][1]
    assert "paid twice" in lines[fourth][1]
    states = {order["orderId"]: order["state"] for order in await ledger.orders()}
    assert states == {
        **dict.fromkeys([first, second, third, new], "EXECUTED"),
        fourth: "SUPERSEDED",
    }
    await ledger.must_be_sound()
    again = await ledger.call("POST", "/payment-runs", run)
    assert again == answer
    await ledger.must_be_sound()


async def test_a_payment_run_costs_a_fixed_number_of_statements(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme(donated=3_000_000)
    people = [(await ledger.enrolled(scheme))[0] for _ in range(30)]
    for month, net in (("2026-01", 70_000), ("2026-02", 25_000)):
        await ledger.hear(*(slip(person, month, net) for person in people))
        await ledger.close(month)
    orders = [order["orderId"] for order in await ledger.orders()]
    ledger.at("2026-03-05")
    count = ledger.count_statements()
    answer = await ledger.call("POST", "/payment-runs", {"executedOn": "2026-03-05", "orderIds": orders})
    assert answer["executed"] == 30
    assert len(count) <= 12, count.statements


@pytest.mark.parametrize("day", ["2026-01-31", "2026-03-06"])
async def test_a_payment_run_on_an_impossible_day_pays_nothing(ledger: LedgerOffice, day: str) -> None:
    await _drawn(ledger)
    ledger.at("2026-03-05")
    (order,) = await ledger.orders()
    run = {"executedOn": day, "orderIds": [order["orderId"]]}
    answer = await ledger.call("POST", "/payment-runs", run)
    assert (answer["executed"], answer["refused"]) == (0, 1)
    assert "2026-02-01" in answer["results"][0]["detail"]
    assert (await ledger.orders())[0]["state"] == "OPEN"


async def test_a_payment_run_names_every_fault_of_its_form(ledger: LedgerOffice) -> None:
    one = "00000000-0000-4000-8000-000000000001"
    refused = await ledger.call(
        "POST", "/payment-runs", {"executedOn": "5 maart", "orderIds": [one, one]}, expect=400
    )
    assert {(fault["rule"], fault["pointer"]) for fault in refused["errors"]} == {
        ("G005", "/executedOn"),
        ("L012", "/orderIds/1"),
    }


async def _execute(ledger: LedgerOffice, order: dict[str, Any], day: str) -> dict[str, Any]:
    """Report that an order was paid, on that day."""
    ledger.at(day)
    answer: dict[str, Any] = await ledger.call(
        "POST", f"/payment-orders/{order['orderId']}/_executed", {"executedOn": day}
    )
    return answer


async def _drawn(ledger: LedgerOffice) -> tuple[Scheme, str, str]:
    """A person with an open order of 468.20 for February."""
    scheme = await ledger.scheme()
    person, enrolment = await ledger.enrolled(scheme)
    await ledger.hear(slip(person, "2026-01", 70_000), slip(person, "2026-02", 25_000))
    await ledger.close("2026-01")
    await ledger.close("2026-02")
    return scheme, person, enrolment
