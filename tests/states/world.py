"""A small municipality that lives at random: everything that can happen to its books, driven by one seed.

Two workers share the database, as two processes would: each step is one transaction of one of them, and the
seed says whose. SQLite has one writer at a time, so any interleaving of two workers is such an order.
"""

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import select

from buffer_ledger.bookkeeping import buffer
from buffer_ledger.casefiles import enrolments
from buffer_ledger.closing import Closing
from buffer_ledger.figures import Figures
from buffer_ledger.sealing import ChainReading, Sealing
from buffer_ledger.service import build
from buffer_ledger.statements import booked, recorded_by
from buffer_ledger.tables import DRAW_PROPOSAL, MONTH_CLOSE, PAYMENT_ORDER
from buffer_ledger.transfers import balances_as_of
from shared.clock import FixedClock
from shared.contracts.events import (
    DeclarationKind,
    Employment,
    MonthDeclared,
    ParticipantErased,
    ParticipantEvent,
    ParticipantRegistered,
    WageSlipCorrected,
    WageSlipPart,
    WageSlipReported,
)
from shared.ids import SequenceIds
from shared.inbox import Incoming
from shared.law import Law
from shared.log import get_log
from shared.metrics import Metrics
from shared.money import Cents
from shared.months import Month, amsterdam_date
from shared.service import Service
from shared.settings import Settings
from tests.integration.ledger.ledger_office import MUNICIPALITY, LedgerOffice, started, stop
from tests.states import oracle

JANUARY = Month(2026, 1)
BEGIN = datetime(2025, 12, 20, 8, 0, tzinfo=UTC)
DAYS = 500
"""From before January 2026 until the last enrolments of the year have expired."""

WAGES = (0, 1, 4_000, 25_000, 61_333, 87_638, 87_639, 105_925, 105_926, 131_999, 217_547, 217_548, -12_000)
POLICIES: tuple[dict[str, Any], ...] = (
    {"drawAmount": "TOPUP"},
    {"drawAmount": "TOPUP", "minDrawCents": 0, "maxDrawPerMonthCents": 20_000},
    {"drawAmount": "TOPUP", "minDrawCents": 5_000, "floor": "NORM_INCL_VT"},
    {"drawAmount": "TOPUP", "floor": {"pct": "1.10"}},
    {"drawAmount": "REPLACE", "minDrawCents": 0},
    {"drawAmount": "REPLACE", "trigger": ["SHORTFALL"]},
    {"drawAmount": "EXCESS", "minDrawCents": 0},
    {"drawAmount": "TOPUP", "onNegativeCorrection": "NET_NEXT_DRAW"},
    {"drawAmount": "REPLACE", "approval": "FOUR_EYES"},
    {"drawAmount": "TOPUP", "minDrawCents": 0, "approval": "FOUR_EYES"},
)
METHODS = ("M0", "M1")
KINDS: tuple[DeclarationKind, ...] = ("ZERO", "UNCHANGED")
BATCHES = (1, 1, 1, 2, 3, 5, 8, 20, 60, 120)
"""Facts in one transaction: a consumer takes up to some hundreds at once."""
EMPLOYERS = ("zorg" * 8, "kook" * 8, "post" * 8)


@dataclass
class Person:
    """Somebody invented, and what was told of them so far."""

    participant_id: str
    registered: bool = False
    erased: bool = False
    versions: dict[tuple[str, str], int] = field(default_factory=dict)
    last: ParticipantEvent | None = None


@dataclass
class Step:
    """One transaction: what it was, how many operations it held (none where nothing was to be done), whose
    books it may have touched."""

    name: str
    operations: int
    touched: list[str]


class Refused(AssertionError):
    """A call was answered with a status that its operation cannot have."""


class World:
    """Make it, `begin` it, then call `step` as often as you like; `violations` must stay empty."""

    def __init__(self, folder: Path, seed: int, *, steps: int, people: int = 40) -> None:
        self.random = random.Random(seed)
        self.seed = seed
        self.steps = steps
        self.done = 0
        self.operations = 0
        self.counts: dict[str, int] = {}
        self.violations: list[str] = []
        self.people = [Person(self._uuid()) for _ in range(people)]
        self.enrolments: dict[str, str] = {}
        """Enrolment -> person."""
        self.remembered: dict[str, list[tuple[datetime, int]]] = {}
        self.schemes: list[str] = []
        self.policy: dict[str, Any] = {}
        self.method = "M1"
        self.last_asked = JANUARY.plus(-1)
        self._folder = folder
        self.law = Law.load()
        self._acts: tuple[tuple[int, Callable[[], Awaitable[Step]]], ...] = (
            (36, self._tell),
            (12, self._pay),
            (4, self._decide),
            (3, self._municipality_decides),
            (2, self._circumstances),
            (1, self._end_or_reopen),
            (24, self._close_chunk),
            (7, self._ask_close),
            (6, self._enrol),
            (5, self._register),
            (1, self._donate),
            (1, self._new_scheme),
            (1, self._change_method),
            (6, self._seal),
            (2, self._read_chain),
            (6, self._look_back),
        )

    async def begin(self) -> None:
        """Open the books: settings, a fund with money, the first scheme, two workers."""
        self.office: LedgerOffice = await started(Settings(data_dir=self._folder), ids=SequenceIds(1))
        self.clock: FixedClock = self.office.clock
        self.clock.set(BEGIN)
        other = build(self.office.settings, self.clock, SequenceIds(1 << 70), Metrics())
        self.services: tuple[Service, Service] = (self.office.service, other)
        figures, log = Figures(self.office.metrics.of("buffer-ledger")), get_log("buffer-ledger")
        self.closers = [Closing(s.database, self.law, figures, log, chunk=5) for s in self.services]
        self.sealers = [Sealing(s.database, figures, log, batch=17) for s in self.services]
        self.reader = ChainReading(other.database, figures, log, batch=40)
        self.client: httpx.AsyncClient = self.office.client()
        self.official: httpx.AsyncClient = self.office.client("official")
        await self._call(
            "PUT", f"/municipalities/{MUNICIPALITY}", {"name": "Proef", "offsetMethod": self.method}
        )
        fund = {"name": "Fonds", "type": "PRIVATE", "municipalities": [MUNICIPALITY]}
        self.fund = (await self._call("POST", "/funds", fund))["fundId"]
        given = {"amountCents": 2_000_000, "valueDate": "2025-12-15"}
        await self._call("POST", f"/funds/{self.fund}/donations", given)
        await self._new_scheme()
        for person in self.people[: len(self.people) * 3 // 4]:
            await self._register_one(person)
            await self._enrol_one(person)

    async def end(self) -> None:
        """Close what was opened."""
        await stop(self.office)
        await self.services[1].database.close()
        key_store = self.services[1].key_store
        assert key_store is not None
        await key_store.close()

    async def step(self) -> Step:
        """Let something happen, then look at the books it touched."""
        self.done += 1
        part = timedelta(days=DAYS) * self.done / self.steps
        self.clock.set(BEGIN + part)
        act = self.random.choices([act for _, act in self._acts], [weight for weight, _ in self._acts])[0]
        made = await act()
        self.operations += made.operations
        self.counts[made.name] = self.counts.get(made.name, 0) + made.operations
        if made.touched:
            async with self.services[0].database.read() as reading:
                faults, balances = await oracle.touched(reading, made.touched)
            self._note(f"step {self.done} ({made.name})", faults)
            for enrolment_id, balance in balances.items():
                past = self.remembered.setdefault(enrolment_id, [])
                if not past or past[-1][1] != balance:
                    past.append((self.clock.now(), balance))
        return made

    async def check_whole(self) -> None:
        """Look at everything."""
        self._note(f"after step {self.done}", await oracle.whole(self.services[0].database, self.law))

    def _note(self, where: str, faults: list[str]) -> None:
        self.violations += [f"seed {self.seed}, {where}: {fault}" for fault in faults]

    # ---- what can happen

    async def _tell(self) -> Step:
        """A batch of facts, as a consumer takes them: new, corrected, twice, out of order."""
        events: list[ParticipantEvent] = []
        for _ in range(self.random.choice(BATCHES)):
            person = self.random.choice([person for person in self.people if not person.erased])
            if person.last is not None and self.random.random() < 0.08:
                events.append(person.last)
                continue
            month = JANUARY.plus(self._month_around())
            if self.random.random() < 0.12:
                kind = self.random.choice(KINDS)
                made: ParticipantEvent = MonthDeclared(
                    participant_id=person.participant_id, municipality=MUNICIPALITY, month=month, kind=kind
                )
            else:
                made = self._slip(person, month)
            person.last = made
            events.append(made)
        self.random.shuffle(events)
        await self._hear(events)
        return Step("facts", len(events), self._enrolments_of({event.participant_id for event in events}))

    def _month_around(self) -> int:
        """Mostly the present month or the one before, sometimes any of the year."""
        now = Month.of_instant(self.clock.now()) - JANUARY
        if self.random.random() < 0.2:
            return self.random.randrange(-1, 13)
        return max(-1, min(12, now - self.random.choice((0, 0, 1, 1, 2))))

    def _slip(self, person: Person, month: Month) -> ParticipantEvent:
        employer = self.random.choice(EMPLOYERS)
        key = (employer, str(month))
        version = person.versions[key] = person.versions.get(key, 0) + self.random.choice((1, 1, 1, 2))
        wage = self.random.choice(WAGES) if self.random.random() < 0.5 else self.random.randrange(150_000)
        parts = [WageSlipPart(kind="WAGE", net_cents=Cents(wage))]
        if self.random.random() < 0.08:
            parts.append(WageSlipPart(kind="HOLIDAY_PAY", net_cents=Cents(self.random.randrange(60_000))))
        paid: date = month.last_day + timedelta(days=self.random.choice((0, 0, 0, 0, -40, -3, 5, 20)))
        return (WageSlipReported if version == 1 else WageSlipCorrected)(
            participant_id=person.participant_id,
            municipality=MUNICIPALITY,
            wage_slip_id=self._uuid(),
            slip_key=f"{employer[:12]}-{month}-{'k' * 20}",
            employer_key=employer,
            version=version,
            source="SLIP",
            period_from=month.first_day,
            period_to=month.last_day,
            pay_period="MONTH",
            pay_date=paid,
            parts=tuple(parts),
            tax_credit_applied=self.random.choice((None, None, True, False)),
        )

    async def _pay(self) -> Step:
        """The bank reports open orders, now and then a superseded one that went out all the same."""
        states = ("OPEN", "SUPERSEDED", "EXECUTED") if self.random.random() < 0.15 else ("OPEN",)
        found = (
            select(PAYMENT_ORDER).where(PAYMENT_ORDER.c.state.in_(states)).order_by(PAYMENT_ORDER.c.order_id)
        )
        async with self.services[0].database.read() as reading:
            orders = await reading.rows(found.order_by(PAYMENT_ORDER.c.order_id))
        if not orders:
            return Step("payment", 0, [])
        chosen = self.random.sample(orders, min(len(orders), self.random.choice((1, 1, 2, 6))))
        executed_on = str(amsterdam_date(self.clock.now()))
        if len(chosen) > 1:
            run = {"executedOn": executed_on, "orderIds": [order.order_id for order in chosen]}
            await self._call("POST", "/payment-runs", run)
        else:
            path = f"/payment-orders/{chosen[0].order_id}/_executed"
            await self._call("POST", path, {"executedOn": executed_on}, 409, 400)
        return Step("payment", len(chosen), sorted({order.enrolment_id for order in chosen}))

    async def _decide(self) -> Step:
        """An official agrees to what waits, to a part of it, or refuses it; twice is once."""
        found = select(DRAW_PROPOSAL).order_by(DRAW_PROPOSAL.c.proposal_id)
        if self.random.random() < 0.9:
            found = found.where(DRAW_PROPOSAL.c.state == "PENDING")
        async with self.services[0].database.read() as reading:
            proposals = await reading.rows(found)
        if not proposals:
            return Step("decision", 0, [])
        chosen = self.random.choice(proposals)
        call = "_approve"
        body: dict[str, Any] = {}
        if self.random.random() < 0.3:
            call, body = "_reject", {"reason": "Something else is the matter."}
        elif self.random.random() < 0.3:
            body = {"amountCents": self.random.randrange(1, chosen.amount_cents + 1)}
        path = f"/draw-proposals/{chosen.proposal_id}/{call}"
        answer = await self.official.post(path, json=body)
        if answer.status_code not in (200, 409):
            raise Refused(f"seed {self.seed}, step {self.done}: {path}: {answer.text}")
        return Step("decision", 1, [chosen.enrolment_id])

    async def _municipality_decides(self) -> Step:
        """The municipality's own decision for a month: it goes before what is computed."""
        person = self.random.choice(self.people)
        counted = self.random.choice((0, 25_000, 87_638, 140_150))
        month = JANUARY.plus(max(0, self._month_around()))
        body = {
            "participantId": person.participant_id,
            "month": str(month),
            "countedCents": counted,
            "benefitPaidCents": self.random.choice((0, 50_000, 133_143)),
            "decidedOn": str(amsterdam_date(self.clock.now())),
        }
        await self._call("POST", "/offset-statements", body, 400, 404, 409)
        return Step("municipality's decision", 1, self._enrolments_of({person.participant_id}))

    async def _circumstances(self) -> Step:
        """Another household from a day on, or days with right to bijstand."""
        if not self.enrolments:
            return Step("circumstances", 0, [])
        enrolment = self.random.choice(sorted(self.enrolments))
        day = JANUARY.plus(max(0, self._month_around())).first_day + timedelta(days=self.random.randrange(28))
        path = f"/enrolments/{enrolment}"
        if self.random.random() < 0.6:
            household = {"kind": self.random.choice(("SINGLE", "SINGLE_PARENT"))}
            body: Any = {"from": str(day), "household": household}
            await self._call("POST", f"{path}/household-changes", body, 400, 409)
        else:
            periods = [{"from": "2026-01-01", "to": str(day)}, {"from": str(day + timedelta(days=45))}]
            body = periods[: self.random.choice((1, 2))]
            await self._call("PUT", f"{path}/benefit-periods", body, 400, 409)
        return Step("circumstances", 1, self._enrolments_of({self.enrolments[enrolment]}))

    async def _end_or_reopen(self) -> Step:
        """Bijstand of somebody ended, or the person is back."""
        if not self.enrolments:
            return Step("exit", 0, [])
        enrolment = self.random.choice(sorted(self.enrolments))
        day = amsterdam_date(self.clock.now()) - timedelta(days=self.random.randrange(40))
        if self.random.random() < 0.7:
            call, body = "_end", {"benefitEndedOn": str(day), "reason": "WORK"}
        else:
            call, body = "_reopen", {"benefitFrom": str(day)}
        await self._call("POST", f"/enrolments/{enrolment}/{call}", body, 400, 409)
        return Step("exit", 1, self._enrolments_of({self.enrolments[enrolment]}))

    async def _ask_close(self) -> Step:
        """Close the next month, or one that was closed before."""
        month = self.last_asked.plus(1 if self.random.random() < 0.8 else self.random.choice((0, -2)))
        answer = await self._call(
            "POST", f"/municipalities/{MUNICIPALITY}/months/{month}/_close", None, 409, 400
        )
        if "closeId" in answer:
            self.last_asked = max(self.last_asked, month)
        return Step("close asked", 1, [])

    async def _close_chunk(self) -> Step:
        """One worker does one chunk of the oldest close; facts and payments may come before the next."""
        running = select(MONTH_CLOSE.c.close_id).where(MONTH_CLOSE.c.state == "RUNNING").limit(1)
        async with self.services[0].database.read() as reading:
            if await reading.scalar(running) is None:
                return Step("close chunk", 0, [])
        await self.random.choice(self.closers).step()
        return Step("close chunk", 1, sorted(self.enrolments))

    async def _enrol(self) -> Step:
        return await self._enrol_one(self.random.choice(self.people))

    async def _enrol_one(self, person: Person) -> Step:
        first = max(JANUARY, Month.of_instant(self.clock.now()).plus(self.random.choice((-2, -1, 0, 0, 1))))
        last = first.plus(self.random.choice((11, 11, 5, 2)))
        body = {
            "participantId": person.participant_id,
            "schemeId": self.random.choice(self.schemes),
            "household": {"kind": self.random.choice(("SINGLE", "SINGLE", "SINGLE_PARENT", "COUPLE"))},
            "firstMonth": str(first),
            "lastMonth": str(last),
        }
        answer = await self._call("POST", "/enrolments", body, 409, 404)
        if "enrolmentId" not in answer:
            return Step("enrolment", 1, [])
        self.enrolments[answer["enrolmentId"]] = person.participant_id
        return Step("enrolment", 1, [answer["enrolmentId"]])

    async def _register(self) -> Step:
        """Somebody is registered, or has other employers now; rarely somebody is erased."""
        person = self.random.choice([person for person in self.people if not person.erased])
        if self.random.random() < 0.04 and sum(other.erased for other in self.people) < len(self.people) // 3:
            person.erased = True
            erased = ParticipantErased(participant_id=person.participant_id, municipality=MUNICIPALITY)
            await self._hear([erased])
            return Step("erasure", 1, self._enrolments_of({person.participant_id}))
        return await self._register_one(person)

    async def _register_one(self, person: Person) -> Step:
        employers = self.random.sample(EMPLOYERS, self.random.choice((0, 0, 1, 1, 2)))
        jobs = tuple(Employment(employer_key=key, pay_period="MONTH") for key in employers)
        event = ParticipantRegistered(
            participant_id=person.participant_id, municipality=MUNICIPALITY, employments=jobs
        )
        await self._hear([event])
        person.registered = True
        return Step("registration", 1, self._enrolments_of({person.participant_id}))

    async def _donate(self) -> Step:
        given = {"amountCents": self.random.randrange(1, 300_000), "valueDate": str(self.clock.now().date())}
        await self._call("POST", f"/funds/{self.fund}/donations", given)
        return Step("donation", 1, [])

    async def _new_scheme(self) -> Step:
        """Another policy: a new scheme, or the same one with another end."""
        if self.schemes and (len(self.schemes) >= len(POLICIES) or self.random.random() < 0.3):
            scheme_id, policy = self.schemes[0], self.policy
            body: dict[str, Any] = {"validTo": str(JANUARY.plus(self.random.randrange(11, 24)))}
        else:
            scheme_id, body = self._uuid(), {}
            policy = {
                **self.random.choice(POLICIES),
                "capCents": self.random.choice((100_000, 60_000, 120_000)),
            }
            self.schemes.append(scheme_id)
            self.policy = policy if len(self.schemes) == 1 else self.policy
        body |= {
            "fundId": self.fund,
            "municipality": MUNICIPALITY,
            "validFrom": str(JANUARY),
            "policy": policy,
        }
        await self._call("PUT", f"/schemes/{scheme_id}", body, 409)
        return Step("scheme", 1, [])

    async def _change_method(self) -> Step:
        """The municipality offsets otherwise from a month on that was never closed."""
        self.method = self.random.choice(METHODS)
        settings = {"name": "Proef", "offsetMethod": self.method, "validFrom": str(self.last_asked.plus(2))}
        await self._call("PUT", f"/municipalities/{MUNICIPALITY}", settings)
        return Step("settings", 1, [])

    async def _seal(self) -> Step:
        await self.random.choice(self.sealers).step()
        return Step("seal", 1, [])

    async def _read_chain(self) -> Step:
        await self.reader.step()
        if (self.office.metrics.value("bufferbudget_ledger_chain_breaks", service="buffer-ledger") or 0) > 0:
            self._note(f"step {self.done}", ["the chain is broken"])
        return Step("chain read", 1, [])

    async def _look_back(self) -> Step:
        """What the books say of an earlier instant is what they said then."""
        if not self.remembered:
            return Step("look back", 0, [])
        enrolment_id = self.random.choice(sorted(self.remembered))
        past = self.remembered[enrolment_id]
        at = self.random.randrange(len(past))
        since, balance = past[at]
        until = past[at + 1][0] if at + 1 < len(past) else self.clock.now()
        instant = since + (until - since) * self.random.choice((0.0, 0.5, 0.999))
        account = buffer(enrolment_id)
        async with self.services[1].database.write() as tx:
            found = (await balances_as_of(tx, [account], instant))[account]
            (enrolment,) = await enrolments(tx, enrolment_ids=[enrolment_id])
            now, then = await booked(tx, enrolment), await recorded_by(tx, enrolment, tx.now)
        if (now.drawn_cents, now.balance_cents) != (then.drawn_cents, then.balance_cents):
            told = f"{enrolment_id} as of now is {then.balance_cents} cents and now {now.balance_cents}"
            self._note(f"step {self.done}", [told])
        if found != balance:
            told = f"{enrolment_id} had {balance} cents at {instant}; as of then the books say {found}"
            self._note(f"step {self.done}", [told])
        return Step("look back", 1, [])

    # ---- how it is done

    async def _hear(self, events: Sequence[ParticipantEvent]) -> None:
        """One of the two workers handles a batch in one transaction."""
        service = self.random.choice(self.services)
        async with service.database.write() as tx:
            by_handler: dict[Any, list[Incoming]] = {}
            for event in events:
                told = Incoming(self._uuid(), "urn:test", tx.now, event)
                by_handler.setdefault(service.wiring[type(event)], []).append(told)
            for handler, batch in by_handler.items():
                await handler(tx, batch)

    async def _call(self, method: str, path: str, body: Any, *refusals: int) -> Any:
        answer = await self.client.request(method, path, json=body)
        if answer.status_code >= 300 and answer.status_code not in refusals:
            raise Refused(f"seed {self.seed}, step {self.done}: {method} {path}: {answer.text}")
        return answer.json() if answer.status_code < 300 else {}

    def _enrolments_of(self, people: set[str]) -> list[str]:
        return sorted(enrolment for enrolment, person in self.enrolments.items() if person in people)

    def _uuid(self) -> str:
        return str(UUID(int=self.random.getrandbits(128), version=4))
