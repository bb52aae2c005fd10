"""The scenarios of `tests/scenarios/offset`: a jurist's words, read into the facts that the rules take.

Amounts are euros as text, months and days as everybody writes them. Every word is known here or refused.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from buffer_ledger.attribution import Part, SlipFact
from buffer_ledger.policy import Policy
from buffer_ledger.timeline import (
    BenefitPeriod,
    Case,
    Earner,
    Exemption,
    Ground,
    Household,
    MonthRow,
    MunicipalityRules,
    OtherIncome,
)
from shared.money import Cents
from shared.months import Month

FOLDER = Path(__file__).parent / "scenarios" / "offset"

OFFSET: Mapping[str, Any] = {
    "same month": "M0",
    "a month later": "M1",
    "on an estimate": "EST",
    "wage to the municipality": "SURPLUS",
    "on the polisadministratie": "OIB",
}
FOUR_WEEKS: Mapping[str, Any] = {
    "13/12": "X13_12",
    "by working days": "DAY20",
    "when received": "AS_RECEIVED",
    "one a month, two in December": "AS_RECEIVED_DEC",
    "13/12, recomputed each quarter": "X13_12_QUARTERLY",
}
HOLIDAY_PAY: Mapping[str, Any] = {"as a claim every month": "MONTHLY", "when paid": "WHEN_PAID"}
YEAR_END_PAY: Mapping[str, Any] = {"spread back": "SPREAD_BACK", "the month after": "WHEN_PAID_NEXT_MONTH"}
KINDS: Mapping[str, Any] = {"single": "SINGLE", "single parent": "SINGLE_PARENT", "couple": "COUPLE"}
GROUNDS: Mapping[str, Any] = {
    "general": "GENERAL",
    "single parent": "SINGLE_PARENT",
    "medical": "MEDICAL",
    "wage subsidy": "WAGE_SUBSIDY",
    "work": "WORK",
}
PAY_PERIODS: Mapping[str, Any] = {"month": "MONTH", "week": "WEEK", "four weeks": "FOUR_WEEKS"}
DRAWS: Mapping[str, Any] = {"fill up": "TOPUP", "replace": "REPLACE"}
TRIGGERS: Mapping[str, Any] = {"the benefit is late": "LATE_PAYMENT"}
PERIODS: Mapping[str, Any] = {"a calendar year": "CALENDAR_YEAR", "twelve months": "ENROLMENT_YEAR"}
SOURCES: Mapping[str, Any] = {"estimate": "ESTIMATE", "oib": "OIB", "slip": "SLIP"}

COLUMNS: Mapping[str, str] = {
    "received": "wage_cents",
    "earned": "attributed_wage_cents",
    "exempt": "exempt_cents",
    "counted": "counted_cents",
    "other income": "other_income_cents",
    "paid": "benefit_paid_cents",
    "reserve": "holiday_reserve_cents",
    "other cash": "other_cash_cents",
    "cash": "cash_cents",
    "floor": "floor_cents",
    "short": "shortfall_cents",
    "offset": "offset_cents",
    "late": "late_cents",
    "drawn": "draw_cents",
    "repaid": "repayment_cents",
    "balance": "balance_cents",
    "after": "cash_after_cents",
}


@dataclass(frozen=True)
class Scenario:
    """One scenario: where it stands, its name, and what it says."""

    file: str
    name: str
    members: Mapping[str, Any]

    @property
    def title(self) -> str:
        return f"{self.file}: {self.name}"

    @property
    def expected(self) -> Mapping[str, Mapping[str, Any]]:
        """What must come out, by month and word."""
        then: Mapping[str, Mapping[str, Any]] = self.members["then"]
        return then


class _Texts(yaml.SafeLoader):
    """Reads every scalar as the text it is, so that no amount passes through a float."""


_Texts.yaml_implicit_resolvers = {}


def scenarios() -> Iterator[Scenario]:
    """Every scenario, by file."""
    for file in sorted(FOLDER.glob("*.yaml")):
        for members in yaml.load(file.read_text(encoding="utf-8"), Loader=_Texts):
            assert set(members) == {"name", "date", "law", "given", "then"}, members
            yield Scenario(file.stem, members["name"], members)


def cents(text: str) -> Cents:
    """Euros as text in cents."""
    amount = Decimal(text) * 100
    assert amount == int(amount), f"{text} is no whole number of cents"
    return Cents(int(amount))


def shown(row: MonthRow, words: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a row that a scenario names, as it writes them."""
    found: dict[str, Any] = {}
    for word in words:
        if word == "held":
            found[word] = list(row.held)
        elif word == "days":
            found[word] = str(row.days_of_right)
        else:
            amount = Decimal(getattr(row, COLUMNS[word])) / 100
            found[word] = f"{amount:.2f}"
    return found


def case_of(scenario: Scenario) -> Case:
    """The facts of a scenario."""
    given = dict(scenario.members["given"])
    first = Month.parse(scenario.members["date"])
    slips = [*_wages(given.pop("wages", {})), *map(_slip, enumerate(given.pop("slips", [])))]
    members = given.pop("household")
    households = [_household(members, first, None)]
    for day, words in given.pop("household later", {}).items():
        begins = date.fromisoformat(day)
        households.append(_household(words, Month.of(begins), begins))
    until = given.pop("until", None) or max(scenario.expected)
    exemption = _exemption(given.pop("not counted", None))
    grants = [(_person(grant), _ground(grant)) for grant in given.pop("grants", [])]
    mine = [slip for person, slip in slips if person == "applicant"]
    partner = Earner(
        slips=[slip for person, slip in slips if person == "partner"],
        grounds=[ground for person, ground in grants if person == "partner"],
        exemption=exemption,
    )
    policy = _policy(given.pop("buffer", {}))
    pinned = given.pop("figures of", None)
    case = Case(
        first_month=first,
        until=Month.parse(until),
        households=households,
        rules=(_rules(given.pop("municipality")),),
        policy=policy,
        cap_cents=policy.cap_cents,
        slips=mine,
        grounds=[ground for person, ground in grants if person == "applicant"],
        exemption=exemption,
        partner=partner if households[0].kind == "COUPLE" else None,
        right=_right(given.pop("right", None)),
        other_income=[_income(each) for each in given.pop("income beside wage", [])],
        other_cash={Month.parse(m): cents(euros) for m, euros in given.pop("other cash", {}).items()},
        benefit_paid_on={
            Month.parse(m): date.fromisoformat(day) for m, day in given.pop("benefit paid on", {}).items()
        },
        norm_month=None if pinned is None else Month.parse(pinned),
        simulate=True,
    )
    assert not given, f"unknown words: {sorted(given)}"
    return case


def _rules(words: Mapping[str, str]) -> MunicipalityRules:
    assert set(words) <= {"offset", "four-weekly pay", "holiday pay", "year-end pay"}, words
    return MunicipalityRules(
        None,
        OFFSET[words["offset"]],
        four_week_method=FOUR_WEEKS[words.get("four-weekly pay", "13/12")],
        holiday_claim=HOLIDAY_PAY[words.get("holiday pay", "as a claim every month")],
        year_end_pay=YEAR_END_PAY[words.get("year-end pay", "spread back")],
    )


def _policy(words: Mapping[str, str]) -> Policy:
    assert set(words) <= {"draw", "cap", "revolving", "when", "cap of"}, words
    return Policy(
        draw_amount=DRAWS[words.get("draw", "fill up")],
        cap_cents=cents(words.get("cap", "0.00")),
        min_draw_cents=Cents(0),
        trigger=(TRIGGERS[words["when"]],) if "when" in words else (),
        replenish="REVOLVE_FROM_SURPLUS" if words.get("revolving") == "yes" else "NONE",
        period=PERIODS[words.get("cap of", "twelve months")],
    )


def _household(text: str, begins: Month, from_day: date | None) -> Household:
    kind, *details = text.split(", ")
    values: dict[str, Any] = {}
    for detail in details:
        if detail == "AOW age":
            values["age_band"] = "AOW"
        elif detail == "18 to 20":
            values["age_band"] = "Y18_20"
        elif detail == "parents cannot help":
            values["youth_top_up"] = True
        elif detail == "one without a right":
            values["partner_entitled"] = False
        elif detail.endswith(" adults"):
            values["adults_sharing_costs"] = int(detail.removesuffix(" adults"))
        else:
            until = detail.removeprefix("child under 12 until ")
            values["child_under_12_until"] = date.fromisoformat(until)
    return Household(KINDS[kind], begins, from_day=from_day, **values)


def _wages(by_month: Mapping[str, str]) -> list[tuple[str, SlipFact]]:
    return [
        _slip((-1 - index, {"month": month, "net": net}))
        for index, (month, net) in enumerate(by_month.items())
    ]


_SLIP_WORDS = frozenset(
    {
        *("month", "from", "to", "paid", "net", "every", "employer", "person", "credit", "source"),
        *("holiday pay", "year-end pay", "version"),
    }
)


def _slip(numbered: tuple[int, Mapping[str, str]]) -> tuple[str, SlipFact]:
    number, words = numbered
    assert set(words) <= _SLIP_WORDS, words
    if "month" in words:
        month = Month.parse(words["month"])
        begins, ends = month.first_day, month.last_day
    else:
        begins, ends = date.fromisoformat(words["from"]), date.fromisoformat(words["to"])
    employer = words.get("employer", "employer")
    parts = [Part("WAGE", cents(words["net"]))]
    for word, kind in (("holiday pay", "HOLIDAY_PAY"), ("year-end pay", "BONUS")):
        if word in words:
            parts.append(Part(kind, cents(words[word])))
    version = int(words.get("version", "1"))
    key = f"{employer}/{begins}" if "version" in words else f"slip {number}"
    slip = SlipFact(
        wage_slip_id=f"{key}#{version}",
        slip_key=key,
        employer_key=employer,
        version=version,
        period_from=begins,
        period_to=ends,
        pay_date=date.fromisoformat(words["paid"]) if "paid" in words else None,
        parts=tuple(parts),
        tax_credit_applied={"yes": True, "no": False}.get(words.get("credit", "")),
        pay_period=PAY_PERIODS[words.get("every", "month")],
        source=SOURCES[words.get("source", "slip")],
    )
    return _person(words), slip


def _person(words: Mapping[str, str]) -> str:
    person = words.get("person", "applicant")
    assert person in ("applicant", "partner")
    return person


def _ground(words: Mapping[str, str]) -> Ground:
    assert set(words) <= {"ground", "share", "from", "months", "used", "up to", "person"}, words
    return Ground(
        kind=GROUNDS[words["ground"]],
        share=Decimal(words["share"]),
        first_month=Month.parse(words["from"]),
        months=int(words["months"]),
        cap_cents=cents(words["up to"]) if "up to" in words else None,
        months_used=int(words.get("used", "0")),
        person="PARTNER" if _person(words) == "partner" else "APPLICANT",
    )


def _exemption(text: str | None) -> Exemption | None:
    if text is None:
        return None
    share, _, maximum = text.partition(" up to ")
    return Exemption(Decimal(share), cents(maximum) if maximum else None)


def _right(texts: list[str] | None) -> list[BenefitPeriod] | None:
    if texts is None:
        return None
    periods = []
    for text in texts:
        if text.endswith(" on"):
            periods.append(BenefitPeriod(date.fromisoformat(text.removesuffix(" on"))))
        else:
            first, last = text.split(" to ")
            periods.append(BenefitPeriod(date.fromisoformat(first), date.fromisoformat(last)))
    return periods


def _income(words: Mapping[str, str]) -> OtherIncome:
    return OtherIncome(Month.parse(words["month"]), cents(words["net"]), cents(words.get("claim", "0.00")))
