"""Mail server urls, the choice of a channel, pauses between attempts, evidence without addresses."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from notifier.channels import (
    MailServer,
    Parcel,
    email_of,
    mail_server,
    message_header_id,
    without_addresses,
)
from notifier.contacts import ChannelName, Consent, ConsentKind, Contact, PostalAddress
from notifier.delivery import retry_after
from notifier.languages import LANGUAGES
from notifier.previews import CONTENTS, SENDER, Occasion
from notifier.templates import load_templates
from notifier.wording import NAMELESS, MessageKind, Sender, Wording, word

HOME = PostalAddress("Robin", "Laan 1", "1234 AB", "Dorp")
AGREED = Consent(ChannelName.EMAIL, ConsentKind.BUFFER, date(2026, 1, 1))
CONTACT = Contact("nl", "robin@example.nl", None, HOME, (ChannelName.EMAIL, ChannelName.LETTER), (AGREED,))
KIND = MessageKind.BUFFER_MONTH


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://127.0.0.1:2525", MailServer("127.0.0.1", 2525, "NONE")),
        ("smtp://localhost", MailServer("localhost", 25, "NONE")),
        ("smtp://[::1]:2525", MailServer("::1", 2525, "NONE")),
        ("smtp://mail.example", MailServer("mail.example", 587, "STARTTLS")),
        ("smtp://127.0.0.1:25?starttls=required", MailServer("127.0.0.1", 25, "STARTTLS")),
        ("smtp://relay.example:25?starttls=never", MailServer("relay.example", 25, "NONE")),
        ("smtps://a%40b:p%2Fw@mail.example", MailServer("mail.example", 465, "IMPLICIT", "a@b", "p/w")),
    ],
)
def test_a_mail_server_is_read_from_its_url_with_tls_unless_it_is_this_machine(
    url: str, server: MailServer
) -> None:
    assert mail_server(url) == server


@pytest.mark.parametrize(
    "url",
    [
        "mail.example",
        "http://mail.example",
        "smtp://",
        "smtp://a/b",
        "smtp://a?starttls=maybe",
        "smtps://a?starttls=never",
        "smtp://a?tls=1",
    ],
)
def test_another_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"mail server|starttls"):
        mail_server(url)


def test_email_needs_the_channel_an_address_and_consent_for_the_kind_and_a_letter_is_the_last_resort() -> (
    None
):
    assert CONTACT.channel_for(KIND) is ChannelName.EMAIL
    assert replace(CONTACT, consents=()).channel_for(KIND) is ChannelName.LETTER
    assert replace(CONTACT, email=None).channel_for(KIND) is ChannelName.LETTER
    assert replace(CONTACT, channels=()).channel_for(KIND) is ChannelName.LETTER
    preferring_paper = replace(CONTACT, channels=(ChannelName.LETTER, ChannelName.EMAIL))
    assert preferring_paper.channel_for(KIND) is ChannelName.LETTER
    assert replace(CONTACT, postal_address=None).channel_for(KIND) is ChannelName.EMAIL
    assert replace(CONTACT, postal_address=None, consents=()).channel_for(KIND) is None


def test_each_channel_needs_its_address_and_a_text_message_its_own_consent() -> None:
    by_text = replace(CONTACT, phone="0612345678", channels=(ChannelName.SMS, ChannelName.EMAIL))
    assert by_text.channel_for(KIND) is ChannelName.EMAIL, "consent for e-mail is none for text messages"
    agreed = replace(by_text, consents=(AGREED, replace(AGREED, channel=ChannelName.SMS)))
    assert agreed.channel_for(KIND) is ChannelName.SMS
    assert replace(agreed, phone=None).channel_for(KIND) is ChannelName.EMAIL
    assert replace(agreed, channels=(ChannelName.TASK,)).channel_for(KIND) is ChannelName.TASK
    assert not replace(agreed, channels=()).may_use(ChannelName.TASK, KIND)


def test_a_broken_channel_is_passed_over_until_a_new_contact_comes() -> None:
    assert CONTACT.channel_for(KIND, {ChannelName.EMAIL}) is ChannelName.LETTER
    assert replace(CONTACT, postal_address=None).channel_for(KIND, {ChannelName.EMAIL}) is None


def test_a_contact_reads_back_equal() -> None:
    for contact in (CONTACT, replace(CONTACT, postal_address=None, consents=(), email=None)):
        assert Contact.from_bytes(contact.to_bytes()) == contact


def test_pauses_grow_for_a_day_then_email_and_text_are_given_up_and_a_letter_is_not() -> None:
    email = [retry_after(attempt, ChannelName.EMAIL) for attempt in range(1, 9)]
    pauses = [pause for pause in email if pause is not None]
    assert email[-1] is None
    assert pauses == sorted(pauses)
    assert 80_000 < sum(pauses) < 86_400
    assert [retry_after(attempt, ChannelName.SMS) for attempt in range(1, 9)] == email
    assert retry_after(1000, ChannelName.LETTER) == 86_400


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("2.0.0 OK queued as 4F2A", "2.0.0 OK queued as 4F2A"),
        ("5.1.1 <Robin@Example.NL> unknown", "5.1.1 <<address>> unknown"),
        ("user robin\nnot here; see postmaster@example.nl", "user <address> not here; see <address>"),
        ("robinson is no robin", "robinson is no <address>"),
        ("x" * 1000, "x" * 300),
    ],
)
def test_what_a_server_said_is_kept_without_addresses(said: str, kept: str) -> None:
    assert without_addresses(said, "robin@example.nl") == kept


def _parcel() -> Parcel:
    return Parcel(
        delivery_id="d",
        message_id="0190-m",
        sender=Sender("Fonds É", "team", None, "vragen@fonds.example"),
        wording=Wording("Nieuws over uw buffer", "Beste deelnemer,\n€\u00a01,00\n.\nEinde\n"),
        composed_at=datetime(2026, 4, 8, 7, 0, tzinfo=UTC),
        email="robin@example.nl",
    )


def test_an_email_is_the_same_at_every_attempt_and_names_the_fund() -> None:
    first, second = email_of(_parcel(), "buffer@fonds.example"), email_of(_parcel(), "buffer@fonds.example")
    assert first.as_bytes() == second.as_bytes()
    assert (
        first["Message-ID"] == message_header_id("0190-m", "buffer@fonds.example") == "<0190-m@fonds.example>"
    )
    assert first["From"] == "Fonds É <buffer@fonds.example>"
    assert first["Reply-To"] == "vragen@fonds.example"
    assert first.get_content() == _parcel().wording.text
    assert first.get_content_type() == "text/plain"
    assert not [name for name in first if name.lower().startswith("list-")]


def test_the_html_beside_the_text_says_the_language_and_its_direction_and_holds_no_markup_of_a_name() -> None:
    sender = replace(SENDER, name="<b>Fonds</b> & co")
    wording = word(CONTENTS[Occasion.ORDINARY_MONTH], sender, "ar", load_templates(), LANGUAGES)
    parcel = replace(_parcel(), wording=wording)
    first, second = email_of(parcel, "buffer@fonds.example"), email_of(parcel, "buffer@fonds.example")
    assert first.as_bytes() == second.as_bytes()
    text, html = first.iter_parts()
    assert text.get_content() == wording.text
    page = html.get_content()
    assert '<div lang="ar" dir="rtl">' in page
    assert '<div lang="nl" dir="ltr">' in page
    assert "<h2>Wat gebeurde er in maart 2026?</h2>" in page
    assert "<li>U kreeg €\u00a0250,00 loon.</li>" in page
    assert "&lt;b&gt;Fonds&lt;/b&gt; &amp; co" in page
    assert "<b>" not in page
    assert "http" not in page, "nothing is fetched when it is opened, and nothing can be clicked"


def test_an_email_of_a_sender_nobody_named_is_from_your_buffer_fund_in_the_readers_language() -> None:
    nameless = replace(_parcel(), sender=NAMELESS)
    assert email_of(nameless, "buffer@fonds.example")["From"] == "Uw bufferfonds <buffer@fonds.example>"
    english = replace(nameless, language="en")
    assert email_of(english, "buffer@fonds.example")["From"] == "Your buffer fund <buffer@fonds.example>"


def test_a_header_cannot_be_smuggled_in_through_a_name() -> None:
    parcel = replace(_parcel(), sender=Sender("Fonds\r\nBcc: iemand@example.nl", "team"))
    with pytest.raises(ValueError, match="CR or LF"):
        email_of(parcel, "buffer@fonds.example")
