"""The decision log of draws: each that is booked or changed, about whom, and who had it done."""

from collections.abc import Sequence

from buffer_ledger.settling import Outcome
from shared import access_log
from shared.database import Tx

PURPOSE = "bijstand-buffer"
"""Why the ledger looks at and decides about people, for the municipality's auditor."""
LATE_FACT = "system:late-fact"
"""Who changes a draw when a fact about a closed month comes in: nobody decided anew."""

Drawn = tuple[str, str]
"""A person and what was done about a draw of theirs."""


def draws_of(outcome: Outcome) -> list[Drawn]:
    """One for each month whose draw is another than before."""
    return [
        (
            change.enrolment.participant_id,
            f"{'change' if change.draw_before else 'book'}-draw {change.row.month}",
        )
        for change in outcome.changes
        if change.row.draw_cents != change.draw_before
    ]


async def note_draws(tx: Tx, actor: str, drawn: Sequence[Drawn]) -> None:
    """Write them down, in one statement."""
    await access_log.record_each(tx, actor=actor, purpose=PURPOSE, noted=drawn)
