"""The call for what-ifs: hours or wage changed from a month on, month by month and for the year."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from fastapi import Request, Response

from notifier import reconciliation
from notifier.benefit_month import ExemptWage, benefit_receipt
from notifier.http_toeslagen import BackOffice, answered
from notifier.local_schemes import LocalScheme, local_schemes
from notifier.toeslag_answers import ReceiptLineView, receipt_view
from notifier.toeslag_household import MONTHS_IN_YEAR, ToeslagHousehold
from notifier.toeslagen import NotComputable, receipts, toeslag_rules
from notifier.wage_tax import tax_rules
from notifier.what_if_answers import SchemeChangeView, WhatIfAnswer, plan_view
from notifier.what_if_forms import ExemptWageForm, JobChangeForm, WhatIfRequest
from notifier.what_ifs import Circumstances, WhatIf, Work, what_if
from notifier.year_law import PartUnknown, months_of
from shared.api import ServiceRouter
from shared.database import Database
from shared.errors import Fault, Invalid
from shared.law import Law, ParameterMissing


def what_if_call(routes: ServiceRouter, database: Database, law: Law) -> None:
    """Add the call to the service's routes."""

    @routes.post("/what-ifs", response_model=WhatIfAnswer)
    async def ask_what_if(request: Request, body: WhatIfRequest, caller: BackOffice) -> Response:
        """What changes in a month and in the year when hours or wage change: everything that moves."""
        municipality = body.municipality or caller.of_municipality
        caller.must_be_of(municipality)
        return await answered(request, database, caller, computed(law, body, municipality))


def computed(law: Law, body: WhatIfRequest, municipality: str) -> WhatIfAnswer:
    """Compute both years; what cannot be computed is a fault that names the figure."""
    rules = toeslag_rules(law, body.year)
    household = body.built(rules)
    first = body.change.from_month.number
    exempt = body.exempt_wage
    recorded = local_schemes(law, municipality, body.year)
    circumstances = Circumstances(
        year=body.year,
        kind=body.household.kind,
        on_benefit=body.on_benefit,
        offset_method=body.offset_method,
        exempt=None if exempt is None else _exempt(exempt),
        partner_gross_wage_cents=body.partner_gross_wage_cents,
        buffer_cents=0 if body.buffer is None else body.buffer.balance_cents,
        schemes=(*recorded, *(one.scheme() for one in body.local_schemes or ())),
    )
    try:
        wages = [body.now.wage(law, month) for month in months_of(body.year)]
        changed = [body.change.wage(law, month) for month in months_of(body.year)]
        before = Work(tuple(wages), (body.tax_credit_at,) * MONTHS_IN_YEAR, household)
        credit = body.change.tax_credit_at or body.tax_credit_at
        after = Work(
            (*wages[: first - 1], *changed[first - 1 :]),
            (*before.credit_at[: first - 1], *(credit,) * (MONTHS_IN_YEAR + 1 - first)),
            _with_care(household, body.change, first),
        )
        found = what_if(law, circumstances, before, after, first)
        lines = _lines(law, body, found, after.household, recorded)
    except (NotComputable, PartUnknown, ParameterMissing) as unknown:
        raise Invalid([Fault("T002", "/year", unknown.detail)]) from None
    return _answer(law, body, found, lines)


def _answer(law: Law, body: WhatIfRequest, found: WhatIf, lines: list[ReceiptLineView]) -> WhatIfAnswer:
    known_on = body.change.known_on
    return WhatIfAnswer(
        before=plan_view(body.year, found.before),
        after=plan_view(body.year, found.after),
        net_month_difference_cents=[
            new.net_cents - old.net_cents
            for old, new in zip(found.before.months, found.after.months, strict=True)
        ],
        net_year_difference_cents=found.net_year_difference_cents,
        toetsingsinkomen_difference_cents=(
            found.after.toetsingsinkomen_cents - found.before.toetsingsinkomen_cents
        ),
        local_schemes=[
            SchemeChangeView(
                name=one.name,
                months_before=one.months_before,
                months_after=one.months_after,
                year_difference_cents=one.year_difference_cents,
            )
            for one in found.schemes
        ],
        report_by=None if known_on is None else reconciliation.report_by(law, known_on)[0].isoformat(),
        receipt=lines,
    )


def _lines(
    law: Law,
    body: WhatIfRequest,
    found: WhatIf,
    household: ToeslagHousehold,
    schemes: Sequence[LocalScheme],
) -> list[ReceiptLineView]:
    """Norms, taxes, toeslag figures and recorded schemes, each once."""
    lines = list(tax_rules(law, body.year).receipt)
    for month in months_of(body.year):
        lines += benefit_receipt(law, body.household.kind, month)
    for of_toeslag in receipts(law, body.year, household, found.after.toetsingsinkomen_cents).values():
        lines += of_toeslag
    lines += [scheme.receipt for scheme in schemes if scheme.receipt is not None]
    return receipt_view(list(dict.fromkeys(lines)))


def _exempt(form: ExemptWageForm) -> ExemptWage:
    return ExemptWage(
        Fraction(form.share),
        form.cap_cents,
        1 if form.from_month is None else form.from_month.number,
        MONTHS_IN_YEAR if form.to_month is None else form.to_month.number,
    )


def _with_care(household: ToeslagHousehold, change: JobChangeForm, first: int) -> ToeslagHousehold:
    """The household with other childcare from a month on; the childcare before it ends the month before."""
    if change.childcare is None:
        return household
    kept = [
        replace(one, to_month=min(one.to_month, first - 1))
        for one in household.care
        if one.from_month < first
    ]
    new = [
        replace(care, from_month=max(care.from_month, first))
        for care in (one.care() for one in change.childcare)
    ]
    return replace(household, care=(*kept, *new))
