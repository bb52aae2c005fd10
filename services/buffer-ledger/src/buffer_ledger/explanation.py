"""A month in words a resident reads: Dutch at B1 level, English beside it.

What we computed ourselves is called expected: the municipality decides on bijstand. No word of decision and
no demand stands in these sentences (reading 32).
"""

from buffer_ledger.timeline import HeldReason, MonthRow
from shared.money import Language, format_euro
from shared.months import Month

# fmt: off
_MONTHS: dict[Language, tuple[str, ...]] = {
    "nl": (
        "januari", "februari", "maart", "april", "mei", "juni",
        "juli", "augustus", "september", "oktober", "november", "december",
    ),
    "en": (
        "January", "February", "March", "April", "May", "June",
        "July", "August", "September", "October", "November", "December",
    ),
}
# fmt: on

_TEXT: dict[str, dict[Language, str]] = {
    "wage": {
        "nl": "In {month} kreeg u {wage} loon.",
        "en": "In {month} you received {wage} in wages.",
    },
    "no_wage": {
        "nl": "In {month} kreeg u geen loon.",
        "en": "In {month} you received no wages.",
    },
    "handed_over": {
        "nl": "Uw werkgever betaalt uw loon over {base} aan de gemeente: {earned}.",
        "en": "Your employer pays your wages for {base} to the municipality: {earned}.",
    },
    "other_cash": {
        "nl": "U kreeg ook {other_cash} aan ander geld, zoals vakantiegeld.",
        "en": "You also received {other_cash} in other money, such as holiday pay.",
    },
    "days": {
        "nl": "U hebt deze maand {days} dagen bijstand. Alle bedragen zijn voor die dagen.",
        "en": "You have bijstand for {days} days this month. All amounts are for those days.",
    },
    "no_days": {
        "nl": "U hebt deze maand geen bijstand.",
        "en": "You have no bijstand this month.",
    },
    "exempt": {
        "nl": "Van uw loon telt {exempt} niet mee.",
        "en": "Of your wages {exempt} does not count.",
    },
    "debt": {
        "nl": "Een eerdere maand was lager dan nul. Daarom telt er {debt} minder loon mee.",
        "en": "An earlier month was below zero. So {debt} less of your wages counts.",
    },
    "other_income": {
        "nl": "Naast uw loon telt er {other_income} mee.",
        "en": "Beside your wages {other_income} counts.",
    },
    "told_offset": {
        "nl": "De gemeente houdt {offset} in op uw uitkering. Dat heeft de gemeente aan ons doorgegeven.",
        "en": "The municipality withholds {offset} from your benefit. The municipality told us so.",
    },
    "told_no_offset": {
        "nl": "De gemeente houdt niets in op uw uitkering. Dat heeft de gemeente aan ons doorgegeven.",
        "en": "The municipality withholds nothing from your benefit. The municipality told us so.",
    },
    "told_benefit": {
        "nl": "Uw uitkering is dan {benefit}.",
        "en": "Your benefit is then {benefit}.",
    },
    "fixed_benefit": {
        "nl": "De gemeente betaalt u naar verwachting een vast bedrag: {benefit}.",
        "en": "The municipality is expected to pay you a fixed amount: {benefit}.",
    },
    "offset": {
        "nl": (
            "Naar verwachting houdt de gemeente {offset} in op uw uitkering. Dat komt door uw loon over "
            "{base}."
        ),
        "en": (
            "The municipality is expected to withhold {offset} from your benefit. That is because of "
            "your wages for {base}."
        ),
    },
    "no_offset": {
        "nl": "Naar verwachting houdt de gemeente niets in op uw uitkering.",
        "en": "The municipality is expected to withhold nothing from your benefit.",
    },
    "benefit": {
        "nl": "Uw uitkering is dan naar verwachting {benefit}.",
        "en": "Your expected benefit is then {benefit}.",
    },
    "floor": {
        "nl": "Samen is dat {cash}. Het minimum voor deze maand is {floor}.",
        "en": "Together that is {cash}. The minimum for this month is {floor}.",
    },
    "enough": {
        "nl": (
            "U hebt dus genoeg voor het minimum en er gaat niets uit uw buffer. In uw buffer zit {balance}."
        ),
        "en": (
            "So you have enough for the minimum and nothing comes from your buffer. Your buffer holds "
            "{balance}."
        ),
    },
    "no_trigger": {
        "nl": "Er gaat deze maand niets uit uw buffer. In uw buffer zit {balance}.",
        "en": "Nothing comes from your buffer this month. Your buffer holds {balance}.",
    },
    "filled": {
        "nl": (
            "U komt {shortfall} tekort. Uit uw buffer komt {draw} erbij. Daarna zit er nog {balance} in "
            "uw buffer."
        ),
        "en": "You are {shortfall} short. Your buffer adds {draw}. After that it still holds {balance}.",
    },
    "partly_balance": {
        "nl": (
            "U komt {shortfall} tekort. Uit uw buffer komt {draw} erbij; meer zit er niet in. U houdt "
            "{gap} minder over dan het minimum. In uw buffer zit nog {balance}."
        ),
        "en": (
            "You are {shortfall} short. Your buffer adds {draw}; it holds no more than that. You are "
            "left with {gap} less than the minimum. Your buffer now holds {balance}."
        ),
    },
    "empty": {
        "nl": "U komt {shortfall} tekort. In uw buffer zit te weinig om iets bij te leggen: {balance}.",
        "en": "You are {shortfall} short. Your buffer holds too little to add anything: {balance}.",
    },
    "partly_maximum": {
        "nl": (
            "U komt {shortfall} tekort. Uit uw buffer komt {draw} erbij. Meer kan er in een maand niet "
            "uit. U houdt {gap} minder over dan het minimum. In uw buffer zit nog {balance}."
        ),
        "en": (
            "You are {shortfall} short. Your buffer adds {draw}, the most it can add in one month. You "
            "are left with {gap} less than the minimum. Your buffer still holds {balance}."
        ),
    },
    "too_small": {
        "nl": (
            "Er zou {rule} uit uw buffer komen. Dat is te weinig om over te maken. Er komt deze maand "
            "dus niets bij. In uw buffer zit nog {balance}."
        ),
        "en": (
            "Your buffer would add {rule}. That is too little to transfer. So nothing is added this "
            "month. Your buffer still holds {balance}."
        ),
    },
    "replaced": {
        "nl": (
            "De buffer vult aan wat er wordt ingehouden: er komt {draw} bij. Daarna zit er nog {balance} "
            "in uw buffer."
        ),
        "en": (
            "Your buffer makes up for what is withheld: it adds {draw}. After that it still holds {balance}."
        ),
    },
    "replaced_partly_balance": {
        "nl": (
            "De buffer vult aan wat er wordt ingehouden, zover dat kan: er komt {draw} bij. Meer zit er "
            "niet in. In uw buffer zit nog {balance}."
        ),
        "en": (
            "Your buffer makes up for what is withheld as far as it can: it adds {draw}. It holds no "
            "more than that. Your buffer now holds {balance}."
        ),
    },
    "replaced_partly_maximum": {
        "nl": (
            "De buffer vult aan wat er wordt ingehouden: er komt {draw} bij. Dat is het meeste dat er in "
            "een maand uit kan. In uw buffer zit nog {balance}."
        ),
        "en": (
            "Your buffer makes up for what is withheld: it adds {draw}, the most it can add in one "
            "month. Your buffer still holds {balance}."
        ),
    },
    "replaced_empty": {
        "nl": "In uw buffer zit te weinig om aan te vullen wat er wordt ingehouden: {balance}.",
        "en": "Your buffer holds too little to make up for what is withheld: {balance}.",
    },
    "above_normal": {
        "nl": (
            "De gemeente houdt meer in dan normaal bij u ({normal}). De buffer vult dat verschil aan: "
            "er komt {draw} bij. Daarna zit er nog {balance} in uw buffer."
        ),
        "en": (
            "More is withheld than is normal for you ({normal}). Your buffer makes up the difference: "
            "it adds {draw}. After that it still holds {balance}."
        ),
    },
    "fixed": {
        "nl": ("U krijgt elke maand een vast bedrag uit uw buffer: {draw}. Daarna zit er nog {balance} in."),
        "en": "Your buffer adds a fixed amount each month: {draw}. After that it still holds {balance}.",
    },
    "late": {
        "nl": (
            "Van uw uitkering was {late} aan het einde van de maand nog niet betaald. Uit uw buffer "
            "komt {draw} erbij. Daarna zit er nog {balance} in uw buffer."
        ),
        "en": (
            "At the end of the month {late} of your benefit had not been paid yet. Your buffer adds "
            "{draw}. After that it still holds {balance}."
        ),
    },
    "part_balance": {
        "nl": (
            "Er zou {rule} uit uw buffer komen. Er komt {draw} bij; meer zit er niet in. In uw buffer "
            "zit nog {balance}."
        ),
        "en": (
            "Your buffer would add {rule}. It adds {draw}; it holds no more than that. Your buffer "
            "now holds {balance}."
        ),
    },
    "part_maximum": {
        "nl": (
            "Er zou {rule} uit uw buffer komen. Er komt {draw} bij. Meer kan er in een maand niet "
            "uit. In uw buffer zit nog {balance}."
        ),
        "en": (
            "Your buffer would add {rule}. It adds {draw}, the most it can add in one month. Your "
            "buffer still holds {balance}."
        ),
    },
    "part_filled": {
        "nl": (
            "Er zou {rule} uit uw buffer komen. Uw buffer wordt elke maand een stukje voller en er "
            "zit nog niet genoeg in. Er komt {draw} bij."
        ),
        "en": (
            "Your buffer would add {rule}. Your buffer fills up a little each month and does not hold "
            "enough yet. It adds {draw}."
        ),
    },
    "netted": {
        "nl": (
            "Er zou {rule} uit uw buffer komen. Eerder kreeg u {netted} te veel uit uw buffer. Dat "
            "gaat er nu af. Er komt {draw} bij. In uw buffer zit nog {balance}."
        ),
        "en": (
            "Your buffer would add {rule}. Earlier your buffer added {netted} too much. That is taken "
            "off now. It adds {draw}. Your buffer still holds {balance}."
        ),
    },
    "proposed": {
        "nl": (
            "Het voorstel is: {proposed} uit uw buffer. Een medewerker kijkt er eerst naar. Tot dan "
            "krijgt u dit nog niet."
        ),
        "en": (
            "The proposal is {proposed} from your buffer. A member of staff looks at it first. Until "
            "then you do not get it."
        ),
    },
    "proposed_college": {
        "nl": (
            "Het voorstel is: {proposed} uit uw buffer. Met dit bedrag komt u boven de grens voor "
            "giften in een jaar. De gemeente kijkt er eerst naar. Tot dan krijgt u dit nog niet."
        ),
        "en": (
            "The proposal is {proposed} from your buffer. With it you would pass the limit for gifts "
            "in one year. The municipality looks at it first. Until then you do not get it."
        ),
    },
    "approved_part": {
        "nl": "Daarnaast is {draw} al akkoord.",
        "en": "Beside this, {draw} has been agreed already.",
    },
    "partly_agreed": {
        "nl": (
            "Er zou {rule} uit uw buffer komen. Een medewerker keek ernaar en ging akkoord met {draw}. U "
            "kunt vragen om er nog eens naar te kijken. In uw buffer zit nog {balance}."
        ),
        "en": (
            "Your buffer would add {rule}. A member of staff looked at it and agreed to {draw}. You can "
            "ask for it to be looked at again. Your buffer still holds {balance}."
        ),
    },
    "not_agreed": {
        "nl": (
            "Er zou {rule} uit uw buffer komen. Een medewerker keek ernaar en ging niet akkoord. U "
            "kunt vragen om er nog eens naar te kijken. In uw buffer zit {balance}."
        ),
        "en": (
            "Your buffer would add {rule}. A member of staff looked at it and did not agree. You can "
            "ask for it to be looked at again. Your buffer holds {balance}."
        ),
    },
    "not_in_force": {
        "nl": (
            "Deze buffer begint op 1 januari 2027. Voor deze maand komt er nog niets uit. In uw buffer "
            "zit {balance}."
        ),
        "en": (
            "This buffer begins on 1 January 2027. For this month nothing comes from it yet. Your buffer "
            "holds {balance}."
        ),
    },
    "repaid": {
        "nl": (
            "U houdt meer over dan het minimum. In deze berekening gaat daarvan {repayment} terug in de "
            "buffer. Daarna zit er {balance} in de buffer."
        ),
        "en": (
            "You have more than the minimum. In this calculation {repayment} of it goes back into the "
            "buffer. After that the buffer holds {balance}."
        ),
    },
    "preview": {
        "nl": "Met wat we nu weten zou er {draw} uit uw buffer komen.",
        "en": "With what we know now {draw} would come from your buffer.",
    },
    "expired_preview": {
        "nl": "Met wat we weten zou er {draw} uit uw buffer zijn gekomen.",
        "en": "With what we know {draw} would have come from your buffer.",
    },
    "expired_preview_nothing": {
        "nl": "Met wat we weten zou er niets uit uw buffer zijn gekomen.",
        "en": "With what we know nothing would have come from your buffer.",
    },
    "preview_nothing": {
        "nl": "Met wat we nu weten zou er niets uit uw buffer komen.",
        "en": "With what we know now nothing would come from your buffer.",
    },
}

_AND: dict[Language, str] = {"nl": " en ", "en": " and "}

_HELD: dict[HeldReason, dict[Language, str]] = {
    "SLIP_MISSING": {
        "nl": (
            "Deze maand staat nog niet vast, want er mist nog een loonstrook. Als we die hebben, rekenen "
            "we opnieuw. Tot dan komt er niets uit uw buffer."
        ),
        "en": (
            "This month is not final yet, because a wage slip is missing. When we have it we calculate "
            "again. Until then nothing comes from your buffer."
        ),
    },
    "ESTIMATED": {
        "nl": (
            "Deze maand staat nog niet vast, want we rekenen met een schatting. Als de loonstrook er is, "
            "rekenen we opnieuw. Tot dan komt er niets uit uw buffer."
        ),
        "en": (
            "This month is not final yet, because we calculate with an estimate. When the wage slip is there "
            "we calculate again. Until then nothing comes from your buffer."
        ),
    },
    "MANUAL_REVIEW": {
        "nl": (
            "Deze maand staat nog niet vast, want een medewerker rekent hem zelf uit. Tot dan komt er niets "
            "uit uw buffer."
        ),
        "en": (
            "This month is not final yet, because a member of staff works it out. Until then nothing comes "
            "from your buffer."
        ),
    },
    "STATEMENT_MISSING": {
        "nl": (
            "Deze maand staat nog niet vast. We wachten op de berekening van de gemeente. Tot dan komt er "
            "niets uit uw buffer."
        ),
        "en": (
            "This month is not final yet. We are waiting for the municipality's own calculation. Until then "
            "nothing comes from your buffer."
        ),
    },
    "STATEMENT_DIFFERS": {
        "nl": (
            "Deze maand staat nog niet vast. De gemeente rekent met andere bedragen dan wij. Een medewerker "
            "kijkt daar naar. Tot dan komt er niets uit uw buffer."
        ),
        "en": (
            "This month is not final yet. The municipality's amounts are not the same as ours. A member of "
            "staff looks into it. Until then nothing comes from your buffer."
        ),
    },
    "PARKED": {
        "nl": (
            "Deze maand staat nog niet vast, want we kijken nog iets na. Tot dan komt er niets uit uw buffer."
        ),
        "en": (
            "This month is not final yet, because we are still checking something. Until then nothing "
            "comes from your buffer."
        ),
    },
    "NOT_REGISTERED": {
        "nl": (
            "Deze maand staat nog niet vast, want uw aanmelding is nog niet klaar. Tot dan komt er niets "
            "uit uw buffer."
        ),
        "en": (
            "This month is not final yet, because your registration is not complete. Until then nothing "
            "comes from your buffer."
        ),
    },
    "PARAMETER_MISSING": {
        "nl": (
            "We kunnen deze maand nog niet uitrekenen. In ons systeem mist nog een bedrag uit de wet. "
            "We weten uw uitkering, het minimum en uw tekort daarom nog niet. Een nul is hier geen bedrag. "
            "Tot dan komt er niets uit uw buffer."
        ),
        "en": (
            "We cannot calculate this month yet. An amount from the law is missing in our system. So we do "
            "not know your benefit, the minimum or your shortfall yet. A zero is not an amount here. Until "
            "then nothing comes from your buffer."
        ),
    },
}

_EXPIRED: dict[Language, str] = {
    "nl": (
        "De periode van uw buffer is voorbij en deze maand was nog niet rond. Voor deze maand komt er niets "
        "meer uit uw buffer."
    ),
    "en": (
        "The period of your buffer is over and this month was never completed. Nothing comes from your "
        "buffer for this month any more."
    ),
}

_MORE_SLIPS: dict[Language, str] = {
    "nl": (
        "Deze maand staat nog niet vast, want er missen nog {missing} loonstroken. Als we die "
        "hebben, rekenen we opnieuw. Tot dan komt er niets uit uw buffer."
    ),
    "en": (
        "This month is not final yet, because {missing} wage slips are missing. When we have them we "
        "calculate again. Until then nothing comes from your buffer."
    ),
}


def explain(row: MonthRow, language: Language, *, expired: bool = False) -> str:
    """One short paragraph about a month: the wage that was received, what the municipality is expected to
    withhold and to pay, the minimum, what comes from the buffer and what it then holds.

    `expired` says that the enrolment ended before the month was settled: nothing comes of it any more.
    """
    names = _names(row, language)
    if "PARAMETER_MISSING" in row.held:
        why = _EXPIRED if expired else _HELD["PARAMETER_MISSING"]
        return " ".join((_say(_wage(row), language, names), why[language]))
    parts = [_wage(row), *_circumstances(row), *_benefit(row), "floor"]
    if expired:
        preview = "expired_preview" if row.draw_cents > 0 else "expired_preview_nothing"
        said = " ".join(_say(part, language, names) for part in [*parts, preview])
        return f"{said} {_EXPIRED[language]}"
    if row.held:
        preview = "preview" if row.draw_cents > 0 else "preview_nothing"
        said = " ".join(_say(part, language, names) for part in [*parts, preview])
        return f"{said} {_why_held(row, language)}"
    parts.append(_outcome(row))
    if row.proposed_cents > 0 and row.draw_cents > 0:
        parts.append("approved_part")
    return " ".join(_say(part, language, names) for part in parts)


def _wage(row: MonthRow) -> str:
    if row.offset_method == "SURPLUS" and row.attributed_wage_cents > 0:
        return "handed_over"
    return "wage" if row.wage_cents > 0 else "no_wage"


def _circumstances(row: MonthRow) -> list[str]:
    """What else the amounts of the month follow from, where there is something to tell."""
    tellable = (
        (row.other_cash_cents > 0, "other_cash"),
        (row.days_of_right is not None and row.days_of_right > 0, "days"),
        (row.days_of_right == 0, "no_days"),
        (row.exempt_cents > 0, "exempt"),
        (row.debt_cents < 0, "debt"),
        (row.other_income_cents > 0, "other_income"),
    )
    return [part for holds, part in tellable if holds]


def _benefit(row: MonthRow) -> list[str]:
    """What is withheld and paid: expected where we computed it, as told where the municipality decided."""
    if row.days_of_right == 0:
        return ["told_benefit" if row.official else "benefit"]
    if row.official:
        return ["told_offset" if row.offset_cents > 0 else "told_no_offset", "told_benefit"]
    if row.offset_method == "SURPLUS":
        return ["fixed_benefit"]
    return ["offset" if row.offset_cents > 0 else "no_offset", "benefit"]


def _outcome(row: MonthRow) -> str:
    """Which sentence ends the paragraph: what the buffer does and why."""
    if row.repayment_cents > 0:
        return "repaid"
    if row.limit == "NOT_IN_FORCE":
        return "not_in_force"
    if row.rule_cents <= 0:
        return "enough" if row.shortfall_cents == 0 else "no_trigger"
    if row.proposed_cents > 0:
        return "proposed_college" if row.need == "NEEDS_COLLEGE_VIEW" else "proposed"
    if row.limit == "NETTED":
        return "netted"
    if row.limit == "NOT_YET_FILLED":
        return "part_filled"
    if row.limit == "MINIMUM_DRAW":
        return "too_small"
    if row.limit == "NONE" and row.draw_cents < row.rule_cents:
        return "partly_agreed" if row.draw_cents > 0 else "not_agreed"
    if row.draw_amount == "REPLACE":
        return _replaced(row)
    if row.late_cents > 0 or row.draw_amount in {"EXCESS", "FIXED"}:
        return _other(row)
    if row.limit == "BALANCE":
        return "partly_balance" if row.draw_cents > 0 else "empty"
    return "filled" if row.limit == "NONE" else "partly_maximum"


def _replaced(row: MonthRow) -> str:
    if row.limit == "BALANCE":
        return "replaced_partly_balance" if row.draw_cents > 0 else "replaced_empty"
    return "replaced" if row.limit == "NONE" else "replaced_partly_maximum"


def _other(row: MonthRow) -> str:
    """What a month says whose draw does not follow from what it lacks alone."""
    if row.limit == "BALANCE":
        return "part_balance"
    if row.limit == "MONTH_MAXIMUM":
        return "part_maximum"
    if row.late_cents > 0:
        return "late"
    return "above_normal" if row.draw_amount == "EXCESS" else "fixed"


def _why_held(row: MonthRow, language: Language) -> str:
    reason = row.held[0]
    if reason == "SLIP_MISSING" and row.missing_slips > 1:
        return _MORE_SLIPS[language].format(missing=row.missing_slips)
    return _HELD[reason][language]


def _say(part: str, language: Language, names: dict[str, str]) -> str:
    return _TEXT[part][language].format_map(names)


def _names(row: MonthRow, language: Language) -> dict[str, str]:
    amounts = {
        "wage": row.wage_cents,
        "other_cash": row.other_cash_cents,
        "earned": row.attributed_wage_cents,
        "exempt": row.exempt_cents,
        "debt": -row.debt_cents,
        "other_income": row.other_income_cents,
        "offset": row.offset_cents,
        "benefit": row.benefit_paid_cents,
        "cash": row.cash_cents,
        "floor": row.floor_cents,
        "shortfall": row.shortfall_cents,
        "rule": row.rule_cents,
        "draw": row.draw_cents,
        "gap": row.shortfall_cents - row.draw_cents,
        "repayment": row.repayment_cents,
        "balance": row.balance_cents,
        "normal": row.normal_cents,
        "late": row.late_cents,
        "netted": row.netted_cents,
        "proposed": row.proposed_cents,
    }
    texts = {name: format_euro(cents, language) for name, cents in amounts.items()}
    bases = [_month_name(base, language) for base in row.base_months]
    return {
        **texts,
        "days": str(row.days_of_right),
        "month": _month_name(row.month, language),
        "base": _AND[language].join(bases),
    }


def _month_name(month: Month, language: Language) -> str:
    return f"{_MONTHS[language][month.number - 1]} {month.year}"
