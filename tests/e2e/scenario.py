"""Small stories told to the whole system through its API, and what must be true when they are over."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from shared.months import Month
from tests.e2e.system import Office, System

EMPLOYER = "Thuiszorg Voorbeeld Oost"
FLUCTUATING = (70_000, 25_000, 90_000, 10_000)
"""Wages of a woman in home care whose hours differ each month, in cents."""
FLUCTUATING_DRAWS = (0, 46_820, 0, 53_180)
"""What TOPUP draws for them under M1 from a buffer of EUR 1,000, in cents: worked out by hand."""


@dataclass
class Scheme:
    """One municipality with a private fund and a scheme, and who takes part."""

    office: Office
    fund_id: str
    scheme_id: str
    people: list[str] = field(default_factory=list)
    enrolments: dict[str, str] = field(default_factory=dict)


def at(system: System, month: Month, day: int = 2) -> None:
    """Set the system's clock to nine o'clock on a day of a month."""
    system.set_clock(datetime(month.year, month.number, day, 9, tzinfo=UTC))


async def open_scheme(
    office: Office, *, people: int = 1, method: str = "M1", given_cents: int = 10_000_000
) -> Scheme:
    """A municipality, a fund with money, a TOPUP scheme of EUR 1,000 and enrolled people."""
    await office.ok(
        "PUT",
        f"/municipalities/{office.municipality}",
        json={"name": "Voorbeeldstad", "offsetMethod": method},
    )
    fund = await office.ok(
        "POST",
        "/funds",
        json={"name": "Voorbeeldfonds", "type": "PRIVATE", "municipalities": [office.municipality]},
    )
    await office.ok(
        "POST",
        f"/funds/{fund['fundId']}/donations",
        json={"amountCents": given_cents, "valueDate": "2025-12-15"},
    )
    scheme = Scheme(office, fund["fundId"], str(uuid4()))
    policy = {"drawAmount": "TOPUP", "trigger": ["SHORTFALL"], "capCents": 100_000}
    await office.ok(
        "PUT",
        f"/schemes/{scheme.scheme_id}",
        json={
            "fundId": scheme.fund_id,
            "municipality": office.municipality,
            "policy": policy,
            "validFrom": "2026-01",
        },
    )
    for number in range(people):
        await enrol(scheme, f"inwoner-{office.municipality}-{number}")
    await office.quiet()
    return scheme


async def enrol(scheme: Scheme, reference: str) -> str:
    """Register one invented person, note how to reach them and give them a buffer; the participantId."""
    office = scheme.office
    person = await office.ok(
        "POST",
        "/participants",
        json={
            "municipality": office.municipality,
            "externalReference": reference,
            "employments": [{"employerName": EMPLOYER, "payPeriod": "MONTH"}],
        },
    )
    participant_id: str = person["participantId"]
    await office.ok("PUT", f"/households/{participant_id}", json=household(office.municipality, reference))
    enrolment = await office.ok(
        "POST",
        "/enrolments",
        json={
            "participantId": participant_id,
            "schemeId": scheme.scheme_id,
            "household": {"kind": "SINGLE"},
            "firstMonth": "2026-01",
        },
    )
    scheme.people.append(participant_id)
    scheme.enrolments[participant_id] = enrolment["enrolmentId"]
    return participant_id


def household(municipality: str, reference: str) -> dict[str, Any]:
    return {
        "municipality": municipality,
        "contact": {
            "language": "nl",
            "email": f"{reference}@example.org",
            "postalAddress": {
                "name": "Robin Voorbeeld",
                "street": "Proefstraat 1",
                "postalCode": "1234 AB",
                "city": "Voorbeeldstad",
            },
            "channels": ["EMAIL", "LETTER"],
            "consents": [{"channel": "EMAIL", "messageKind": "BUFFER", "givenOn": "2025-12-01"}],
        },
    }


def slip(participant_id: str, month: Month, net_cents: int, **more: Any) -> dict[str, Any]:
    return {
        "participantId": participant_id,
        "source": "SLIP",
        "employerName": EMPLOYER,
        "periodFrom": str(month.first_day),
        "periodTo": str(month.last_day),
        "netCents": net_cents,
        **more,
    }


async def send_batch(office: Office, slips: Sequence[dict[str, Any]]) -> Any:
    """Send slips as one NDJSON batch and wait until it is processed; its counts."""
    answer = await office.ok(
        "POST",
        "/wage-slip-batches",
        content="".join(json.dumps(one) + "\n" for one in slips).encode(),
        headers={"Content-Type": "application/x-ndjson"},
    )
    return await office.done(f"/wage-slip-batches/{answer['batchId']}")


async def close(office: Office, month: Month) -> Any:
    """Close a month (the clock must be past its cut-off day) and wait for it; its counts."""
    answer = await office.ok("POST", f"/municipalities/{office.municipality}/months/{month}/_close")
    return await office.done(f"/month-closes/{answer['closeId']}")


async def statement(scheme: Scheme, participant_id: str) -> Any:
    return await scheme.office.ok("GET", f"/enrolments/{scheme.enrolments[participant_id]}/statement")


async def draws(scheme: Scheme, participant_id: str) -> list[int]:
    """The draws of the settled months, in order."""
    months = (await statement(scheme, participant_id))["months"]
    return [month["drawCents"] for month in months if not month["provisional"]]


async def books_balance(scheme: Scheme) -> None:
    """What must hold after every story: books at nil, no violation, drawn = sum over the statements."""
    office = scheme.office
    checks = await office.ok("GET", "/ledger-checks")
    assert checks["ledgerSumCents"] == 0
    assert checks["violations"] == []
    fund = await office.ok("GET", f"/funds/{scheme.fund_id}")
    statements = [await statement(scheme, person) for person in scheme.people]
    assert fund["drawnCents"] == sum(s["drawnCents"] for s in statements)
    assert fund["availableCents"] == fund["donatedCents"] - fund["committedCents"] + fund["returnedCents"]
