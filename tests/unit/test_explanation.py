"""A month in words: every situation has its own sentence, plain, and none of them decides anything."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from buffer_ledger.explanation import explain
from buffer_ledger.timeline import (
    BenefitPeriod,
    Exemption,
    Household,
    MonthRow,
    MunicipalityRules,
    OffsetStatement,
    OtherIncome,
    run,
)
from notifier.plain_language import wording_faults
from shared.law import Law
from shared.money import Cents, Language
from shared.months import Month
from tests.ledger_facts import JANUARY, SAME_MONTH, case, policy, slip, slips_of

LAW = Law.load()
FLUCTUATING = (70_000, 25_000, 90_000, 10_000, 65_000, 30_000)
ROWS = run(case(slips_of(JANUARY, FLUCTUATING)), LAW)
REPLACED = run(case(slips_of(JANUARY, FLUCTUATING), policy=policy(draw_amount="REPLACE")), LAW)
REVOLVED = run(
    case(slips_of(JANUARY, FLUCTUATING), policy=policy(replenish="REVOLVE_FROM_SURPLUS"), simulate=True), LAW
)
SMALL = run(
    case([slip("2026-01", 10_000)], months=1, rules=SAME_MONTH, policy=policy(min_draw_cents=500)), LAW
)
CAPPED = {
    amount: run(
        case(
            slips_of(JANUARY, FLUCTUATING),
            policy=policy(draw_amount=amount, max_draw_per_month_cents=Cents(30_000)),
        ),
        LAW,
    )[1]
    for amount in ("TOPUP", "REPLACE")
}
HOLIDAY = run(case([slip("2026-01", 80_000, holiday_pay=76_800)], months=1, rules=SAME_MONTH), LAW)
MISSING = run(case([slip("2026-01", 70_000)], months=3, expected_employers=frozenset({"care", "shop"})), LAW)
CHANGED = run(
    case(
        slips_of(JANUARY, (30_000, 20_000)),
        months=2,
        rules=(MunicipalityRules(None, "M1"), MunicipalityRules(JANUARY.plus(1), "M0")),
    ),
    LAW,
)
ALONE = (MunicipalityRules(None, "M0"),)
SPARED = run(
    case([slip("2026-01", 80_000)], months=1, rules=ALONE, exemption=Exemption(Decimal("0.25"))), LAW
)
PART = run(case(months=1, rules=ALONE, right=[BenefitPeriod(date(2026, 1, 16))]), LAW)
NO_RIGHT = run(case(months=1, rules=ALONE, right=[BenefitPeriod(date(2026, 2, 1))]), LAW)
DEBT = run(case([slip("2026-01", -10_000), slip("2026-02", 50_000)], months=2, rules=ALONE), LAW)
BESIDE = run(case(months=1, rules=ALONE, other_income=[OtherIncome(JANUARY, Cents(11_000))]), LAW)
DECIDED = run(
    case(
        [slip("2026-01", 60_000)],
        months=1,
        rules=ALONE,
        statements={JANUARY: OffsetStatement(Cents(60_000), Cents(76_143))},
    ),
    LAW,
)
HANDED_OVER = run(case([slip("2026-01", 60_000)], months=1, rules=(MunicipalityRules(None, "SURPLUS"),)), LAW)
ESTIMATED = run(
    case(
        [replace(slip("2026-01", 60_000), source="ESTIMATE")],
        months=1,
        rules=(MunicipalityRules(None, "EST"),),
    ),
    LAW,
)
REVIEWED = run(case(months=1, households=(Household("COUPLE", JANUARY, partner_entitled=False),)), LAW)
UNKNOWN_LAW = run(case(first=Month(2027, 1), months=1), LAW)

SITUATIONS: dict[str, MonthRow] = {
    "nothing withheld yet": ROWS[0],
    "shortfall filled": ROWS[1],
    "enough": ROWS[2],
    "partly filled": ROWS[3],
    "buffer empty": ROWS[5],
    "replaced": REPLACED[1],
    "replaced as far as the buffer goes": REPLACED[3],
    "replaced with an empty buffer": REPLACED[5],
    "paid back in a simulation": REVOLVED[2],
    "too small to transfer": SMALL[0],
    "the most of a month": CAPPED["TOPUP"],
    "the most of a month, replaced": CAPPED["REPLACE"],
    "holiday pay": HOLIDAY[0],
    "a part that does not count": SPARED[0],
    "part of a month": PART[0],
    "no right": NO_RIGHT[0],
    "a month below zero before": DEBT[1],
    "income beside wage": BESIDE[0],
    "decided by the municipality": DECIDED[0],
    "wage to the municipality": HANDED_OVER[0],
    "estimated": ESTIMATED[0],
    "for a person to work out": REVIEWED[0],
    "slips missing": MISSING[1],
    "one slip missing": replace(MISSING[1], missing_slips=1),
    "held with nothing to draw": replace(MISSING[1], draw_cents=Cents(0)),
    "parked": replace(ROWS[1], held=("PARKED",)),
    "not registered": replace(ROWS[1], held=("NOT_REGISTERED",)),
    "figure of the law missing": UNKNOWN_LAW[0],
    "short without a draw": replace(ROWS[1], rule_cents=Cents(0), draw_cents=Cents(0)),
    "two wages counted at once": CHANGED[1],
}
EXPIRED: dict[str, MonthRow] = {
    "slip never came": MISSING[1],
    "slip never came, nothing to draw": replace(MISSING[1], draw_cents=Cents(0)),
    "slip came after the end": ROWS[1],
}


def said(name: str, language: Language = "nl") -> str:
    return explain(SITUATIONS[name], language).replace("\u00a0", " ")


def said_of_expired(name: str, language: Language = "nl") -> str:
    return explain(EXPIRED[name], language, expired=True).replace("\u00a0", " ")


def test_a_filled_shortfall_tells_wage_offset_benefit_minimum_draw_and_what_is_left() -> None:
    assert said("shortfall filled") == (
        "In februari 2026 kreeg u € 250,00 loon. "
        "Naar verwachting houdt de gemeente € 718,20 in op uw uitkering. "
        "Dat komt door uw loon over januari 2026. "
        "Uw uitkering is dan naar verwachting € 613,23. "
        "Samen is dat € 863,23. Het minimum voor deze maand is € 1.331,43. "
        "U komt € 468,20 tekort. Uit uw buffer komt € 468,20 erbij. "
        "Daarna zit er nog € 531,80 in uw buffer."
    )


def test_the_same_month_reads_the_same_in_english() -> None:
    assert said("shortfall filled", "en") == (
        "In February 2026 you received €250.00 in wages. "
        "The municipality is expected to withhold €718.20 from your benefit. "
        "That is because of your wages for January 2026. "
        "Your expected benefit is then €613.23. "
        "Together that is €863.23. The minimum for this month is €1,331.43. "
        "You are €468.20 short. Your buffer adds €468.20. After that it still holds €531.80."
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nothing withheld yet", "houdt de gemeente niets in"),
        ("enough", "er gaat niets uit uw buffer"),
        ("partly filled", "Uit uw buffer komt € 531,80 erbij; meer zit er niet in."),
        ("partly filled", "U houdt € 271,87 minder over dan het minimum."),
        ("buffer empty", "te weinig om iets bij te leggen: € 0,00"),
        ("replaced", "De buffer vult aan wat er wordt ingehouden: er komt € 718,20 bij."),
        ("replaced as far as the buffer goes", "er komt € 25,30 bij. Meer zit er niet in."),
        ("replaced with an empty buffer", "te weinig om aan te vullen wat er wordt ingehouden"),
        ("paid back in a simulation", "In deze berekening gaat daarvan € 468,20 terug in de buffer."),
        ("too small to transfer", "Dat is te weinig om over te maken."),
        ("the most of a month", "Meer kan er in een maand niet uit."),
        ("a part that does not count", "Van uw loon telt € 200,00 niet mee."),
        ("part of a month", "U hebt deze maand 16 dagen bijstand."),
        ("no right", "U hebt deze maand geen bijstand. Uw uitkering is dan naar verwachting € 0,00."),
        ("a month below zero before", "Daarom telt er € 100,00 minder loon mee."),
        ("income beside wage", "Naast uw loon telt er € 110,00 mee."),
        (
            "decided by the municipality",
            "De gemeente houdt € 570,00 in op uw uitkering. Dat heeft de gemeente",
        ),
        ("decided by the municipality", "Uw uitkering is dan € 761,43."),
        (
            "wage to the municipality",
            "Uw werkgever betaalt uw loon over januari 2026 aan de gemeente: € 600,00.",
        ),
        ("wage to the municipality", "een vast bedrag: € 1.331,43."),
        ("estimated", "we rekenen met een schatting"),
        ("for a person to work out", "een medewerker rekent hem zelf uit"),
        ("holiday pay", "U kreeg ook € 768,00 aan ander geld, zoals vakantiegeld."),
        ("slips missing", "er missen nog 3 loonstroken"),
        ("one slip missing", "er mist nog een loonstrook"),
        ("slips missing", "Met wat we nu weten zou er € 718,20 uit uw buffer komen."),
        ("held with nothing to draw", "Met wat we nu weten zou er niets uit uw buffer komen."),
        ("parked", "we kijken nog iets na"),
        ("not registered", "uw aanmelding is nog niet klaar"),
        ("figure of the law missing", "In ons systeem mist nog een bedrag uit de wet."),
        ("figure of the law missing", "Een nul is hier geen bedrag."),
        ("two wages counted at once", "Dat komt door uw loon over januari 2026 en februari 2026."),
        ("short without a draw", "Er gaat deze maand niets uit uw buffer."),
    ],
)
def test_each_situation_says_what_it_is(name: str, words: str) -> None:
    assert words in said(name)


def test_the_wage_that_is_counted_is_named_by_the_month_it_was_earned_in() -> None:
    same_month = run(case(slips_of(JANUARY, FLUCTUATING), rules=SAME_MONTH), LAW)

    assert "uw loon over januari 2026" in explain(ROWS[1], "nl")
    assert "uw loon over februari 2026" in explain(same_month[1], "nl")


def test_a_missing_figure_is_missing_in_this_system_and_no_amount_is_told_in_its_place() -> None:
    dutch, english = said("figure of the law missing"), said("figure of the law missing", "en")

    assert "In ons systeem mist nog een bedrag" in dutch
    assert "0,00" not in dutch
    assert "is missing in our system" in english
    assert "0.00" not in english


@pytest.mark.parametrize("language", ["nl", "en"])
@pytest.mark.parametrize("name", EXPIRED)
def test_an_expired_month_promises_nothing_any_more(name: str, language: Language) -> None:
    text = said_of_expired(name, language)

    over = {"nl": "komt er niets meer uit uw buffer", "en": "Nothing comes from your buffer for this month"}
    assert over[language] in text
    for word in ("rekenen we opnieuw", "calculate again", "Tot dan", "Until then", "komt € ", "adds"):
        assert word not in text
    assert wording_faults(text, language) == ()
    assert "{" not in text


def test_an_expired_month_tells_what_would_have_come_of_it() -> None:
    assert "zou er € 718,20 uit uw buffer zijn gekomen" in said_of_expired("slip never came")


@pytest.mark.parametrize("language", ["nl", "en"])
@pytest.mark.parametrize("name", SITUATIONS)
def test_every_sentence_is_plain_and_holds_no_word_of_decision(name: str, language: Language) -> None:
    text = said(name, language)

    assert wording_faults(text, language) == ()
    for word in ("recht", "besluit", "vordering", "terugbetalen", "entitled", "decision", "repay"):
        assert word not in text.lower()
    assert "{" not in text


@pytest.mark.parametrize(("language", "word"), [("nl", "verwachting"), ("en", "expected")])
def test_what_we_computed_ourselves_is_called_expected(language: Language, word: str) -> None:
    for name in SITUATIONS:
        if name not in ("figure of the law missing", "decided by the municipality"):
            assert word in said(name, language)
    assert word not in said("decided by the municipality", language)


@pytest.mark.parametrize("language", ["nl", "en"])
def test_situations_read_differently(language: Language) -> None:
    texts = [said(name, language) for name in SITUATIONS]

    assert len(set(texts)) == len(texts)
