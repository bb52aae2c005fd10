"""The year 2026 of a municipality like Utrecht, lived through its public API month by month.

A crowdfunded scheme of EUR 350,000 gives 350 people a buffer of EUR 1,000 for a year. Each month: slips come
in, the month is closed, late slips and corrections follow, and the payments are made.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from deploy.demo.client import BackOffice, Refused, for_each
from shared.months import Month

MUNICIPALITY = "0344"
SCHEME_ID = str(UUID(int=0x0344_2026_0000_4000_8000_0000_0000_0001))
CAP_CENTS = 100_000
DONORS = 120
DONATED_BY_THE_CROWD_CENTS = 17_500_000
YEAR = tuple(Month.span(Month(2026, 1), Month(2026, 12)))
SAMPLE = Path(__file__).parents[1] / "sample"
JOB_SECONDS_MAX = 120
PAGE = 500
"""Orders in one list and in one report of a payment run."""

SetClock = Callable[[datetime], None]
Say = Callable[[str], None]


@dataclass
class Lived:
    """What happened in the year, gathered for the summary."""

    fund_id: str = ""
    slips: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    participants: dict[str, str] = field(default_factory=dict)
    enrolments: dict[str, str] = field(default_factory=dict)
    held: int = 0
    payments: int = 0


class DemoYear:
    """Drives one year; `live` returns what happened."""

    def __init__(self, office: BackOffice, set_clock: SetClock, say: Say) -> None:
        self._office = office
        self._set_clock = set_clock
        self._say = say
        self.lived = Lived()

    async def live(self) -> Lived:
        self._set_clock(datetime(2025, 12, 15, 9, tzinfo=UTC))
        await self._set_up_scheme()
        await self._enrol_everybody()
        for month in YEAR:
            await self._live_month(month)
        await self._end_the_scheme()
        return self.lived

    async def _set_up_scheme(self) -> None:
        await self._office.put(
            f"/v1/municipalities/{MUNICIPALITY}", {"name": "Voorbeeldstad", "offsetMethod": "M1"}
        )
        fund = await self._office.post(
            "/v1/funds",
            {"name": "Bestaansbuffer Voorbeeldstad", "type": "PRIVATE", "municipalities": [MUNICIPALITY]},
        )
        self.lived.fund_id = fund["fundId"]
        await self._office.put(
            f"/v1/senders/{fund['fundId']}",
            {"name": "Bestaansbuffer Voorbeeldstad", "phone": "030 000 00 00", "email": "vragen@example.org"},
        )
        share = DONATED_BY_THE_CROWD_CENTS // DONORS
        gifts = [share] * (DONORS - 1)
        gifts += [DONATED_BY_THE_CROWD_CENTS - sum(gifts), DONATED_BY_THE_CROWD_CENTS]
        await for_each(gifts, self._donate)
        policy = {"drawAmount": "TOPUP", "trigger": ["SHORTFALL"], "capCents": CAP_CENTS}
        await self._office.put(
            f"/v1/schemes/{SCHEME_ID}",
            {
                "fundId": fund["fundId"],
                "municipality": MUNICIPALITY,
                "policy": policy,
                "validFrom": "2026-01",
            },
        )
        self._say(f"{DONORS} donors and one matching foundation gave EUR 350,000 to the fund")

    async def _donate(self, amount_cents: int) -> Any:
        return await self._office.post(
            f"/v1/funds/{self.lived.fund_id}/donations",
            {"amountCents": amount_cents, "valueDate": "2025-12-15"},
        )

    async def _enrol_everybody(self) -> None:
        people = [
            json.loads(line) for line in (SAMPLE / "participants.ndjson").read_text("utf-8").splitlines()
        ]
        await for_each(people, self._enrol)
        await self._office.quiet()
        self._say(f"{len(people)} people registered and enrolled, each with a buffer of EUR 1,000")

    async def _enrol(self, person: dict[str, Any]) -> None:
        reference = person["externalReference"]
        registered = await self._office.post(
            "/v1/participants",
            {
                "municipality": MUNICIPALITY,
                "externalReference": reference,
                "employments": person["employments"],
            },
        )
        participant_id = registered["participantId"]
        self.lived.participants[reference] = participant_id
        await self._office.put(
            f"/v1/households/{participant_id}",
            {"municipality": MUNICIPALITY, "contact": person["contact"]},
        )
        enrolment = await self._office.post(
            "/v1/enrolments",
            {
                "participantId": participant_id,
                "schemeId": SCHEME_ID,
                "household": person["household"],
                "firstMonth": "2026-01",
            },
        )
        self.lived.enrolments[participant_id] = enrolment["enrolmentId"]

    async def _live_month(self, month: Month) -> None:
        following = month.plus(1)
        self._set_clock(datetime(month.year, month.number, 28, 9, tzinfo=UTC))
        await self._send_slips(SAMPLE / "slips" / f"{month}.ndjson")
        await self._declare(month)
        await self._office.quiet()
        self._set_clock(datetime(following.year, following.number, 2, 9, tzinfo=UTC))
        close = await self._close(month)
        self._set_clock(datetime(following.year, following.number, 8, 9, tzinfo=UTC))
        await self._send_slips(SAMPLE / "slips" / f"{month}-later.ndjson")
        self._set_clock(datetime(following.year, following.number, 20, 9, tzinfo=UTC))
        await self._office.quiet()
        paid = await self._pay()
        self._say(f"{month}: {close['settled']} months settled, {close['held']} held, {paid} payments made")

    async def _send_slips(self, path: Path) -> None:
        lines = path.read_bytes()  # noqa: ASYNC240 - a demo's own small file
        if not lines:
            return
        batch = await self._office.post_lines("/v1/wage-slip-batches", lines)
        address = f"/v1/wage-slip-batches/{batch['batchId']}"
        counts = await self._finished(address)
        for key in ("received", "accepted", "corrections", "duplicates", "refused"):
            self.lived.slips[key] += counts[key]
        if counts["refused"]:
            async for result in self._office.pages(f"{address}/results"):
                if result["status"] == "REFUSED":
                    reasons = "; ".join(
                        f"{fault['pointer']} {fault['detail']}".strip() for fault in result["faults"]
                    )
                    self.lived.refusals[reasons] += 1

    async def _declare(self, month: Month) -> None:
        lines = (SAMPLE / "declarations" / f"{month}.ndjson").read_text("utf-8").splitlines()
        await for_each([json.loads(line) for line in lines], self._declare_one)

    async def _declare_one(self, declared: dict[str, Any]) -> Any:
        participant_id = self.lived.participants[declared["externalReference"]]
        return await self._office.post(
            "/v1/month-declarations",
            {"participantId": participant_id, "month": declared["month"], "kind": declared["kind"]},
        )

    async def _close(self, month: Month) -> Any:
        answer = await self._office.post(f"/v1/municipalities/{MUNICIPALITY}/months/{month}/_close")
        return await self._finished(f"/v1/month-closes/{answer['closeId']}")

    async def _pay(self) -> int:
        """Report the payment run: every open order was paid on the twentieth of the month after its own."""
        by_day: dict[str, list[str]] = {}
        async for order in self._office.pages("/v1/payment-orders", state="OPEN", limit=PAGE):
            day = f"{Month.parse(order['month']).plus(1)}-20"
            by_day.setdefault(day, []).append(order["orderId"])
        paid = 0
        for day, order_ids in by_day.items():
            for start in range(0, len(order_ids), PAGE):
                run = {"executedOn": day, "orderIds": order_ids[start : start + PAGE]}
                answer = await self._office.post("/v1/payment-runs", run)
                if answer["refused"]:
                    raise Refused(f"payments were refused: {answer['results']}")
                paid += answer["executed"]
        self.lived.payments += paid
        return paid

    async def _end_the_scheme(self) -> None:
        """After the last late slips could come in, what nobody needed goes back to the fund."""
        self._set_clock(datetime(2027, 3, 5, 9, tzinfo=UTC))
        close = await self._close(YEAR[-1])
        self.lived.held = close["held"]
        await self._office.quiet()
        self._say("the scheme's year is over; what was left in the buffers went back to the fund")

    async def _finished(self, address: str) -> Any:
        for _ in range(JOB_SECONDS_MAX * 20):
            job = await self._office.get(address)
            if job["state"] == "DONE":
                return job
            if job["state"] == "FAILED":
                raise Refused(f"{address} failed: {job}")
            await asyncio.sleep(0.05)
        raise Refused(f"{address} was not done within {JOB_SECONDS_MAX} seconds")
