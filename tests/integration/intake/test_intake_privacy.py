"""Canaries: a BSN, a reference and names are planted, then looked for wherever they must not be."""

import json
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from income_intake.tables import METADATA, PARTICIPANT
from shared.columns import LargeBinary
from shared.plumbing import TABLES
from shared.settings import Settings
from tests.integration.intake.office import BSN, OTHER_BSN, Intake, ndjson, registered, slip

EMPLOYER = "Kanarie Thuiszorg"
NUMBER = "876543210L01"
REFERENCE = "kanarie-inwoner-7"
LABEL = "Kanarielabel"
CANARIES = (BSN, OTHER_BSN, EMPLOYER, NUMBER, REFERENCE, LABEL)


def found_in(content: bytes) -> list[str]:
    """Canaries in some bytes, as UTF-8 or UTF-16, in either case."""
    lowered = content.lower()
    return [
        canary
        for canary in CANARIES
        if any(canary.lower().encode(code) in lowered for code in ("utf-8", "utf-16-le"))
    ]


@pytest.fixture
def files(intake_settings: Settings) -> Path:
    return intake_settings.data_dir


async def test_nothing_about_a_person_leaves_or_lies_in_plain_sight(
    intake: Intake, office: httpx.AsyncClient, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = {"employerName": EMPLOYER, "employerNumber": NUMBER, "payPeriod": "MONTH"}
    person = await registered(office, bsn=BSN, externalReference=REFERENCE, employments=[job])
    naming = {"employerName": EMPLOYER, "employerNumber": NUMBER}
    lines = [{"kind": "WAGE", "label": LABEL, "amountCents": 1_000}]
    known = await office.post(
        "/wage-slips", json=slip(municipality="0344", bsn=BSN, **naming), headers={"Idempotency-Key": BSN}
    )
    await office.get(f"/wage-slips/{known.json()['wageSlipId']}")
    await office.post("/wage-slips", json=slip(municipality="0344", bsn="123456789", **naming))
    await office.post("/participants", json={"municipality": "0344", "externalReference": BSN})
    batch = ndjson(
        [
            slip(person, **naming, netCents=None, lines=lines),
            slip(municipality="0344", bsn=OTHER_BSN, **naming),
            {"bsn": OTHER_BSN, OTHER_BSN: EMPLOYER},
        ]
    )
    waiting = await office.post(
        "/wage-slip-batches", content=batch, headers={"Content-Type": "application/x-ndjson"}
    )
    assert found_in(await _everything(intake)) == []
    await intake.work()
    results = await office.get(f"/wage-slip-batches/{waiting.json()['batchId']}/results")
    assert len(results.json()["items"]) == 3
    assert found_in(await _everything(intake)) == []
    async with intake.service.database.read() as reading:
        outbox = await reading.rows(select(TABLES.outbox.c.value, TABLES.outbox.c.key))
    assert outbox
    told = b"".join(row.value + row.key.encode() for row in outbox)
    assert found_in(told) == []
    written = capsys.readouterr()
    logged = (written.out + written.err).encode()
    assert b"http_request" in logged
    assert found_in(logged) == []
    assert person.encode() not in logged
    assert found_in(intake.metrics.render()) == []
    if intake.service.database.dialect == "sqlite":
        await intake.service.database.close()
        on_disk = _on_disk(files)
        assert b"wage_slip" in on_disk
        assert found_in(on_disk) == []


def _on_disk(folder: Path) -> bytes:
    """Every byte of every file: databases, their write-ahead logs, keys."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def _everything(intake: Intake) -> bytes:
    """Every value of every table, as the database gives it."""
    content = b""
    async with intake.service.database.read() as reading:
        for table in METADATA.sorted_tables:
            for row in await reading.rows(select(table)):
                for column, value in zip(table.columns, row, strict=True):
                    kept = value if isinstance(column.type, LargeBinary) else json.dumps(value, default=str)
                    content += kept if isinstance(kept, bytes) else str(kept).encode()
    return content


async def test_the_key_of_an_erased_person_is_gone(intake: Intake, office: httpx.AsyncClient) -> None:
    person = await registered(office, bsn=BSN)
    assert (await office.post(f"/participants/{person}/_erase")).status_code == 202
    assert await intake.service.pending_work() == 1
    await intake.work()
    assert await intake.service.pending_work() == 0
    async with intake.service.database.read() as reading:
        row = await reading.one(select(PARTICIPANT).where(PARTICIPANT.c.participant_id == person))
    assert (row.bsn_index, row.reference_index, row.private) == (None, None, None)
    assert row.key_destroyed_at is not None
