"""What callers send about how a municipality offsets wages."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, Strict

from buffer_ledger.attribution import MunicipalityRules
from shared.errors import Fault
from shared.months import Month
from shared.requests import RequestModel, not_built

_NOT_BUILT: Mapping[str, tuple[str, frozenset[str]]] = {
    "offset_method": ("offsetMethod", frozenset({"EST", "SURPLUS", "OIB"})),
    "four_week_method": (
        "fourWeekMethod",
        frozenset({"DAY20", "AS_RECEIVED", "AS_RECEIVED_DEC", "X13_12_QUARTERLY"}),
    ),
    "holiday_claim": ("holidayClaim", frozenset({"WHEN_PAID"})),
    "year_end_pay": ("yearEndPay", frozenset({"WHEN_PAID_NEXT_MONTH"})),
    "late_slip": ("lateSlip", frozenset({"ESTIMATE", "CARRY_LAST", "ADVANCE"})),
}


class OffsetRequest(RequestModel):
    """How a municipality offsets wages."""

    offset_method: Literal["M0", "M1", "EST", "SURPLUS", "OIB"]
    four_week_method: Literal["X13_12", "DAY20", "AS_RECEIVED", "AS_RECEIVED_DEC", "X13_12_QUARTERLY"] = (
        "X13_12"
    )
    holiday_claim: Literal["MONTHLY", "WHEN_PAID"] = "MONTHLY"
    year_end_pay: Literal["SPREAD_BACK", "WHEN_PAID_NEXT_MONTH"] = "SPREAD_BACK"
    cut_off_day: Annotated[int, Strict(), Field(ge=1, le=28)] = Field(
        1, description="Day of the month after, from which a month may be closed."
    )
    late_slip: Literal["HOLD", "ESTIMATE", "CARRY_LAST", "ADVANCE"] = "HOLD"

    @classmethod
    def cross_faults(cls, parsed: Mapping[str, Any]) -> list[Fault]:
        return [
            not_built(f"/{name}", parsed[member])
            for member, (name, values) in _NOT_BUILT.items()
            if parsed.get(member) in values
        ]

    def rules(self, valid_from: Month | None = None) -> MunicipalityRules:
        """The settings as the rules use them; only for a request without faults."""
        return MunicipalityRules(
            valid_from=valid_from,
            offset_method=self.offset_method,  # type: ignore[arg-type]
            four_week_method=self.four_week_method,
            holiday_claim=self.holiday_claim,  # type: ignore[arg-type]
            year_end_pay=self.year_end_pay,  # type: ignore[arg-type]
            cut_off_day=self.cut_off_day,
            late_slip=self.late_slip,  # type: ignore[arg-type]
        )
