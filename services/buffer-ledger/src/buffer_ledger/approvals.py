"""Who has to agree before a draw is booked: nobody, a second pair of eyes, an official, or the college.

A program only pays in full by itself (reading 31): what it may not book it proposes to a person, whole.
"""

from dataclasses import dataclass
from typing import Literal

from buffer_ledger.policy import Policy

ApprovalNeed = Literal["FOUR_EYES", "OFFICIAL_DECISION", "NEEDS_COLLEGE_VIEW"]


@dataclass(frozen=True, slots=True)
class Agreed:
    """A month's draw divided: what may be booked, and what waits for a person, in cents."""

    booked_cents: int
    proposed_cents: int = 0
    need: ApprovalNeed | None = None


def needs_approval(policy: Policy, drawn_cents: int) -> ApprovalNeed | None:
    """Whom the policy asks for a month that draws this much in all; None when nobody."""
    if policy.approval == "AUTO":
        return None
    if policy.auto_below_cents is not None and drawn_cents < policy.auto_below_cents:
        return None
    return policy.approval


def agreed(
    policy: Policy,
    drawn_cents: int,
    *,
    approved_cents: int = 0,
    rejected_cents: int | None = None,
    above_gift_limit: bool = False,
) -> Agreed:
    """Divide a month's draw by what was approved for the month so far.

    `rejected_cents` is the month's total that a person last refused: the same total is not proposed again,
    another is. Above the gift limit a BLOCK waits for a view of the college, whatever the approval.
    """
    need = needs_approval(policy, drawn_cents)
    if above_gift_limit and policy.gift_guard == "BLOCK":
        need = "NEEDS_COLLEGE_VIEW"
    if need is None or drawn_cents <= approved_cents:
        return Agreed(drawn_cents)
    if rejected_cents == drawn_cents:
        return Agreed(approved_cents)
    return Agreed(approved_cents, drawn_cents - approved_cents, need)
