"""The read and decision log tells the auditor of every slip, batch, declaration and erasure, and by whom."""

from collections import Counter

import httpx
from sqlalchemy import select

from shared.plumbing import TABLES
from tests.integration.intake.office import Intake, ndjson, registered, slip

UNKNOWN = "00000000-0000-4000-8000-000000000000"


async def logged(intake: Intake, action: str) -> list[tuple[str, str, str]]:
    """Actor, purpose and subject of every row of an action."""
    log = TABLES.access_log
    found = select(log.c.actor, log.c.purpose, log.c.participant_id).where(log.c.action == action)
    async with intake.service.database.read() as reading:
        return sorted((row[0], row[1], row[2]) for row in await reading.rows(found))


async def test_a_batch_notes_once_per_person_whose_slips_came_in_and_who_sent_it(intake: Intake) -> None:
    office = intake.office(SUBJECT="payroll desk")
    people = sorted([await registered(office) for _ in range(3)])
    slips = [slip(person, slipNumber=number) for person in people for number in (1, 2)]
    await intake.batch(office, ndjson([*slips, slip(UNKNOWN)]))
    assert await logged(intake, "report-wage-slip") == [
        ("payroll desk", "batch", person) for person in people
    ]


async def test_reading_a_batch_and_its_results_is_noted(intake: Intake, office: httpx.AsyncClient) -> None:
    people = sorted([await registered(office) for _ in range(2)])
    done = await intake.batch(office, ndjson([*map(slip, people), slip(people[0], slipNumber=2)]))
    assert [subject for _, _, subject in await logged(intake, "read-wage-slip-batch")] == [done["batchId"]]
    await office.get(f"/wage-slip-batches/{done['batchId']}/results")
    assert [subject for _, _, subject in await logged(intake, "read-wage-slip-results")] == people


async def test_results_that_name_nobody_are_noted_under_the_batch(
    intake: Intake, office: httpx.AsyncClient
) -> None:
    done = await intake.batch(office, ndjson([slip(UNKNOWN)]))
    await office.get(f"/wage-slip-batches/{done['batchId']}/results")
    assert [subject for _, _, subject in await logged(intake, "read-wage-slip-results")] == [done["batchId"]]


async def test_a_repeated_declaration_and_a_repeated_erasure_are_noted_as_the_first(
    intake: Intake, office: httpx.AsyncClient
) -> None:
    declaring, erased = await registered(office), await registered(office)
    for _ in range(2):
        body = {"participantId": declaring, "month": "2026-03", "kind": "ZERO"}
        await office.post("/month-declarations", json=body)
        assert (await office.post(f"/participants/{erased}/_erase")).status_code == 202
    noted = Counter({action: len(await logged(intake, action)) for action in ("declare-month", "erase")})
    assert noted == {"declare-month": 2, "erase": 2}
