"""The notifier's parts on a real database, driven by a test step by step; and a mail server with a temper."""

import asyncio
import email
import email.policy
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from io import StringIO
from itertools import groupby
from pathlib import Path
from typing import Any
from uuid import UUID

from aiosmtpd.controller import Controller
from pypdf import PdfReader
from sqlalchemy import and_, select, update

from deploy.parts.ports import free_port
from notifier.bounces import Bounces
from notifier.channels import Channel, EmailChannel, mail_server
from notifier.contacts import ChannelName, Consent, ConsentKind, Contact, PostalAddress
from notifier.delivery import Courier
from notifier.followups import FollowUps
from notifier.http import make_router
from notifier.letters import LetterChannel
from notifier.notifications import Notifications
from notifier.notify import NotifyApi, NotifyChannel, notify_account
from notifier.quiet_hours import QuietHours
from notifier.service import MIGRATIONS, wiring
from notifier.tables import DELIVERY, EVIDENCE, HOUSEHOLD, MESSAGE, TASK
from notifier.tasks import TaskChannel
from notifier.templates import load_templates
from notifier.wording import Sender
from shared import log as logs
from shared.clock import FixedClock
from shared.contracts.cloudevents import source_of
from shared.contracts.events import (
    BufferDrawn,
    Event,
    MonthSettled,
    ParticipantErased,
    ParticipantRegistered,
)
from shared.database import Database
from shared.ids import RandomIds
from shared.inbox import Incoming
from shared.key_files import MasterKey
from shared.metrics import Metrics
from shared.migrate import migrate
from shared.money import Cents
from shared.months import Month
from shared.personal_keys import KeyStore
from shared.plumbing import TABLES

NOW = datetime(2026, 4, 8, 7, 0, tzinfo=UTC)
MUNICIPALITY = "0344"
MAIL_FROM = "buffer@fonds.example"
CANARY_NAME = "Kanarie Zwaluwstaart"
SENDER = Sender("Bestaansbalans", "Bestaansbalans", "030 123 45 67", "vragen@fonds.example")
NOTIFY_KEY = "test-a0000000-0000-4000-8000-0000000000aa-b0000000-0000-4000-8000-0000000000bb"
SMS_TEMPLATE, EMAIL_TEMPLATE = str(UUID(int=1)), str(UUID(int=2))
LEDGER = source_of("00000001003214345000", "buffer-ledger")


def person_id(number: int) -> str:
    return str(UUID(int=0xA0000000000040008000000000000000 + number))


def canary_email(number: int) -> str:
    return f"kanarie.vogelkooi{number}@zwaluw.example"


def contact_of(number: int, *, mail: bool = True, paper: bool = True, consent: bool = True) -> Contact:
    consents = (Consent(ChannelName.EMAIL, ConsentKind.BUFFER, NOW.date()),) if consent else ()
    return Contact(
        language="nl",
        email=canary_email(number) if mail else None,
        phone=None,
        postal_address=PostalAddress(CANARY_NAME, "Vogelstraat 7", "3511 AB", "Utrecht") if paper else None,
        channels=(ChannelName.EMAIL, ChannelName.LETTER) if mail else (ChannelName.LETTER,),
        consents=consents,
    )


def enrolled(number: int) -> dict[str, Any]:
    return {
        "municipality": MUNICIPALITY,
        "participant_id": person_id(number),
        "enrolment_id": person_id(10_000 + number),
        "scheme_id": person_id(90_001),
        "fund_id": person_id(90_002),
    }


def settled(number: int, month: str, draw: int, *, revision: int = 1, **more: Any) -> MonthSettled:
    return MonthSettled(
        **{
            **enrolled(number),
            "month": Month.parse(month),
            "revision": revision,
            "closed_by": "CLOSE",
            "wage_cents": Cents(25_000),
            "benefit_paid_cents": Cents(61_323),
            "other_cash_cents": Cents(0),
            "cash_cents": Cents(86_323),
            "floor_cents": Cents(133_143),
            "shortfall_cents": Cents(46_820),
            "draw_cents": Cents(draw),
            "balance_cents": Cents(100_000 - draw),
            "cash_after_cents": Cents(86_323 + draw),
            **more,
        }
    )


def drawn(number: int, month: str, draw: int, *, revision: int = 1) -> BufferDrawn:
    return BufferDrawn(
        **enrolled(number),
        month=Month.parse(month),
        revision=revision,
        draw_cents=Cents(draw),
        previous_draw_cents=Cents(0),
        balance_cents=Cents(100_000 - draw),
    )


def registered(number: int, municipality: str = MUNICIPALITY) -> ParticipantRegistered:
    return ParticipantRegistered(participant_id=person_id(number), municipality=municipality)


def erased(number: int) -> ParticipantErased:
    return ParticipantErased(participant_id=person_id(number), municipality=MUNICIPALITY)


def text_of(path: Path) -> str:
    """What a letter says, as a program reads it from the PDF; of another file its text."""
    if path.suffix != ".pdf" or not path.read_bytes().startswith(b"%PDF"):
        return path.read_text(encoding="utf-8")
    return "\n".join(page.extract_text() for page in PdfReader(path).pages)


@dataclass
class Desk:
    """One notifier: events go in by `hear`, time passes by `later`, `deliver` does the worker's work."""

    folder: Path
    service_url: str
    smtp_url: str | None = None
    answer_seconds: float = 2.0
    languages: tuple[str, ...] = ("nl", "en")
    notify_url: str | None = None
    quiet_hours: str = "none"
    most_a_day: int = 5
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOW))
    metrics: Metrics = field(default_factory=Metrics)
    log: StringIO = field(default_factory=StringIO)

    def __post_init__(self) -> None:
        logs.configure(stream=self.log, strict=True)
        source = source_of("00000001003214345000", "notifier")
        self.database = Database(
            self.service_url, name="notifier", source=source, clock=self.clock, ids=RandomIds()
        )
        master = MasterKey.from_file(self.folder / "master.key")
        self.keys = KeyStore(f"sqlite:///{self.folder / 'keys.db'}", master, service="notifier")
        measured = self.metrics.of("notifier")
        channels: dict[ChannelName, Channel] = {ChannelName.LETTER: LetterChannel(self.letters)}
        if self.smtp_url is not None:
            server = mail_server(self.smtp_url)
            channels[ChannelName.EMAIL] = EmailChannel(server, MAIL_FROM, answer_seconds=self.answer_seconds)
        templates = load_templates()
        channels[ChannelName.TASK] = TaskChannel()
        api = None
        if self.notify_url is not None:
            account = notify_account(self.notify_url, NOTIFY_KEY)
            api = NotifyApi(account, self.clock.now, answer_seconds=self.answer_seconds)
            channels[ChannelName.SMS] = NotifyChannel(api, "sms", SMS_TEMPLATE)
            channels.setdefault(ChannelName.EMAIL, NotifyChannel(api, "email", EMAIL_TEMPLATE))
        bounces = Bounces(2, measured)
        self.followups = FollowUps(self.database, self.keys, bounces, measured, api)
        self.notifications = Notifications(
            self.keys, templates, SENDER, measured, bounces=bounces, languages=self.languages
        )
        self.courier = Courier(
            self.database,
            self.keys,
            channels,
            SENDER,
            MAIL_FROM,
            logs.get_log("notifier"),
            measured,
            bounces=bounces,
            quiet_hours=QuietHours.parse(self.quiet_hours),
            most_a_day=self.most_a_day,
        )
        self.router = make_router(self.database, self.keys, self.notifications, templates, self.followups)
        self._wiring = wiring(self.notifications)
        self._heard = 0

    @property
    def letters(self) -> Path:
        return self.folder / "letters"

    @classmethod
    async def open(cls, folder: Path, owner_url: str, service_url: str, **options: Any) -> "Desk":
        await migrate(owner_url, MIGRATIONS, service_url=service_url)
        return cls(folder, service_url, **options)

    async def close(self) -> None:
        await self.keys.close()
        await self.database.close()

    async def hear(self, *events: Event) -> None:
        """Hand events over in one transaction, a run for one handler at once, as the consumer does."""
        incoming = [
            Incoming(str(UUID(int=self._heard + number)), LEDGER, self.clock.now(), event)
            for number, event in enumerate(events)
        ]
        self._heard += len(events)
        async with self.database.write() as tx:
            for handler, run in groupby(incoming, key=lambda one: self._wiring[type(one.event)]):
                await handler(tx, list(run))

    async def contact(self, number: int, contact: Contact, municipality: str = MUNICIPALITY) -> None:
        async with self.database.write() as tx:
            await self.notifications.record_contact(tx, person_id(number), municipality, contact)

    async def known(self, number: int, **contact: bool) -> None:
        """A registered person with a contact."""
        await self.hear(registered(number))
        await self.contact(number, contact_of(number, **contact))

    async def damage(self, number: int, part: str, month: str = "2026-03") -> None:
        """Spoil what is stored of a person: `contact`, or `content` or `wording` of a month's message."""
        where = HOUSEHOLD.c.participant_id == person_id(number)
        changed = update(HOUSEHOLD).where(where).values(contact=b"\x01" + b"spoilt" * 8)
        if part != "contact":
            of_month = and_(
                MESSAGE.c.participant_id == person_id(number), MESSAGE.c.month == Month.parse(month)
            )
            changed = update(MESSAGE).where(of_month).values({part: b"\x01" + b"spoilt" * 8})
        async with self.database.write() as tx:
            await tx.execute(changed)

    def later(self, seconds: float) -> None:
        self.clock.set(self.clock.now() + timedelta(seconds=seconds))

    async def deliver(self) -> None:
        """Let the worker work until nothing is due."""
        while await self.courier.step():
            pass

    async def messages(self) -> list[Any]:
        async with self.database.read() as reading:
            return await reading.rows(select(MESSAGE).order_by(MESSAGE.c.participant_id, MESSAGE.c.month))

    async def deliveries(self) -> list[Any]:
        async with self.database.read() as reading:
            return await reading.rows(select(DELIVERY).order_by(DELIVERY.c.channel, DELIVERY.c.delivery_id))

    async def tasks(self) -> list[Any]:
        async with self.database.read() as reading:
            return await reading.rows(select(TASK).order_by(TASK.c.task_id))

    async def evidence(self) -> list[Any]:
        """In order of time; of one instant e-mail before letters, since those follow from it."""
        tried = EVIDENCE.join(DELIVERY, DELIVERY.c.delivery_id == EVIDENCE.c.delivery_id)
        found = select(EVIDENCE, DELIVERY.c.channel).select_from(tried)
        async with self.database.read() as reading:
            return await reading.rows(
                found.order_by(EVIDENCE.c.recorded_at, DELIVERY.c.channel, EVIDENCE.c.attempt)
            )

    def letters_written(self) -> dict[str, str]:
        """The text of the letters on disk by file name; every one is readable by its owner alone."""
        if not self.letters.exists():
            return {}
        assert {path.stat().st_mode & 0o777 for path in self.letters.iterdir()} <= {0o600}
        return {path.name: text_of(path) for path in self.letters.iterdir()}

    def database_bytes(self) -> dict[str, bytes]:
        """Every database file in the folder, as it lies there."""
        return {path.name: path.read_bytes() for path in self.folder.glob("*.db*")}

    async def told(self) -> list[bytes]:
        """What went into the outbox, as bytes."""
        async with self.database.read() as reading:
            return [
                row.value for row in await reading.rows(select(TABLES.outbox).order_by(TABLES.outbox.c.id))
            ]


class MailServer:
    """A real SMTP server on loopback. `behave` says what it does with the next messages, in order.

    `ok`, an SMTP answer such as `451 busy`, `rcpt 550 unknown`, `hang` or `drop` (take it, then hang up).
    """

    def __init__(self, port: int | None = None) -> None:
        self.port = port or free_port()
        self.mails: list[tuple[str, EmailMessage]] = []
        self.connections = 0
        self._plan: list[str] = []
        self._controller: Controller | None = None

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def behave(self, *plan: str) -> None:
        self._plan.extend(plan)

    def start(self) -> "MailServer":
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self._controller.start()
        return self

    def stop(self) -> None:
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    def counts(self) -> Counter[str]:
        return Counter(str(mail["Message-ID"]) for _, mail in self.mails)

    def to(self, address: str) -> Sequence[EmailMessage]:
        return [mail for recipient, mail in self.mails if recipient == address]

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        self.connections += 1
        session.host_name = hostname
        return responses

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if self._plan and self._plan[0].startswith("rcpt "):
            return self._plan.pop(0).removeprefix("rcpt ").replace("<address>", address)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        step = self._plan.pop(0) if self._plan else "ok"
        if step == "hang":
            await asyncio.sleep(3600)
        if step in {"ok", "drop"}:
            mail = email.message_from_bytes(envelope.original_content, policy=email.policy.default)
            assert isinstance(mail, EmailMessage)
            self.mails.append((envelope.rcpt_tos[0], mail))
        if step == "drop":
            server.transport.abort()
        return "250 2.0.0 accepted" if step in {"ok", "drop"} else step
