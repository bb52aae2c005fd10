"""What bijstand is left of a month beside a wage: Participatiewet art. 19, 21 and 31, Regeling art. 11 and
13.

The notifier's own sum for what-ifs, where nothing is booked or paid: a person or couple from 21 to AOW age
who shares costs with nobody. Per person a share of the net wage may be exempt, on the rest a claim to
holiday pay is added, and what comes to lowers the norm. Rounded half up where reading 1 says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from notifier.toeslag_household import ToeslagHouseholdKind
from shared.law import Law, ReceiptLine
from shared.money import Cents, half_up
from shared.months import Month

NORM_ALONE = "participatiewet/norm_alleenstaande"
NORM_COUPLE = "participatiewet/norm_gehuwden"
HOLIDAY_PART = "participatiewet/holiday_allowance_share"
CLAIM_ROWS = "regeling_participatiewet/holiday_claim_table"
CLAIM_SHARE = "regeling_participatiewet/holiday_claim_flat"


@dataclass(frozen=True, slots=True)
class ExemptWage:
    """A share of the applicant's net wage that is not counted, in some months of the year."""

    share: Fraction
    cap_cents: int | None = None
    from_month: int = 1
    to_month: int = 12

    def of(self, wage_cents: int, month: int) -> int:
        """What is not counted in a month."""
        if not self.from_month <= month <= self.to_month:
            return 0
        amount = int(half_up(self.share * wage_cents))
        return amount if self.cap_cents is None else min(amount, self.cap_cents)


@dataclass(frozen=True, slots=True)
class BenefitMonth:
    """A month's benefit in cents; granted is paid and reserved together."""

    norm_cents: Cents
    exempt_cents: Cents
    counted_cents: Cents
    granted_cents: Cents
    paid_cents: Cents
    floor_cents: Cents
    """What is paid in a month without income: the line below which a buffer tops up."""

    @property
    def reserved_cents(self) -> Cents:
        """Kept for the holiday allowance."""
        return Cents(self.granted_cents - self.paid_cents)


def norm_of(law: Law, kind: ToeslagHouseholdKind, month: Month) -> Cents:
    """The norm of a month, holiday part included; raises ParameterMissing."""
    return law.value(NORM_COUPLE if kind == "COUPLE" else NORM_ALONE, month).cents


def benefit_month(
    law: Law,
    kind: ToeslagHouseholdKind,
    month: Month,
    net_wages: Sequence[int],
    exempt: ExemptWage | None,
    *,
    credit_at_employer: bool,
) -> BenefitMonth:
    """The benefit of a month from the net wages that count for it, the applicant's first.

    Raises ParameterMissing, for the claim only where there is a wage.
    """
    norm = norm_of(law, kind, month)
    spared = counted = 0
    for place, wage in enumerate(net_wages):
        free = exempt.of(wage, month.number) if exempt is not None and place == 0 else 0
        rest = wage - free
        spared += free
        counted += rest + _claim(law, month, rest, by_table=credit_at_employer)
    granted = max(0, norm - counted)
    paid_part = 1 - Fraction(law.value(HOLIDAY_PART, month).share)
    return BenefitMonth(
        norm_cents=norm,
        exempt_cents=Cents(spared),
        counted_cents=Cents(counted),
        granted_cents=Cents(granted),
        paid_cents=half_up(granted * paid_part),
        floor_cents=half_up(norm * paid_part),
    )


def leaves_no_exempt_part(norm_cents: int, net_wage_cents: int, benefit_cents: int) -> bool:
    """Whether a benefit is the norm less the whole net wage, to a euro: then nothing of the wage can have
    been exempt in it, and who says that something was has told the two apart."""
    return abs(norm_cents - net_wage_cents - benefit_cents) <= 100


def benefit_receipt(law: Law, kind: ToeslagHouseholdKind, month: Month) -> tuple[ReceiptLine, ...]:
    """The norm and its holiday part in a month."""
    norm = law.value(NORM_COUPLE if kind == "COUPLE" else NORM_ALONE, month)
    return norm.receipt(), law.value(HOLIDAY_PART, month).receipt()


def _claim(law: Law, month: Month, rest_cents: int, *, by_table: bool) -> int:
    """The claim to holiday pay on what is left of a wage: by the table where the credit is applied to the
    wage, else a flat share."""
    if rest_cents <= 0:
        return 0
    if not by_table:
        return int(half_up(Fraction(law.value(CLAIM_SHARE, month).share) * rest_cents))
    rows = law.value(CLAIM_ROWS, month).brackets
    row = max((one for one in rows if one.from_cents <= rest_cents), key=lambda one: one.from_cents)
    return max(0, int(half_up(Fraction(row.rate) * rest_cents + row.constant_cents)))
