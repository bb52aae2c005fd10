"""Settling closed months again when something about them became known later."""

from collections.abc import Sequence

from buffer_ledger.casefiles import Enrolment, load
from buffer_ledger.cases import compare
from buffer_ledger.draw_log import LATE_FACT, draws_of, note_draws
from buffer_ledger.figures import Figures
from buffer_ledger.settling import settle
from shared.database import Tx
from shared.law import Law


async def resettle(tx: Tx, listed: Sequence[Enrolment], law: Law, figures: Figures) -> None:
    """Settle the months a close has gone through for these enrolments, as their facts stand now.

    The caller holds the locks of the enrolments. What the municipality decided otherwise opens a case.
    """
    closed = [enrolment for enrolment in listed if enrolment.closed_through is not None]
    files = [
        file.until(file.enrolment.closed_through)
        for file in await load(tx, closed, law)
        if file.enrolment.closed_through is not None
    ]
    outcome = await settle(tx, files, law, "LATE_FACT", actor=LATE_FACT)
    await note_draws(tx, LATE_FACT, draws_of(outcome))
    await compare(tx, files, outcome)
    figures.count(tx, outcome, "LATE_FACT")
