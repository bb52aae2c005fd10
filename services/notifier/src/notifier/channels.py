"""The port of all ways out of the building, and e-mail over SMTP behind it.

A channel gets parcels and reports one outcome for each; it knows no database and plans no retries. Every
parcel may come again after a crash: an e-mail then has the same Message-ID, a letter the same file.
"""

import asyncio
import re
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address, HeaderRegistry
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from enum import StrEnum
from html import escape
from ipaddress import ip_address
from itertools import groupby
from typing import Final, Literal, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

import aiosmtplib

from notifier.languages import MessageLanguage, is_right_to_left
from notifier.wording import Role, Section, Sender, Wording

EVIDENCE_TEXT_MAX: Final = 300
CONNECTIONS_MAX: Final = 4
ANSWER_SECONDS: Final = 30.0
FAILURES_IN_A_ROW_MAX: Final = 2
"""Lost or silent connections after which a lane stops: the rest of the batch is tried later."""


class _HeaderKinds(HeaderRegistry):
    """The standard registry makes a class anew for every header it is given; this one keeps them."""

    def __init__(self) -> None:
        super().__init__()
        self._kinds: dict[str, type] = {}

    def __getitem__(self, name: str) -> type:
        kind = self._kinds.get(name)
        if kind is None:
            kind = self._kinds[name] = super().__getitem__(name)
        return kind


SMTP_POLICY: Final = SMTP.clone(header_factory=_HeaderKinds())


class Result(StrEnum):
    """How an attempt ended: handed over, refused for good, or to be tried again."""

    ACCEPTED = "ACCEPTED"
    REFUSED = "REFUSED"
    LATER = "LATER"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One attempt's end; `text` is what the other side said, without any address in it.

    `reason` is what an event says when this ends the last way; None leaves it to result and code.
    """

    result: Result
    code: int | None
    text: str
    reason: str | None = None
    of_address: bool = False
    """Refused because of the resident's address: it bounced."""
    provider_id: str | None = None
    """How the provider calls what it accepted, where it can be asked what became of it."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message ready to go; a letter uses `page` (see letters.py), the others `wording` and an address.

    `attempt` counts from 1: above it, an earlier one may have been accepted without our knowing.
    """

    delivery_id: str
    message_id: str
    sender: Sender
    wording: Wording
    composed_at: datetime
    email: str = ""
    phone: str = ""
    page: str = ""
    attempt: int = 1
    language: MessageLanguage = "nl"


Report = Callable[[Parcel, Outcome], Awaitable[None]]


class Channel(Protocol):
    """Hands parcels over and reports an outcome for each of them exactly once, in any order."""

    async def deliver(self, parcels: Sequence[Parcel], report: Report) -> None: ...


# ---- e-mail ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed in. `tls` is IMPLICIT (smtps), STARTTLS (required) or NONE."""

    host: str
    port: int
    tls: Literal["IMPLICIT", "STARTTLS", "NONE"]
    username: str | None = None
    password: str | None = None


def mail_server(url: str) -> MailServer:
    """Read `smtp://[user:password@]host[:port][?starttls=required|never]` or `smtps://`; raises ValueError.

    STARTTLS is required unless the host is this machine (loopback) or the url says `starttls=never`.
    """
    parts = urlsplit(url)
    options = parse_qs(parts.query, strict_parsing=True) if parts.query else {}
    wish = options.pop("starttls", [None])[-1]
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname or parts.path not in {"", "/"} or options:
        raise ValueError("a mail server is written as smtp://[user:password@]host:port or smtps://...")
    if wish not in {None, "required", "never"} or (wish and parts.scheme == "smtps"):
        raise ValueError("starttls is `required` or `never`, and belongs to smtp:// only")
    tls: Literal["IMPLICIT", "STARTTLS", "NONE"] = "STARTTLS"
    if parts.scheme == "smtps":
        tls = "IMPLICIT"
    elif wish == "never" or (wish is None and is_loopback(parts.hostname)):
        tls = "NONE"
    return MailServer(
        host=parts.hostname,
        port=parts.port or {"IMPLICIT": 465, "STARTTLS": 587, "NONE": 25}[tls],
        tls=tls,
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
    )


def message_header_id(message_id: str, mail_from: str) -> str:
    """The Message-ID of a message: the same at every attempt, so that a repeat is recognisable."""
    return f"<{message_id}@{mail_from.rpartition('@')[2]}>"


def email_of(parcel: Parcel, mail_from: str) -> EmailMessage:
    """The e-mail as it is sent: text in UTF-8, From the sender by name, never from a municipality.

    The same words as HTML stand beside the text: they say which language runs which way, and what is a title.
    """
    message = EmailMessage(policy=SMTP_POLICY)
    message["From"] = Address(display_name=parcel.sender.signature(parcel.language), addr_spec=mail_from)
    message["To"] = Address(addr_spec=parcel.email)
    if parcel.sender.email:
        message["Reply-To"] = Address(addr_spec=parcel.sender.email)
    message["Subject"] = parcel.wording.subject
    message["Date"] = format_datetime(parcel.composed_at)
    message["Message-ID"] = message_header_id(parcel.message_id, mail_from)
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(parcel.wording.text, charset="utf-8", cte="quoted-printable")
    if parcel.wording.sections:
        page = html_of(parcel.wording)
        message.add_alternative(page, subtype="html", charset="utf-8", cte="quoted-printable")
        # Not a random one: a repeat is the same to the byte.
        message.set_boundary(f"=_{parcel.message_id}")
    return message


def html_of(wording: Wording) -> str:
    """The message as HTML without style, picture or link: language, direction, titles and lists."""
    body = "\n<hr>\n".join(_section_html(section) for section in wording.sections)
    language = wording.sections[0].language
    return (
        f'<!doctype html>\n<html lang="{language}"><head><meta charset="utf-8">'
        f"<title>{escape(wording.subject)}</title></head>\n<body>\n{body}\n</body></html>\n"
    )


def _section_html(section: Section) -> str:
    direction = "rtl" if is_right_to_left(section.language) else "ltr"
    blocks: list[str] = []
    for paragraph in section.paragraphs:
        for role, lines in groupby(paragraph, key=lambda line: line.role):
            texts = [escape(line.text) for line in lines]
            if role is Role.TITLE:
                blocks += [f"<h2>{text}</h2>" for text in texts]
            elif role is Role.ITEM:
                blocks.append("<ul>" + "".join(f"<li>{text}</li>" for text in texts) + "</ul>")
            else:
                blocks.append("<p>" + "<br>\n".join(texts) + "</p>")
    return f'<div lang="{section.language}" dir="{direction}">\n' + "\n".join(blocks) + "\n</div>"


class EmailChannel:
    """E-mail over a few SMTP connections at once, each used for many messages and opened for one batch."""

    def __init__(
        self,
        server: MailServer,
        mail_from: str,
        *,
        connections: int = CONNECTIONS_MAX,
        answer_seconds: float = ANSWER_SECONDS,
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        self._server = server
        self._mail_from = mail_from
        self._connections = connections
        self._answer_seconds = answer_seconds
        self._tls_context = tls_context

    async def deliver(self, parcels: Sequence[Parcel], report: Report) -> None:
        """Hand over every parcel; those that no connection could take are reported as LATER."""
        queue = deque(parcels)
        lanes = min(self._connections, len(queue))
        reasons = await asyncio.gather(*(self._lane(queue, report) for _ in range(lanes)))
        reason = next((text for text in reasons if text), "the mail server took no more connections")
        while queue:
            await report(queue.popleft(), Outcome(Result.LATER, None, reason))

    async def _lane(self, queue: deque[Parcel], report: Report) -> str:
        """Work through the shared queue on one connection; returns why it stopped early, or nothing."""
        client: aiosmtplib.SMTP | None = None
        failures = 0
        try:
            while queue and failures < FAILURES_IN_A_ROW_MAX:
                if client is None or not client.is_connected:
                    client, reason = await self._connected()
                    if client is None:
                        return reason
                    if not queue:
                        break
                parcel = queue.popleft()
                outcome, usable = await self._hand_over(client, parcel)
                await report(parcel, outcome)
                failures = 0 if usable else failures + 1
                if not usable:
                    client.close()
            return "the mail server stopped answering" if queue else ""
        finally:
            if client is not None:
                await self._leave(client)

    async def _connected(self) -> tuple[aiosmtplib.SMTP | None, str]:
        client = aiosmtplib.SMTP(
            hostname=self._server.host,
            port=self._server.port,
            username=self._server.username,
            password=self._server.password,
            use_tls=self._server.tls == "IMPLICIT",
            start_tls=self._server.tls == "STARTTLS",
            tls_context=self._tls_context,
            timeout=self._answer_seconds,
            local_hostname=self._mail_from.rpartition("@")[2],
        )
        try:
            async with asyncio.timeout(self._answer_seconds):
                await client.connect()
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            # A fault of the server as a whole says nothing about one resident's address: always later.
            client.close()
            return None, f"no connection to the mail server ({type(error).__name__})"
        return client, ""

    async def _hand_over(self, client: aiosmtplib.SMTP, parcel: Parcel) -> tuple[Outcome, bool]:
        """One message on an open connection; also whether the connection can be used again."""
        try:
            content = email_of(parcel, self._mail_from).as_bytes()
        except Exception:
            # The library raises all sorts for text it cannot write; trying again cannot help, a letter can.
            return Outcome(Result.REFUSED, None, "the message cannot be written as an e-mail"), True
        try:
            async with asyncio.timeout(self._answer_seconds):
                await client.mail(self._mail_from)
                await client.rcpt(parcel.email)
                answer = await client.data(content)
            return Outcome(
                Result.ACCEPTED, answer.code, without_addresses(answer.message, parcel.email)
            ), True
        except aiosmtplib.SMTPResponseException as error:
            result = Result.REFUSED if 500 <= error.code < 600 else Result.LATER
            said = without_addresses(error.message, parcel.email)
            # 5.7 is about who we are and what we may send, never about the address.
            recipient = isinstance(error, aiosmtplib.SMTPRecipientRefused)
            bounced = recipient and result is Result.REFUSED and not said.startswith("5.7.")
            outcome = Outcome(result, error.code, said, of_address=bounced)
            return outcome, await self._reset(client, error.code)
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            # Lost after the last byte it may have been accepted: the repeat has the same Message-ID.
            return Outcome(Result.LATER, None, f"connection lost ({type(error).__name__})"), False

    async def _reset(self, client: aiosmtplib.SMTP, code: int) -> bool:
        if code == 421 or not client.is_connected:
            return False
        try:
            async with asyncio.timeout(self._answer_seconds):
                await client.rset()
        except (aiosmtplib.SMTPException, OSError, TimeoutError):
            return False
        return True

    async def _leave(self, client: aiosmtplib.SMTP) -> None:
        transport = client.transport
        try:
            if client.is_connected:
                async with asyncio.timeout(min(5.0, self._answer_seconds)):
                    await client.quit()
        except (aiosmtplib.SMTPException, OSError, TimeoutError):
            pass
        finally:
            client.close()
            # The goodbye was said inside TLS: its closing handshake, which servers skip, is not waited for.
            if isinstance(transport, asyncio.WriteTransport):
                transport.abort()
                await asyncio.sleep(0)


_ADDRESS: Final = re.compile(r"[^\s<>\"'(),:;]+@[^\s<>\"'(),:;]+")


def without_addresses(text: str, address: str) -> str:
    """What a server said, on one line, without e-mail addresses or the name before the resident's @."""
    flat = " ".join(text.split())
    local = address.partition("@")[0]
    flat = _ADDRESS.sub("<address>", re.sub(re.escape(address), "<address>", flat, flags=re.IGNORECASE))
    if local:
        flat = re.sub(rf"(?<!\w){re.escape(local)}(?!\w)", "<address>", flat, flags=re.IGNORECASE)
    return "".join(character for character in flat if character.isprintable())[:EVIDENCE_TEXT_MAX]


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
