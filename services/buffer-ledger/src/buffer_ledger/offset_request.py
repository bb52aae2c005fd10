"""What callers send about how a municipality offsets wages."""

from typing import Annotated

from pydantic import Field, Strict

from buffer_ledger.attribution import (
    DEFAULT_TOLERANCE_CENTS,
    FourWeekMethod,
    HolidayClaim,
    LateSlip,
    MonthDay,
    MunicipalityRules,
    OffsetMethod,
    YearEndPay,
)
from shared.money import Cents, StrictCents
from shared.months import Month
from shared.requests import RequestModel


class MonthDayRequest(RequestModel):
    """A day that comes back every month, of the wage month or of a month after it."""

    day: Annotated[int, Strict(), Field(ge=1, le=31)] | None = Field(
        None, description="Absent: the last day of the month. A day that a month lacks is its last one."
    )
    months_after: Annotated[int, Strict(), Field(ge=0, le=2)] = 0

    def value(self) -> MonthDay:
        """The day as the rules use it."""
        return MonthDay(self.day, self.months_after)


class OffsetRequest(RequestModel):
    """How a municipality offsets wages."""

    offset_method: OffsetMethod
    four_week_method: FourWeekMethod = "X13_12"
    holiday_claim: HolidayClaim = "MONTHLY"
    year_end_pay: YearEndPay = "SPREAD_BACK"
    cut_off_day: Annotated[int, Strict(), Field(ge=1, le=28)] = Field(
        1, description="Day of the month after, from which a month may be closed."
    )
    late_slip: LateSlip = "HOLD"
    deadline: MonthDayRequest | None = Field(
        None, description="Until when the slips and forms of a month are to be in."
    )
    pay_day: MonthDayRequest | None = Field(None, description="When the benefit of a month is paid.")

    case_tolerance_cents: StrictCents = Field(
        Cents(DEFAULT_TOLERANCE_CENTS),
        description="How far an offset statement may lie from what is computed here without opening a case.",
    )

    def rules(self, valid_from: Month | None = None) -> MunicipalityRules:
        """The settings as the rules use them; only for a request without faults."""
        return MunicipalityRules(
            valid_from=valid_from,
            offset_method=self.offset_method,
            four_week_method=self.four_week_method,
            holiday_claim=self.holiday_claim,
            year_end_pay=self.year_end_pay,
            cut_off_day=self.cut_off_day,
            late_slip=self.late_slip,
            case_tolerance_cents=self.case_tolerance_cents,
            deadline=None if self.deadline is None else self.deadline.value(),
            pay_day=None if self.pay_day is None else self.pay_day.value(),
        )
