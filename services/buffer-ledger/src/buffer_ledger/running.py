"""What one run over a person's months has used so far: caps by period, offsets, gifts, what is owed.

A running account is a value of one run alone. Amounts in whole cents.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date

from buffer_ledger.drawing import filled_cents, normal_offset
from buffer_ledger.periods import period_of
from buffer_ledger.policy import Policy
from shared.money import Cents
from shared.months import Month


@dataclass(frozen=True, slots=True)
class Room:
    """What a month may still draw from: what is left of its cap, how much of that later paid months need,
    and how much a buffer that fills by the month does not hold yet."""

    left_cents: int
    available_cents: int
    unfilled_cents: int
    missing_from_cap_cents: int


@dataclass(slots=True)
class Running:
    """The state of a run between two months.

    `paid_later` is what months that are paid already draw by period, set aside from the start, so that no
    fact about an earlier month can make all draws of a period pass its cap.
    """

    policy: Policy
    cap_cents: int
    first_month: Month
    decided_on: Mapping[Month, date] = field(default_factory=dict)
    gift_room: Mapping[int, int] = field(default_factory=dict)
    received_in: Mapping[Month, int] = field(default_factory=dict)
    not_before: Month | None = None
    """The first month in which the money may be deployed at all."""
    used: dict[int, int] = field(default_factory=dict)
    paid_later: dict[int, int] = field(default_factory=dict)
    closed_offsets: list[int] = field(default_factory=list)
    given: dict[int, int] = field(default_factory=dict)
    owed_cents: int = 0

    def copy(self) -> "Running":
        """The same state, to try a month with."""
        return replace(
            self,
            used=dict(self.used),
            paid_later=dict(self.paid_later),
            closed_offsets=list(self.closed_offsets),
            given=dict(self.given),
        )

    def period(self, month: Month) -> int:
        return period_of(self.policy, self.first_month, month, self.decided_on.get(month))

    def set_aside(self, month: Month, cents: int) -> None:
        """Note what a paid month draws, or with a negative amount that its turn has come."""
        period = self.period(month)
        self.paid_later[period] = self.paid_later.get(period, 0) + cents

    def cap_of(self, period: int) -> int:
        """The cap of a period, with what the periods before it left under CARRY."""
        if self.policy.expiry != "CARRY":
            return self.cap_cents
        first = self.period(self.first_month)
        carried = sum(self.cap_cents - self.used.get(before, 0) for before in range(first, period))
        return self.cap_cents + carried

    def room(self, month: Month) -> Room:
        """What a month may draw from, before its own draw."""
        period = self.period(month)
        cap, used = self.cap_of(period), self.used.get(period, 0)
        left = max(0, cap - used)
        unfilled = 0
        if self.policy.replenish == "MONTHLY":
            begun = sum(self.period(each) == period for each in Month.span(self.first_month, month))
            unfilled = self.cap_cents - filled_cents(self.policy, begun)
        return Room(left, left - self.paid_later.get(period, 0), unfilled, used)

    def use(self, month: Month, drawn_cents: int, repaid_cents: int = 0) -> None:
        """Note what a month drew, what waits for it and what it gave back."""
        period = self.period(month)
        self.used[period] = self.used.get(period, 0) + drawn_cents - repaid_cents
        if self.gift_room:
            year = self.year_of_receipt(month)
            self.given[year] = self.given.get(year, 0) + drawn_cents

    def balance(self, month: Month) -> Cents:
        """What the cap of the month's period still holds."""
        period = self.period(month)
        return Cents(max(0, self.cap_of(period) - self.used.get(period, 0)))

    def normal(self) -> Cents:
        """What work usually takes off the benefit, by the months before (reading 19); nil for a policy that
        does not look at it."""
        if "OFFSET_ABOVE_NORMAL" not in self.policy.triggers and self.policy.draw_amount != "EXCESS":
            return Cents(0)
        return normal_offset(self.policy, self.closed_offsets)

    def year_of_receipt(self, month: Month) -> int:
        """The calendar year in which a month's draw reaches the person: that of its decision, else of the
        month after its own, when it is closed and paid."""
        if month in self.received_in:
            return self.received_in[month]
        decided = self.decided_on.get(month)
        return month.plus(1).year if decided is None else decided.year

    def above_gift_limit(self, month: Month, drawn_cents: int) -> bool:
        """Whether a draw would lift what is given in its year above the room there is (reading 28)."""
        year = self.year_of_receipt(month)
        room = self.gift_room.get(year)
        return room is not None and drawn_cents > 0 and self.given.get(year, 0) + drawn_cents > room
