"""What a fund's own token sees of people: per figure, in steps of at least ten, whatever is subtracted."""

from collections.abc import Sequence

import httpx
from alembic.script import ScriptDirectory
from sqlalchemy import select, text

from buffer_ledger.service import MIGRATIONS
from buffer_ledger.tables import FUND_SHARE, FUND_SNAPSHOT
from tests.integration.ledger.ledger_office import LedgerOffice, Scheme, erased, slip

CAP = 100_000
DONATED = 5_000_000


class FundEyes:
    """A fund's own token."""

    def __init__(self, ledger: LedgerOffice, scheme: Scheme) -> None:
        self._ledger, self._path = ledger, f"/funds/{scheme.fund_id}"
        self._token: httpx.AsyncClient = ledger.client("fund", FUND=scheme.fund_id)

    async def see(self) -> tuple[int, int, int, int]:
        answer = await self._ledger.call("GET", self._path, office=self._token)
        figures = {name: answer[f"{name}Cents"] for name in ("committed", "drawn", "returned", "available")}
        assert figures["available"] == answer["donatedCents"] - figures["committed"] + figures["returned"]
        return figures["committed"], figures["drawn"], figures["returned"], figures["available"]

    async def really(self) -> tuple[int, int, int]:
        answer = await self._ledger.call("GET", self._path)
        return answer["committedCents"], answer["drawnCents"], answer["returnedCents"]


async def enrolled(ledger: LedgerOffice, people: int) -> tuple[Scheme, FundEyes, list[str]]:
    scheme = await ledger.scheme(donated=DONATED)
    eyes = FundEyes(ledger, scheme)
    return scheme, eyes, [(await ledger.enrolled(scheme))[0] for _ in range(people)]


async def earned(ledger: LedgerOffice, people: Sequence[str], net: int = 70_000, *, version: int = 1) -> None:
    """Wage in January: a draw in February, when the benefit of January's wage comes."""
    await ledger.hear(*(slip(person, "2026-01", net, version=version) for person in people))


async def test_one_draw_among_ten_enrolments_is_not_shown(ledger: LedgerOffice) -> None:
    scheme, eyes, people = await enrolled(ledger, 9)
    await earned(ledger, people[:1])
    await ledger.close("2026-01")
    await ledger.enrolled(scheme)
    await ledger.close("2026-02")
    assert (await eyes.really())[1] > 0
    assert await eyes.see() == (10 * CAP, 0, 0, DONATED - 10 * CAP)


async def test_nine_draws_are_not_shown_and_ten_are(ledger: LedgerOffice) -> None:
    _, eyes, people = await enrolled(ledger, 12)
    await earned(ledger, people[:9])
    await ledger.close("2026-01")
    await ledger.close("2026-02")
    assert (await eyes.see())[1] == 0
    await earned(ledger, people[9:10])
    assert (await eyes.see())[1] == 0
    await ledger.close("2026-02")
    assert (await eyes.see())[1] == (await eyes.really())[1] > 0


async def test_ten_enrolments_of_nine_people_are_nine_people(ledger: LedgerOffice) -> None:
    scheme, eyes, people = await enrolled(ledger, 9)
    again = {
        "participantId": people[0],
        "schemeId": scheme.scheme_id,
        "household": {"kind": "SINGLE"},
        "firstMonth": "2027-01",
    }
    await ledger.call("POST", "/enrolments", again, expect=201)
    await ledger.close("2026-01")
    assert (await eyes.really())[0] == 10 * CAP
    assert await eyes.see() == (0, 0, 0, DONATED)
    await ledger.enrolled(scheme)
    await ledger.close("2026-01")
    assert (await eyes.see())[0] == 11 * CAP


async def test_a_correction_of_one_person_waits_for_nine_others(ledger: LedgerOffice) -> None:
    _, eyes, people = await enrolled(ledger, 11)
    await earned(ledger, people)
    await ledger.close("2026-01")
    await ledger.close("2026-02")
    shown = await eyes.see()
    await earned(ledger, people[:1], 60_000, version=2)
    await ledger.close("2026-02")
    assert (await eyes.really())[1] != shown[1]
    assert await eyes.see() == shown
    # Back as it was, and now another: one person again, not two.
    await earned(ledger, people[:1], version=3)
    await earned(ledger, people[1:9], 60_000, version=2)
    await ledger.close("2026-02")
    assert await eyes.see() == shown
    await earned(ledger, people[9:], 60_000, version=2)
    await ledger.close("2026-02")
    assert (await eyes.see())[1] == (await eyes.really())[1] != shown[1]


async def test_what_ended_enrolments_give_back_does_not_tell_the_one_draw(ledger: LedgerOffice) -> None:
    _, eyes, people = await enrolled(ledger, 10)
    await earned(ledger, people[:1])
    await ledger.close("2026-01")
    await ledger.close("2026-02")
    await ledger.hear(*(erased(person) for person in people))
    await ledger.close("2026-02")
    committed, drawn, returned = await eyes.really()
    assert committed - returned == drawn > 0
    assert await eyes.see() == (10 * CAP, 0, 0, DONATED - 10 * CAP)


async def test_two_steps_at_one_instant_are_two_snapshots(ledger: LedgerOffice) -> None:
    scheme, eyes, _ = await enrolled(ledger, 10)
    await ledger.close("2026-01")
    for _ in range(10):
        await ledger.enrolled(scheme)
    await ledger.close("2026-01")
    assert (await eyes.see())[0] == 20 * CAP
    async with ledger.service.database.read() as reading:
        assert [row.people for row in await reading.rows(select(FUND_SNAPSHOT))] == [10, 10]


async def test_the_migration_takes_what_was_shown_before_as_a_snapshot_keeps_it(ledger: LedgerOffice) -> None:
    _, _, people = await enrolled(ledger, 10)
    await earned(ledger, people)
    ledger.at("2026-03-01")
    for month in ("2026-01", "2026-02"):
        await ledger.call("POST", f"/municipalities/0344/months/{month}/_close", expect=202)
    await ledger.work()
    script = ScriptDirectory(str(MIGRATIONS)).get_revision("0003")
    assert script is not None
    _, _, shown_before = script.module._SHOWN_BEFORE.partition(")\n")
    async with ledger.service.database.read() as reading:
        kept = await reading.rows(select(FUND_SHARE))
        taken = await reading.rows(text(shown_before))
    added: dict[str, tuple[int, ...]] = {}
    for row in kept:
        before = added.get(row.participant_id, (0, 0, 0))
        added[row.participant_id] = tuple(a + b for a, b in zip(before, tuple(row)[3:], strict=True))
    assert len(added) == 10
    assert {row.participant_id: tuple(map(int, tuple(row)[3:])) for row in taken} == added
