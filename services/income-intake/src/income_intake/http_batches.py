"""The HTTP calls for batches of slips."""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Any, Final, Literal

from fastapi import Path, Query, Request, Response
from pydantic import Field

from income_intake import batch_store, batches
from income_intake.batch_lines import unpacked_faults
from income_intake.batch_store import Batch, Result
from income_intake.http_parts import BackOffice, Parts, PathId
from income_intake.intake import BATCH_PURPOSE
from income_intake.keys import FAULTS
from income_intake.versions import Status
from shared import access_log
from shared.api import BATCH, ServiceRouter
from shared.commands import Answer, command
from shared.database import ReadTx, Tx
from shared.errors import Fault, NotFound, UnsupportedMedia
from shared.requests import ResponseModel
from shared.tokens import Caller

NDJSON: Final = ("application/x-ndjson", "application/ndjson")
PAGE_MAX: Final = 1000
_LOST: Final = Fault("W026", "", "why the line was refused cannot be read any more: send it again")

Cursor = Annotated[str | None, Query(pattern=r"^[0-9]{1,15}$", description="nextCursor of the page before.")]
Limit = Annotated[int, Query(ge=1, le=PAGE_MAX, description="Most results of a page.")]
BatchId = Annotated[PathId, Path(alias="batchId")]

_REQUEST_BODY: Final[dict[str, Any]] = {
    "required": True,
    "description": "One slip as a JSON object per line, in UTF-8 without byte order mark; each line as the "
    "body of POST /wage-slips.",
    "content": {NDJSON[0]: {"schema": {"type": "string"}}},
}


class BatchReceipt(ResponseModel):
    """The batch is kept; see it for how far it is."""

    batch_id: str


class ControlTotals(ResponseModel):
    """Countable net wage of the lines that were not refused, to hold against the sender's own sum."""

    net_cents: int
    accepted_net_cents: int
    corrections_net_cents: int
    duplicates_net_cents: int


class BatchAnswer(ResponseModel):
    """How far a batch is, in lines."""

    batch_id: str
    state: Literal["RECEIVED", "RUNNING", "DONE", "FAILED"]
    failure: str | None = Field(
        None,
        description="Why the batch FAILED. Lines with a result stand; the same bytes sent again are taken up "
        "behind them.",
    )
    received: int
    accepted: int
    corrections: int
    duplicates: int
    refused: int
    control_totals: ControlTotals
    received_at: datetime
    finished_at: datetime | None = None


class LineFault(ResponseModel):
    """One fault of a line."""

    rule: str
    pointer: str
    detail: str


class LineResult(ResponseModel):
    """What became of one line."""

    line: int = Field(description="Counts from 1.")
    status: Status
    wage_slip_id: str | None = None
    supersedes: str | None = None
    superseded_by: str | None = None
    faults: list[LineFault] | None = None


class LineResults(ResponseModel):
    """A page of results; `nextCursor` leads to the next one."""

    items: list[LineResult]
    next_cursor: str | None = None


def batch_calls(routes: ServiceRouter, parts: Parts) -> None:
    """Add the calls to the service's routes."""

    @routes.post(
        "/wage-slip-batches",
        status_code=202,
        response_model=BatchReceipt,
        openapi_extra={**BATCH, "requestBody": _REQUEST_BODY},
    )
    async def send_wage_slip_batch(request: Request, caller: BackOffice) -> Response:
        """Keep a batch of slips and take it in afterwards; the same bytes again are the same batch."""
        municipality = caller.of_municipality
        media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media not in NDJSON:
            built = "text/csv is known but not built yet: " if media == "text/csv" else ""
            raise UnsupportedMedia(f"{built}send one JSON object per line as {NDJSON[0]}")
        body = await request.body()

        async def run(tx: Tx) -> Answer:
            batch, new = await batches.receive(tx, parts.keys, municipality, body, caller.subject)
            if new:
                tx.on_commit(parts.wake_batches)
            headers = {"Location": f"/v1/wage-slip-batches/{batch.batch_id}"}
            return Answer(BatchReceipt(batch_id=batch.batch_id), 202, headers)

        return await command(request, parts.database, caller, run, input_hash=sha256(body).digest())

    @routes.get("/wage-slip-batches/{batchId}", response_model=BatchAnswer)
    async def read_wage_slip_batch(caller: BackOffice, batch_id: BatchId) -> BatchAnswer:
        """How far a batch is: counts of lines and control totals."""
        async with parts.database.write() as tx:
            batch = await _batch(tx, caller.of_municipality, batch_id)
            await _note(tx, caller, "read-wage-slip-batch", [batch_id])
        return _batch_answer(batch)

    @routes.get("/wage-slip-batches/{batchId}/results", response_model=LineResults)
    async def list_wage_slip_batch_results(
        caller: BackOffice, batch_id: BatchId, cursor: Cursor = None, limit: Limit = 100
    ) -> LineResults:
        """What became of each line taken in until now, in order of lines."""
        async with parts.database.write() as tx:
            await _batch(tx, caller.of_municipality, batch_id)
            found = await batch_store.results_after(tx, batch_id, int(cursor or 0), limit + 1)
            page, more = found[:limit], len(found) > limit
            people = await batch_store.people_of(tx, page)
            await _note(tx, caller, "read-wage-slip-results", people or [batch_id])
        with_faults = [result for result in page if result.faults is not None]
        opened = await parts.keys.unseal_present(
            FAULTS, [(batch_id, result.faults) for result in with_faults if result.faults is not None]
        )
        faults = {
            result.line: (_LOST,) if content is None else unpacked_faults(content)
            for result, content in zip(with_faults, opened, strict=True)
        }
        items = [_line_result(result, faults.get(result.line)) for result in page]
        return LineResults(items=items, next_cursor=str(page[-1].line) if more else None)


async def _note(tx: Tx, caller: Caller, action: str, subjects: Sequence[str]) -> None:
    """Log who read this, under the people concerned; under the batch where it names nobody."""
    await access_log.record(
        tx, actor=caller.subject, purpose=BATCH_PURPOSE, action=action, participant_ids=subjects
    )


async def _batch(reading: ReadTx, municipality: str, batch_id: str) -> Batch:
    batch = await batch_store.batch_with_id(reading, batch_id)
    if batch is None or batch.municipality != municipality:
        raise NotFound("there is no such batch")
    return batch


def _batch_answer(batch: Batch) -> BatchAnswer:
    return BatchAnswer(
        batch_id=batch.batch_id,
        state=batch.state,
        failure=batch.failure,
        received=batch.received,
        accepted=batch.accepted,
        corrections=batch.corrections,
        duplicates=batch.duplicates,
        refused=batch.refused,
        control_totals=ControlTotals(
            net_cents=batch.accepted_cents + batch.corrections_cents + batch.duplicates_cents,
            accepted_net_cents=batch.accepted_cents,
            corrections_net_cents=batch.corrections_cents,
            duplicates_net_cents=batch.duplicates_cents,
        ),
        received_at=batch.received_at,
        finished_at=batch.finished_at,
    )


def _line_result(result: Result, faults: Sequence[Fault] | None) -> LineResult:
    return LineResult(
        line=result.line,
        status=Status(result.status),
        wage_slip_id=result.wage_slip_id,
        supersedes=result.supersedes,
        superseded_by=result.superseded_by,
        faults=None
        if faults is None
        else [LineFault(rule=fault.rule, pointer=fault.pointer, detail=fault.detail) for fault in faults],
    )
