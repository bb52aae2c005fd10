"""Whether a household can lose a toeslag at all by a higher income: cheap, and easy to explain.

Below an income that the law names nothing falls. Above it every euro costs at most a known share. So most
households need no simulation: their highest possible income lies below the line. What is said here is a
bound: a loss is never larger, and often smaller because a toeslag is nil already.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from notifier.award import ToeslagName
from notifier.huurtoeslag import HuurtoeslagRules
from notifier.kinderopvangtoeslag import KinderopvangtoeslagRules, counted_costs
from notifier.toeslag_household import MONTHS_IN_YEAR, Stretch, ToeslagHousehold
from notifier.toeslagen import ToeslagRules, year_of
from notifier.year_law import SHARE_SCALE
from shared.money import Cents


@dataclass(frozen=True, slots=True)
class Room:
    """One toeslag: up to which joint income it does not fall, and what a rise can cost at most."""

    unaffected_up_to_cents: Cents
    can_lose: bool
    at_most_cents: Cents
    """In a year, as awarded; nil when it cannot be lost. A rest below the least award lapses: that is in."""


def income_room(
    rules: ToeslagRules, household: ToeslagHousehold, known_cents: int, highest_cents: int
) -> dict[ToeslagName, Room]:
    """What a rise from the known income to the highest possible one can cost, per toeslag that the household
    may have. Raises NotComputable and PartUnknown."""
    year = year_of(rules, household)
    found: dict[ToeslagName, Room] = {}
    health, children = rules.zorgtoeslag, rules.kindgebonden_budget
    if not household.assets.zorgtoeslag:
        rise = _rise(known_cents, highest_cents, health.threshold_cents)
        found["zorgtoeslag"] = _room(rules, health.threshold_cents, rise * health.share_above)
    if household.homes and not household.assets.huurtoeslag:
        found["huurtoeslag"] = _rent_room(rules, rules.huurtoeslag, year, known_cents, highest_cents)
    if household.children and not household.assets.kindgebonden_budget:
        threshold = children.threshold_cents(household.partner)
        rise = _rise(known_cents, highest_cents, threshold)
        found["kindgebondenBudget"] = _room(rules, threshold, rise * children.income_share)
    if household.care:
        found["kinderopvangtoeslag"] = _care_room(
            rules, rules.kinderopvangtoeslag, year, known_cents, highest_cents
        )
    return found


def _rise(known_cents: int, highest_cents: int, threshold_cents: int) -> int:
    return max(0, highest_cents - max(known_cents, threshold_cents))


def _room(rules: ToeslagRules, threshold_cents: int, scaled_loss: int) -> Room:
    """`scaled_loss` in hundred-thousandths of cents a year; rounded up to the euro."""
    if scaled_loss <= 0:
        return Room(Cents(threshold_cents), False, Cents(0))
    euros = -(-scaled_loss // (100 * SHARE_SCALE))
    return Room(Cents(threshold_cents), True, Cents(euros * 100 + rules.zorgtoeslag.minimum_cents))


def _rent_room(
    rules: ToeslagRules, rent: HuurtoeslagRules, year: Sequence[Stretch], known: int, highest: int
) -> Room:
    """The lowest line of the year and the steepest fall: incomes of others who live in count along."""
    lines, losses = [], []
    for stretch in year:
        kind = rent.kind(stretch.persons)
        others = stretch.co_resident_cents
        lines.append(kind.threshold_cents - others)
        if kind.curve is None:
            rise = _rise(known + others, highest + others, kind.threshold_cents)
            loss = kind.income_share * rise * stretch.months
        else:
            shares = [
                kind.curve.own_share_cents(income + others, kind.threshold_cents)
                for income in (min(known, highest), highest)
            ]
            # Of every euro of rent that is borne more, at most the whole euro was paid.
            loss = (shares[1] - shares[0]) * SHARE_SCALE * MONTHS_IN_YEAR * stretch.months
        losses.append(loss)
    return _room(rules, min(lines), -(-sum(losses) // MONTHS_IN_YEAR))


def _care_room(
    rules: ToeslagRules, care: KinderopvangtoeslagRules, year: Sequence[Stretch], known: int, highest: int
) -> Room:
    line = min(care.first_child.first_row_ends_cents, care.next_child.first_row_ends_cents) - 1
    if highest <= max(known, line):
        return Room(Cents(line), False, Cents(0))
    drops = [table.at(known) - table.at(highest) for table in (care.first_child, care.next_child)]
    loss = 0
    for stretch in year:
        costs = counted_costs(care, stretch.care)
        if costs:
            loss += stretch.months * (drops[0] * costs[0] + drops[1] * sum(costs[1:]))
    return _room(rules, line, -(-loss // 100))
