"""The HTTP call that gives a fund's books away, to be verified by somebody else's machine."""

from typing import Annotated, Any, Final

from fastapi import Path
from fastapi.responses import StreamingResponse
from sqlalchemy import select

from buffer_ledger import ledger_export
from buffer_ledger.funds import fund_for
from buffer_ledger.http_parts import BackOffice, Parts, PathId, note
from buffer_ledger.tables import ENROLMENT
from shared.api import ServiceRouter

NDJSON: Final = "application/x-ndjson"
_LINES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "content": {NDJSON: {"schema": {"type": "string"}}},
        "description": "One JSON object on each line: BOOKS, ACCOUNT, TRANSACTION and END.",
    }
}


def book_calls(routes: ServiceRouter, parts: Parts) -> None:
    """Add the call to the service's routes."""

    @routes.get("/funds/{fundId}/ledger", responses=_LINES, response_class=StreamingResponse)
    async def export_ledger(
        caller: BackOffice, fund_id: Annotated[PathId, Path(alias="fundId")]
    ) -> StreamingResponse:
        """The fund's books with the chain that seals them, as lines of JSON. `make verify-ledger FILE=...`
        verifies them without this system; keep an export, and a later one cannot tell another past."""
        async with parts.database.write() as tx:
            await fund_for(tx, caller, fund_id)
            people = select(ENROLMENT.c.participant_id).distinct().where(ENROLMENT.c.fund_id == fund_id)
            listed = [row.participant_id for row in await tx.rows(people)]
            await note(tx, caller, "export-ledger", *listed)
        return StreamingResponse(ledger_export.lines(parts.database, fund_id), media_type=NDJSON)
