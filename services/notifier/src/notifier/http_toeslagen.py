"""The notifier's calculators: toeslagen of a year, known against projected income, and the year's income.

They store nothing. Only under an Idempotency-Key the answer is kept, encrypted, as long as all answers are.
"""

from typing import Annotated

from fastapi import Depends, Request, Response

from notifier import reconciliation
from notifier.benefit_month import leaves_no_exempt_part, norm_of
from notifier.income_projection import IncomeMonth, project
from notifier.income_room import income_room
from notifier.reconciliation import reconcile
from notifier.toeslag_answers import (
    IncomeProjectionAnswer,
    ToeslagCalculationAnswer,
    ToeslagReconciliationAnswer,
    award_view,
    difference_view,
    receipt_view,
    small_amount_view,
)
from notifier.toeslag_requests import (
    IncomeMonthForm,
    IncomeProjectionRequest,
    ToeslagCalculationRequest,
    ToeslagReconciliationRequest,
)
from notifier.toeslagen import NotComputable, receipts, toeslag_rules, toeslagen
from notifier.wage_tax import net_month_cents, tax_rules
from notifier.year_law import PartUnknown
from shared.api import ServiceRouter
from shared.commands import Answer, command, idempotency_key
from shared.database import Database, Tx
from shared.errors import Fault, Invalid
from shared.law import Law
from shared.money import Cents
from shared.requests import ResponseModel
from shared.tokens import Caller, Role, allow

BackOffice = Annotated[Caller, Depends(allow(Role.BACKOFFICE))]


def toeslag_calls(routes: ServiceRouter, database: Database, law: Law) -> None:
    """Add the calculators to the service's routes."""

    @routes.post("/toeslag-calculations", response_model=ToeslagCalculationAnswer)
    async def calculate_toeslagen(
        request: Request, body: ToeslagCalculationRequest, caller: BackOffice
    ) -> Response:
        """The toeslagen of a household in a year, each with the figures of the law it comes from."""
        return await answered(request, database, caller, calculated(law, body))

    @routes.post("/toeslag-reconciliations", response_model=ToeslagReconciliationAnswer)
    async def reconcile_toeslagen(
        request: Request, body: ToeslagReconciliationRequest, caller: BackOffice
    ) -> Response:
        """What the toeslagen are on the income Dienst Toeslagen knows, against the projected one."""
        return await answered(request, database, caller, reconciled(law, body))

    @routes.post("/income-projections", response_model=IncomeProjectionAnswer)
    async def project_income(request: Request, body: IncomeProjectionRequest, caller: BackOffice) -> Response:
        """The toetsingsinkomen a year comes to, from its months so far, with bounds."""
        return await answered(request, database, caller, projected(law, body))


async def answered(request: Request, database: Database, caller: Caller, answer: ResponseModel) -> Response:
    """Send a computed answer; only a request with an Idempotency-Key touches the database."""
    if idempotency_key(request) is None:
        content = answer.model_dump_json(by_alias=True, exclude_none=True)
        return Response(content, media_type="application/json")

    async def run(tx: Tx) -> Answer:
        return Answer(answer)

    return await command(request, database, caller, run)


def calculated(law: Law, body: ToeslagCalculationRequest) -> ToeslagCalculationAnswer:
    """Compute; what cannot be computed is a fault that names the figure."""
    rules = toeslag_rules(law, body.year)
    household = body.built(rules)
    try:
        found = toeslagen(rules, household, body.joint_cents)
        lines = receipts(law, body.year, household, body.joint_cents)
    except (NotComputable, PartUnknown) as unknown:
        raise not_computable(unknown) from None
    views = {name: award_view(award, lines[name]) for name, award in found.named().items()}
    return ToeslagCalculationAnswer(
        zorgtoeslag=views["zorgtoeslag"],
        huurtoeslag=views.get("huurtoeslag"),
        kindgebonden_budget=views["kindgebondenBudget"],
        kinderopvangtoeslag=views.get("kinderopvangtoeslag"),
        total_annual_awarded_cents=found.total_awarded_cents,
    )


def reconciled(law: Law, body: ToeslagReconciliationRequest) -> ToeslagReconciliationAnswer:
    """Compute on both incomes and compare."""
    rules = toeslag_rules(law, body.year)
    household = body.built(rules)
    known, actual = body.known_income_cents, body.projected_income_cents
    small = reconciliation.small_amount(law, body.decision_year or body.year + 1)
    try:
        compared = reconcile(
            toeslagen(rules, household, known),
            toeslagen(rules, household, actual),
            body.months_elapsed,
            small,
        )
        rooms = income_room(rules, household, known, max(known, actual))
    except (NotComputable, PartUnknown) as unknown:
        raise not_computable(unknown) from None
    lines = receipts(law, body.year, household, actual)
    views = {
        name: difference_view(one, rooms.get(name), (*lines[name], small.receipt))
        for name, one in compared.differences.items()
    }
    return ToeslagReconciliationAnswer(
        zorgtoeslag=views["zorgtoeslag"],
        huurtoeslag=views.get("huurtoeslag"),
        kindgebonden_budget=views["kindgebondenBudget"],
        kinderopvangtoeslag=views.get("kinderopvangtoeslag"),
        total_overpayment_year_cents=compared.overpayment_year_cents,
        total_overpayment_so_far_cents=compared.overpayment_so_far_cents,
        total_reclaimed_cents=compared.reclaimed_cents,
        small_amount=small_amount_view(small),
        report_by=None if body.changed_on is None else reconciliation.report_by(law, body.changed_on)[0],
    )


def projected(law: Law, body: IncomeProjectionRequest) -> IncomeProjectionAnswer:
    """Project the year."""
    told = [(one.month, _told_month(law, body, one)) for one in body.months]
    months = [month for _, month in told]
    found = project(law, body.year, body.household.kind, months, body.tax_credit_at)
    added = [
        month
        for (month, read), one in zip(told, body.months, strict=True)
        if read.net_benefit_cents != one.net_benefit_cents
    ]
    return IncomeProjectionAnswer(
        wage_gross_cents=found.wage_gross_cents,
        benefit_gross_cents=found.benefit_gross_cents,
        toetsingsinkomen_cents=found.toetsingsinkomen_cents,
        lower_cents=found.lower_cents,
        upper_cents=found.upper_cents,
        known_months=found.known_months,
        projected_holiday_pay_cents=found.projected_holiday_pay_cents,
        exempt_added_in=sorted(added),
        exempt_effect_cents=found.exempt_effect_cents,
        tax_credit_effect_cents=found.tax_credit_effect_cents,
        signs=list(found.signs),
        receipt=receipt_view(found.receipt),
    )


def _told_month(law: Law, body: IncomeProjectionRequest, one: IncomeMonthForm) -> IncomeMonth:
    """A month as the projection knows it: the exempt part is in the benefit, and where the benefit shows that
    it is not, it is added."""
    benefit, exempt = one.net_benefit_cents, one.exempt_net_cents
    if exempt:
        credited = body.tax_credit_at in {"EMPLOYER", "BOTH"}
        tax = tax_rules(law, body.year)
        wage = net_month_cents(tax, one.gross_wage_cents, credit_applied=credited)
        norm = norm_of(law, body.household.kind, one.month)
        if leaves_no_exempt_part(norm, wage, benefit):
            benefit = Cents(benefit + exempt)
    return IncomeMonth(one.month.number, one.gross_wage_cents, benefit, exempt)


def not_computable(unknown: NotComputable | PartUnknown) -> Invalid:
    """The fault for a household that needs a figure nobody has found."""
    place = "/childcare" if isinstance(unknown, PartUnknown) else "/household"
    return Invalid([Fault("T002", place, unknown.detail)])
