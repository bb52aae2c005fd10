"""What changes around a person: exempt shares, households, days of right, partners, the municipality's word.

Amounts are worked by hand with the figures of January 2026 (norm 1,401.50 single, 2,002.13 couple).
"""

from datetime import date
from typing import Any

from shared.contracts.events import MonthDeclared, WageSlipPart, WageSlipReported
from shared.money import Cents
from shared.months import Month
from tests.integration.ledger.ledger_office import (
    EMPLOYER,
    MUNICIPALITY,
    LedgerOffice,
    Scheme,
    new_uuid,
    registered,
    slip,
)


async def enrolled(ledger: LedgerOffice, scheme: Scheme, person: str, **members: Any) -> str:
    """The id of a new enrolment from January 2026 on."""
    body = {
        "participantId": person,
        "schemeId": scheme.scheme_id,
        "household": {"kind": "SINGLE"},
        "firstMonth": "2026-01",
        **members,
    }
    return str((await ledger.call("POST", "/enrolments", body, expect=201))["enrolmentId"])


async def somebody(ledger: LedgerOffice, **words: Any) -> str:
    """A registered person."""
    person = new_uuid()
    await ledger.hear(registered(person, **words))
    return person


def four_weeks(person: str, first: str, last: str, paid: str, net: int) -> WageSlipReported:
    return WageSlipReported(
        participant_id=person,
        municipality=MUNICIPALITY,
        wage_slip_id=new_uuid(),
        slip_key=f"{person}-{first}",
        employer_key=EMPLOYER,
        version=1,
        source="SLIP",
        period_from=date.fromisoformat(first),
        period_to=date.fromisoformat(last),
        pay_period="FOUR_WEEKS",
        pay_date=date.fromisoformat(paid),
        parts=(WageSlipPart(kind="WAGE", net_cents=Cents(net)),),
    )


async def test_an_exempt_share_counts_until_its_months_are_used_up_elsewhere_too(
    ledger: LedgerOffice,
) -> None:
    scheme = await ledger.scheme(method="M0")
    person = await somebody(ledger)
    grant = {"kind": "GENERAL", "share": "0.25", "firstMonth": "2026-01", "months": 6, "monthsUsed": 5}
    enrolment = await enrolled(ledger, scheme, person, exemptions=[grant])
    await ledger.hear(slip(person, "2026-01", 80_000), slip(person, "2026-02", 80_000))
    await ledger.close("2026-01")
    await ledger.close("2026-02")

    january, february = await ledger.settled(enrolment)

    assert (january["exemptCents"], january["countedCents"]) == (20_000, 64_800)
    assert january["benefitPaidCents"] == 71_583
    assert any(line["parameter"].endswith("vrijlating_general_share") for line in january["receipt"])
    assert (february["exemptCents"], february["countedCents"]) == (0, 86_400)


async def test_a_household_that_changes_within_a_month_counts_by_days(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme(method="M0")
    person = await somebody(ledger)
    enrolment = await enrolled(ledger, scheme, person)
    for month in ("2026-01", "2026-02", "2026-03"):
        await ledger.close(month)
    told = await ledger.call(
        "POST",
        f"/enrolments/{enrolment}/household-changes",
        {"from": "2026-02-15", "household": {"kind": "COUPLE"}},
        expect=201,
    )

    months = await ledger.settled(enrolment)

    assert [change["from"] for change in told["changes"]] == ["2026-02-15"]
    # half a month at 1,331.43 and half at 1,902.02; 95 % of (1,401.50 + 2,002.13) / 2
    assert [month["floorCents"] for month in months] == [133_143, 161_673, 190_202]
    assert [month["benefitPaidCents"] for month in months] == [133_143, 161_673, 190_202]
    assert [month["revision"] for month in months] == [1, 2, 2]


async def test_only_days_with_right_count_for_norm_wage_and_floor(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme(method="M0")
    person = await somebody(ledger)
    enrolment = await enrolled(ledger, scheme, person)
    await ledger.hear(slip(person, "2026-01", 31_000, paid=date(2026, 1, 25)))
    await ledger.close("2026-01")
    answer = await ledger.call(
        "PUT", f"/enrolments/{enrolment}/benefit-periods", [{"from": "2026-01-16"}], expect=200
    )

    (january,) = await ledger.settled(enrolment)

    assert [period["from"] for period in answer["benefitPeriods"]] == ["2026-01-16"]
    # 16 of 31 days: norm 723.35, floor 687.19; of the wage 160.00 with a claim of 12.80
    assert (january["daysOfRight"], january["floorCents"]) == (16, 68_719)
    assert (january["attributedWageCents"], january["countedCents"]) == (16_000, 17_280)
    assert (january["benefitPaidCents"], january["holidayReserveCents"]) == (52_302, 2_753)


async def test_periods_out_of_order_are_refused_with_their_places(ledger: LedgerOffice) -> None:
    _, enrolment = await ledger.enrolled(await ledger.scheme())
    body = [{"from": "2026-01-01"}, {"from": "2026-03-01", "to": "2026-02-01"}]
    refused = await ledger.call("PUT", f"/enrolments/{enrolment}/benefit-periods", body, expect=400)
    assert {fault["rule"] for fault in refused["errors"]} == {"L005"}
    body = [{"from": "2026-01-01"}, {"from": "2026-03-01"}]
    refused = await ledger.call("PUT", f"/enrolments/{enrolment}/benefit-periods", body, expect=400)
    assert [(fault["rule"], fault["pointer"]) for fault in refused["errors"]] == [("L063", "/1/from")]


async def test_two_earners_have_a_claim_each_and_a_partners_late_slip_settles_again(
    ledger: LedgerOffice,
) -> None:
    scheme = await ledger.scheme(method="M0")
    person, partner = await somebody(ledger), await somebody(ledger)
    household = {"kind": "COUPLE", "partnerParticipantId": partner}
    enrolment = await enrolled(ledger, scheme, person, household=household)
    await ledger.hear(slip(person, "2026-01", 90_000))
    await ledger.close("2026-01")
    (alone,) = await ledger.settled(enrolment)
    await ledger.hear(slip(partner, "2026-01", 90_000))

    (both,) = await ledger.settled(enrolment)

    assert (alone["wageCents"], alone["countedCents"]) == (90_000, 95_123)
    assert (both["wageCents"], both["countedCents"]) == (180_000, 190_246)
    assert both["benefitPaidCents"] == 9_469
    assert both["revision"] == 2


async def test_two_partners_with_a_buffer_each_draw_the_amount_once(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme(method="M0")
    people = [await somebody(ledger), await somebody(ledger)]
    buffers = [
        await enrolled(ledger, scheme, person, household={"kind": "COUPLE", "partnerParticipantId": partner})
        for person, partner in (people, people[::-1])
    ]
    await ledger.hear(slip(people[0], "2026-01", 90_000), slip(people[1], "2026-01", 90_000))
    await ledger.close("2026-01")

    months = [(await ledger.settled(buffer))[0] for buffer in buffers]

    # 1,800.00 and a benefit of 94.69 are 7.33 less than 1,902.02
    assert [month["shortfallCents"] for month in months] == [733, 733]
    assert sorted(month["drawCents"] for month in months) == [0, 733]
    await ledger.hear(slip(people[1], "2026-01", 0, version=2))
    months = [(await ledger.settled(buffer))[0] for buffer in buffers]
    # 900.00 and 998.36 are 3.66 less, which is below the smallest draw
    assert [month["shortfallCents"] for month in months] == [366, 366]
    assert [month["drawCents"] for month in months] == [0, 0]
    await ledger.must_be_sound()


async def test_a_couple_of_which_one_has_no_right_waits_for_a_person(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme()
    person = await somebody(ledger)
    await enrolled(ledger, scheme, person, household={"kind": "COUPLE", "partnerEntitled": False})

    done = await ledger.close("2026-01")

    assert (done["held"], done["heldReasons"]) == (1, {"MANUAL_REVIEW": 1})
    (case,) = (await ledger.call("GET", "/cases"))["items"]
    assert (case["kind"], case["state"], case["participantId"]) == ("PARTNER_NOT_ENTITLED", "OPEN", person)


async def test_a_month_declared_unchanged_settles_with_the_amounts_of_the_month_before(
    ledger: LedgerOffice,
) -> None:
    scheme = await ledger.scheme(method="M0")
    person, enrolment = await ledger.enrolled(scheme, employers=[EMPLOYER])
    await ledger.hear(slip(person, "2026-01", 60_000))
    await ledger.close("2026-01")
    held = await ledger.close("2026-02")
    unchanged = MonthDeclared(
        participant_id=person, municipality=MUNICIPALITY, month=Month(2026, 2), kind="UNCHANGED"
    )
    await ledger.hear(unchanged)

    months = await ledger.settled(enrolment)

    assert (held["held"], held["missing"]) == (1, 1)
    assert [month["wageCents"] for month in months] == [60_000, 60_000]
    assert [month["benefitPaidCents"] for month in months] == [71_583, 71_583]


async def test_four_weekly_pay_is_kept_and_counts_by_the_method_of_the_municipality(
    ledger: LedgerOffice,
) -> None:
    scheme = await ledger.scheme(method="M0")
    person, enrolment = await ledger.enrolled(scheme)
    await ledger.hear(four_weeks(person, "2025-12-29", "2026-01-25", "2026-01-23", 73_846))
    await ledger.close("2026-01")

    (january,) = await ledger.settled(enrolment)

    assert january["fourWeekMethod"] == "X13_12"
    assert (january["wageCents"], january["attributedWageCents"]) == (73_846, 80_000)
    assert (january["cashCents"], january["drawCents"]) == (124_909, 8_234)


async def test_the_municipalitys_own_decision_wins_and_a_difference_opens_a_case(
    ledger: LedgerOffice,
) -> None:
    scheme = await ledger.scheme(method="M0")
    person, enrolment = await ledger.enrolled(scheme)
    await ledger.hear(slip(person, "2026-01", 60_000))
    await ledger.close("2026-01")
    statement = {
        "participantId": person,
        "month": "2026-01",
        "countedCents": 60_000,
        "benefitPaidCents": 76_143,
        "decidedOn": "2026-02-10",
    }
    ledger.at("2026-02-10")
    answer = await ledger.call("POST", "/offset-statements", statement, expect=201)

    (january,) = await ledger.settled(enrolment)
    (case,) = (await ledger.call("GET", "/cases", params={"state": "OPEN"}))["items"]

    assert (january["countedCents"], january["benefitPaidCents"]) == (60_000, 76_143)
    assert (january["official"], january["revision"]) == (True, 2)
    assert case["caseId"] == answer["caseId"]
    assert case["details"]["expectedBenefitPaidCents"] == 71_583
    assert (case["details"]["overpaidCents"], case["flags"]) == (4_560, [])
    ledger.at("2026-06-01")
    assert await _flags(ledger) == ["SIX_MONTHS_NEAR"]
    ledger.at("2026-12-01")
    assert await _flags(ledger) == ["SIX_MONTHS_PAST", "GROSS_UP_NEAR"]
    official = ledger.client("official")
    resolved = await ledger.call(
        "POST", f"/cases/{case['caseId']}/_resolve", {"resolution": "decision stands"}, office=official
    )
    assert (resolved["state"], resolved["resolution"], resolved["flags"]) == (
        "RESOLVED",
        "decision stands",
        [],
    )
    await ledger.call("POST", f"/cases/{case['caseId']}/_resolve", {"resolution": "again"}, expect=409)
    # the same figures do not open it again, others do
    await ledger.call("POST", "/offset-statements", statement, expect=201)
    assert (await ledger.call("GET", "/cases", params={"state": "OPEN"}))["items"] == []
    again = await ledger.call("POST", "/offset-statements", {**statement, "countedCents": 50_000}, expect=201)
    assert again["caseId"] is not None


async def test_a_decision_within_the_tolerance_opens_no_case(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme(method="M0")
    person, _ = await ledger.enrolled(scheme)
    await ledger.hear(slip(person, "2026-01", 60_000))
    statement = {
        "participantId": person,
        "month": "2026-01",
        "countedCents": 64_900,
        "benefitPaidCents": 71_500,
        "decidedOn": "2026-02-10",
    }
    ledger.at("2026-02-10")
    answer = await ledger.call("POST", "/offset-statements", statement, expect=201)
    assert answer.get("caseId") is None
    stranger = await ledger.call(
        "POST", "/offset-statements", {**statement, "participantId": new_uuid()}, expect=404
    )
    assert stranger["status"] == 404


async def test_the_latest_decision_of_a_month_counts_in_whatever_order_they_are_told(
    ledger: LedgerOffice,
) -> None:
    scheme = await ledger.scheme(method="M0")
    person, enrolment = await ledger.enrolled(scheme)
    await ledger.hear(slip(person, "2026-01", 60_000))
    await ledger.close("2026-01")
    ledger.at("2026-05-20")
    for day, counted in (("2026-05-19", 30_000), ("2026-03-01", 10_000), ("2026-05-19", 40_000)):
        statement = {
            "participantId": person,
            "month": "2026-01",
            "countedCents": counted,
            "benefitPaidCents": 71_500,
            "decidedOn": day,
        }
        await ledger.call("POST", "/offset-statements", statement, expect=201)
        (january,) = await ledger.settled(enrolment)
        assert january["countedCents"] == (40_000 if counted == 40_000 else 30_000)


async def test_a_decision_to_come_and_an_amount_beyond_any_benefit_are_refused(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme(method="M0")
    person, _ = await ledger.enrolled(scheme)
    ledger.at("2026-02-10")
    statement = {
        "participantId": person,
        "month": "2026-01",
        "countedCents": 10_000_001,
        "benefitPaidCents": 10**11,
        "decidedOn": "2026-02-11",
    }
    refused = await ledger.call("POST", "/offset-statements", statement, expect=400)
    assert [(fault["rule"], fault["pointer"]) for fault in refused["errors"]] == [
        ("L066", "/countedCents"),
        ("L066", "/benefitPaidCents"),
    ]
    within = {**statement, "countedCents": 0, "benefitPaidCents": 133_143}
    refused = await ledger.call("POST", "/offset-statements", within, expect=400)
    assert [(fault["rule"], fault["pointer"]) for fault in refused["errors"]] == [("L065", "/decidedOn")]


async def _flags(ledger: LedgerOffice) -> list[str]:
    (case,) = (await ledger.call("GET", "/cases"))["items"]
    flags: list[str] = case["flags"]
    return flags
