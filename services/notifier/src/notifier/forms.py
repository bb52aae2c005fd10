"""What callers send to the notifier and what they get back, as models; which values are built stands here."""

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema

from notifier.contacts import ChannelName, Consent, ConsentKind, Contact, PostalAddress
from notifier.languages import DUTCH, LANGUAGES, MessageLanguage
from notifier.previews import Occasion, occasions_of
from notifier.wording import MessageKind
from shared.contracts.events import Id, MunicipalityCode
from shared.dates import Day
from shared.errors import Fault
from shared.months import Month
from shared.requests import RequestModel, ResponseModel, not_built

RULES: Final[Mapping[str, str]] = {
    "M001": "A consent cannot be given on a day that has yet to come.",
    "M002": "The channel EMAIL needs an e-mail address.",
    "M003": "A channel, or a consent for one channel and kind of message, stands there twice.",
    "M004": "A fund's message carries no municipal identity: its sender's name may not claim one.",
    "M005": "A letter cannot show a character of the name or address.",
    "M006": "An occasion belongs to one kind of message.",
    "M007": "The channel SMS needs a mobile telephone number.",
}

NOT_BUILT_YET: Final = (
    "kind",
    "partner",
    "persons",
    "applicant_birth_date",
    "applicant_age",
    "children_birth_dates",
    "children_ages",
    "housing",
    "childcare",
    "co_residents",
    "assets_cents",
    "toeslagen",
    "tax_credit_at",
)
"""Members about toeslagen: refused rather than dropped, until something is done with them."""


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be one line of readable characters")
    return text


def _dutch_postal_code(text: str) -> str:
    return f"{text[:4]} {text[-2:].upper()}"


OneLine = Annotated[str, StringConstraints(min_length=1, max_length=100), AfterValidator(_one_line)]
PostalCode = Annotated[
    str,
    StringConstraints(pattern=r"^[1-9][0-9]{3} ?[A-Za-z]{2}$"),
    AfterValidator(_dutch_postal_code),
    Field(examples=["3511 AB"]),
]
EmailAddress = Annotated[
    str,
    StringConstraints(
        max_length=254,
        pattern=r"^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
        r"@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}$",
    ),
    Field(examples=["a.jansen@example.nl"]),
]
Phone = Annotated[
    str, StringConstraints(pattern=r"^\+?[0-9][0-9 ()-]{5,24}$"), Field(examples=["030 286 00 00"])
]
AnyChannel = Literal["EMAIL", "SMS", "TASK", "LETTER"]
_MUNICIPAL: Final = re.compile(
    r"(?<![^\W_])(gemeente|gemeentelijke?|municipality|municipal)(?![^\W_])", re.IGNORECASE
)
"""Whole words by which a name claims to be a municipality's; `Gemeentefonds` is another word."""

_MOBILE: Final = re.compile(r"(06|\+316|00316)[0-9]{8}$|(\+|00)(?!31)[1-9][0-9]{6,14}$")
"""A Dutch mobile number, or any number abroad."""

Unbuilt = Annotated[Any, Field(description="Known, but not built yet: refused with N001.")]


class PostalAddressForm(RequestModel):
    """Where letters go, in the Netherlands."""

    name: OneLine = Field(description="Who receives the post: the resident, a coach or an administrator.")
    street: OneLine = Field(description="Street and number, or P.O. box.", examples=["Stationsplein 1"])
    postal_code: PostalCode
    city: OneLine


class ConsentForm(RequestModel):
    """The resident's recorded consent to get one kind of message by an electronic channel."""

    channel: Literal["EMAIL", "SMS"]
    message_kind: Literal["BUFFER"] = Field(description="BUFFER: news about a closed month or the buffer.")
    given_on: Day


class ContactForm(RequestModel):
    """How to reach a resident."""

    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")] = Field(
        description="Which language comes first: nl, en, tr, ar or uk. Below Dutch stands English, below "
        "any other Dutch. A language that MESSAGE_LANGUAGES does not name gives way to Dutch.",
        examples=["nl"],
    )
    email: EmailAddress | None = None
    phone: Phone | None = None
    postal_address: PostalAddressForm | None = None
    channels: list[AnyChannel] = Field(
        max_length=4,
        description="In order of preference. E-mail and text messages need consent for the kind of message. "
        "TASK: somebody reads it to the resident. Whatever stands here, a letter is the last resort.",
    )
    coach: OneLine | None = Field(
        default=None, description="Who reads messages to the resident; default: an official (TASK)."
    )
    consents: list[ConsentForm] = Field(max_length=20)

    @classmethod
    def cross_faults(cls, parsed: Mapping[str, Any]) -> list[Fault]:
        faults: list[Fault] = []
        language = parsed.get("language", "nl")
        if language not in LANGUAGES:
            faults.append(not_built("/language", language))
        channels: list[str] = parsed.get("channels", [])
        consents: list[ConsentForm] = parsed.get("consents", [])
        if (
            "SMS" in channels
            and "phone" in parsed
            and not _MOBILE.match(re.sub(r"[ ()-]", "", parsed.get("phone") or ""))
        ):
            faults.append(Fault("M007", "/phone", "is required as a mobile number when channels has SMS"))
        if "EMAIL" in channels and "email" in parsed and parsed["email"] is None:
            faults.append(Fault("M002", "/email", "is required when channels has EMAIL"))
        if len(set(channels)) < len(channels):
            faults.append(Fault("M003", "/channels", "names a channel twice"))
        if len({(consent.channel, consent.message_kind) for consent in consents}) < len(consents):
            faults.append(Fault("M003", "/consents", "has one channel and kind of message twice"))
        return faults

    def contact(self) -> Contact:
        """The contact as the rules know it; only for a form without faults."""
        address = self.postal_address
        return Contact(
            language=next((known for known in LANGUAGES if known == self.language), DUTCH),
            email=self.email,
            phone=self.phone,
            postal_address=PostalAddress(**address.model_dump()) if address else None,
            channels=tuple(ChannelName(channel) for channel in self.channels),
            coach=self.coach,
            consents=tuple(
                Consent(ChannelName(consent.channel), ConsentKind(consent.message_kind), consent.given_on)
                for consent in self.consents
            ),
        )


class HouseholdForm(RequestModel):
    """A household as far as it is built: how to reach the resident."""

    municipality: MunicipalityCode
    contact: ContactForm
    kind: Unbuilt = None
    partner: Unbuilt = None
    persons: Unbuilt = None
    applicant_birth_date: Annotated[
        Unbuilt, WithJsonSchema({"type": ["string", "null"], "format": "date"})
    ] = None
    applicant_age: Unbuilt = None
    children_birth_dates: Unbuilt = None
    children_ages: Unbuilt = None
    housing: Unbuilt = None
    childcare: Unbuilt = None
    co_residents: Unbuilt = None
    assets_cents: Unbuilt = None
    toeslagen: Unbuilt = None
    tax_credit_at: Unbuilt = None

    @classmethod
    def cross_faults(cls, parsed: Mapping[str, Any]) -> list[Fault]:
        # The value stays out of the answer: a birth date or an amount has no place in an error.
        return [
            Fault("N001", f"/{cls.model_fields[name].alias}", "is known but not built yet in this version")
            for name in NOT_BUILT_YET
            if parsed.get(name) is not None
        ]

    def faults_on(self, today: date) -> list[Fault]:
        """Faults that depend on what day it is."""
        return [
            Fault("M001", f"/contact/consents/{index}/givenOn", "lies in the future")
            for index, consent in enumerate(self.contact.consents)
            if consent.given_on > today
        ]


class SenderForm(RequestModel):
    """How a fund signs its messages in this municipality, and who answers questions about them."""

    name: OneLine = Field(description="Who sends: the fund or scheme, never the municipality in its place.")
    contact: OneLine | None = Field(default=None, description="Who answers; default: the sender itself.")
    phone: Phone | None = None
    email: EmailAddress | None = None

    @classmethod
    def cross_faults(cls, parsed: Mapping[str, Any]) -> list[Fault]:
        claimed = _MUNICIPAL.search(parsed.get("name", ""))
        if claimed is None:
            return []
        detail = (
            f"says {claimed.group()!r}, but the message is not a municipality's: "
            "give the name of the fund or the scheme itself"
        )
        return [Fault("M004", "/name", detail)]


class MessagePreviewForm(RequestModel):
    """Which message to show: a kind, or an occasion of it, in a language, as one channel sends it."""

    kind: MessageKind
    language: MessageLanguage
    channel: AnyChannel
    occasion: Occasion | None = Field(default=None, description="Default: the ordinary one of the kind.")

    @classmethod
    def cross_faults(cls, parsed: Mapping[str, Any]) -> list[Fault]:
        kind, occasion = parsed.get("kind"), parsed.get("occasion")
        if kind is None or occasion is None or occasion in occasions_of(kind):
            return []
        allowed = ", ".join(occasions_of(kind))
        return [Fault("M006", "/occasion", f"does not belong to {kind}: give one of {allowed}")]

    @property
    def shown(self) -> Occasion:
        """The occasion to show."""
        return self.occasion or occasions_of(self.kind)[0]


# ---- answers ---------------------------------------------------------------------------------------------


class PostalAddressView(ResponseModel):
    name: str
    street: str
    postal_code: str
    city: str


class ConsentView(ResponseModel):
    channel: ChannelName
    message_kind: ConsentKind
    given_on: date


class ContactView(ResponseModel):
    language: str
    email: str | None = None
    phone: str | None = None
    postal_address: PostalAddressView | None = None
    channels: list[ChannelName]
    coach: str | None = None
    consents: list[ConsentView]

    @classmethod
    def of(cls, contact: Contact) -> "ContactView":
        return cls.model_validate(contact, from_attributes=True)


class HouseholdView(ResponseModel):
    """What is recorded of a household."""

    participant_id: Id
    municipality: MunicipalityCode
    contact: ContactView
    registered: bool = Field(description="False while intake has not announced the person: nothing is sent.")
    buffer_messages_by: ChannelName | None = Field(
        default=None, description="How messages about the buffer go out now; absent: there is no way."
    )
    broken: list[ChannelName] = Field(
        default_factory=list,
        description="Channels whose address bounced too often: they wait for a new contact.",
    )
    recorded_at: datetime


class SenderView(ResponseModel):
    """How a fund signs."""

    fund_id: Id
    municipality: MunicipalityCode
    name: str
    contact: str
    phone: str | None = None
    email: str | None = None
    recorded_at: datetime


class MessagePreviewView(ResponseModel):
    """A message about an invented person, as it would be sent. Only what the channel sends is present."""

    kind: MessageKind
    occasion: Occasion
    channel: AnyChannel
    languages: list[MessageLanguage] = Field(description="In the order they are read.")
    review_needed: list[MessageLanguage] = Field(description="Languages that a speaker has yet to read.")
    templates: list[str] = Field(
        description="Versions of the template files.", examples=[["nl-08da57dbeb11"]]
    )
    subject: str | None = None
    text: str
    html: str | None = None
    pdf: str | None = Field(default=None, description="The letter as PDF, in base64.")


class EvidenceView(ResponseModel):
    """How one attempt ended. UNKNOWN: the process died before the answer was recorded."""

    attempt: int
    outcome: Literal["ACCEPTED", "REFUSED", "LATER", "UNKNOWN"]
    code: int | None = Field(
        default=None, description="What the mail server (SMTP) or provider (HTTP) answered."
    )
    text: str
    header_id: str | None = Field(
        default=None, description="Message-ID of the e-mail, the same each time; or the provider's id."
    )
    recorded_at: datetime


class DeliveryView(ResponseModel):
    """One way by which a message goes out."""

    channel: ChannelName
    state: Literal["DUE", "CLAIMED", "SENT", "FAILED", "CANCELLED"]
    attempts: int
    next_attempt_at: datetime | None = Field(default=None, description="Present while it is tried again.")
    evidence: list[EvidenceView]


class MessageView(ResponseModel):
    """One message to a resident. Its text is absent while it waits to be worded, after an erasure, and when
    what is stored cannot be read."""

    message_id: Id
    participant_id: Id
    kind: str
    month: Month
    why: list[str]
    state: Literal["WAITING", "DUE", "SENT", "FAILED", "CANCELLED"] = Field(
        description="WAITING: for registration or contact. FAILED: no way is left until a new contact comes."
    )
    subject: str | None = None
    text: str | None = None
    templates: list[str] | None = Field(
        default=None,
        description="Versions of the template files it was made from.",
        examples=[["nl-08da57dbeb11"]],
    )
    composed_at: datetime
    deliveries: list[DeliveryView]


class MessagePage(ResponseModel):
    """A page of messages, oldest first."""

    items: list[MessageView]
    next_cursor: str | None = Field(default=None, description="Send it as `cursor` for the next page.")
