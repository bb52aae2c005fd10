"""Kinderopvangtoeslag (Wet kinderopvang art. 1.7 and 1.9): a share, by income, of the costs of registered
care.

Per child and month hours up to a maximum times the price up to a maximum. The child with the most hours (of
equal ones that with the highest costs) has the first child's share, all others the higher next child's
share. There is no limit of assets. That parents work, study or are on a route to work, and that the care is
registered, is supposed here; Dienst Toeslagen looks at it.
"""

from dataclasses import dataclass
from typing import Final

from notifier.award import MINIMUM_AWARD, PARTS, Award, Reason, award, nil
from notifier.toeslag_household import HOUR_SCALE, Care, CareType, Stretch, ToeslagHousehold
from notifier.year_law import SHARE_SCALE, PartUnknown, YearLaw, band_at, scaled
from shared.law import ReceiptLine, ShareBand

HOURLY_MAXIMUM: Final[dict[CareType, str]] = {
    "DAYCARE": "kinderopvangtoeslag/hourly_maximum_daycare",
    "AFTER_SCHOOL": "kinderopvangtoeslag/hourly_maximum_after_school",
    "CHILDMINDER": "kinderopvangtoeslag/hourly_maximum_childminder",
}
HOURS = "kinderopvangtoeslag/hours_maximum"
FIRST_CHILD = "kinderopvangtoeslag/share_first_child"
NEXT_CHILD = "kinderopvangtoeslag/share_next_child"

_PARTS: Final = PARTS // (SHARE_SCALE * HOUR_SCALE)
"""A hundredth of an hour times a hundred-thousandth of a cent, in parts."""


@dataclass(frozen=True, slots=True)
class ShareTable:
    """From which incomes in cents which share in hundred-thousandths; None where nobody has found it."""

    name: str
    year: int
    rows: tuple[tuple[int, int | None], ...]

    @property
    def first_row_ends_cents(self) -> int:
        """From this income on the share is another one, or unknown."""
        return self.rows[1][0]

    def at(self, income_cents: int) -> int:
        """The share of an income; raises PartUnknown beyond what is known."""
        start, found = self.rows[0]
        if income_cents >= self.rows[1][0]:
            for start_of_row, share in self.rows:
                if start_of_row > income_cents:
                    break
                start, found = start_of_row, share
        if found is None:
            raise PartUnknown(self.name, self.year, start)
        return found


@dataclass(frozen=True, slots=True)
class KinderopvangtoeslagRules:
    """The figures of a year."""

    hourly_maximum_cents: dict[CareType, int]
    hundredths_of_hours: int
    first_child: ShareTable
    next_child: ShareTable
    minimum_cents: int


def kinderopvangtoeslag_rules(law: YearLaw) -> KinderopvangtoeslagRules:
    """Read a year; raises ParameterMissing."""
    return KinderopvangtoeslagRules(
        hourly_maximum_cents={kind: law.cents(name) for kind, name in HOURLY_MAXIMUM.items()},
        hundredths_of_hours=law.number(HOURS) * HOUR_SCALE,
        first_child=_table(law, FIRST_CHILD),
        next_child=_table(law, NEXT_CHILD),
        minimum_cents=law.cents(MINIMUM_AWARD),
    )


def kinderopvangtoeslag(
    rules: KinderopvangtoeslagRules,
    household: ToeslagHousehold,
    year: tuple[Stretch, ...],
    income_cents: int,
) -> Award:
    """The year of one household on the joint income of applicant and partner. Raises PartUnknown."""
    if not household.care:
        return nil(Reason.NO_HOURS)
    first_share = rules.first_child.at(income_cents)
    next_share = rules.next_child.at(income_cents)
    runs = []
    for stretch in year:
        costs = counted_costs(rules, stretch.care)
        month = first_share * costs[0] + next_share * sum(costs[1:]) if costs else 0
        runs.append((stretch.months, month * _PARTS))
    return award(runs, rules.minimum_cents, "MONTH_ROUNDED_DOWN", Reason.NO_HOURS)


def counted_costs(rules: KinderopvangtoeslagRules, care: tuple[Care, ...]) -> list[int]:
    """The costs that count per child and month, in hundredths of cents; the first child first."""
    counted = []
    for one in care:
        hours = min(one.hundredths_of_hours, rules.hundredths_of_hours)
        cost = hours * min(one.hourly_rate_cents, rules.hourly_maximum_cents[one.kind])
        counted.append((one.hundredths_of_hours, cost))
    counted.sort(reverse=True)
    return [cost for _, cost in counted]


def kinderopvangtoeslag_receipt(
    law: YearLaw, household: ToeslagHousehold, income_cents: int
) -> tuple[ReceiptLine, ...]:
    """The figures that the amount comes from; of the tables the row of the income."""
    kinds = dict.fromkeys(one.kind for one in household.care)
    tables = [FIRST_CHILD, *([NEXT_CHILD] if len(household.care) > 1 else [])]
    rows = [(value := law.value(name)).receipt(band_at(value.bands, max(0, income_cents))) for name in tables]
    lines = [law.line(HOURLY_MAXIMUM[kind]) for kind in kinds]
    return (*lines, law.line(HOURS), *rows, law.line(MINIMUM_AWARD))


def _table(law: YearLaw, name: str) -> ShareTable:
    bands = law.value(name).bands
    if len(bands) < 2:
        raise ValueError(f"{name} has one row only")
    return ShareTable(name, law.year, tuple((int(band.from_cents), _share(band)) for band in bands))


def _share(band: ShareBand) -> int | None:
    return None if band.share is None else scaled(band.share)
