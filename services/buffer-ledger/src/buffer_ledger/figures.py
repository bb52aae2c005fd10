"""What the ledger's months add up to, for the metrics."""

from collections.abc import Mapping
from typing import get_args

from buffer_ledger.casefiles import ClosedBy
from buffer_ledger.settling import Outcome
from buffer_ledger.timeline import HeldReason
from shared.database import Tx
from shared.metrics import ServiceMetrics


class Figures:
    """Counts what was settled once its transaction is committed; a rolled back one counts for nothing."""

    def __init__(self, metrics: ServiceMetrics) -> None:
        self._metrics = metrics

    def count(self, tx: Tx, outcome: Outcome, closed_by: ClosedBy) -> None:
        """Note what `settle` did, to be counted at the commit."""
        first = [change.row for change in outcome.newly_settled]
        without = sum(row.shortfall_cents > 0 for row in first)
        with_buffer = sum(row.cash_after_cents < row.floor_cents for row in first)
        drawn = sum(change.take.transaction.amount_cents for change in outcome.changes if change.take)
        months = len(outcome.changes)

        def write() -> None:
            self._metrics.add("bufferbudget_months_settled_total", months, closed_by=closed_by)
            self._metrics.add("bufferbudget_months_below_floor_total", without, buffer="without")
            self._metrics.add("bufferbudget_months_below_floor_total", with_buffer, buffer="with")
            self._metrics.add("bufferbudget_drawn_cents_total", drawn)

        tx.on_commit(write)

    def held(self, months: Mapping[HeldReason, int]) -> None:
        """Show how many months a finished close left held, under each of their reasons."""
        for reason in get_args(HeldReason):
            self._metrics.set("bufferbudget_months_held", months.get(reason, 0), reason=reason)

    def failed(self) -> None:
        """Note that a close left an enrolment as it was because it could not be computed."""
        self._metrics.add("bufferbudget_enrolments_failed_total")

    def enrolled(self, states: Mapping[str, int]) -> None:
        """Show how many enrolments there are."""
        for state in ("ACTIVE", "ENDED"):
            self._metrics.set("bufferbudget_enrolments", states.get(state, 0), state=state)

    def sealed(self, links: int) -> None:
        """Count transactions that got their seal."""
        self._metrics.add("bufferbudget_ledger_chain_sealed_total", links)

    def unsealed(self, transactions: int) -> None:
        """Show how many transactions wait for their seal."""
        self._metrics.set("bufferbudget_ledger_chain_waiting", transactions)

    def chain_read(self, broken: int, *, ended: bool) -> None:
        """Count a piece that was read again, and show how many links of this round did not fit."""
        self._metrics.add("bufferbudget_ledger_chain_pieces_read_total")
        if broken or ended:
            self._metrics.set("bufferbudget_ledger_chain_breaks", broken)

    def checked(self, sum_cents: int, breaches: Mapping[str, int]) -> None:
        """Show what the last check of the books found."""
        self._metrics.add("bufferbudget_ledger_checks_total")
        self._metrics.set("bufferbudget_ledger_sum_cents", sum_cents)
        for invariant, count in breaches.items():
            self._metrics.set("bufferbudget_ledger_invariant_breaches", count, invariant=invariant)
