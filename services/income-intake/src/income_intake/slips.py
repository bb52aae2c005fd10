"""What a wage slip says and what may be refused: identity, content, faults. Pure.

The rules W001 and further are published (`RULES`, in the description of `GET /v1/openapi.json`); an id never
changes its meaning. Nothing here reads a clock or a database: the day is an argument.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final, Literal

from income_intake.net_wage import Line, Part, countable_parts, sums_by_kind
from shared.contracts.events import PayPeriod
from shared.errors import Fault
from shared.money import Cents
from shared.months import Month
from shared.requests import items_of

Source = Literal["SLIP", "OIB", "EMPLOYER_FEED", "DECLARATION", "ESTIMATE"]
PAY_DATE_DAYS_BEFORE_MAX: Final = 62
"""Pay may come at most this many days before the period begins (an advance month)."""
PAY_DATE_DAYS_AFTER_MAX: Final = 366
"""Pay may come at most this many days after the period ends (back pay)."""
PERIOD_DAYS_AHEAD_MAX: Final = 366
"""A period may begin at most this many days after today: further on, a year was mistyped."""
PERIOD_YEARS_BACK_MAX: Final = 10
"""A period may begin at most this many years ago."""
DECLARED_MONTHS_AHEAD_MAX: Final = 12
"""A month without work may be declared at most this many months ahead."""
NET_CENTS_MAX: Final = 5_000_000
"""The countable net wage of one slip lies between minus and plus EUR 50,000."""
WEEKLY_DAYS: Final = (7, 14)
"""Lengths of a pay period in days that are taken for one and two weeks."""
FOUR_WEEKLY_DAYS: Final = (28, 35)
"""The same for four weeks, and for the five that a year of 53 weeks ends with."""
PERIOD_DAYS_MAX: Final = 35
"""The longest pay period."""
GROSS_CENTS_MAX: Final = 10_000_000
"""The gross wage of one slip lies between minus and plus EUR 100,000."""

RULES: Final[Mapping[str, str]] = {
    "W001": "periodTo is not before periodFrom",
    "W002": f"payDate lies from {PAY_DATE_DAYS_BEFORE_MAX} days before periodFrom to "
    f"{PAY_DATE_DAYS_AFTER_MAX} days after periodTo",
    "W003": f"the period begins at most {PERIOD_DAYS_AHEAD_MAX} days from now",
    "W004": f"the period begins at most {PERIOD_YEARS_BACK_MAX} years ago",
    "W005": "a slip has either netCents or lines, not both and not neither",
    "W006": "an estimate needs the consentId of the consent it rests on",
    "W007": f"the countable net wage of one slip is at most EUR {NET_CENTS_MAX // 100} either way",
    "W008": f"the gross wage of one slip is at most EUR {GROSS_CENTS_MAX // 100} either way",
    "W009": "lines of a deducting kind (TAX, PENSION, DEDUCTION, SEIZURE, ADVANCE) carry the sign with which "
    "they change the pay-out; together the lines of one such kind are not above nil",
    "W010": "a version that is already recorded keeps its content; a correction has a higher version",
    "W011": "the person is registered in the municipality and not erased",
    "W012": "a slip names its person in exactly one way: participantId, or municipality with bsn, or "
    "municipality with externalReference",
    "W013": "a bsn is written as nine digits that pass the 11-test",
    "W014": "an externalReference is not a BSN in disguise: it does not pass the 11-test",
    "W015": "names and numbers of employers have a letter or digit and no control characters",
    "W016": "hours are not more than the period has",
    "W017": "the municipality is that of the token",
    "W020": "a line of a batch is not empty",
    "W021": "a line of a batch is one JSON object",
    "W022": "a line of a batch is UTF-8",
    "W023": "a line of a batch begins with its object, not with a byte order mark",
    "W024": "a line of a batch is not longer than the published limit",
    "W025": "an employer is registered once",
    "W026": "a line of a batch is taken in; this one met a fault of ours and is to be sent again",
    "W027": f"a month is declared at most {DECLARED_MONTHS_AHEAD_MAX} months ahead and "
    f"{PERIOD_YEARS_BACK_MAX} years back",
    "W028": f"a period is at most {PERIOD_DAYS_MAX} days: pay over a longer time is sent month by month",
}
"""The published catalogue: each rule as what holds for a slip that is taken in."""

_DEDUCTING: Final = ("TAX", "PENSION", "DEDUCTION", "SEIZURE", "ADVANCE")


@dataclass(frozen=True, slots=True)
class Slip:
    """One version of a slip that passed every rule which needs no database."""

    source: Source
    employer_name: str
    employer_number: str | None
    period_from: date
    period_to: date
    pay_date: date
    slip_number: int
    version: int | None
    parts: tuple[Part, ...]
    lines: tuple[Line, ...]
    gross_cents: Cents | None
    hours: Decimal | None
    tax_credit_applied: bool | None
    consent_id: str | None

    @property
    def net_cents(self) -> Cents:
        """The countable net wage: the sum of the parts."""
        return Cents(sum(part.net_cents for part in self.parts))

    def identity(self, participant_id: str) -> str:
        """What makes it this slip and no other, in one text: to be hashed with a key, never to be shown."""
        employer = employer_identity(self.employer_number, self.employer_name)
        period = f"{self.period_from.isoformat()}/{self.period_to.isoformat()}"
        return f"slip|{participant_id}|{employer}|{period}|{self.slip_number}"

    def content(self) -> str:
        """What a correction changes, in one text: equal texts are duplicates.

        Left out: where the slip came from and how a name is spelled, for the same slip comes from an upload
        and from a feed; and the order of the lines. An estimate is never the same as what a slip says.
        """
        parts = ",".join(f"{part.kind}={part.net_cents}" for part in self.parts)
        sums = sums_by_kind(self.lines)
        lines = ",".join(f"{kind}={sums[kind]}" for kind in sorted(sums))
        hours = "" if self.hours is None else format(self.hours.normalize(), "f")
        estimate = "|ESTIMATE" if self.source == "ESTIMATE" else ""
        return (
            f"{self.pay_date}|{parts}|{lines}|{self.gross_cents}|{hours}|{self.tax_credit_applied}{estimate}"
        )


def pay_period_of(first: date, last: date, registered: PayPeriod | None) -> PayPeriod:
    """How often an employer pays, from the length of a slip's period and what the job is registered as.

    A whole calendar month is a month, February too, unless the job pays every four weeks. From the first or
    to the last day of a month whole weeks may be a job that began or ended: they are a month's unless the job
    says otherwise. So is a period from a day to the day before it a month later.
    """
    days = (last - first).days + 1
    within = Month.of(first) == Month.of(last)
    whole = within and first.day == 1 and last == Month.of(last).last_day
    if registered == "FOUR_WEEKS":
        return "MONTH" if whole and days != FOUR_WEEKLY_DAYS[0] else "FOUR_WEEKS"
    if registered == "WEEK" and days <= WEEKLY_DAYS[-1]:
        return "WEEK"
    touches = within and (first.day == 1 or last == Month.of(last).last_day)
    if touches or (registered == "MONTH" and last.day == first.day - 1):
        return "MONTH"
    if days in FOUR_WEEKLY_DAYS:
        return "FOUR_WEEKS"
    return "WEEK" if days in WEEKLY_DAYS else "MONTH"


def employer_identity(number: str | None, name: str) -> str:
    """Who the employer is: the number when there is one, else the normalised name."""
    return name_identity(name) if number is None else f"number|{normal_number(number)}"


def name_identity(name: str) -> str:
    """The employer as a slip without a number names it."""
    return f"name|{normal_name(name)}"


def normal_name(name: str) -> str:
    """A name without what spelling varies in: case, width, spaces, full stops and quotes (B.V. is BV)."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return " ".join(re.sub(r"[.'’`´\"]", "", folded).split())


def normal_number(number: str) -> str:
    """A number without what its writing varies in: spaces, full stops, dashes, case."""
    return "".join(letter for letter in unicodedata.normalize("NFKC", number).upper() if letter.isalnum())


def is_bsn(text: str) -> bool:
    """Whether nine digits pass the 11-test (weights 9 to 2, then -1)."""
    if re.fullmatch(r"[0-9]{9}", text) is None or text == "000000000":
        return False
    digits = [int(digit) for digit in text]
    weighed = sum(digit * weight for digit, weight in zip(digits, range(9, 1, -1), strict=False))
    return (weighed - digits[8]) % 11 == 0


def may_be_bsn(reference: str) -> bool:
    """Whether a reference, without its separators, passes the 11-test; a lost leading zero is put back."""
    bare = re.sub(r"[\s.,_/:-]", "", unicodedata.normalize("NFKC", reference))
    bare = re.sub(r"^bsn", "", bare, flags=re.IGNORECASE)
    return bare.isascii() and bare.isdigit() and len(bare) in (8, 9) and is_bsn(bare.zfill(9))


def person_faults(read: Mapping[str, Any]) -> list[Fault]:
    """Faults in how a person is named by number or reference; `read` has the members that parsed."""
    faults = []
    bsn, reference = read.get("bsn"), read.get("external_reference")
    if bsn is not None and not is_bsn(bsn):
        detail = "this is not a BSN: write nine digits as text, with a leading zero where it has one"
        faults.append(Fault("W013", "/bsn", detail))
    if reference is not None and may_be_bsn(reference):
        detail = "this reference passes the 11-test of a BSN: use a reference of your own"
        faults.append(Fault("W014", "/externalReference", detail))
    return faults


def employer_faults(read: Mapping[str, Any], at: str = "") -> list[Fault]:
    """Faults in name and number of an employer; `at` is the pointer of the object they stand in."""
    faults = []
    for member, pointer in (("employer_name", "employerName"), ("employer_number", "employerNumber")):
        text = read.get(member)
        if text is None:
            continue
        if any(unicodedata.category(letter) in ("Cc", "Cf", "Zl", "Zp", "Cs") for letter in text):
            faults.append(Fault("W015", f"{at}/{pointer}", "this has characters that cannot be seen"))
        elif not any(letter.isalnum() for letter in text):
            faults.append(Fault("W015", f"{at}/{pointer}", "this has no letter and no digit"))
    return faults


def slip_faults(read: Mapping[str, Any]) -> list[Fault]:
    """Every fault between the members of a slip.

    `read` maps a member's Python name to its value: those that parsed and those that were left out (None). A
    member that was sent and did not parse is not in it, and nothing more is said about its presence.
    """
    return [
        *_naming_faults(read),
        *person_faults(read),
        *employer_faults(read),
        *_period_faults(read),
        *_pay_date_faults(read),
        *_amount_faults(read),
        *_estimate_faults(read),
    ]


def day_faults(period_from: date, today: date) -> list[Fault]:
    """Faults between a slip's period and the day (in Amsterdam) on which it came."""
    if period_from > today + timedelta(days=PERIOD_DAYS_AHEAD_MAX):
        return [Fault("W003", "/periodFrom", f"the period begins too long after {today}")]
    if period_from < date(today.year - PERIOD_YEARS_BACK_MAX, today.month, 1):
        return [Fault("W004", "/periodFrom", f"the period begins too long before {today}")]
    return []


def month_faults(month: Month, this_month: Month) -> list[Fault]:
    """Faults between a declared month and the month in which it is declared."""
    ahead = month - this_month
    if -12 * PERIOD_YEARS_BACK_MAX <= ahead <= DECLARED_MONTHS_AHEAD_MAX:
        return []
    return [Fault("W027", "/month", f"the month lies too far from {this_month}")]


def _given(read: Mapping[str, Any], member: str) -> bool:
    """Whether a member was sent, also when it did not parse."""
    return member not in read or read[member] is not None


def _naming_faults(read: Mapping[str, Any]) -> list[Fault]:
    ways = [way for way in ("participant_id", "bsn", "external_reference") if _given(read, way)]
    if len(ways) != 1:
        how = "no person is named" if not ways else "the person is named in more than one way"
        detail = f"{how}: give participantId, or municipality with bsn or with externalReference"
        return [Fault("W012", "", detail)]
    if ways != ["participant_id"] and not _given(read, "municipality"):
        return [Fault("W012", "/municipality", "bsn and externalReference need the municipality beside them")]
    return []


def _period_faults(read: Mapping[str, Any]) -> list[Fault]:
    first, last, hours = (read.get(member) for member in ("period_from", "period_to", "hours"))
    if first is None or last is None:
        return []
    if last < first:
        return [Fault("W001", "/periodTo", "the period ends before it begins")]
    faults = []
    if (last - first).days + 1 > PERIOD_DAYS_MAX:
        detail = f"a period is at most {PERIOD_DAYS_MAX} days: send a slip for each month"
        faults.append(Fault("W028", "/periodTo", detail))
    if hours is not None and hours > 24 * ((last - first).days + 1):
        faults.append(Fault("W016", "/hours", "the period does not have that many hours"))
    return faults


def _pay_date_faults(read: Mapping[str, Any]) -> list[Fault]:
    first, last, paid = (read.get(member) for member in ("period_from", "period_to", "pay_date"))
    if paid is None:
        return []
    if first is not None and paid < first - timedelta(days=PAY_DATE_DAYS_BEFORE_MAX):
        return [Fault("W002", "/payDate", "the pay date lies too long before the period")]
    if last is not None and paid > last + timedelta(days=PAY_DATE_DAYS_AFTER_MAX):
        return [Fault("W002", "/payDate", "the pay date lies too long after the period")]
    return []


def _amount_faults(read: Mapping[str, Any]) -> list[Fault]:
    faults = []
    net, gross = read.get("net_cents"), read.get("gross_cents")
    if _given(read, "net_cents") == _given(read, "lines"):
        which = "both are" if _given(read, "lines") else "neither is"
        faults.append(Fault("W005", "/netCents", f"give either netCents or lines: {which} given"))
    lines = [line for _, line in items_of(read, "lines")]
    sums = sums_by_kind(lines)
    for kind in _DEDUCTING:
        if sums.get(kind, 0) > 0:
            detail = f"the {kind} lines together are above nil: write what is taken off with a minus"
            faults.append(Fault("W009", "/lines", detail))
    # What a line at fault would take off is not known, so the net wage is judged when all lines parsed.
    net_of_lines = sum(part.net_cents for part in countable_parts(lines)) if "lines" in read else 0
    if abs(net_of_lines) > NET_CENTS_MAX:
        faults.append(Fault("W007", "/lines", "no slip of one month has this much countable net wage"))
    if net is not None and abs(net) > NET_CENTS_MAX:
        faults.append(Fault("W007", "/netCents", "no slip of one month has this much net wage"))
    if gross is not None and abs(gross) > GROSS_CENTS_MAX:
        faults.append(Fault("W008", "/grossCents", "no slip of one month has this much gross wage"))
    return faults


def _estimate_faults(read: Mapping[str, Any]) -> list[Fault]:
    if read.get("source") == "ESTIMATE" and not _given(read, "consent_id"):
        return [Fault("W006", "/consentId", "an estimate needs the consent it rests on")]
    return []
