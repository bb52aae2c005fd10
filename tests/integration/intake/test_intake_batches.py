"""Batches: per-line results, the same bytes, the same slip inside a batch, and a worker that is killed."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, Engine, event, func, select

from income_intake.tables import BATCH_PIECE, BATCH_RESULT, WAGE_SLIP
from shared.contracts.events import WageSlipCorrected, WageSlipReported
from tests.integration.intake.office import Intake, ndjson, registered, slip

NDJSON = {"Content-Type": "application/x-ndjson"}


async def results(office: httpx.AsyncClient, batch_id: str, limit: int = 1000) -> list[dict[str, Any]]:
    """Every result of a batch, page after page."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, Any] = {}
    while True:
        answer = await office.get(f"/wage-slip-batches/{batch_id}/results", params={"limit": limit, **cursor})
        assert answer.status_code == 200, answer.text
        found += answer.json()["items"]
        if "nextCursor" not in answer.json():
            return found
        cursor = {"cursor": answer.json()["nextCursor"]}


async def test_each_line_has_its_result_and_the_totals_can_be_checked(
    intake: Intake, office: httpx.AsyncClient
) -> None:
    person = await registered(office)
    body = ndjson(
        [
            slip(person),
            slip(person),
            slip(person, netCents=61_000),
            slip(person, periodFrom="2026-02-01", periodTo="2026-02-28", netCents=-500),
            slip(person, netCents=1.5, slipNumber=0),
            slip("00000000-0000-4000-8000-000000000000"),
            slip(municipality="0599", externalReference="inwoner"),
        ]
    )
    broken = b'\xef\xbb\xbf{}\n\nno json\n{"employerName": "\xff"}\n[]\n' + b"x" * 70_000
    done = await intake.batch(office, body + broken)
    assert {name: done[name] for name in ("state", "received", "accepted", "corrections")} == {
        "state": "DONE",
        "received": 13,
        "accepted": 2,
        "corrections": 1,
    }
    assert (done["duplicates"], done["refused"]) == (1, 9)
    assert done["controlTotals"] == {
        "netCents": 60_000 + 60_000 + 61_000 - 500,
        "acceptedNetCents": 59_500,
        "correctionsNetCents": 61_000,
        "duplicatesNetCents": 60_000,
    }
    found = await results(office, done["batchId"], limit=4)
    assert [result["line"] for result in found] == list(range(1, 14))
    assert found[1]["wageSlipId"] == found[0]["wageSlipId"] == found[2]["supersedes"]
    told = [sorted(fault["rule"] for fault in result.get("faults", [])) for result in found[4:]]
    assert told == [
        ["G003", "G004"],
        ["W011"],
        ["W017"],
        ["W023"],
        ["W020"],
        ["W021"],
        ["W022"],
        ["W021"],
        ["W024"],
    ]


async def test_the_same_bytes_are_the_same_batch(intake: Intake, office: httpx.AsyncClient) -> None:
    person = await registered(office)
    body = ndjson([slip(person)])
    first = await intake.batch(office, body)
    again = await office.post("/wage-slip-batches", content=body, headers=NDJSON)
    other = await office.post("/wage-slip-batches", content=body + body, headers=NDJSON)
    assert (again.status_code, again.json()["batchId"]) == (202, first["batchId"])
    assert other.json()["batchId"] != first["batchId"]
    elsewhere = await intake.office("0599").post("/wage-slip-batches", content=body, headers=NDJSON)
    assert elsewhere.json()["batchId"] != first["batchId"]


@pytest.mark.parametrize("media", ["text/csv", "application/json", ""])
async def test_only_ndjson_is_read(office: httpx.AsyncClient, media: str) -> None:
    answer = await office.post("/wage-slip-batches", content=b"{}", headers={"Content-Type": media})
    assert answer.status_code == 415
    assert ("not built yet" in answer.text) == (media == "text/csv")


async def test_an_empty_batch_is_refused(office: httpx.AsyncClient) -> None:
    answer = await office.post("/wage-slip-batches", content=b"", headers=NDJSON)
    assert answer.status_code == 400


async def test_one_batch_gives_what_the_same_slips_give_singly(
    intake: Intake, office: httpx.AsyncClient
) -> None:
    one, two = [await registered(office) for _ in range(2)]
    bodies: list[dict[str, Any]] = [
        {"netCents": 100},
        {"netCents": 200},
        {"netCents": 100},
        {"netCents": 700, "version": 7},
        {"netCents": 300, "version": 3},
        {"netCents": 800},
        {"netCents": 1, "version": 7},
    ]
    done = await intake.batch(office, ndjson([slip(one, **body) for body in bodies]))
    singly = [await office.post("/wage-slips", json=slip(two, **body)) for body in bodies]
    in_batch = [result["status"] for result in await results(office, done["batchId"])]
    assert in_batch == [answer.json().get("status", "REFUSED") for answer in singly[:-1]] + ["REFUSED"]
    told = [e for e in await intake.events() if isinstance(e, WageSlipReported | WageSlipCorrected)]
    versions = {
        person: [event.version for event in told if event.participant_id == person] for person in (one, two)
    }
    assert versions[one] == versions[two] == [1, 2, 3, 4]


async def test_raw_lines_are_gone_when_the_batch_is_done(intake: Intake, office: httpx.AsyncClient) -> None:
    person = await registered(office)
    await intake.batch(office, ndjson([slip(person, slipNumber=number) for number in range(1, 4)]))
    async with intake.service.database.read() as reading:
        assert await reading.scalar(select(func.count()).select_from(BATCH_PIECE)) == 0
        assert await reading.scalar(select(func.count()).select_from(BATCH_RESULT)) == 3


async def test_a_line_that_meets_a_fault_of_ours_is_refused_alone(
    intake: Intake, office: httpx.AsyncClient
) -> None:
    people = [await registered(office) for _ in range(9)]
    # A fault of ours, made on purpose: the key of somebody who was never erased is gone.
    assert intake.service.key_store is not None
    await intake.service.key_store.destroy(people[4])
    done = await intake.batch(office, ndjson([slip(person) for person in people]))
    assert (done["accepted"], done["refused"]) == (8, 1)
    (refused,) = [r for r in await results(office, done["batchId"]) if r["status"] == "REFUSED"]
    assert (refused["line"], refused["faults"][0]["rule"]) == (5, "W026")


@pytest.fixture
def statements() -> Iterator[list[str]]:
    """Every statement any database of this process runs, from now on."""
    ran: list[str] = []

    def note(connection: Connection, cursor: Any, statement: str, *_: Any) -> None:
        ran.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield ran
    event.remove(Engine, "before_cursor_execute", note)


async def test_statements_do_not_grow_with_the_slips_of_a_piece(
    intake: Intake, office: httpx.AsyncClient, statements: list[str]
) -> None:
    people = [await registered(office) for _ in range(5)]
    counts = []
    for number, size in ((1, 2), (2, 500)):
        bodies = [
            slip(people[i % 5], employerName=f"employer {i}", slipNumber=number, netCents=i)
            for i in range(size)
        ]
        sent = await office.post("/wage-slip-batches", content=ndjson(bodies), headers=NDJSON)
        assert sent.status_code == 202
        del statements[:]
        await intake.work()
        counts.append(len(statements))
    assert counts[0] == counts[1]
    assert counts[1] / 500 < 0.06


async def test_many_pieces_keep_the_order_of_lines(intake: Intake, office: httpx.AsyncClient) -> None:
    person = await registered(office)
    bodies = [slip(person, slipNumber=i % 90 + 1, netCents=i) for i in range(1_200)]
    done = await intake.batch(office, ndjson(bodies))
    assert (done["accepted"], done["corrections"], done["refused"]) == (90, 1_110, 0)
    async with intake.service.database.read() as reading:
        rows = await reading.rows(
            select(WAGE_SLIP.c.slip_key, WAGE_SLIP.c.told_version, WAGE_SLIP.c.net_cents)
        )
    newest = {key: cents for key, _, cents in sorted(tuple(row) for row in rows)}
    assert sorted(newest.values()) == list(range(1_110, 1_200))
