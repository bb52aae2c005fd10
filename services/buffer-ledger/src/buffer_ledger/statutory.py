"""The bufferbudget of Participatiewet art. 34b: from when, how much, and what a decision on it has to hold.

In force on 1 January 2027. Every draw is a decision of the college under the Awb on individual circumstances,
never of a program (readings 27 and 30).
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date, timedelta

from buffer_ledger.policy import Policy
from shared.errors import Fault
from shared.law import Law, ParameterMissing
from shared.months import Month

BUFFERBUDGET = "participatiewet/bufferbudget"
OBJECTION_DAYS = 42
"""Six weeks from the day after the announcement (Awb 6:7 and 6:8)."""

REASONS = ("reasonA", "reasonB", "reason2")
"""Why 34b(1)(a), (1)(b) and (2) are met."""


def in_force(law: Law, month: Month) -> bool:
    """Whether a bufferbudget can be deployed in a month."""
    try:
        law.value(BUFFERBUDGET, month)
    except ParameterMissing:
        return False
    return True


def first_month_in_force(law: Law) -> Month:
    """The first month in which a bufferbudget can be deployed."""
    return Month.of(law.values(BUFFERBUDGET)[0].since)


def objection_until(announced_on: date) -> date:
    """The last day on which an objection to a decision is in time."""
    return announced_on + timedelta(days=OBJECTION_DAYS)


def with_statutory_defaults(policy: Policy, named: Collection[str]) -> Policy:
    """A policy of a statutory fund: what its writer left out is what fits the article, not what fits a
    partner. `named` holds the fields that were written down."""
    defaults: dict[str, object] = {
        "approval": "OFFICIAL_DECISION",
        "trigger_source": "OFFICIAL",
        "period": "CALENDAR_YEAR",
        "year_attribution": "BY_BOOKING",
        "expiry": "LAPSE",
        "late_window_days": 0,
        "on_negative_correction": "NET_NEXT_DRAW",
        "replenish": "ON_REVERSAL",
    }
    chosen = {name: value for name, value in defaults.items() if name not in named}
    return replace(policy, **chosen, gift_guard="OFF", statutory=True)  # type: ignore[arg-type]


def faults_of(policy: Policy, law: Law) -> list[Fault]:
    """What a statutory policy may not say."""
    faults = []
    if policy.approval != "OFFICIAL_DECISION" or policy.auto_below_cents is not None:
        faults.append(
            Fault("L033", "/policy/approval", "statutory money moves only on an official's decision (34b(1))")
        )
    if policy.replenish == "REVOLVE_FROM_SURPLUS":
        faults.append(Fault("L034", "/policy/replenish", "a bufferbudget is not repaid out of later income"))
    if policy.on_negative_correction == "RECLAIM":
        faults.append(Fault("L034", "/policy/onNegativeCorrection", "a bufferbudget is not claimed back"))
    if policy.period != "CALENDAR_YEAR":
        faults.append(
            Fault("L035", "/policy/period", "a bufferbudget is counted by the calendar year (34b(1))")
        )
    most = law.values(BUFFERBUDGET)[-1].cents
    if policy.cap_cents > most:
        faults.append(
            Fault("L035", "/policy/capCents", f"a bufferbudget is at most {most} cents in a calendar year")
        )
    return faults


def missing_reasons(reasons: Mapping[str, str], flags: Collection[str], reference: str | None) -> list[Fault]:
    """What a decision on a statutory draw lacks: a reason for each part of the article and for each flag."""
    faults = [
        Fault("L036", f"/{name}", "is required: the reason for its part of article 34b")
        for name in REASONS
        if not reasons.get(name)
    ]
    faults += [
        Fault(
            "L036", f"/flagReasons/{flag}", "is required: this proposal is flagged and needs its own reason"
        )
        for flag in flags
        if not reasons.get(flag)
    ]
    if not reference:
        faults.append(Fault("L036", "/decisionReference", "is required: the decision this payment rests on"))
    return faults
