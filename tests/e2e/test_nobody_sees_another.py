"""Every route, with every kind of token, asked about another municipality's things: no data, no change.

The list of routes comes from the OpenAPI documents, so a new route is under test the day it is added.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from shared.months import Month
from tests.e2e.scenario import (
    Scheme,
    at,
    close,
    household,
    open_scheme,
    send_batch,
    slip,
    statement,
)
from tests.e2e.system import AREAS, Office, System

JANUARY, FEBRUARY = Month(2026, 1), Month(2026, 2)
UNKNOWN = "00000000-0000-4000-8000-000000000000"
SUBSCRIPTION = {"callbackUrl": "https://receiver.example/in", "types": ["capital-returned"]}
OF_EVERY_SERVICE = {"openapi.json", "rules", "status", "parked-messages", "subscriptions"}
OPEN_TO_ALL = {"/openapi.json", "/rules"}
"""Routes that hold nothing of anybody."""


@dataclass(frozen=True)
class Estate:
    """Everything one municipality has, by the name that paths and queries use for it."""

    ids: Mapping[str, str]

    def fill(self, path: str) -> str:
        for name, value in self.ids.items():
            path = path.replace("{" + name + "}", value)
        assert "{" not in path, f"no example for a parameter of {path}"
        return path

    def seen_in(self, text: str) -> list[str]:
        """Which of its identifiers a text gives away."""
        return [name for name, value in self.ids.items() if len(value) > 10 and value in text]


async def estate_of(system: System, office: Office) -> tuple[Scheme, Estate]:
    """A municipality with one of everything."""
    at(system, Month(2025, 12))
    scheme = await open_scheme(office)
    (person,) = scheme.people
    told = household(office.municipality, "verteld")
    told["contact"] |= {"channels": ["TASK"], "coach": "Vreemde Coach"}
    await office.ok("PUT", f"/households/{person}", json=told)
    at(system, FEBRUARY, 27)
    one = await office.ok("POST", "/wage-slips", json=slip(person, JANUARY, 70_000))
    batch = await send_batch(office, [slip(person, FEBRUARY, 25_000)])
    await office.quiet()
    for month in (JANUARY, FEBRUARY):
        at(system, month.plus(1))
        closed = await close(office, month)
    await office.quiet()
    (order,) = await office.items("/payment-orders")
    # two euros more than we expect: a case, and no other draw
    decided = {"countedCents": 0, "benefitPaidCents": 133_343, "decidedOn": "2025-12-01"}
    stated = await office.ok(
        "POST", "/offset-statements", json={"participantId": person, "month": str(JANUARY), **decided}
    )
    await office.quiet()
    (task,) = await office.items("/tasks")
    subscription = await office.ok("POST", "/subscriptions", json=SUBSCRIPTION)
    ids = {
        "participantId": person,
        "wageSlipId": one["wageSlipId"],
        "batchId": batch["batchId"],
        "code": office.municipality,
        "month": str(FEBRUARY),
        "fundId": scheme.fund_id,
        "schemeId": scheme.scheme_id,
        "enrolmentId": scheme.enrolments[person],
        "closeId": closed["closeId"],
        "orderId": order["orderId"],
        "caseId": stated["caseId"],
        "proposalId": UNKNOWN,
        "messageId": task["messageId"],
        "taskId": task["taskId"],
        "subscriptionId": subscription["subscriptionId"],
    }
    return scheme, Estate(ids)


def body_for(path: str, method: str, estate: Estate) -> Any:
    """A body that its owner could send; about the owner's things."""
    ids = estate.ids
    bodies: dict[str, Any] = {
        "POST /participants": {"municipality": ids["code"], "externalReference": "inwoner-vreemd"},
        "POST /wage-slips": slip(ids["participantId"], JANUARY, 1_000, employerName="Vreemd"),
        "POST /month-declarations": {
            "participantId": ids["participantId"],
            "month": "2026-03",
            "kind": "ZERO",
        },
        "POST /enrolments": {
            "participantId": ids["participantId"],
            "schemeId": ids["schemeId"],
            "household": {"kind": "SINGLE"},
            "firstMonth": "2027-01",
        },
        "POST /funds": {"name": "Vreemd", "type": "PRIVATE", "municipalities": [ids["code"]]},
        "POST /funds/{fundId}/donations": {"amountCents": 100, "valueDate": "2026-01-05"},
        "PUT /schemes/{schemeId}": {
            "fundId": ids["fundId"],
            "municipality": ids["code"],
            "policy": {"drawAmount": "TOPUP", "capCents": 100_000},
            "validFrom": "2026-01",
        },
        "PUT /municipalities/{code}": {"name": "Vreemd", "offsetMethod": "M0", "validFrom": "2027-01"},
        "PUT /enrolments/{enrolmentId}/payee": {
            "iban": "NL91ABNA0417164300",
            "holder": "Vreemd",
            "kind": "PERSON",
        },
        "POST /enrolments/{enrolmentId}/household-changes": {
            "from": "2026-03-01",
            "household": {"kind": "COUPLE"},
        },
        "PUT /enrolments/{enrolmentId}/benefit-periods": [{"from": "2026-02-01"}],
        "POST /offset-statements": {
            "participantId": ids["participantId"],
            "month": "2026-01",
            "countedCents": 0,
            "benefitPaidCents": 0,
            "decidedOn": "2025-12-01",
        },
        "POST /cases/{caseId}/_resolve": {"resolution": "vreemd"},
        "POST /payment-orders/{orderId}/_executed": {"executedOn": "2026-03-05"},
        "PUT /households/{participantId}": household(ids["code"], "vreemd"),
        "PUT /senders/{fundId}": {"name": "Vreemd"},
        "POST /message-previews": {"kind": "BUFFER_MONTH", "language": "nl", "channel": "SMS"},
        "POST /messages/{messageId}/_bounced": {"channel": "EMAIL"},
        **toeslag_bodies(),
        "POST /subscriptions": SUBSCRIPTION,
        "POST /parked-messages/{messageId}/_discard": {"reason": "vreemd"},
    }
    return bodies.get(f"{method} {path}")


def toeslag_bodies() -> dict[str, Any]:
    """What the calculators take: about nobody."""
    alone = {"kind": "SINGLE", "persons": 1, "applicantAge": 35}
    year = {"year": 2026, "household": alone}
    month = {"month": "2026-01", "grossWageCents": 60_000, "netBenefitCents": 101_600}
    return {
        "POST /toeslag-calculations": {**year, "income": {"applicantCents": 2_100_000}},
        "POST /toeslag-reconciliations": {
            **year,
            "knownIncomeCents": 2_100_000,
            "projectedIncomeCents": 2_400_000,
            "monthsElapsed": 3,
        },
        "POST /income-projections": {
            "year": 2026,
            "household": {"kind": "SINGLE"},
            "months": [month],
            "taxCreditAt": "MUNICIPALITY",
        },
        "POST /what-ifs": {
            **year,
            "now": {"grossWageCents": 60_000},
            "change": {"fromMonth": "2026-07", "grossWageCents": 250_000},
            "taxCreditAt": "MUNICIPALITY",
        },
    }


async def routes(office: Office) -> list[tuple[str, str, bool]]:
    """Every method and path of every service, and whether it takes a participantId in the query."""
    found: dict[tuple[str, str], bool] = {}
    for name in ("income-intake", "buffer-ledger", "notifier"):
        url = office.system.of(name)[0].url
        async with httpx.AsyncClient() as client:
            document = (await client.get(f"{url}/v1/openapi.json")).json()
        for path in document["paths"]:
            # A call that goes to the wrong service would be refused for that reason alone.
            first = path.strip("/").split("/")[0]
            served = AREAS.get(first, "buffer-ledger") == name or first in OF_EVERY_SERVICE
            assert office.system.shape == "embedded" or served, path
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                queries = [p["name"] for p in operation.get("parameters", []) if p["in"] == "query"]
                found[(method.upper(), path)] = "participantId" in queries
    return [(method, path, asks) for (method, path), asks in sorted(found.items())]


@pytest.mark.parametrize("role", ["backoffice", "official", "fund", "operator"])
async def test_no_route_shows_or_changes_anything_of_another_municipality(
    system: System, office: Office, other_office: Office, role: str
) -> None:
    scheme, estate = await estate_of(system, office)
    (person,) = scheme.people
    fund_before = await office.ok("GET", f"/funds/{scheme.fund_id}")
    rows_before = await statement(scheme, person)
    subscription = f"/subscriptions/{estate.ids['subscriptionId']}"
    subscription_before = await office.ok("GET", subscription)
    token = system.token(role, other_office.municipality, UNKNOWN if role == "fund" else "")
    listed = await routes(office)
    assert len(listed) > 30
    for method, path, asks_for_person in listed:
        if path in OPEN_TO_ALL:
            continue
        parameters = {"participantId": estate.ids["participantId"]} if asks_for_person else None
        filled, body = estate.fill(path), body_for(path, method, estate)
        answer = await other_office.call(method, filled, token=token, json=body, params=parameters)
        told = f"{role} {method} {path}: {answer.status_code} {answer.text[:300]}"
        if method == "GET" and "{" in path:
            assert answer.status_code in {403, 404}, told
        elif answer.is_success:
            sent = f"{filled} {json.dumps(body)} {parameters}"
            assert [name for name in estate.seen_in(answer.text) if estate.ids[name] not in sent] == [], told
        else:
            assert answer.status_code in {400, 403, 404, 409, 415}, told
        if not answer.is_success:
            assert answer.headers["content-type"].startswith("application/problem+json"), told
    await office.quiet()
    assert await office.ok("GET", f"/funds/{scheme.fund_id}") == fund_before
    assert await statement(scheme, person) == rows_before
    assert await office.ok("GET", subscription) == subscription_before
    assert [o["state"] for o in await office.items("/payment-orders")] == ["OPEN"]
    assert [task["state"] for task in await office.items("/tasks")] == ["OPEN"]


async def test_without_a_token_only_health_and_the_document_answer(system: System, office: Office) -> None:
    for name in ("income-intake", "buffer-ledger", "notifier"):
        url = system.of(name)[0].url
        async with httpx.AsyncClient() as client:
            for path in ("/livez", "/readyz", "/startupz", "/v1/openapi.json"):
                assert (await client.get(f"{url}{path}")).status_code == 200, path
            for path in ("/v1/status", "/v1/parked-messages", "/metrics"):
                assert (await client.get(f"{url}{path}")).status_code == 401, path
    for method, path, _ in await routes(office):
        if path in OPEN_TO_ALL:
            continue
        answer = await office.call(
            method, path.replace("{", "").replace("}", ""), headers={"Authorization": "Bearer x"}
        )
        assert answer.status_code == 401, (method, path)
