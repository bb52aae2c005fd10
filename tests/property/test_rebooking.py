"""Facts in any order, twice, corrected, before or after the close, give what they give in order and once."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_socket import enable_socket, socket_allow_hosts

from shared.contracts.events import Event
from shared.settings import Settings
from tests.integration.ledger.ledger_office import (
    JANUARY,
    LedgerOffice,
    Scheme,
    declared,
    slip,
    started,
    stop,
)

MONTHS = 5
EMPLOYERS = ("zorg" * 8, "kook" * 8)
NETS = st.sampled_from((0, 4_000, 25_000, 61_333, 87_638, 87_639, 105_926, 131_999))


@dataclass(frozen=True)
class Told:
    """One version of one slip, or a month declared without work, told before the close of a month."""

    month: int
    employer: str
    net: int | None
    version: int
    paid: int
    """In which month it was paid: the one before (-1), its own (0) or the next (1)."""
    before_close: int

    def event(self, person: str) -> Event:
        month = JANUARY.plus(self.month)
        if self.net is None:
            return declared(person, str(month))
        paid = None if self.paid == 0 else month.plus(self.paid).first_day
        return slip(person, str(month), self.net, version=self.version, employer=self.employer, paid=paid)


@st.composite
def lives(draw: st.DrawFn) -> tuple[list[Told], list[Told]]:
    """Facts as they came, and the same facts as they would have come in time: each once, none corrected."""
    came: list[Told] = []
    calm: list[Told] = []
    for month in range(MONTHS):
        for employer in EMPLOYERS[: draw(st.integers(1, 2))]:
            last = draw(st.integers(1, 3))
            for version in range(1, last + 1):
                told = Told(month, employer, draw(NETS), version, draw(st.integers(-1, 1)), 0)
                came += [told] * draw(st.integers(1, 2))
            calm.append(told)
        if draw(st.booleans()):
            silent = Told(month, "", None, 1, 0, 0)
            came.append(silent)
            calm.append(silent)
    placed = [Told(t.month, t.employer, t.net, t.version, t.paid, draw(st.integers(0, MONTHS))) for t in came]
    return draw(st.permutations(placed)), calm


class Desk:
    """One ledger for all examples, in a loop of its own; each example enrols new people."""

    def __init__(self, folder: Path) -> None:
        self._runner = asyncio.Runner()
        self.ledger: LedgerOffice = self.run(started(Settings(data_dir=folder)))
        policy = {"drawAmount": "REPLACE", "capCents": 100_000, "minDrawCents": 0}
        self.scheme: Scheme = self.run(self.ledger.scheme(donated=100_000_000, policy=policy))

    def run(self, work: Any) -> Any:
        return self._runner.run(work)

    def close(self) -> None:
        self.run(stop(self.ledger))
        self._runner.close()


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    socket_allow_hosts(["127.0.0.1", "::1"], allow_unix_socket=True)
    made = Desk(tmp_path_factory.mktemp("rebooking"))
    yield made
    made.close()
    enable_socket()


EXAMPLES = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@EXAMPLES
@given(life=lives())
def test_unpaid_months_are_what_one_run_in_order_gives(
    desk: Desk, life: tuple[list[Told], list[Told]]
) -> None:
    came, calm = life
    messy, clean = desk.run(_live_twice(desk, came, calm))

    assert [_shown(month) for month in messy["months"]] == [_shown(month) for month in clean["months"]]
    assert (messy["drawnCents"], messy["balanceCents"]) == (clean["drawnCents"], clean["balanceCents"])
    desk.run(desk.ledger.must_be_sound())


@EXAMPLES
@given(life=lives(), pay_after=st.sets(st.integers(0, MONTHS - 1), max_size=3))
def test_paid_months_never_change_and_all_draws_stay_within_the_cap(
    desk: Desk, life: tuple[list[Told], list[Told]], pay_after: set[int]
) -> None:
    statement, paid = desk.run(_live_and_pay(desk, life[0], pay_after))

    months = {month["month"]: month for month in statement["months"]}
    for month, row in paid.items():
        assert _but_balance(months[month]) == _but_balance(row)
    used = 0
    for row in statement["months"]:
        used += row["drawCents"]
        assert row["balanceCents"] == 100_000 - used
    settled = [month for month in months.values() if not month["provisional"]]
    assert 0 <= sum(month["drawCents"] for month in settled) == statement["drawnCents"] <= 100_000
    assert statement["balanceCents"] == 100_000 - statement["drawnCents"]
    desk.run(desk.ledger.must_be_sound())


async def _live_twice(
    desk: Desk, came: list[Told], calm: list[Told]
) -> tuple[dict[str, Any], dict[str, Any]]:
    ledger = desk.ledger
    messy, messy_enrolment = await ledger.enrolled(desk.scheme, employers=EMPLOYERS)
    clean, clean_enrolment = await ledger.enrolled(desk.scheme, employers=EMPLOYERS)
    await _hear(ledger, calm, clean)
    for month in range(MONTHS):
        await _hear(ledger, [told for told in came if told.before_close == month], messy)
        await ledger.close(str(JANUARY.plus(month)))
    await _hear(ledger, [told for told in came if told.before_close == MONTHS], messy)
    return await _until_last(ledger, messy_enrolment), await _until_last(ledger, clean_enrolment)


async def _live_and_pay(
    desk: Desk, came: list[Told], pay_after: set[int]
) -> tuple[dict[str, Any], dict[str, Any]]:
    ledger = desk.ledger
    person, enrolment = await ledger.enrolled(desk.scheme, employers=EMPLOYERS)
    paid: dict[str, Any] = {}
    for month in range(MONTHS):
        await _hear(ledger, [told for told in came if told.before_close == month], person)
        await ledger.close(str(JANUARY.plus(month)))
        if month in pay_after:
            for order in await ledger.orders(enrolmentId=enrolment, state="OPEN"):
                await ledger.call(
                    "POST",
                    f"/payment-orders/{order['orderId']}/_executed",
                    {"executedOn": str(ledger.clock.now().date())},
                )
                paid[order["month"]] = None
            rows = (await _until_last(ledger, enrolment))["months"]
            paid |= {row["month"]: row for row in rows if paid.get(row["month"], row) is None}
    await _hear(ledger, [told for told in came if told.before_close == MONTHS], person)
    return await _until_last(ledger, enrolment), paid


async def _hear(ledger: LedgerOffice, told: list[Told], person: str) -> None:
    """Half of them one by one, half in one batch."""
    events = [each.event(person) for each in told]
    for event in events[::2]:
        await ledger.hear(event)
    if events[1::2]:
        await ledger.hear(*events[1::2])


async def _until_last(ledger: LedgerOffice, enrolment: str) -> dict[str, Any]:
    statement = await ledger.statement(enrolment)
    last = str(JANUARY.plus(MONTHS - 1))
    statement["months"] = [month for month in statement["months"] if month["month"] <= last]
    return statement


def _shown(month: dict[str, Any]) -> dict[str, Any]:
    """A month without what may differ: the count of revisions and when they were recorded, and which person's
    slip ids are named."""
    untold = {"revision", "recordedAt", "evidence"}
    shown = {name: value for name, value in month.items() if name not in untold}
    return {**shown, "slips": len(month["evidence"])}


def _but_balance(month: dict[str, Any]) -> dict[str, Any]:
    """A month without the running balance, which moves with earlier months, and the words that tell it."""
    return {name: value for name, value in month.items() if name not in {"balanceCents", "explanation"}}
