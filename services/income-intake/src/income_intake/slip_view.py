"""A slip as the municipality reads it: one version whole, and all versions of it."""

import json
from datetime import date, datetime
from typing import Any, Literal

from pydantic import Field

from income_intake import store
from income_intake.keys import SLIP, Keys
from income_intake.net_wage import Line, LineKind, PartKind, explain
from income_intake.slips import Source
from income_intake.store import SlipVersion
from shared.database import ReadTx
from shared.errors import NotFound
from shared.money import Cents
from shared.requests import ResponseModel


class SlipPart(ResponseModel):
    """A part of the countable net wage."""

    kind: PartKind
    net_cents: int


class SlipLine(ResponseModel):
    """A line as it was sent; its label is not kept."""

    kind: LineKind
    amount_cents: int


class Explanation(ResponseModel):
    """How the countable net wage follows from the lines."""

    nl: str
    en: str


class Version(ResponseModel):
    """One version of a slip."""

    wage_slip_id: str
    version: int | None = Field(None, description="The number the sender gave; absent without.")
    status: Literal["ACCEPTED", "CORRECTION"]
    counts: bool = Field(description="Whether this is the version that counts.")
    supersedes: str | None = None
    superseded_by: str | None = None
    source: Source
    employer_name: str
    employer_number: str | None = None
    period_from: date
    period_to: date
    pay_date: date
    slip_number: int
    net_cents: int
    parts: list[SlipPart]
    lines: list[SlipLine] | None = None
    explanation: Explanation | None = Field(None, description="Given when the slip has lines.")
    gross_cents: int | None = None
    hours: str | None = None
    tax_credit_applied: bool | None = None
    consent_id: str | None = None
    recorded_at: datetime


class WageSlip(Version):
    """The version asked for, and all versions, the one that counts last."""

    participant_id: str
    versions: list[Version]


async def read(tx: ReadTx, keys: Keys, municipality: str, wage_slip_id: str) -> WageSlip:
    """Read a slip; raises NotFound for one of another municipality, or of a person who is erased."""
    versions = await store.versions_of_slip(tx, wage_slip_id)
    if not versions or versions[0].municipality != municipality:
        raise NotFound("there is no such wage slip")
    private = await keys.unseal(SLIP, [(version.participant_id, version.private) for version in versions])
    counting = versions[-1]
    shown = [
        _version(version, json.loads(content), counting)
        for version, content in zip(versions, private, strict=True)
    ]
    asked = next(version for version in shown if version.wage_slip_id == wage_slip_id)
    members = {name: getattr(asked, name) for name in Version.model_fields}
    return WageSlip(**members, participant_id=counting.participant_id, versions=shown)


def _version(version: SlipVersion, private: dict[str, Any], counting: SlipVersion) -> Version:
    lines = [Line(kind, Cents(amount)) for kind, amount in private.get("lines", [])]
    counts = version.rank == counting.rank
    return Version(
        wage_slip_id=version.wage_slip_id,
        version=version.rank.given,
        status=version.status,
        counts=counts,
        supersedes=version.supersedes,
        superseded_by=None if counts else counting.wage_slip_id,
        source=version.source,
        employer_name=private["employerName"],
        employer_number=private.get("employerNumber"),
        period_from=version.period_from,
        period_to=version.period_to,
        pay_date=version.pay_date,
        slip_number=version.slip_number,
        net_cents=version.net_cents,
        parts=[SlipPart(kind=kind, net_cents=net_cents) for kind, net_cents in version.parts],
        lines=[SlipLine(kind=line.kind, amount_cents=line.amount_cents) for line in lines] or None,
        explanation=Explanation(nl=explain(lines, "nl"), en=explain(lines, "en")) if lines else None,
        gross_cents=version.gross_cents,
        hours=private.get("hours"),
        tax_credit_applied=version.tax_credit_applied,
        consent_id=private.get("consentId"),
        recorded_at=version.recorded_at,
    )
