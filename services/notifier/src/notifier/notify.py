"""Text messages and e-mail through an API of the kind of GOV.UK Notify, such as NotifyNL.

A parcel goes out under the reference of its delivery. Before an attempt is repeated the provider is asked for
that reference: what it accepted and we could not record is found, and never sent a second time.
"""

import asyncio
import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import httpx
import jwt

from notifier.channels import (
    ANSWER_SECONDS,
    EVIDENCE_TEXT_MAX,
    Outcome,
    Parcel,
    Report,
    Result,
    is_loopback,
    without_addresses,
)

Medium = Literal["sms", "email"]
LANES: Final = 4
_UUID: Final = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_API_KEY: Final = re.compile(rf"^.*?({_UUID})-({_UUID})$")
_OF_THE_ADDRESS: Final = re.compile(r"phone_number|email_address|phone number|email address", re.IGNORECASE)
_OF_ONE_MESSAGE: Final = frozenset({200, 201, 400, 404, 413})
"""Statuses that say nothing about the next message; after any other a lane leaves the rest for later."""
_FAILED: Final = frozenset({"permanent-failure", "temporary-failure", "technical-failure"})


@dataclass(frozen=True, slots=True)
class NotifyAccount:
    """Where the provider is and who we are there; `url` has no slash at its end."""

    url: str
    service_id: str
    secret: str


def notify_account(url: str, api_key: str) -> NotifyAccount:
    """Read address and API key (`name-<service id>-<secret>`); ValueError, never with the key in it."""
    parts = urlsplit(url)
    plain = parts.scheme == "http" and is_loopback(parts.hostname or "")
    if not parts.hostname or parts.query or not (parts.scheme == "https" or plain):
        raise ValueError("NOTIFY_URL is an https address without a query")
    match = _API_KEY.match(api_key)
    if match is None:
        raise ValueError("NOTIFY_API_KEY is written as name-<id of the service>-<secret>, both UUIDs")
    return NotifyAccount(url.rstrip("/"), match.group(1), match.group(2))


class Fate(StrEnum):
    """What became of a message that the provider accepted."""

    UNDER_WAY = "UNDER_WAY"
    DELIVERED = "DELIVERED"
    BOUNCED = "BOUNCED"
    """The address did not take it: wrong, or out of reach for days."""
    LOST = "LOST"
    """The provider failed; nothing is said about the address."""


_FATES: Final[Mapping[str, Fate]] = {
    "delivered": Fate.DELIVERED,
    "sent": Fate.DELIVERED,
    "permanent-failure": Fate.BOUNCED,
    "temporary-failure": Fate.BOUNCED,
    "technical-failure": Fate.LOST,
}


class Unanswered(Exception):
    """The provider gave no usable answer; the message says how, without any address."""


class NotifyApi:
    """The few calls we make; each raises Unanswered when no whole answer comes in time."""

    def __init__(
        self,
        account: NotifyAccount,
        now: Callable[[], datetime],
        *,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._account = account
        self._now = now
        self._answer_seconds = answer_seconds

    def client(self) -> httpx.AsyncClient:
        """A client for a batch of calls; follows no redirects."""
        return httpx.AsyncClient(
            base_url=self._account.url, timeout=self._answer_seconds, follow_redirects=False, trust_env=False
        )

    async def send(
        self, client: httpx.AsyncClient, medium: Medium, body: Mapping[str, Any]
    ) -> tuple[int, Mapping[str, Any]]:
        """Ask for a message to be sent; the status and what was said."""
        return await self._call(client, "POST", f"/v2/notifications/{medium}", json=body)

    async def find(self, client: httpx.AsyncClient, reference: str) -> Mapping[str, Any] | None:
        """What the provider accepted under a reference and did not fail to deliver; None when nothing."""
        status, said = await self._call(client, "GET", "/v2/notifications", params={"reference": reference})
        listed = said.get("notifications")
        if status != 200 or not isinstance(listed, list):
            raise Unanswered(f"the provider could not look up the reference ({status})")
        found = [one for one in listed if isinstance(one, dict) and one.get("reference") == reference]
        return next((one for one in found if one.get("status") not in _FAILED), None)

    async def fate(self, client: httpx.AsyncClient, provider_id: str) -> tuple[Fate, str]:
        """What became of an accepted message, and the provider's own word for it."""
        status, said = await self._call(client, "GET", f"/v2/notifications/{provider_id}")
        word = said.get("status")
        if status != 200 or not isinstance(word, str):
            raise Unanswered(f"the provider could not tell what became of it ({status})")
        return _FATES.get(word, Fate.UNDER_WAY), word[:40]

    async def _call(
        self, client: httpx.AsyncClient, method: str, path: str, **content: Any
    ) -> tuple[int, Mapping[str, Any]]:
        try:
            async with asyncio.timeout(self._answer_seconds):
                answer = await client.request(method, path, headers=self._headers(), **content)
                said = answer.json()
        except (httpx.HTTPError, TimeoutError) as error:
            raise Unanswered(f"no answer from the provider ({type(error).__name__})") from error
        except ValueError as error:
            raise Unanswered(f"half an answer from the provider ({answer.status_code})") from error
        if not isinstance(said, dict):
            raise Unanswered(f"an answer from the provider that is no object ({answer.status_code})")
        return answer.status_code, said

    def _headers(self) -> dict[str, str]:
        claims = {"iss": self._account.service_id, "iat": int(self._now().timestamp())}
        return {"Authorization": f"Bearer {jwt.encode(claims, self._account.secret, algorithm='HS256')}"}


class NotifyChannel:
    """One medium of the provider behind the port of channels."""

    def __init__(self, api: NotifyApi, medium: Medium, template_id: str) -> None:
        self._api = api
        self._medium = medium
        self._template_id = template_id

    async def deliver(self, parcels: Sequence[Parcel], report: Report) -> None:
        """Hand over every parcel; when the provider is away or throttles, the rest is reported as LATER."""
        queue = deque(parcels)
        async with self._api.client() as client:
            lanes = min(LANES, len(queue))
            reasons = await asyncio.gather(*(self._lane(client, queue, report) for _ in range(lanes)))
        reason = next((text for text in reasons if text), "the provider took no more")
        while queue:
            await report(queue.popleft(), Outcome(Result.LATER, None, reason))

    async def _lane(self, client: httpx.AsyncClient, queue: deque[Parcel], report: Report) -> str:
        while queue:
            parcel = queue.popleft()
            outcome = await self._hand_over(client, parcel)
            await report(parcel, outcome)
            if outcome.result is Result.LATER and outcome.code not in _OF_ONE_MESSAGE:
                return outcome.text
        return ""

    async def _hand_over(self, client: httpx.AsyncClient, parcel: Parcel) -> Outcome:
        try:
            if parcel.attempt > 1 and (known := await self._api.find(client, parcel.delivery_id)):
                return _accepted(known, 200, "accepted at an earlier attempt")
            status, said = await self._api.send(client, self._medium, self._body(parcel))
        except Unanswered as gap:
            # It may have been accepted: the next attempt asks before it sends.
            return Outcome(Result.LATER, None, str(gap))
        if status == 201:
            return _accepted(said, status, "accepted by the provider")
        text = _said(said, parcel.email if self._medium == "email" else parcel.phone)
        if status == 400 and _OF_THE_ADDRESS.search(text):
            return Outcome(Result.REFUSED, status, text, of_address=True)
        # A wrong key or template, too many at once, a fault of theirs: nothing the resident did.
        return Outcome(Result.LATER, status, text)

    def _body(self, parcel: Parcel) -> Mapping[str, Any]:
        shared = {"template_id": self._template_id, "reference": parcel.delivery_id}
        if self._medium == "sms":
            return {
                **shared,
                "phone_number": parcel.phone,
                "personalisation": {"body": parcel.wording.sms},
            }
        wording = parcel.wording
        return {
            **shared,
            "email_address": parcel.email,
            "personalisation": {"subject": wording.subject, "body": wording.text},
        }


def _accepted(said: Mapping[str, Any], status: int, text: str) -> Outcome:
    provider_id = said.get("id")
    if not isinstance(provider_id, str) or not re.fullmatch(_UUID, provider_id):
        return Outcome(Result.LATER, status, "accepted without an id: the next attempt asks for it")
    return Outcome(Result.ACCEPTED, status, text, provider_id=provider_id)


def _said(said: Mapping[str, Any], address: str) -> str:
    """What the provider said is wrong, on one line and without an address or a telephone number."""
    errors = said.get("errors")
    listed = errors if isinstance(errors, list) else []
    texts = [f"{one.get('error')}: {one.get('message')}" for one in listed if isinstance(one, dict)]
    flat = without_addresses("; ".join(texts) or "no reason given", address)
    return re.sub(r"\+?\d[\d ()-]{5,}\d", "<number>", flat)[:EVIDENCE_TEXT_MAX]
