"""Every draw that is booked or changed stands in the decision log: about whom, and who had it done."""

from sqlalchemy import select

from shared.plumbing import TABLES
from tests.integration.ledger.ledger_office import LedgerOffice, slip

LATE = "system:late-fact"


async def draws(ledger: LedgerOffice) -> list[tuple[str, str, str]]:
    """Person, action and actor of every row about a draw."""
    log = TABLES.access_log
    found = select(log.c.participant_id, log.c.action, log.c.actor).where(log.c.action.like("%-draw %"))
    async with ledger.service.database.read() as reading:
        return sorted((row[0], row[1], row[2]) for row in await reading.rows(found))


async def test_a_close_is_the_decision_of_who_asked_for_it_about_each_who_gets_a_draw(
    ledger: LedgerOffice,
) -> None:
    ledger.client(SUBJECT="desk of the income department")
    scheme = await ledger.scheme()
    people = [(await ledger.enrolled(scheme))[0] for _ in range(3)]
    await ledger.hear(*(slip(person, "2026-01", 70_000) for person in people[:2]))
    await ledger.close("2026-01")
    assert await draws(ledger) == []
    await ledger.close("2026-02")
    await ledger.close("2026-02")
    assert await draws(ledger) == [
        (person, "book-draw 2026-02", "desk of the income department") for person in sorted(people[:2])
    ]


async def test_a_late_fact_notes_each_draw_it_changes_and_no_other(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme(policy={"drawAmount": "TOPUP", "capCents": 120_000})
    person, _ = await ledger.enrolled(scheme)
    other, _ = await ledger.enrolled(scheme)
    await ledger.hear(slip(person, "2026-01", 20_000), slip(person, "2026-02", 10_000))
    await ledger.hear(slip(other, "2026-01", 20_000))
    for month in ("2026-01", "2026-02", "2026-03"):
        await ledger.close(month)
    before = await draws(ledger)
    await ledger.hear(slip(person, "2026-02", 15_000, version=2), slip(other, "2026-05", 9_000))
    assert [row for row in await draws(ledger) if row not in before] == [
        (person, "change-draw 2026-02", LATE),
        (person, "change-draw 2026-03", LATE),
    ]
