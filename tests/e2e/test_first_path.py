"""One wage slip from HTTP to ledger to a message a resident can read; the same assertions in both shapes."""

from shared.months import Month
from tests.e2e.post_box import PostBox
from tests.e2e.scenario import (
    FLUCTUATING,
    FLUCTUATING_DRAWS,
    at,
    books_balance,
    close,
    draws,
    open_scheme,
    send_batch,
    slip,
    statement,
)
from tests.e2e.system import Office, System

JANUARY = Month(2026, 1)


async def test_a_fluctuating_wage_is_kept_at_the_floor_and_the_person_is_told(
    system: System, office: Office, post_box: PostBox
) -> None:
    at(system, Month(2025, 12))
    scheme = await open_scheme(office)
    (person,) = scheme.people
    for offset, net_cents in enumerate(FLUCTUATING):
        month = JANUARY.plus(offset)
        at(system, month, 28)
        answer = await office.call("POST", "/wage-slips", json=slip(person, month, net_cents))
        assert answer.status_code == 201, answer.text
        await office.quiet()
        at(system, month.plus(1))
        counts = await close(office, month)
        assert (counts["settled"], counts["held"], counts["missing"]) == (1, 0, 0)
        await office.quiet()
    assert tuple(await draws(scheme, person)) == FLUCTUATING_DRAWS
    february = (await statement(scheme, person))["months"][1]
    assert february["cashCents"] == 86_323
    assert february["cashAfterCents"] == february["floorCents"] == 133_143
    assert {line["parameter"] for line in february["receipt"]}
    messages = await office.items("/messages", participantId=person)
    assert {message["month"] for message in messages} == {"2026-02", "2026-04"}
    assert all(message["state"] == "SENT" for message in messages)
    mails = post_box.to(f"inwoner-{office.municipality}-0@example.org")
    assert len(mails) == 2
    assert "€\u00a0468,20" in mails[0]
    await books_balance(scheme)


async def test_the_same_slip_again_and_a_late_correction_end_where_one_clean_slip_ends(
    system: System, office: Office
) -> None:
    at(system, Month(2025, 12))
    scheme = await open_scheme(office, people=2)
    messy, clean = scheme.people
    february = JANUARY.plus(1)
    at(system, february, 27)
    first = slip(messy, JANUARY, 60_000, version=1)
    await send_batch(office, [first, first, slip(messy, february, 5_000), slip(clean, JANUARY, 70_000)])
    await send_batch(office, [slip(clean, february, 25_000)])
    await office.quiet()
    for month in (JANUARY, february):
        at(system, month.plus(1))
        await close(office, month)
        await office.quiet()
    counts = await send_batch(
        office, [slip(messy, february, 25_000, version=7), slip(messy, JANUARY, 70_000, version=2), first]
    )
    assert (counts["accepted"], counts["corrections"], counts["duplicates"], counts["refused"]) == (
        0,
        2,
        1,
        0,
    )
    await office.quiet()
    rows = [(await statement(scheme, person))["months"] for person in (messy, clean)]
    comparable = [
        [{k: v for k, v in row.items() if k not in {"revision", "evidence", "recordedAt"}} for row in months]
        for months in rows
    ]
    assert comparable[0] == comparable[1]
    assert rows[0][1]["revision"] > rows[1][1]["revision"]
    await books_balance(scheme)


async def test_a_paid_month_stays_when_a_correction_comes_after_the_payment(
    system: System, office: Office
) -> None:
    at(system, Month(2025, 12))
    scheme = await open_scheme(office)
    (person,) = scheme.people
    february = JANUARY.plus(1)
    at(system, february, 27)
    await send_batch(office, [slip(person, JANUARY, 70_000), slip(person, february, 25_000)])
    await office.quiet()
    for month in (JANUARY, february):
        at(system, month.plus(1))
        await close(office, month)
    await office.quiet()
    (order,) = await office.items("/payment-orders", state="OPEN")
    assert order["amountCents"] == 46_820
    at(system, february.plus(1), 5)
    for _ in range(2):
        await office.ok(
            "POST", f"/payment-orders/{order['orderId']}/_executed", json={"executedOn": "2026-03-05"}
        )
    before = (await statement(scheme, person))["months"][1]
    await send_batch(office, [slip(person, february, 60_000, version=2)])
    await office.quiet()
    after = (await statement(scheme, person))["months"][1]
    assert after == before
    assert await office.items("/payment-orders", state="OPEN") == []
    await books_balance(scheme)


async def test_another_municipality_sees_nothing_of_it(
    system: System, office: Office, other_office: Office
) -> None:
    at(system, Month(2025, 12))
    scheme = await open_scheme(office)
    (person,) = scheme.people
    for method, path, body in (
        ("GET", f"/funds/{scheme.fund_id}", None),
        ("GET", f"/enrolments/{scheme.enrolments[person]}/statement", None),
        ("GET", f"/messages?participantId={person}", None),
        ("POST", f"/municipalities/{office.municipality}/months/2026-01/_close", None),
        ("POST", "/wage-slips", slip(person, JANUARY, 1_000)),
    ):
        answer = await other_office.call(method, path, json=body)
        assert answer.status_code in {400, 403, 404}, (method, path, answer.text)
        assert person not in answer.text or method == "POST"


async def test_no_personal_detail_reaches_logs_or_metrics(system: System, office: Office) -> None:
    at(system, Month(2025, 12))
    await open_scheme(office)
    await office.quiet()
    logs = system.logs()
    for canary in ("Robin Voorbeeld", "Proefstraat", f"inwoner-{office.municipality}", "Thuiszorg"):
        assert canary not in logs
