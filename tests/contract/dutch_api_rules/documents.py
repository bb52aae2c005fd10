"""The documents under test, and one that breaks every rule once, so that no rule can rot unnoticed."""

import asyncio
import copy
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx

from buffer_ledger.service import build as buffer_ledger
from income_intake.service import build as income_intake
from notifier.service import build as notifier
from shared.bus.sqlite_log import SqliteLog
from shared.clock import SystemClock
from shared.ids import RandomIds
from shared.metrics import Metrics
from shared.serve import Build, process_of
from shared.settings import Settings

Document = dict[str, Any]

SHAPES: Mapping[str, tuple[Build, ...]] = {
    "income-intake": (income_intake,),
    "buffer-ledger": (buffer_ledger,),
    "notifier": (notifier,),
    "embedded": (income_intake, buffer_ledger, notifier),
}
"""The distributed shape has a document per service, the embedded shape one for all."""


def document_of(shape: str, folder: Path) -> Document:
    """The document as it is served; nothing is started for it."""
    settings, clock, metrics = Settings(data_dir=folder), SystemClock(), Metrics()
    services = [build(settings, clock, RandomIds(), metrics) for build in SHAPES[shape]]
    process = process_of(services, SqliteLog(folder / "events", clock), settings, clock, metrics)

    async def fetch() -> Document:
        transport = httpx.ASGITransport(app=process.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            found: Document = (await client.get("/v1/openapi.json")).json()
            return found

    return asyncio.run(fetch())


def _operation(document: Document, method: str = "post") -> Document:
    path = next(
        path for path, item in document["paths"].items() if method in item and path != "/openapi.json"
    )
    found: Document = document["paths"][path][method]
    return found


def _rename_path(document: Document, new: str) -> None:
    path = next(path for path in document["paths"] if "{" not in path and path != "/openapi.json")
    document["paths"][new] = document["paths"].pop(path)


def _schema(document: Document) -> Document:
    schemas = document["components"]["schemas"]
    name = next(
        name for name in schemas if name not in {"Problem", "Fault"} and "properties" in schemas[name]
    )
    found: Document = schemas[name]["properties"]
    return found


def _set(target: Callable[[Document], Document], name: str, value: object) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        target(document)[name] = value

    return change


def _drop(target: Callable[[Document], Document], name: str) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        del target(document)[name]

    return change


def _whole(document: Document) -> Document:
    return document


def _info(document: Document) -> Document:
    found: Document = document["info"]
    return found


def _served(document: Document) -> Document:
    found: Document = document["paths"]["/openapi.json"]
    return found


def _text_errors(document: Document) -> None:
    problem = document["components"]["responses"]["Problem400"]
    problem["content"] = {"application/json": {"schema": {"type": "object"}}}


BREAKS: Mapping[str, Callable[[Document], None]] = {
    "adr-openapi-version-3": _set(_whole, "openapi", "3.2.0"),
    "adr-contact-complete": _drop(lambda d: _info(d)["contact"], "email"),
    "adr-document-is-a-resource": lambda d: d["paths"].pop("/openapi.json"),
    "adr-document-readable-from-anywhere": _drop(
        lambda d: _served(d)["get"]["responses"]["200"]["headers"], "Access-Control-Allow-Origin"
    ),
    "adr-major-version-in-server": _set(_whole, "servers", [{"url": "https://example.nl/api"}]),
    "adr-no-plain-http-server": _set(_whole, "servers", [{"url": "http://example.nl/v1"}]),
    "adr-semantic-version": _set(_info, "version", "1.0"),
    "adr-version-header": _drop(
        lambda d: d["components"]["responses"]["Problem500"]["headers"], "API-Version"
    ),
    "adr-paths-kebab-case": lambda d: _rename_path(d, "/wageSlips"),
    "adr-collections-are-plural": lambda d: _rename_path(d, "/wage-slip/{slipId}"),
    "adr-query-keys-camel-case": lambda d: _operation(d)["parameters"].append(
        {"name": "page_size", "in": "query", "schema": {"type": "integer"}}
    ),
    "adr-standard-methods": lambda d: _served(d).update(options=copy.deepcopy(_served(d)["get"])),
    "adr-errors-are-problems": _text_errors,
    "adr-bad-input-is-400": lambda d: _operation(d)["responses"].pop("400"),
    "adr-never-422": lambda d: _operation(d)["responses"].update(
        {"422": {"$ref": "#/components/responses/Problem400"}}
    ),
    "adr-date-time-has-a-zone": lambda d: _schema(d).update(
        {"startsAt": {"type": "string", "format": "date-time-local"}}
    ),
    "adr-dates-say-so": lambda d: _schema(d).update({"payDate": {"type": "string"}}),
    "house-members-camel-case": lambda d: _schema(d).update({"net_cents": {"type": "integer"}}),
    "house-schemas-pascal-case": lambda d: d["components"]["schemas"].update(
        {"wage_slip": {"type": "object"}}
    ),
    "house-operation-ids-camel-case": lambda d: _operation(d).update(operationId="add_slip"),
    "house-no-personal-data-in-addresses": lambda d: _operation(d)["parameters"].append(
        {"name": "bsn", "in": "query", "schema": {"type": "string"}}
    ),
    "house-money-is-whole-cents": lambda d: _schema(d).update({"netCents": {"type": "number"}}),
    "house-writes-take-an-idempotency-key": lambda d: _operation(d).update(
        parameters=[one for one in _operation(d)["parameters"] if one["name"] != "Idempotency-Key"]
    ),
    "house-everything-but-the-document-asks-a-token": lambda d: _operation(d).update(security=[]),
}
"""Rule -> a change that breaks it."""


def broken(document: Document, rule: str) -> Document:
    """A copy of a good document that breaks one rule."""
    spoiled: Document = json.loads(json.dumps(document))
    BREAKS[rule](spoiled)
    return spoiled
