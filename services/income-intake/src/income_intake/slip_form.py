"""The JSON of a wage slip, as a request of its own and as a line of a batch: read here, and nowhere else."""

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, Strict, StringConstraints, WithJsonSchema

from income_intake.net_wage import Line, LineKind, Part, countable_parts
from income_intake.slips import Slip, Source, day_faults, slip_faults
from shared.dates import Day, day_of
from shared.errors import Fault, Invalid
from shared.money import AnyCents
from shared.months import Month
from shared.requests import RequestModel, parse_request

LINES_MAX: Final = 100
"""Most lines on one slip."""
VERSION_MAX: Final = 10**15
"""Highest version; leaves room for a sender who numbers by date and time."""

_HOURS = re.compile(r"[0-9]{1,3}(\.[0-9]{1,2})?")


def _hours_from_text(value: object) -> object:
    if isinstance(value, Decimal):
        return value
    text = str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
    if not isinstance(text, str) or _HOURS.fullmatch(text.strip()) is None:
        raise ValueError('hours are a decimal with at most two places, best as a string: "86.50"')
    return Decimal(text.strip())


Hours = Annotated[
    Decimal,
    BeforeValidator(_hours_from_text),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^[0-9]{1,3}(\.[0-9]{1,2})?$", "examples": ["86.50"]},
                {"type": "number", "minimum": 0, "exclusiveMaximum": 1000, "multipleOf": 0.01},
            ]
        }
    ),
]
"""Hours, at most two decimals. They are no money: a JSON number is read by its shortest decimal writing."""

MunicipalityCode = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}$")]
Uuid = Annotated[
    str, StringConstraints(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$", to_lower=True)
]
Bsn = Annotated[str, StringConstraints(max_length=20)]
ExternalReference = Annotated[str, StringConstraints(min_length=1, max_length=100)]
EmployerName = Annotated[str, StringConstraints(min_length=1, max_length=200)]
EmployerNumber = Annotated[str, StringConstraints(min_length=1, max_length=40)]


class SlipLine(RequestModel):
    """One line of a slip."""

    kind: LineKind
    label: Annotated[str, StringConstraints(max_length=200)] | None = Field(
        None, description="What the slip calls it; not kept once the line is classified."
    )
    amount_cents: AnyCents = Field(description="With the sign with which it changes the pay-out.")


class SlipForm(RequestModel):
    """A wage slip. Its person is named by participantId, or by municipality with bsn or externalReference."""

    participant_id: Uuid | None = None
    municipality: MunicipalityCode | None = None
    bsn: Bsn | None = None
    external_reference: ExternalReference | None = None
    source: Source
    employer_number: EmployerNumber | None = None
    employer_name: EmployerName
    period_from: Day
    period_to: Day = Field(
        description="The last day of the period, included. 28 days are four weeks and 7 or 14 days weeks, "
        "where they touch neither end of a month or the job is registered so; otherwise it is monthly pay."
    )
    pay_date: Day | None = Field(None, description="Default: the last day of periodTo's month.")
    slip_number: Annotated[int, Strict(), Field(ge=1, le=99)] = Field(
        1, description="A second slip of one employer and period has 2."
    )
    version: Annotated[int, Strict(), Field(ge=1, le=VERSION_MAX)] | None = Field(
        None,
        description="The highest counts, whatever the order of arrival. A slip without one counts after all "
        "that came before it, until a version comes that is higher than those.",
    )
    net_cents: AnyCents | None = Field(None, description="The countable net wage, or give lines.")
    lines: Annotated[list[SlipLine], Field(min_length=1, max_length=LINES_MAX)] | None = None
    gross_cents: AnyCents | None = None
    hours: Hours | None = None
    tax_credit_applied: Annotated[bool, Strict()] | None = Field(
        None, description="Whether the employer applied the general tax credit; absent when unknown."
    )
    consent_id: Uuid | None = Field(None, description="The consent an estimate rests on.")

    @classmethod
    def cross_faults(cls, parsed: Mapping[str, Any]) -> list[Fault]:
        return slip_faults(parsed)

    def slip(self) -> Slip:
        """The slip as a value, labels dropped."""
        lines = tuple(Line(line.kind, line.amount_cents) for line in self.lines or ())
        if self.net_cents is not None:
            parts: tuple[Part, ...] = (Part("WAGE", self.net_cents),)
        else:
            parts = countable_parts(lines)
        return Slip(
            source=self.source,
            employer_name=self.employer_name,
            employer_number=self.employer_number,
            period_from=self.period_from,
            period_to=self.period_to,
            pay_date=self.pay_date or Month.of(self.period_to).last_day,
            slip_number=self.slip_number,
            version=self.version,
            parts=parts,
            lines=lines,
            gross_cents=self.gross_cents,
            hours=self.hours,
            tax_credit_applied=self.tax_credit_applied,
            consent_id=self.consent_id,
        )


def read_slip(raw: object, today: date) -> SlipForm:
    """Read a decoded slip that came on a day (Amsterdam); raises Invalid with every fault at once."""
    try:
        form = parse_request(SlipForm, raw)
    except Invalid as invalid:
        raise Invalid([*invalid.faults, *_faults_of_the_day(raw, today)]) from None
    if faults := day_faults(form.period_from, today):
        raise Invalid(faults)
    return form


def _faults_of_the_day(raw: object, today: date) -> list[Fault]:
    """W003 and W004 for a slip that has other faults, if its periodFrom can be read."""
    first = raw.get("periodFrom") if isinstance(raw, dict) else None
    if not isinstance(first, str):
        return []
    try:
        return day_faults(day_of(first), today)
    except ValueError:
        return []
