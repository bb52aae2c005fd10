"""Days and months at the edges of the calendar: refused where they stand, never a fault of ours."""

from typing import Any

import pytest

from tests.integration.ledger.ledger_office import MUNICIPALITY, LedgerOffice, new_uuid
from tests.integration.toy.edge import faults

EDGES = ["0001-01", "1900-01", "1999-12", "2200-01", "2999-12", "9999-12", "2026-13"]
DAYS = ["0001-01-01", "1899-12-31", "2200-01-01", "9999-12-31", "2026-02-30", "2026-01-01T00:00:00", 20260101]


async def _refused(ledger: LedgerOffice, method: str, path: str, body: Any = None) -> set[str]:
    """The pointers of the faults for which a call is refused."""
    office = ledger.clients[0] if ledger.clients else ledger.client()
    return {pointer for _, pointer in faults(await office.request(method, path, json=body))}


@pytest.mark.parametrize("month", EDGES)
async def test_a_month_out_of_reach_is_refused_everywhere(ledger: LedgerOffice, month: str) -> None:
    scheme = await ledger.scheme()
    _, enrolment = await ledger.enrolled(scheme)
    enrolling = {
        "participantId": new_uuid(),
        "schemeId": scheme.scheme_id,
        "household": {
            "kind": "SINGLE",
            "otherIncome": [{"month": month, "amountCents": 1, "kind": "ALIMONY"}],
        },
        "firstMonth": month,
        "exemptions": [{"kind": "GENERAL", "share": "0.15", "firstMonth": month, "months": 6}],
    }
    settings = {"name": "Utrecht", "offsetMethod": "M1", "validFrom": month}
    simulation = {
        "municipality": {"offsetMethod": "M1"},
        "household": {"kind": "SINGLE"},
        "policy": {"drawAmount": "TOPUP", "capCents": 1},
        "firstMonth": month,
        "lastMonth": month,
        "normMonth": month,
        "wages": [{"month": month, "netCents": 1}],
    }
    running = {
        "fundId": scheme.fund_id,
        "municipality": MUNICIPALITY,
        "policy": {"drawAmount": "TOPUP", "capCents": 1},
        "validFrom": month,
        "validTo": month,
    }
    closing = f"/municipalities/{MUNICIPALITY}/months/{month}/_close"
    assert await _refused(ledger, "POST", closing) == {"/month"}
    assert {"/firstMonth", "/household/otherIncome/0/month", "/exemptions/0/firstMonth"} <= await _refused(
        ledger, "POST", "/enrolments", enrolling
    )
    assert await _refused(ledger, "PUT", f"/municipalities/{MUNICIPALITY}", settings) == {"/validFrom"}
    assert {"/firstMonth", "/lastMonth", "/normMonth", "/wages/0/month"} <= await _refused(
        ledger, "POST", "/simulations", simulation
    )
    assert {"/validFrom", "/validTo"} <= await _refused(ledger, "PUT", f"/schemes/{new_uuid()}", running)
    for days in (("-01", "-31"), ("T", "T")):
        dated = {**running, "validFrom": month + days[0], "validTo": month + days[1]}
        found = await _refused(ledger, "PUT", f"/schemes/{new_uuid()}", dated)
        assert {"/validFrom", "/validTo"} <= found
    assert await _refused(ledger, "GET", f"/payment-orders?month={month}") == {"/month"}
    statement = f"/enrolments/{enrolment}/statement?from={month}&to={month}"
    assert await _refused(ledger, "GET", statement) == {"/from", "/to"}


@pytest.mark.parametrize("day", DAYS)
async def test_a_day_out_of_reach_or_of_another_form_is_refused_everywhere(
    ledger: LedgerOffice, day: Any
) -> None:
    scheme = await ledger.scheme()
    donation = {"amountCents": 1, "valueDate": day}
    assert await _refused(ledger, "POST", f"/funds/{scheme.fund_id}/donations", donation) == {"/valueDate"}
    executed = f"/payment-orders/{new_uuid()}/_executed"
    assert await _refused(ledger, "POST", executed, {"executedOn": day}) == {"/executedOn"}
    simulation = {
        "municipality": {"offsetMethod": "M1"},
        "household": {"kind": "SINGLE", "youngestChildUnder12Until": day},
        "policy": {
            "drawAmount": "TOPUP",
            "capCents": 1,
            "legalBase": {"reference": "besluit 1", "date": day},
        },
        "firstMonth": "2026-01",
        "wages": [{"periodFrom": day, "periodTo": day, "payDate": day, "netCents": 1}],
    }
    assert {
        "/household/youngestChildUnder12Until",
        "/policy/legalBase/date",
        "/wages/0/periodFrom",
        "/wages/0/periodTo",
        "/wages/0/payDate",
    } <= await _refused(ledger, "POST", "/simulations", simulation)


async def test_the_last_month_of_reach_can_be_asked_for(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme()
    await ledger.enrolled(scheme, first="2199-12")
    early = await ledger.call("POST", f"/municipalities/{MUNICIPALITY}/months/2199-12/_close", expect=409)
    assert early["availableFrom"].startswith("2199-12-31T23:00")
