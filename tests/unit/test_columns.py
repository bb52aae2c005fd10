"""Column types refuse what they could not give back."""

from typing import Any

import pytest
from sqlalchemy import Dialect, make_url

from shared.columns import MonthText
from shared.months import Month

SQLITE: Dialect = make_url("sqlite://").get_dialect()()
POSTGRESQL: Dialect = make_url("postgresql+asyncpg://").get_dialect()()


@pytest.mark.parametrize("value", ["2026-03", "{'month': '2026-03'}", {"month": "2026-03"}, 202603, object()])
@pytest.mark.parametrize("dialect", [SQLITE, POSTGRESQL])
def test_a_month_column_takes_months_alone(value: Any, dialect: Dialect) -> None:
    with pytest.raises(TypeError, match="a month is a Month"):
        MonthText().process_bind_param(value, dialect)


def test_a_month_column_gives_back_what_it_took() -> None:
    kept = MonthText().process_bind_param(Month(2026, 3), SQLITE)
    assert kept == "2026-03"
    assert MonthText().process_result_value(kept, SQLITE) == Month(2026, 3)
    assert MonthText().process_bind_param(None, SQLITE) is None
