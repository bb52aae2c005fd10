"""Every day and month that a caller can send has the one form and the bounds of shared/dates.py."""

from collections.abc import Iterator
from typing import Any

import pytest

import buffer_ledger.http
import income_intake.http
import notifier.forms
from shared.dates import CalendarMonth, Day
from shared.requests import RequestModel

READING = (buffer_ledger.http, income_intake.http, notifier.forms)
"""Importing these imports every model of a request."""


class _Model(RequestModel):
    day: Day
    month: CalendarMonth


def _models(model: type[RequestModel]) -> Iterator[type[RequestModel]]:
    for kind in model.__subclasses__():
        yield kind
        yield from _models(kind)


def _dated(schema: Any) -> Iterator[dict[str, Any]]:
    """Every part of a schema that is a date, an instant or looks like a month."""
    if isinstance(schema, dict):
        dated = schema.get("type") == "string" and schema.get("format") in {"date", "date-time"}
        if dated or "0[1-9]|1[0-2]" in str(schema.get("pattern", "")):
            yield schema
        for part in schema.values():
            yield from _dated(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _dated(part)


@pytest.mark.parametrize("service", [module.__name__.partition(".")[0] for module in READING])
def test_no_request_reads_a_day_or_month_its_own_way(service: str) -> None:
    ours = _Model.model_json_schema()["properties"]
    first_years = ours["month"]["pattern"].partition("(")[0]
    models = {model for model in _models(RequestModel) if model.__module__.startswith(service)}
    found = [
        (model.__name__, part) for model in models for part in _dated(model.model_json_schema()["properties"])
    ]
    assert found, "nothing was looked at"
    days = [(name, part) for name, part in found if "format" in part]
    months = [(name, part) for name, part in found if "format" not in part]
    assert [name for name, part in days if part.get("examples") != ours["day"]["examples"]] == []
    assert [name for name, part in months if not part["pattern"].startswith(first_years)] == []
