"""The smallest service that uses every part of the edge; it runs by `python -m` like a real one."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response
from fastapi import Path as PathParameter
from pydantic import Field
from sqlalchemy import BigInteger, Column, String, Table, func, insert, select

from shared.api import BATCH
from shared.clock import Clock
from shared.commands import Answer, command
from shared.contracts.events import DonationReceived
from shared.database import Tx
from shared.dates import CalendarMonth, Day, MonthParameter
from shared.errors import BufferbudgetError, Conflict, Fault, NotFound
from shared.ids import Ids
from shared.metrics import Metrics
from shared.money import Cents, PositiveCents
from shared.plumbing import service_registry
from shared.requests import RequestModel, ResponseModel, not_built, parse_line
from shared.serve import Service, ServiceRouter, Worker, database_of, run
from shared.settings import Settings
from shared.tokens import Caller, Role, allow

METADATA = service_registry().metadata
NOTE = Table(
    "note",
    METADATA,
    Column("note_id", String(36), primary_key=True),
    Column("municipality", String(4), nullable=False),
    Column("amount_cents", BigInteger, nullable=False),
)
BackOffice = Annotated[Caller, Depends(allow(Role.BACKOFFICE))]


class Line(RequestModel):
    label: Annotated[str, Field(max_length=20)]
    amount_cents: PositiveCents

    @classmethod
    def cross_faults(cls, parsed: Mapping[str, Any]) -> list[Fault]:
        if parsed.get("label") == "free" and parsed.get("amount_cents", 0) > 0:
            return [Fault("T002", "/amountCents", "what is free costs nothing")]
        return []


class NewNote(RequestModel):
    municipality: Annotated[str, Field(pattern=r"^[0-9]{4}$")]
    amount_cents: PositiveCents
    month: CalendarMonth | None = None
    first_day: Day | None = None
    last_day: Day | None = None
    lines: Annotated[list[Line], Field(default_factory=list)]
    slow_seconds: Annotated[float, Field(ge=0, le=5)] = 0.0

    @classmethod
    def cross_faults(cls, parsed: Mapping[str, Any]) -> list[Fault]:
        faults: list[Fault] = []
        first, last = parsed.get("first_day"), parsed.get("last_day")
        if first is not None and last is not None and last < first:
            faults.append(Fault("T001", "/lastDay", "lies before firstDay"))
        if parsed.get("amount_cents") == 666:
            faults.append(not_built("/amountCents", 666))
        return faults


class NoteView(ResponseModel):
    note_id: str
    amount_cents: int
    remark: str | None = None


class Count(ResponseModel):
    notes: int


def build(settings: Settings, clock: Clock, ids: Ids, metrics: Metrics) -> Service:
    database = database_of("notifier", settings, clock, ids)
    router = ServiceRouter("notifier")

    @router.post("/notes", response_model=NoteView, status_code=201)
    async def add_note(request: Request, caller: BackOffice, body: NewNote) -> Response:
        caller.must_be_of(body.municipality)

        async def add(tx: Tx) -> Answer:
            await asyncio.sleep(body.slow_seconds)
            note_id = tx.new_id()
            row = {
                "note_id": note_id,
                "municipality": body.municipality,
                "amount_cents": body.amount_cents,
            }
            await tx.execute(insert(NOTE), [row])
            if body.amount_cents == 409:
                raise Conflict("this amount is taken")
            tx.emit(
                DonationReceived(
                    fund_id=note_id,
                    municipality=body.municipality,
                    donation_id=note_id,
                    amount_cents=Cents(body.amount_cents),
                    value_date=tx.now.date(),
                )
            )
            view = NoteView(note_id=note_id, amount_cents=body.amount_cents)
            return Answer(view, 201, {"Location": f"/v1/notes/{note_id}"})

        return await command(request, database, caller, add)

    @router.post(
        "/note-batches",
        response_model=Count,
        status_code=202,
        openapi_extra={
            **BATCH,
            "requestBody": {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}},
        },
    )
    async def add_batch(request: Request, caller: BackOffice) -> Count:
        lines = (await request.body()).splitlines()
        return Count(notes=sum(isinstance(parse_line(NewNote, line), NewNote) for line in lines))

    @router.get("/notes/{noteId}", response_model=NoteView)
    async def get_note(
        caller: BackOffice, note_id: Annotated[str, PathParameter(alias="noteId")]
    ) -> NoteView:
        async with database.read() as reading:
            row = await reading.first(select(NOTE).where(NOTE.c.note_id == note_id))
        if row is None:
            raise NotFound("there is no such note")
        caller.must_see(row.municipality, "note")
        return NoteView(note_id=row.note_id, amount_cents=row.amount_cents)

    @router.get("/note-counts", response_model=Count)
    async def count_notes(
        caller: BackOffice,
        since: Annotated[MonthParameter | None, Query()] = None,
        at_most: Annotated[int, Query(alias="atMost", ge=1)] = 5,
    ) -> Count:
        async with database.read() as reading:
            return Count(notes=await reading.scalar(select(func.count()).select_from(NOTE)))

    @router.get("/failures", response_model=Count)
    async def fail(caller: BackOffice) -> Count:
        raise RuntimeError("the account is NL91ABNA0417164300")

    @router.get("/own-failures", response_model=Count)
    async def fail_ours(caller: BackOffice) -> Count:
        raise BufferbudgetError("nobody thought of this")

    done: list[int] = []

    async def step() -> bool:
        done.append(1)
        return False

    return Service(
        name="notifier",
        database=database,
        router=router,
        migrations=Path(__file__).parent / "migrations",
        workers=[Worker("toy", step, every_seconds=0.05)],
        rules={"T001": "The last day is not before the first.", "T002": "What is free costs nothing."},
    )


if __name__ == "__main__":
    raise SystemExit(run(build))
