"""The preview of messages: any kind in any language and channel, about invented people."""

import asyncio
from base64 import b64encode
from typing import Annotated

from fastapi import Depends, Request, Response

from notifier.channels import html_of
from notifier.forms import MessagePreviewForm, MessagePreviewView
from notifier.letters import letter, letter_pdf
from notifier.previews import ADDRESS, DAY, SENDER, SENT_AT, preview
from notifier.wording import Templates
from shared.api import ServiceRouter
from shared.commands import Answer, command
from shared.database import Database, Tx
from shared.tokens import Caller, Role, allow

BackOffice = Annotated[Caller, Depends(allow(Role.BACKOFFICE))]


def add_preview_routes(router: ServiceRouter, database: Database, templates: Templates) -> None:
    """`POST /v1/message-previews`; it reads and changes nothing."""

    @router.post("/message-previews", response_model=MessagePreviewView)
    async def preview_message(request: Request, form: MessagePreviewForm, caller: BackOffice) -> Response:
        """Show a message as it would be sent to an invented person; languages not released yet included.

        The words are those of the template files, whose versions the answer names. A text message never has
        an amount; a letter comes as PDF beside its text.
        """

        async def run(tx: Tx) -> Answer:
            return Answer(await _shown(form, templates))

        return await command(request, database, caller, run)


async def _shown(form: MessagePreviewForm, templates: Templates) -> MessagePreviewView:
    wording = preview(form.shown, form.language, templates)
    languages = [section.language for section in wording.sections]
    pdf = None
    if form.channel == "LETTER":
        page = letter(wording, ADDRESS, SENDER, DAY, form.language)
        pdf = b64encode(await asyncio.to_thread(letter_pdf, page, SENT_AT)).decode()
    return MessagePreviewView(
        kind=form.kind,
        occasion=form.shown,
        channel=form.channel,
        languages=languages,
        review_needed=[one for one in languages if templates[form.kind, one].review_needed],
        templates=list(wording.templates),
        subject=None if form.channel == "SMS" else wording.subject,
        text=wording.sms if form.channel == "SMS" else wording.text,
        html=html_of(wording) if form.channel == "EMAIL" else None,
        pdf=pdf,
    )
