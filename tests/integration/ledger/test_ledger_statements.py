"""What the books say, and what they said at an earlier instant: both axes of time, on both databases."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select

from buffer_ledger.bookkeeping import Account
from buffer_ledger.tables import LEDGER_TRANSACTION, SETTLED_MONTH, TRANSFER
from buffer_ledger.transfers import balances_as_of
from tests.integration.ledger.ledger_office import MUNICIPALITY, OTHER, LedgerOffice, slip
from tests.integration.toy.edge import problem

JANUARY_AND_FEBRUARY = ("2026-01", "2026-02")


async def _lived(ledger: LedgerOffice) -> tuple[str, str]:
    """A person whose February was closed on 1 March and corrected on the 20th."""
    person, enrolment = await ledger.enrolled(await ledger.scheme())
    await ledger.hear(slip(person, "2026-01", 70_000), slip(person, "2026-02", 25_000))
    for month in JANUARY_AND_FEBRUARY:
        await ledger.close(month)
    ledger.at("2026-03-20")
    await ledger.hear(slip(person, "2026-02", 30_000, version=2))
    ledger.at("2026-04-10")
    return person, enrolment


def _amounts(statement: dict[str, Any]) -> tuple[int, int, list[tuple[str, int, int]]]:
    months = [(month["month"], month["drawCents"], month["revision"]) for month in statement["months"]]
    return statement["drawnCents"], statement["balanceCents"], months


async def test_a_statement_as_of_an_instant_says_what_was_recorded_by_then(ledger: LedgerOffice) -> None:
    _, enrolment = await _lived(ledger)
    told = {
        instant: _amounts(await ledger.statement(enrolment, asOf=instant))
        for instant in (
            "2026-01-31T12:00:00Z",
            "2026-02-15T12:00:00Z",
            "2026-03-10T12:00:00Z",
            "2026-04-01T00:00:00Z",
        )
    }
    assert list(told.values()) == [
        (0, 100_000, []),
        (0, 100_000, [("2026-01", 0, 1)]),
        (46_820, 53_180, [("2026-01", 0, 1), ("2026-02", 46_820, 1)]),
        (41_820, 58_180, [("2026-01", 0, 1), ("2026-02", 41_820, 2)]),
    ]


async def test_what_was_held_for_a_proposal_was_not_free_then(ledger: LedgerOffice) -> None:
    policy = {"drawAmount": "REPLACE", "capCents": 100_000, "approval": "FOUR_EYES"}
    person, enrolment = await ledger.enrolled(await ledger.scheme(policy=policy, method="M0"))
    await ledger.hear(slip(person, "2026-01", 60_000))
    await ledger.close("2026-01")
    (proposal,) = (await ledger.call("GET", "/draw-proposals"))["items"]
    ledger.at("2026-02-10")
    path = f"/draw-proposals/{proposal['proposalId']}/_reject"
    await ledger.call("POST", path, {"reason": "He stopped working."}, office=ledger.client("official"))
    ledger.at("2026-03-01")
    told = [
        _amounts(await ledger.statement(enrolment, asOf=instant, to="2026-01"))[:2]
        for instant in ("2026-01-31T00:00:00Z", "2026-02-05T00:00:00Z", "2026-02-11T00:00:00Z")
    ]
    assert told == [(0, 100_000), (0, 100_000 - proposal["amountCents"]), (0, 100_000)]


async def test_both_axes_can_be_asked_together(ledger: LedgerOffice) -> None:
    """By effective month `to`, by recorded time `asOf`: the balance after February as it was known in
    March."""
    person, enrolment = await ledger.enrolled(await ledger.scheme(method="M0"))
    for month, wage in (("2026-01", 70_000), ("2026-02", 25_000), ("2026-03", 60_000)):
        await ledger.hear(slip(person, month, wage))
        await ledger.close(month)
    ledger.at("2026-05-01")
    await ledger.hear(slip(person, "2026-01", 10_000, version=2))
    now = (await ledger.statement(enrolment, to="2026-02"))["months"]
    then = (await ledger.statement(enrolment, to="2026-02", asOf="2026-03-15T00:00:00Z"))["months"]
    assert [month["month"] for month in then] == list(JANUARY_AND_FEBRUARY)
    assert now[0]["drawCents"] != then[0]["drawCents"]
    for months in (now, then):
        used = 0
        for month in months:
            used += month["drawCents"]
            assert month["balanceCents"] == 100_000 - used
    assert all(month["recordedAt"] <= "2026-03-15" for month in then)


async def test_the_first_instant_of_a_record_has_it_and_the_one_before_has_not(ledger: LedgerOffice) -> None:
    _, enrolment = await _lived(ledger)
    (*_, last) = (await ledger.statement(enrolment, asOf="2026-04-01T00:00:00Z"))["months"]
    recorded = datetime.fromisoformat(last["recordedAt"])
    before = (recorded - timedelta(microseconds=1)).isoformat().replace("+00:00", "Z")
    assert _amounts(await ledger.statement(enrolment, asOf=last["recordedAt"]))[0] == 41_820
    assert _amounts(await ledger.statement(enrolment, asOf=before))[0] == 46_820


SAME_INSTANTS = (
    ("2026-03-01T10:00:00+01:00", "2026-03-01T09:00:00Z"),
    ("2026-03-29T11:00:00+02:00", "2026-03-29T09:00:00Z"),
    ("2026-03-01T00:00:00+01:00", "2026-02-28T23:00:00Z"),
    ("2026-02-28T23:59:59.999999-01:00", "2026-03-01T00:59:59.999999Z"),
)


async def test_an_instant_means_the_same_in_every_zone_also_over_the_end_of_a_month(
    ledger: LedgerOffice,
) -> None:
    _, enrolment = await _lived(ledger)
    for amsterdam, utc in SAME_INSTANTS:
        here, there = [await ledger.statement(enrolment, asOf=instant) for instant in (amsterdam, utc)]
        assert here == there
        assert datetime.fromisoformat(here["asOf"]) == datetime.fromisoformat(utc)


NO_INSTANTS = {
    "2026-03-01": "G005",
    "2026-03-01T10:00:00": "G005",
    "2026-03-01T10:00:00 01:00": "G005",
    "1772355600": "G005",
    "2026-02-30T10:00:00Z": "G005",
    "0001-01-01T00:00:00+14:00": "G005",
    "2026-04-10T09:00:01Z": "L030",
}


async def test_an_instant_without_zone_that_never_is_or_that_lies_ahead_is_refused(
    ledger: LedgerOffice,
) -> None:
    _, enrolment = await _lived(ledger)
    for instant, rule in NO_INSTANTS.items():
        for what in ("statement", "transfers"):
            answer = await ledger.clients[0].get(f"/enrolments/{enrolment}/{what}", params={"asOf": instant})
            refused = problem(answer, 400)
            assert [(fault["rule"], fault["pointer"]) for fault in refused["errors"]] == [(rule, "/asOf")]


async def test_before_it_was_recorded_there_was_no_enrolment(ledger: LedgerOffice) -> None:
    _, enrolment = await _lived(ledger)
    path = f"/enrolments/{enrolment}/statement"
    answer = await ledger.client().get(path, params={"asOf": "2025-12-15T08:59:59Z"})
    assert "2025-12-15T09:00:00" in problem(answer, 404)["detail"]
    assert _amounts(await ledger.statement(enrolment, asOf="2025-12-15T09:00:00Z")) == (0, 100_000, [])


async def test_transfers_show_version_and_balance_after_each(ledger: LedgerOffice) -> None:
    _, enrolment = await _lived(ledger)
    shown = (await ledger.call("GET", f"/enrolments/{enrolment}/transfers"))["items"]
    told = [(t["version"], t["kind"], t["changeCents"], t["balanceAfterCents"]) for t in shown]
    assert told == [
        (1, "COMMITMENT", 100_000, 100_000),
        (2, "DRAW", -46_820, 53_180),
        (3, "REVERSAL", 46_820, 100_000),
        (4, "DRAW", -41_820, 58_180),
    ]
    assert shown[2]["reverses"] == shown[1]["transactionId"]
    assert [t["effectiveMonth"] for t in shown] == ["2026-01", "2026-02", "2026-02", "2026-02"]
    assert [t["recordedAt"][:10] for t in shown] == ["2025-12-15", "2026-03-01", "2026-03-20", "2026-03-20"]
    path = f"/enrolments/{enrolment}/transfers"
    then = (await ledger.call("GET", path, params={"asOf": "2026-03-10T00:00:00Z"}))["items"]
    assert then == shown[:2]
    paged, cursor = [], ""
    while True:
        page = await ledger.call("GET", path, params={"limit": "3", "cursor": cursor})
        paged += page["items"]
        if (cursor := page.get("nextCursor", "")) == "":
            break
    assert paged == shown


async def test_another_municipality_gets_neither(ledger: LedgerOffice) -> None:
    _, enrolment = await _lived(ledger)
    for what in ("statement?asOf=2026-03-10T00:00:00Z", "transfers"):
        answer = await ledger.client(municipality=OTHER).get(f"/enrolments/{enrolment}/{what}")
        problem(answer, 404)
        assert MUNICIPALITY not in answer.text


async def test_what_builds_on_a_record_is_never_recorded_before_it(ledger: LedgerOffice) -> None:
    """A transaction that began early and got its locks late, or whose machine's clock is behind."""
    person, enrolment = await ledger.enrolled(await ledger.scheme())
    await ledger.hear(slip(person, "2026-01", 70_000), slip(person, "2026-02", 25_000))
    for month in JANUARY_AND_FEBRUARY:
        await ledger.close(month)
    ledger.clock.set(datetime(2026, 2, 20, tzinfo=UTC))
    await ledger.hear(slip(person, "2026-02", 30_000, version=2))
    ledger.at("2026-04-10")
    async with ledger.service.database.read() as reading:
        rows = await reading.rows(
            select(SETTLED_MONTH).order_by(SETTLED_MONTH.c.month, SETTLED_MONTH.c.revision)
        )
        booked = await reading.rows(
            select(LEDGER_TRANSACTION.c.recorded_at, TRANSFER)
            .join(TRANSFER, TRANSFER.c.transaction_id == LEDGER_TRANSACTION.c.transaction_id)
            .where((TRANSFER.c.debit == f"buffer:{enrolment}") | (TRANSFER.c.credit == f"buffer:{enrolment}"))
        )
        account = Account("buffer", enrolment)
        versions = {
            (row.debit_version if row.debit == account.key else row.credit_version): row for row in booked
        }
        recorded = [versions[version].recorded_at for version in sorted(versions)]
        assert recorded == sorted(recorded)
        assert [row.recorded_at for row in rows if row.month == "2026-02"] == sorted(
            row.recorded_at for row in rows if row.month == "2026-02"
        )
        for instant in recorded:
            balance = (await balances_as_of(reading, [account], instant))[account]
            last = versions[max(v for v, row in versions.items() if row.recorded_at <= instant)]
            assert 0 <= balance <= 100_000
            after = last.debit_balance_after if last.debit == account.key else last.credit_balance_after
            assert balance == after
    await ledger.must_be_sound()
