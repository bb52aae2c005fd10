"""What a slip says, what is refused and what counts: pure rules, a test at least for each published rule."""

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from income_intake import slips
from income_intake.batch_lines import LINE_BYTES_MAX, read_line
from income_intake.http import DeclarationRequest, ParticipantRequest
from income_intake.net_wage import Line, LineKind, Part, countable_parts, explain
from income_intake.slip_form import SlipForm, read_slip
from income_intake.versions import Known, Rank, Status, decide, version_fault
from shared.contracts.events import PayPeriod
from shared.errors import Invalid
from shared.money import Cents
from shared.months import Month
from shared.requests import parse_request

TODAY = date(2026, 4, 2)
PERSON = "6791f87b-ee84-404f-aa9d-6cd56e66c8e5"
BSN = "123456782"
SLIP: Mapping[str, Any] = {
    "participantId": PERSON,
    "source": "SLIP",
    "employerName": "Thuiszorg Voorbeeld B.V.",
    "periodFrom": "2026-03-01",
    "periodTo": "2026-03-31",
    "netCents": 60_000,
}


def faults(raw: Mapping[str, Any], *without: str) -> set[tuple[str, str]]:
    """Rule and pointer of every fault of a slip."""
    try:
        read_slip({name: value for name, value in raw.items() if name not in without}, TODAY)
    except Invalid as invalid:
        return {(fault.rule, fault.pointer) for fault in invalid.faults}
    return set()


def line(kind: LineKind, amount_cents: int) -> Line:
    return Line(kind, Cents(amount_cents))


def lines(**amounts: int) -> list[dict[str, Any]]:
    return [{"kind": kind, "label": kind.lower(), "amountCents": cents} for kind, cents in amounts.items()]


# ---- faults


def test_a_plain_slip_has_no_faults() -> None:
    assert faults(SLIP) == set()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"periodTo": "2026-02-28"}, ("W001", "/periodTo")),
        ({"payDate": "2025-12-28"}, ("W002", "/payDate")),
        ({"payDate": "2027-04-02"}, ("W002", "/payDate")),
        ({"periodFrom": "2027-04-04", "periodTo": "2027-04-30"}, ("W003", "/periodFrom")),
        ({"periodFrom": "2016-03-31", "periodTo": "2016-03-31"}, ("W004", "/periodFrom")),
        ({"lines": lines(WAGE=1)}, ("W005", "/netCents")),
        ({"netCents": None}, ("W005", "/netCents")),
        ({"source": "ESTIMATE"}, ("W006", "/consentId")),
        ({"netCents": 5_000_001}, ("W007", "/netCents")),
        ({"netCents": -5_000_001}, ("W007", "/netCents")),
        ({"netCents": None, "lines": lines(WAGE=5_000_001)}, ("W007", "/lines")),
        ({"grossCents": 10_000_001}, ("W008", "/grossCents")),
        ({"netCents": None, "lines": lines(WAGE=100, TAX=1)}, ("W009", "/lines")),
        ({"netCents": None, "lines": lines(WAGE=100, ADVANCE=1)}, ("W009", "/lines")),
        ({"participantId": None}, ("W012", "")),
        ({"bsn": BSN, "municipality": "0344"}, ("W012", "")),
        ({"participantId": None, "bsn": BSN}, ("W012", "/municipality")),
        ({"participantId": None, "municipality": "0344", "bsn": "123456789"}, ("W013", "/bsn")),
        ({"participantId": None, "municipality": "0344", "bsn": "000000000"}, ("W013", "/bsn")),
        (
            {"participantId": None, "municipality": "0344", "externalReference": BSN},
            ("W014", "/externalReference"),
        ),
        ({"employerName": "Zorg\tNoord"}, ("W015", "/employerName")),
        ({"employerName": "Zorg\u202eNoord"}, ("W015", "/employerName")),
        ({"employerName": "--"}, ("W015", "/employerName")),
        ({"employerNumber": "..."}, ("W015", "/employerNumber")),
        ({"hours": "744.01"}, ("W016", "/hours")),
        ({"periodFrom": "2026-02-24", "periodTo": "2026-03-31"}, ("W028", "/periodTo")),
        ({"netCents": 600.5}, ("G003", "/netCents")),
        ({"netCents": "60000"}, ("G003", "/netCents")),
        ({"netCents": True}, ("G003", "/netCents")),
        ({"slipNumber": 0}, ("G004", "/slipNumber")),
        ({"version": 0}, ("G004", "/version")),
        ({"employerName": "   "}, ("G004", "/employerName")),
        ({"employerName": "a" * 201}, ("G004", "/employerName")),
        ({"periodFrom": "0001-01-01", "payDate": "2026-03-31"}, ("G004", "/periodFrom")),
        ({"periodTo": "9999-12-31", "payDate": "2026-03-31"}, ("G004", "/periodTo")),
        ({"periodFrom": 1_772_323_200}, ("G005", "/periodFrom")),
        ({"periodFrom": "2026-03-01T00:00:00Z"}, ("G005", "/periodFrom")),
        ({"payDate": "31-03-2026"}, ("G005", "/payDate")),
        ({"taxCreditApplied": "yes"}, ("G003", "/taxCreditApplied")),
        ({"hours": "86,5"}, ("G005", "/hours")),
        ({"wage": 1}, ("G002", "/wage")),
    ],
)
def test_what_cannot_be_is_refused_where_it_stands(change: dict[str, Any], expected: tuple[str, str]) -> None:
    assert expected in faults({**SLIP, **change})


@pytest.mark.parametrize(
    "change",
    [
        {"payDate": "2025-12-29"},
        {"payDate": "2027-04-01"},
        {"periodFrom": "2027-04-03", "periodTo": "2027-04-30"},
        {"periodFrom": "2016-04-01", "periodTo": "2016-04-30"},
        {"netCents": 5_000_000, "grossCents": 10_000_000},
        {"netCents": -12_345},
        {"netCents": 0},
        {"hours": "744"},
        {"hours": 86.5},
        {"periodFrom": "2026-02-01", "periodTo": "2026-02-28"},
        {"periodFrom": "2026-03-04"},
        {"periodTo": "2026-03-28"},
        {"periodTo": "2026-03-07"},
        {"periodFrom": "2026-03-25"},
        {"periodFrom": "2026-03-18"},
        {"periodFrom": "2026-03-02", "periodTo": "2026-03-09"},
        {"periodFrom": "2026-03-02", "periodTo": "2026-03-22"},
        {"employerName": " " + "a" * 200 + " "},
        {"employerNumber": "123456789L01"},
        {"netCents": None, "lines": lines(WAGE=-500, TAX=-1)},
        {"participantId": None, "municipality": "0344", "bsn": BSN},
        {"participantId": None, "municipality": "0344", "externalReference": "inwoner 12-b"},
    ],
)
def test_what_is_rare_but_possible_is_taken(change: dict[str, Any]) -> None:
    assert faults({**SLIP, **change}) == set()


def test_one_answer_names_faults_of_shape_between_members_and_of_the_day() -> None:
    raw = {
        **SLIP,
        "netCents": 1.5,
        "lines": lines(WAGE=1),
        "periodFrom": "2031-01-01",
        "bsn": "1",
        "extra": 1,
        "employerName": None,
    }
    assert faults(raw) == {
        ("G003", "/netCents"),
        ("G003", "/employerName"),
        ("G002", "/extra"),
        ("W001", "/periodTo"),
        ("W003", "/periodFrom"),
        ("W005", "/netCents"),
        ("W012", ""),
        ("W013", "/bsn"),
    }


def test_a_member_that_did_not_parse_is_not_called_missing() -> None:
    assert faults({**SLIP, "netCents": "x"}) == {("G003", "/netCents")}
    assert faults({**SLIP, "participantId": "nobody"}) == {("G005", "/participantId")}


def test_faults_of_one_line_do_not_hide_those_of_the_others() -> None:
    sent = [*lines(BONUS=1, TAX=5), {"kind": "WAGE"}, {"kind": "BONUS", "amountCents": "1"}, 7]
    assert faults({**SLIP, "netCents": None, "lines": sent}) == {
        ("W009", "/lines"),
        ("G001", "/lines/2/amountCents"),
        ("G003", "/lines/3/amountCents"),
        ("G003", "/lines/4"),
    }


def test_the_net_wage_of_lines_is_not_judged_while_one_of_them_is_at_fault() -> None:
    sent = [*lines(WAGE=6_000_000), {"kind": "TAX", "amountCents": "-2000000"}]
    assert faults({**SLIP, "netCents": None, "lines": sent}) == {("G003", "/lines/1/amountCents")}


@pytest.mark.parametrize(
    "raw",
    [
        7,
        "text",
        {**SLIP, "periodFrom": "1899-12-31", "periodTo": "3000-01-01"},
        {**SLIP, "lines": [7, None], "netCents": None},
        {**SLIP, "lines": 7, "version": "1", "hours": [], "source": 1, "consentId": 3, "slipNumber": 1.5},
        dict.fromkeys(SlipForm.model_fields),
    ],
)
def test_the_words_of_a_fault_are_those_of_json_and_not_of_a_programming_language(raw: Any) -> None:
    with pytest.raises(Invalid) as caught:
        read_slip(raw, TODAY)
    words = " ".join(fault.detail for fault in caught.value.faults)
    assert re.search(r"datetime|SlipForm|SlipLine|instance|dictionary|\bdict\b|None\b|[(]", words) is None, (
        words
    )


@pytest.mark.parametrize(
    ("first", "last", "registered", "period"),
    [
        ("2026-02-01", "2026-02-28", None, "MONTH"),
        ("2026-02-01", "2026-02-28", "MONTH", "MONTH"),
        ("2026-02-01", "2026-02-28", "FOUR_WEEKS", "FOUR_WEEKS"),
        ("2025-12-29", "2026-01-25", None, "FOUR_WEEKS"),
        ("2026-03-02", "2026-03-29", None, "FOUR_WEEKS"),
        ("2026-11-30", "2027-01-03", "FOUR_WEEKS", "FOUR_WEEKS"),
        ("2026-03-01", "2026-03-28", None, "MONTH"),
        ("2026-03-01", "2026-03-28", "FOUR_WEEKS", "FOUR_WEEKS"),
        ("2026-03-01", "2026-03-31", "FOUR_WEEKS", "MONTH"),
        ("2026-02-15", "2026-03-14", "MONTH", "MONTH"),
        ("2026-02-15", "2026-03-14", "FOUR_WEEKS", "FOUR_WEEKS"),
        ("2026-03-30", "2026-04-05", None, "WEEK"),
        ("2026-03-02", "2026-03-15", None, "WEEK"),
        ("2026-06-01", "2026-06-07", None, "MONTH"),
        ("2026-06-01", "2026-06-07", "WEEK", "WEEK"),
        ("2026-06-03", "2026-06-07", "WEEK", "WEEK"),
        ("2026-06-12", "2026-07-11", None, "MONTH"),
    ],
)
def test_the_pay_period_follows_from_its_length_and_the_registered_job(
    first: str, last: str, registered: PayPeriod | None, period: str
) -> None:
    days = (date.fromisoformat(first), date.fromisoformat(last))
    assert slips.pay_period_of(*days, registered) == period


def test_an_estimate_with_the_same_amount_is_not_the_same_as_a_slip() -> None:
    slip = read_slip(SLIP, TODAY).slip()
    estimate = read_slip({**SLIP, "source": "ESTIMATE", "consentId": PERSON}, TODAY).slip()
    assert slip.content() != estimate.content()
    assert slip.identity(PERSON) == estimate.identity(PERSON)


def test_a_fault_never_repeats_what_was_sent() -> None:
    with pytest.raises(Invalid) as caught:
        read_slip({**SLIP, "participantId": None, "municipality": "0344", "bsn": "123456789"}, TODAY)
    assert "123456789" not in str(caught.value)


@pytest.mark.parametrize(
    ("sent", "rule"),
    [
        (b"", "W020"),
        (b"  \r", "W020"),
        (b"{", "W021"),
        (b"[]", "W021"),
        (b"NaN", "W021"),
        (b'{"netCents": 1, "netCents": 2}', "G007"),
        (b'{"employerName": "\xe9"}', "W022"),
        (b'\xef\xbb\xbf{"source": "SLIP"}', "W023"),
        (b"[" * (LINE_BYTES_MAX + 1), "W024"),
        (b"[" * 1000, "G009"),
        (b'{"employerName": "\\ud800"}', "G010"),
        (b'{"\\ud800": 1, "\\ud800": 2}', "G007"),
    ],
)
def test_a_broken_line_is_refused_with_its_rule(sent: bytes, rule: str) -> None:
    read = read_line(sent, TODAY)
    assert not isinstance(read, SlipForm)
    assert [fault.rule for fault in read] == [rule]


def test_a_person_is_registered_by_number_or_reference_and_jobs_by_month_or_weeks() -> None:
    with pytest.raises(Invalid) as caught:
        parse_request(
            ParticipantRequest,
            {
                "municipality": "0344",
                "employments": [
                    {"employerName": "Zorg B.V.", "payPeriod": "MONTH"},
                    {"employerName": "Horeca", "payPeriod": "WEEK"},
                ],
            },
        )
    assert {(fault.rule, fault.pointer) for fault in caught.value.faults} == {("W012", "")}


def test_the_same_employer_listed_twice_is_refused() -> None:
    jobs = [{"employerName": name, "payPeriod": "MONTH"} for name in ("Zorg B.V.", " zorg  bv")]
    with pytest.raises(Invalid) as caught:
        parse_request(
            ParticipantRequest, {"municipality": "0344", "externalReference": "p1", "employments": jobs}
        )
    assert [(fault.rule, fault.pointer) for fault in caught.value.faults] == [("W025", "/employments/1")]


def test_an_employer_listed_twice_is_told_beside_a_job_that_cannot_be_read() -> None:
    jobs: list[Any] = [
        7,
        {"employerName": "Zorg B.V.", "payPeriod": "MONTH"},
        {"employerName": "Horeca"},
        {"employerName": "zorg bv", "payPeriod": "MONTH"},
    ]
    with pytest.raises(Invalid) as caught:
        parse_request(
            ParticipantRequest, {"municipality": "0344", "externalReference": "p1", "employments": jobs}
        )
    assert {(fault.rule, fault.pointer) for fault in caught.value.faults} == {
        ("G003", "/employments/0"),
        ("G001", "/employments/2/payPeriod"),
        ("W025", "/employments/3"),
    }


def test_a_month_is_declared_without_work_or_without_change() -> None:
    for kind in ("ZERO", "UNCHANGED"):
        body = {"participantId": PERSON, "month": "2026-03", "kind": kind}
        assert parse_request(DeclarationRequest, body).kind == kind


def test_a_month_is_declared_near_the_day_it_is_declared() -> None:
    now = Month(2026, 4)
    assert slips.month_faults(now.plus(12), now) == []
    assert [fault.rule for fault in slips.month_faults(now.plus(13), now)] == ["W027"]
    assert [fault.rule for fault in slips.month_faults(now.plus(-121), now)] == ["W027"]


def test_every_published_rule_is_named_by_a_test() -> None:
    with open(__file__, encoding="utf-8") as own:
        named = set(re.findall(r"W\d{3}", own.read()))
    elsewhere = {"W011", "W017", "W026"}  # these need a database: test_intake_http and test_intake_batches
    assert set(slips.RULES) - elsewhere <= named


# ---- net wage


def test_tax_and_pension_come_off_and_allowances_and_debts_do_not_count() -> None:
    slip_lines = [
        line("WAGE", 100_000),
        line("TAX", -8_000),
        line("PENSION", -2_000),
        line("ALLOWANCE", 4_200),
        line("DEDUCTION", -1_000),
        line("SEIZURE", -9_000),
        line("ADVANCE", -5_000),
    ]
    assert countable_parts(slip_lines) == (Part("WAGE", Cents(90_000)),)


def test_holiday_pay_carries_its_share_of_tax_half_up() -> None:
    slip_lines = [line("WAGE", 1_000), line("HOLIDAY_PAY", 1_000), line("TAX", -5)]
    # 5 x 1000 / 2000 = 2.5 rounds to 3 for holiday pay, the other 2 stay with the wage.
    assert countable_parts(slip_lines) == (Part("WAGE", Cents(998)), Part("HOLIDAY_PAY", Cents(997)))


def test_a_wage_below_nil_leaves_the_tax_with_the_holiday_pay() -> None:
    slip_lines = [line("WAGE", -1_000), line("HOLIDAY_PAY", 3_000), line("TAX", -500)]
    assert countable_parts(slip_lines) == (Part("WAGE", Cents(-1_000)), Part("HOLIDAY_PAY", Cents(2_500)))


def test_a_slip_with_holiday_pay_alone_has_one_part() -> None:
    assert countable_parts([line("HOLIDAY_PAY", 3_000), line("TAX", -500)]) == (
        Part("HOLIDAY_PAY", Cents(2_500)),
    )


def test_a_slip_with_allowances_alone_counts_as_no_wage() -> None:
    assert countable_parts([line("ALLOWANCE", 3_000)]) == (Part("WAGE", Cents(0)),)


def test_the_explanation_names_every_amount() -> None:
    told = explain([line("WAGE", 100_000), line("TAX", -1_000), line("SEIZURE", -9_000)], "en")
    assert told == (
        "This counts: wage €1,000.00, tax and premiums -€10.00. This does not count: seizure -€90.00. "
        "Net wage that counts: €990.00."
    )
    assert "beslag" in explain([line("SEIZURE", -9_000)], "nl")


# ---- identity and content


def slip(**change: Any) -> slips.Slip:
    return read_slip({**SLIP, **change}, TODAY).slip()


def test_spelling_does_not_make_another_employer() -> None:
    identity = slip().identity(PERSON)
    for name in ("THUISZORG  Voorbeeld BV", " thuiszorg voorbeeld b.v. ", "Thuiszorg\u00a0Voorbeeld B.V."):
        assert slip(employerName=name).identity(PERSON) == identity


def test_with_a_number_the_name_does_not_matter() -> None:
    one = slip(employerNumber="123456789L01")
    assert slip(employerNumber="123456789 l01", employerName="Other").identity(PERSON) == one.identity(PERSON)
    assert slip(employerNumber="123456789L02").identity(PERSON) != one.identity(PERSON)


def test_person_period_and_slip_number_make_another_slip() -> None:
    one = slip()
    assert one.identity("other") != one.identity(PERSON)
    assert slip(slipNumber=2).identity(PERSON) != one.identity(PERSON)
    assert slip(periodTo="2026-03-30").identity(PERSON) != one.identity(PERSON)


def test_where_a_slip_came_from_and_the_order_of_lines_are_no_content() -> None:
    assert slip(source="EMPLOYER_FEED").content() == slip().content()
    ordered = slip(netCents=None, lines=lines(WAGE=9, TAX=-1))
    assert slip(netCents=None, lines=lines(TAX=-1, WAGE=9)).content() == ordered.content()


@pytest.mark.parametrize(
    "change",
    [
        {"netCents": 60_001},
        {"payDate": "2026-04-01"},
        {"grossCents": 70_000},
        {"hours": "10"},
        {"taxCreditApplied": False},
    ],
)
def test_what_a_correction_changes_is_content(change: dict[str, Any]) -> None:
    assert slip(**change).content() != slip().content()


def test_the_default_pay_date_is_the_last_day_of_the_month_and_no_other_content() -> None:
    assert slip(periodTo="2026-03-15").pay_date == date(2026, 3, 31)
    assert slip(payDate="2026-03-31").content() == slip().content()


def test_hours_are_the_same_however_written() -> None:
    assert slip(hours="86.50").content() == slip(hours=86.5).content() == slip(hours="86.5").content()
    assert slip(hours="100").hours == Decimal(100)


@pytest.mark.parametrize("bsn", ["123456782", "111222333", "010464554"])
def test_numbers_that_pass_the_11_test_are_bsns(bsn: str) -> None:
    assert slips.is_bsn(bsn)


@pytest.mark.parametrize(
    "reference", [BSN, "123.456.782", "123 456 782", "BSN123456782", "10464554", "１２３４５６７８２"]
)
def test_a_bsn_in_disguise_is_seen(reference: str) -> None:
    assert slips.may_be_bsn(reference)


@pytest.mark.parametrize("reference", ["inwoner-1", "123456789", "U123456782", "1234567820"])
def test_an_ordinary_reference_is_no_bsn(reference: str) -> None:
    assert not slips.may_be_bsn(reference)


# ---- versions


def given(version: int, content: str, told: int | None) -> Known:
    """A version that the sender numbered."""
    return Known(f"id-{version}", Rank(version, 0), told, content)


ONE, TWO, FIVE = given(1, "a", 1), given(2, "b", 2), given(5, "c", 3)
UNNUMBERED = Known("id-0", Rank(0, 1), 1, "a")


def test_the_first_of_a_slip_is_accepted_and_told_as_the_first() -> None:
    for version, rank in ((None, Rank(0, 1)), (7, Rank(7, 0))):
        first = decide([], version, "a")
        assert (first.status, first.rank, first.told) == (Status.ACCEPTED, rank, 1)


def test_without_version_known_content_repeats_and_other_content_corrects() -> None:
    again = decide([ONE, TWO], None, "b")
    assert (again.status, again.same, again.superseded_by) == (Status.DUPLICATE, TWO, None)
    corrected = decide([ONE, TWO], None, "x")
    assert (corrected.status, corrected.rank, corrected.supersedes) == (Status.CORRECTION, Rank(2, 3), TWO)
    assert corrected.told == 3


def test_a_repetition_of_an_old_version_says_what_counts_now() -> None:
    again = decide([ONE, TWO], None, "a")
    assert (again.status, again.same, again.superseded_by, again.counts) == (
        Status.DUPLICATE,
        ONE,
        TWO,
        False,
    )


def test_a_lower_version_that_comes_late_is_recorded_and_does_not_count() -> None:
    late = decide([ONE, FIVE], 3, "x")
    assert (late.status, late.rank, late.superseded_by, late.counts) == (
        Status.CORRECTION,
        Rank(3, 0),
        FIVE,
        False,
    )


def test_a_version_keeps_its_content() -> None:
    assert decide([ONE, TWO], 2, "b").status is Status.DUPLICATE
    refused = decide([ONE, TWO], 2, "x")
    assert refused.status is Status.REFUSED
    assert version_fault(2).rule == "W010"


def test_the_senders_next_version_beats_what_came_without_one_after_the_last() -> None:
    unnumbered = Known("id-x", Rank(5, 4), 4, "x")
    next_one = decide([ONE, TWO, FIVE, unnumbered], 6, "y")
    assert (next_one.status, next_one.rank, next_one.supersedes, next_one.told) == (
        Status.CORRECTION,
        Rank(6, 0),
        unnumbered,
        5,
    )
    late = decide([ONE, TWO, FIVE, unnumbered], 4, "y")
    assert (late.status, late.superseded_by, late.told) == (Status.CORRECTION, unnumbered, None)


def test_a_first_version_after_one_without_is_a_correction_and_not_refused() -> None:
    first = decide([UNNUMBERED], 1, "b")
    assert (first.status, first.supersedes, first.counts) == (Status.CORRECTION, UNNUMBERED, True)
