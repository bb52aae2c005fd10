"""Closing in chunks: a handful of statements for many people, and none lost when the process is killed."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from buffer_ledger.closing import Closing
from buffer_ledger.figures import Figures
from shared.contracts.events import MonthSettled
from shared.law import Law
from shared.log import get_log
from tests.integration.ledger.ledger_office import LedgerOffice, StatementCount, slip

STATEMENTS_OF_A_CHUNK = 40
"""One for each kind of fact and of row, however many people; a query per person would be fifty more."""


async def test_a_chunk_of_fifty_people_takes_as_many_statements_as_one_of_one(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme(donated=10_000_000)
    first, _ = await ledger.enrolled(scheme)
    counted = ledger.count_statements()
    await ledger.hear(slip(first, "2026-01", 70_000), slip(first, "2026-02", 25_000))
    await ledger.close("2026-01")
    for_one = await _statements_of_a_close(ledger, counted)
    people = [(await ledger.enrolled(scheme))[0] for _ in range(50)]
    await ledger.hear(*(slip(person, "2026-01", 70_000) for person in people))
    await ledger.hear(*(slip(person, "2026-02", 25_000) for person in people))
    for_fifty = await _statements_of_a_close(ledger, counted)
    assert len(await ledger.told(MonthSettled)) == 102
    assert for_fifty <= for_one + 2
    assert for_fifty <= STATEMENTS_OF_A_CHUNK


async def _statements_of_a_close(ledger: LedgerOffice, counted: StatementCount) -> int:
    """How many statements the work of closing February takes, the call itself left out."""
    ledger.at("2026-03-01")
    await ledger.call("POST", "/municipalities/0344/months/2026-02/_close", expect=202)
    before = len(counted)
    await ledger.work()
    return len(counted) - before


async def test_late_slips_of_fifty_people_are_rebooked_together(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme(donated=10_000_000)
    people = [(await ledger.enrolled(scheme))[0] for _ in range(50)]
    await ledger.hear(*(slip(person, "2026-01", 70_000) for person in people))
    await ledger.hear(*(slip(person, "2026-02", 25_000) for person in people))
    await ledger.close("2026-01")
    await ledger.close("2026-02")
    counted = ledger.count_statements()
    await ledger.hear(*(slip(person, "2026-02", 30_000, version=2) for person in people))
    assert len(await ledger.orders(state="SUPERSEDED", limit="100")) == 50
    assert len(counted) <= STATEMENTS_OF_A_CHUNK
    await ledger.must_be_sound()


async def test_slips_of_open_months_cost_a_statement_each_batch_and_run_nothing(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme(donated=10_000_000)
    people = [(await ledger.enrolled(scheme))[0] for _ in range(20)]
    counted = ledger.count_statements()
    await ledger.hear(*(slip(person, "2026-01", 70_000) for person in people))
    statements = [each for each in counted.statements if not each.startswith(("BEGIN", "COMMIT"))]
    assert len(statements) == 3, statements


async def test_two_workers_at_once_settle_every_month_once(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme(donated=10_000_000)
    people = [(await ledger.enrolled(scheme))[0] for _ in range(9)]
    await ledger.hear(*(slip(person, "2026-01", 70_000) for person in people))
    ledger.at("2026-02-01")
    await ledger.call("POST", "/municipalities/0344/months/2026-01/_close", expect=202)

    async def work() -> None:
        figures = Figures(ledger.metrics.of("buffer-ledger"))
        closing = Closing(ledger.service.database, Law.load(), figures, get_log("test"), chunk=2)
        while await closing.step():
            pass

    await asyncio.gather(work(), work())
    assert len(await ledger.told(MonthSettled)) == 9
    await ledger.must_be_sound()


KILLED = """
import asyncio
from buffer_ledger.closing import Closing
from buffer_ledger.figures import Figures
from shared.clock import clock_from
from shared.ids import RandomIds
from shared.law import Law
from shared.log import get_log
from shared.metrics import Metrics
from shared.service import database_of
from shared.settings import load

async def main() -> None:
    settings = load()
    database = database_of("buffer-ledger", settings, clock_from(settings.clock), RandomIds())
    figures = Figures(Metrics().of("buffer-ledger"))
    closing = Closing(database, Law.load(), figures, get_log("buffer-ledger"), chunk=3)
    while await closing.step():
        pass
    await database.close()

asyncio.run(main())
"""


async def test_a_close_killed_at_any_chunk_goes_on_and_ends_as_a_calm_one(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme(donated=10_000_000)
    enrolled = [await ledger.enrolled(scheme) for _ in range(8)]
    for number, (person, _) in enumerate(enrolled):
        await ledger.hear(slip(person, "2026-01", 70_000 + number), slip(person, "2026-02", 25_000))
    await ledger.close("2026-01")
    ledger.at("2026-03-01")
    asked = await ledger.call("POST", "/municipalities/0344/months/2026-02/_close", expect=202)
    for failpoint in ("close-before-commit:2", "close-after-commit:1", "close-before-commit:1"):
        assert await _worked(ledger, failpoint) == -signal.SIGKILL
        await ledger.must_be_sound()
    assert await _worked(ledger, "") == 0
    done = await ledger.call("GET", f"/month-closes/{asked['closeId']}")
    assert (done["state"], done["settled"], done["newlySettled"]) == ("DONE", 8, 8)
    assert len(await ledger.orders(state="OPEN")) == 8
    told = [each for each in await ledger.told(MonthSettled) if str(each.month) == "2026-02"]
    assert len(told) == len({each.participant_id for each in told}) == 8
    await ledger.must_be_sound()


async def _worked(ledger: LedgerOffice, failpoint: str) -> int:
    """Let another process do the close until it ends or is killed; its exit code."""
    settings = ledger.settings
    environment = {
        **os.environ,
        "DATA_DIR": str(settings.data_dir),
        "CLOCK": "2026-03-01T09:00:00+00:00",
        "BUFFER_LEDGER_DATABASE_URL": settings.database_url("buffer-ledger"),
        "FAILPOINT": failpoint,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED, env=environment, cwd=Path.cwd()
    )
    async with asyncio.timeout(60):
        return await process.wait()
