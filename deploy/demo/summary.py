"""The demo's outcome: figures gathered through the API, the invariants they must keep, and their page."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from deploy.demo.client import BackOffice, for_each
from deploy.demo.year import YEAR, Lived
from shared.money import Cents, format_euro

MONTHLY = "BUFFER_MONTH"
"""The kind of a message about one closed month; the message at the end of the buffer is another one."""


@dataclass
class Figures:
    """What the year came to. Amounts in whole cents; `*Before` is without the buffer, `*After` with it."""

    participants: int
    slips_accepted: int
    slips_corrected: int
    slips_duplicate: int
    slips_refused: int
    refusal_reasons: dict[str, int]
    months_settled: int
    months_held: int
    months_below_floor_before: int
    months_below_floor_after: int
    shortfall_cents: Cents
    offset_cents: Cents
    drawn_cents: Cents
    paid_orders: int
    fund_donated_cents: Cents
    fund_committed_cents: Cents
    fund_returned_cents: Cents
    fund_available_cents: Cents
    ledger_sum_cents: int
    ledger_violations: list[str]
    parked_messages: int
    messages_sent: int
    messages_by_channel: dict[str, int]
    people_with_more_than_one_message_a_month: int
    seconds: int
    example_message: str = ""
    example_months: list[dict[str, Any]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The members of summary.json, in camelCase."""
        return {_camel(name): value for name, value in asdict(self).items()}

    def faults(self) -> list[str]:
        """Every invariant that does not hold, in words; empty when all do."""
        checks = {
            "the ledger does not add up to nil": self.ledger_sum_cents == 0,
            f"the ledger's own checks fail: {self.ledger_violations}": not self.ledger_violations,
            "messages are parked": self.parked_messages == 0,
            "the fund does not hold what was given minus what was drawn": self.fund_available_cents
            == self.fund_donated_cents - self.drawn_cents,
            "the buffer made more months fall below the minimum": self.months_below_floor_after
            <= self.months_below_floor_before,
            "somebody got two messages about one month": self.people_with_more_than_one_message_a_month == 0,
            "no slip was accepted": self.slips_accepted > 0,
            "no month was settled": self.months_settled > 0,
            "nothing was drawn": self.drawn_cents > 0,
            "no message was sent": self.messages_sent > 0,
            "there is no message about money to show": bool(self.example_message),
        }
        return [fault for fault, holds in checks.items() if not holds]


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


async def gather(office: BackOffice, lived: Lived, seconds: int) -> Figures:
    """Ask the API what became of everybody."""
    statements = await for_each(
        lived.enrolments.values(), lambda enrolment: office.get(f"/v1/enrolments/{enrolment}/statement")
    )
    months = [month for statement in statements for month in statement["months"]]
    settled = [month for month in months if not month["provisional"]]
    inboxes = await for_each(
        lived.participants.values(), lambda person: office.get("/v1/messages", participantId=person)
    )
    messages = [message for inbox in inboxes for message in inbox["items"]]
    fund = await office.get(f"/v1/funds/{lived.fund_id}")
    checks = await office.get("/v1/ledger-checks")
    status = await office.status()
    return Figures(
        participants=len(lived.participants),
        slips_accepted=lived.slips["accepted"],
        slips_corrected=lived.slips["corrections"],
        slips_duplicate=lived.slips["duplicates"],
        slips_refused=lived.slips["refused"],
        refusal_reasons=dict(lived.refusals),
        months_settled=len(settled),
        months_held=len(lived.enrolments) * len(YEAR) - len(settled),
        months_below_floor_before=sum(month["shortfallCents"] > 0 for month in settled),
        months_below_floor_after=sum(month["cashAfterCents"] < month["floorCents"] for month in settled),
        shortfall_cents=Cents(sum(month["shortfallCents"] for month in settled)),
        offset_cents=Cents(sum(month["offsetCents"] for month in settled)),
        drawn_cents=Cents(sum(statement["drawnCents"] for statement in statements)),
        paid_orders=lived.payments,
        fund_donated_cents=fund["donatedCents"],
        fund_committed_cents=fund["committedCents"],
        fund_returned_cents=fund["returnedCents"],
        fund_available_cents=fund["availableCents"],
        ledger_sum_cents=checks["ledgerSumCents"],
        ledger_violations=checks["violations"],
        parked_messages=sum(service["parked"] for service in status["services"].values()),
        messages_sent=sum(message["state"] == "SENT" for message in messages),
        messages_by_channel=dict(
            Counter(_channel(message) for message in messages if message["state"] == "SENT")
        ),
        people_with_more_than_one_message_a_month=_repeated(inboxes),
        seconds=seconds,
        example_message=_example(messages),
        example_months=max(statements, key=lambda statement: statement["drawnCents"])["months"],
    )


def _repeated(inboxes: list[Any]) -> int:
    """How many people got more than one message about one closed month."""
    monthly = [[m["month"] for m in inbox["items"] if m["kind"] == MONTHLY] for inbox in inboxes]
    return sum(max(Counter(months).values(), default=0) > 1 for months in monthly)


def _channel(message: Any) -> str:
    """The way a message went out: that of the delivery that succeeded."""
    return str(next(delivery["channel"] for delivery in message["deliveries"] if delivery["state"] == "SENT"))


def _example(messages: list[Any]) -> str:
    """A plain one: the shortest message about money from the buffer that was sent."""
    told = [
        str(message["text"])
        for message in messages
        if message["state"] == "SENT" and message["kind"] == MONTHLY and "MONEY_MOVED" in message["why"]
    ]
    return min(told, key=len, default="")


def page(figures: Figures) -> str:
    """The summary that a person reads at a glance."""
    refused = "\n".join(
        f"      {count} x {reason}" for reason, count in sorted(figures.refusal_reasons.items())
    )
    channels = ", ".join(
        f"{count} by {name.lower()}" for name, count in sorted(figures.messages_by_channel.items())
    )
    return f"""
A year in Voorbeeldstad: {figures.participants} people with part-time work beside bijstand (all invented)

  Wage slips   {figures.slips_accepted} accepted, {figures.slips_corrected} corrected, \
{figures.slips_duplicate} duplicate, {figures.slips_refused} refused:
{refused}
  Months       {figures.months_settled} settled, {figures.months_held} held because a slip never came
               below the minimum without the buffer: {figures.months_below_floor_before}
               below the minimum with the buffer:    {figures.months_below_floor_after}
  Offset       {_euro(figures.offset_cents)} would have been withheld from the benefit for wages
  Buffer       {_euro(figures.drawn_cents)} drawn against a shortfall of {_euro(figures.shortfall_cents)}; \
{figures.paid_orders} payments
  Fund         {_euro(figures.fund_donated_cents)} given, {_euro(figures.drawn_cents)} drawn, \
{_euro(figures.fund_available_cents)} left for a next year
  Ledger       adds up to {_euro(figures.ledger_sum_cents)}; \
checks that failed: {len(figures.ledger_violations)}; \
parked messages: {figures.parked_messages}
  Messages     {figures.messages_sent} sent ({channels}); nobody got two about one month

One of the messages, as it was sent:

{_indented(figures.example_message)}

{figures.seconds} seconds."""


def _euro(cents: int) -> str:
    return format_euro(cents, "en")


def _indented(text: str) -> str:
    return "\n".join(f"    | {line}" for line in text.splitlines())
