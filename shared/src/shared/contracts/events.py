"""Every event that crosses from one service to another, as closed producer models.

A producer writes exactly the members below; a consumer ignores what it does not know (`read`). Each event
names its municipality and either the participant or the fund it is about, which is also its key. Ids are
UUIDs, keys are long and codes are upper case words: no name, BSN, account or free text fits into an event.
"""

from datetime import date
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from shared.money import AnyCents, PositiveCents, StrictCents
from shared.months import Month

TYPE_PREFIX = "nl.bufferbudget"
TOPIC_PREFIX = "bufferbudget"

Id = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"),
    Field(description="A UUID that tells nothing about who or what it stands for."),
]
OpaqueKey = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9A-Za-z_-]{22,128}$"),
    Field(description="Opaque and stable for one participant; equal keys mean the same thing."),
]
MunicipalityCode = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9]{4}$"),
    Field(description="CBS municipality code.", examples=["0344"]),
]
Code = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{1,39}$"),
    Field(description="An upper case code, never free text; readers accept codes they do not know."),
]
Revision = Annotated[int, Field(ge=1, description="Counts up each time the month is settled or rebooked.")]

PayPeriod = Literal["MONTH", "FOUR_WEEKS", "WEEK"]
SlipSource = Literal["SLIP", "OIB", "EMPLOYER_FEED", "DECLARATION", "ESTIMATE"]
PartKind = Literal["WAGE", "HOLIDAY_PAY", "BONUS", "ALLOWANCE"]
DeclarationKind = Literal["ZERO", "UNCHANGED"]
ClosedBy = Literal["CLOSE", "LATE_FACT"]
Channel = Literal["EMAIL", "SMS", "TASK", "LETTER"]


class Payload(BaseModel):
    """A JSON object of a contract: camelCase outside, closed, no silent conversion of types."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        strict=True,
        use_attribute_docstrings=True,
    )


class Event(Payload):
    """Something that happened. Its type, topic and key follow from the class."""

    FAMILY: ClassVar[str]
    FACT: ClassVar[str]
    VERSION: ClassVar[int] = 1
    municipality: MunicipalityCode

    @classmethod
    def type_name(cls) -> str:
        """The CloudEvents type, `nl.bufferbudget.<family>.<fact>.v1`."""
        return f"{TYPE_PREFIX}.{cls.FAMILY}.{cls.FACT}.v{cls.VERSION}"

    @classmethod
    def topic(cls) -> str:
        """The topic of the family, `bufferbudget.<family>`."""
        return f"{TOPIC_PREFIX}.{cls.FAMILY}"

    def key(self) -> str:
        """What orders events: the participant, or the fund for fund events."""
        raise NotImplementedError

    @classmethod
    def read(cls, data: bytes | str) -> Self:
        """Parse a payload as a consumer does, ignoring unknown members; raises pydantic.ValidationError."""
        return cls.model_validate_json(data, extra="ignore")

    def written(self) -> bytes:
        """The payload as JSON bytes; members without a value are left out."""
        return self.__pydantic_serializer__.to_json(self, by_alias=True, exclude_none=True)

    def as_json(self) -> dict[str, Any]:
        """The payload as JSON values; members without a value are left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class ParticipantEvent(Event):
    """An event about one participant."""

    participant_id: Id

    def key(self) -> str:
        return self.participant_id


class FundEvent(Event):
    """An event about one fund; never names a participant."""

    FAMILY: ClassVar[str] = "funds"
    fund_id: Id

    def key(self) -> str:
        return self.fund_id


# --- bufferbudget.participants, by income-intake ---


class Employment(Payload):
    """A job of a participant that is expected to send slips."""

    employer_key: OpaqueKey
    pay_period: PayPeriod


class ParticipantRegistered(ParticipantEvent):
    """A participant is known, with the jobs known now; sent again, whole, when they change."""

    FAMILY: ClassVar[str] = "participants"
    FACT: ClassVar[str] = "participant-registered"
    employments: Annotated[tuple[Employment, ...], Field(strict=False)] = ()


class ParticipantErased(ParticipantEvent):
    """Every service destroys its key of this participant now."""

    FAMILY: ClassVar[str] = "participants"
    FACT: ClassVar[str] = "participant-erased"


# --- bufferbudget.wage-slips, by income-intake ---


class WageSlipPart(Payload):
    """A part of a slip's net pay: WAGE and HOLIDAY_PAY after their share of tax and pension."""

    kind: PartKind
    net_cents: AnyCents


class WageSlipFact(ParticipantEvent):
    """What a slip says; which month it counts for is not decided here."""

    FAMILY: ClassVar[str] = "wage-slips"
    wage_slip_id: Id
    slip_key: OpaqueKey
    """Identity of the slip: equal for all its versions."""
    employer_key: OpaqueKey
    version: Annotated[int, Field(ge=1)]
    """Strictly increasing per slipKey; the highest counts, whatever the order of arrival."""
    source: SlipSource
    period_from: date
    period_to: date
    """The last day of the period, included."""
    pay_period: PayPeriod
    pay_date: date
    parts: Annotated[tuple[WageSlipPart, ...], Field(strict=False, min_length=1)]
    gross_cents: AnyCents | None = None
    tax_credit_applied: bool | None = None
    """Whether the employer applied the general tax credit; absent when the slip does not say."""


class WageSlipReported(WageSlipFact):
    """The first version of a slip was recorded."""

    FACT: ClassVar[str] = "wage-slip-reported"


class WageSlipCorrected(WageSlipFact):
    """A later version of a slip was recorded and counts from now on."""

    FACT: ClassVar[str] = "wage-slip-corrected"
    supersedes: Id | None = None
    """The wageSlipId of the version that counted before."""


class WageSlipMissing(ParticipantEvent):
    """A slip was expected for the month and had not come when it was looked for."""

    FAMILY: ClassVar[str] = "wage-slips"
    FACT: ClassVar[str] = "wage-slip-missing"
    month: Month
    employer_key: OpaqueKey


class MonthDeclared(ParticipantEvent):
    """The participant, or an official for them, declared a month without work or without change."""

    FAMILY: ClassVar[str] = "wage-slips"
    FACT: ClassVar[str] = "month-declared"
    month: Month
    kind: DeclarationKind


# --- bufferbudget.buffers, by buffer-ledger ---


class EnrolmentEvent(ParticipantEvent):
    """An event about one enrolment of a participant in a scheme of a fund."""

    FAMILY: ClassVar[str] = "buffers"
    enrolment_id: Id
    scheme_id: Id
    fund_id: Id


class Enrolled(EnrolmentEvent):
    """The enrolment's cap is committed from the fund."""

    FACT: ClassVar[str] = "enrolled"
    first_month: Month
    last_month: Month
    cap_cents: StrictCents


class MonthSettled(EnrolmentEvent):
    """A month is settled or rebooked; the last event of the ledger's transaction for this enrolment."""

    FACT: ClassVar[str] = "month-settled"
    month: Month
    revision: Revision
    closed_by: ClosedBy
    wage_cents: AnyCents
    benefit_paid_cents: StrictCents
    other_cash_cents: AnyCents
    cash_cents: AnyCents
    floor_cents: StrictCents
    shortfall_cents: StrictCents
    draw_cents: StrictCents
    """The month's draw in total after this settling."""
    previous_draw_cents: StrictCents | None = None
    """The month's draw in total before this settling; absent the first time."""
    balance_cents: StrictCents
    cash_after_cents: AnyCents


class BufferDrawn(EnrolmentEvent):
    """The draw booked for a month is now this amount in total."""

    FACT: ClassVar[str] = "buffer-drawn"
    month: Month
    revision: Revision
    draw_cents: StrictCents
    """The total for the month now, not the difference."""
    previous_draw_cents: StrictCents
    """The total for the month before; 0 the first time."""
    balance_cents: StrictCents
    payment_order_id: Id | None = None


class BufferReplenished(EnrolmentEvent):
    """A reversal raised the balance."""

    FACT: ClassVar[str] = "buffer-replenished"
    month: Month
    revision: Revision
    amount_cents: PositiveCents
    balance_cents: StrictCents


class BufferLow(EnrolmentEvent):
    """The balance fell below the scheme's threshold; once per crossing."""

    FACT: ClassVar[str] = "buffer-low"
    month: Month
    balance_cents: StrictCents
    threshold_cents: StrictCents


class BufferExhausted(EnrolmentEvent):
    """The balance fell below the smallest amount that is paid; once per crossing."""

    FACT: ClassVar[str] = "buffer-exhausted"
    month: Month


class DrawProposed(EnrolmentEvent):
    """A draw waits for a person to agree; its amount is held and nothing is drawn or paid yet."""

    FACT: ClassVar[str] = "draw-proposed"
    month: Month
    revision: Revision
    proposal_id: Id
    kind: Code
    amount_cents: PositiveCents
    total_cents: PositiveCents
    """What the month would draw in all with it."""
    need: Code
    """FOUR_EYES, OFFICIAL_DECISION or NEEDS_COLLEGE_VIEW."""
    statutory: bool
    flags: Annotated[tuple[Code, ...], Field(strict=False)] = ()


class EnrolmentEnded(EnrolmentEvent):
    """The enrolment is over; what was left went back to the fund."""

    FACT: ClassVar[str] = "enrolment-ended"
    last_month: Month
    returned_cents: StrictCents
    reason: Code
    unsettled_months: Annotated[tuple[Month, ...], Field(strict=False)] = ()
    """The months that were closed and never settled: nothing is drawn for them any more."""


# --- bufferbudget.funds, by buffer-ledger ---


class DonationReceived(FundEvent):
    """Money came into the fund."""

    FACT: ClassVar[str] = "donation-received"
    donation_id: Id
    amount_cents: PositiveCents
    value_date: date


class CapitalCommitted(FundEvent):
    """Free capital was set apart for an enrolment."""

    FACT: ClassVar[str] = "capital-committed"
    amount_cents: PositiveCents
    available_cents: StrictCents


class CapitalReturned(FundEvent):
    """Capital that was set apart is free again."""

    FACT: ClassVar[str] = "capital-returned"
    amount_cents: PositiveCents
    available_cents: StrictCents


class FundLow(FundEvent):
    """Free capital fell below the threshold; once per crossing."""

    FACT: ClassVar[str] = "fund-low"
    available_cents: StrictCents
    threshold_cents: StrictCents


# --- bufferbudget.warnings, by notifier ---


class MessageEvent(ParticipantEvent):
    """An event about one message to a resident; never its text or address."""

    FAMILY: ClassVar[str] = "warnings"
    message_id: Id
    kind: Code
    month: Month
    channel: Channel


class MessageSent(MessageEvent):
    """The message was handed over with evidence of it."""

    FACT: ClassVar[str] = "message-sent"


class MessageFailed(MessageEvent):
    """No way is left by which the message could be delivered; `channel` is the one tried last.

    An e-mail that a letter replaces has not failed.
    """

    FACT: ClassVar[str] = "message-failed"
    reason: Code
