"""A real mail server on loopback that keeps what it was given."""

import email
import email.policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller

from deploy.parts.ports import free_port


class PostBox:
    """Takes mail over SMTP; `to(address)` gives the texts that arrived for an address, in order."""

    def __init__(self) -> None:
        self._mails: list[tuple[list[str], EmailMessage]] = []
        self._port = free_port()
        self._controller = Controller(self, hostname="127.0.0.1", port=self._port)

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self._port}"

    def start(self) -> None:
        self._controller.start()

    def stop(self) -> None:
        self._controller.stop()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        mail = email.message_from_bytes(envelope.original_content, policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        self._mails.append((list(envelope.rcpt_tos), mail))
        return "250 Message accepted for delivery"

    def to(self, address: str) -> list[str]:
        texts = []
        for recipients, mail in self._mails:
            body = mail.get_body(("plain",))
            if address in recipients and body is not None:
                texts.append(str(body.get_content()))
        return texts

    def message_ids(self, address: str) -> list[str]:
        return [str(mail["Message-ID"]) for recipients, mail in self._mails if address in recipients]
