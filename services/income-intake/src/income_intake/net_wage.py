"""From the lines of a slip to the countable net wage, and the words that explain it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

from shared.money import Cents, Language, format_euro, half_up

LineKind = Literal[
    "WAGE",
    "HOLIDAY_PAY",
    "BONUS",
    "ALLOWANCE",
    "TAX",
    "PENSION",
    "DEDUCTION",
    "SEIZURE",
    "ADVANCE",
]
PartKind = Literal["WAGE", "HOLIDAY_PAY", "BONUS"]

_SHARED_OUT: Final = ("TAX", "PENSION")
_SEPARATE: Final[tuple[PartKind, ...]] = ("HOLIDAY_PAY", "BONUS")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a slip; its label is dropped. The amount has the sign with which it changes the pay-out."""

    kind: LineKind
    amount_cents: Cents


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the countable net wage, after its share of tax and pension."""

    kind: PartKind
    net_cents: Cents


def countable_parts(lines: Sequence[Line]) -> tuple[Part, ...]:
    """The countable net wage of a slip's lines (Participatiewet art. 31(3); reading 10).

    Wage, holiday pay and extra pay (a year-end payment, a thirteenth month) less tax and pension. Allowances
    are no income; what the employer took for a debt, an advance or of the person's own will is not taken off,
    so that a buffer never pays a creditor. Tax and pension are shared over the kinds above nil by their gross
    amounts, half-up, the rest to wage, or without wage to the last of them; where none is above nil, wage
    carries them whole.
    """
    sums = sums_by_kind(lines)
    shared_out = sum(sums.get(kind, 0) for kind in _SHARED_OUT)
    gross: dict[PartKind, int] = {kind: sums[kind] for kind in _SEPARATE if kind in sums}
    wage = sums.get("WAGE", 0)
    if not gross:
        return (Part("WAGE", Cents(wage + shared_out)),)
    every: tuple[tuple[PartKind, int], ...] = (("WAGE", wage), *gross.items())
    carrying = {kind: amount for kind, amount in every if amount > 0}
    total = sum(carrying.values())
    borne: dict[PartKind, Cents] = {
        kind: half_up(Fraction(shared_out * amount, total))
        for kind, amount in carrying.items()
        if kind != "WAGE"
    }
    rest = shared_out - sum(borne.values())
    if "WAGE" not in carrying and borne:
        last = list(borne)[-1]
        borne[last] = Cents(borne[last] + rest)
        rest = 0
    net_wage = Part("WAGE", Cents(wage + rest))
    others = tuple(Part(kind, Cents(amount + borne.get(kind, 0))) for kind, amount in gross.items())
    if "WAGE" not in sums and net_wage.net_cents == 0:
        return others
    return (net_wage, *others)


def sums_by_kind(lines: Sequence[Line]) -> dict[str, int]:
    """The lines added up per kind, for the kinds there are."""
    sums: dict[str, int] = {}
    for line in lines:
        sums[line.kind] = sums.get(line.kind, 0) + line.amount_cents
    return sums


_WORDS: Final[dict[Language, dict[str, str]]] = {
    "nl": {
        "WAGE": "loon",
        "HOLIDAY_PAY": "vakantiegeld",
        "BONUS": "extra beloning",
        "ALLOWANCE": "vergoedingen",
        "TAX": "belasting en premies",
        "PENSION": "pensioen",
        "DEDUCTION": "inhoudingen",
        "SEIZURE": "beslag",
        "ADVANCE": "voorschot",
        "counts": "Dit telt mee",
        "not": "Dit telt niet mee",
        "sum": "Netto loon dat meetelt",
    },
    "en": {
        "WAGE": "wage",
        "HOLIDAY_PAY": "holiday pay",
        "BONUS": "bonus",
        "ALLOWANCE": "allowances",
        "TAX": "tax and premiums",
        "PENSION": "pension",
        "DEDUCTION": "deductions",
        "SEIZURE": "seizure",
        "ADVANCE": "advance",
        "counts": "This counts",
        "not": "This does not count",
        "sum": "Net wage that counts",
    },
}
_COUNTED: Final = ("WAGE", "HOLIDAY_PAY", "BONUS", "TAX", "PENSION")


def explain(lines: Sequence[Line], language: Language) -> str:
    """How the countable net wage follows from the lines, in plain words with every amount."""
    words, sums = _WORDS[language], sums_by_kind(lines)

    def told(kinds: Sequence[str]) -> str:
        return ", ".join(f"{words[kind]} {format_euro(sums[kind], language)}" for kind in kinds)

    counted = [kind for kind in _COUNTED if kind in sums]
    others = [kind for kind in sums if kind not in _COUNTED]
    total = sum(part.net_cents for part in countable_parts(lines))
    sentences = [f"{words['counts']}: {told(counted)}."] if counted else []
    sentences += [f"{words['not']}: {told(others)}."] if others else []
    return " ".join([*sentences, f"{words['sum']}: {format_euro(total, language)}."])
