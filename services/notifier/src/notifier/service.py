"""The notifier as a value: database, keys, routes, handlers, delivery worker. Building starts nothing."""

from pathlib import Path
from typing import Final

from notifier.channels import Channel, EmailChannel, mail_server
from notifier.contacts import ChannelName
from notifier.delivery import Courier
from notifier.forms import RULES
from notifier.http import make_router
from notifier.languages import released_languages
from notifier.letters import LetterChannel
from notifier.notifications import Notifications
from notifier.retention import Retention
from notifier.templates import load_templates
from notifier.toeslag_forms import TOESLAG_RULES
from notifier.wording import Sender
from shared.clock import Clock
from shared.contracts.events import (
    BufferDrawn,
    BufferExhausted,
    BufferLow,
    BufferReplenished,
    EnrolmentEnded,
    MonthSettled,
    ParticipantErased,
    ParticipantRegistered,
)
from shared.ids import Ids
from shared.inbox import Wiring
from shared.log import get_log
from shared.metrics import Metrics
from shared.service import Service, database_of, key_store_of
from shared.settings import ServiceName, Settings
from shared.workers import Worker

NAME: Final[ServiceName] = "notifier"
MIGRATIONS: Final = Path(__file__).parent / "migrations"


def wiring(notifications: Notifications) -> Wiring:
    """Which event is handled by what; one handler for all buffer news takes in a batch at once."""
    hear_news = notifications.hear_news
    return {
        ParticipantRegistered: notifications.register_people,
        ParticipantErased: notifications.erase_people,
        MonthSettled: hear_news,
        BufferDrawn: hear_news,
        BufferLow: hear_news,
        BufferExhausted: hear_news,
        BufferReplenished: hear_news,
        EnrolmentEnded: hear_news,
    }


def channels(settings: Settings) -> dict[ChannelName, Channel]:
    """The ways out that the settings allow: letters always, e-mail when SMTP_URL names a server."""
    ways: dict[ChannelName, Channel] = {ChannelName.LETTER: LetterChannel(settings.letter_path)}
    if settings.smtp_url is not None:
        server = mail_server(settings.smtp_url.get_secret_value())
        ways[ChannelName.EMAIL] = EmailChannel(server, settings.mail_from)
    return ways


def build(settings: Settings, clock: Clock, ids: Ids, metrics: Metrics) -> Service:
    """Make the service; raises ValueError for settings of delivery that cannot be read."""
    database = database_of(NAME, settings, clock, ids)
    keys = key_store_of(NAME, settings)
    sender = Sender(email=settings.mail_from)
    measured = metrics.of(NAME)
    courier = Courier(database, keys, channels(settings), sender, settings.mail_from, get_log(NAME), measured)
    deliveries = Worker("deliveries", courier.step)
    retention = Retention(
        database,
        keys,
        settings.letter_path,
        keep_letters_days=settings.keep_letters_days,
        keep_unseen_contacts_days=settings.keep_unseen_contacts_days,
    )
    # Without a lease: whichever process erased somebody also removes the letters, at once.
    letters = Worker("letter-retention", retention.remove_letters, every_seconds=60.0, lease=False)
    contacts = Worker("contact-retention", retention.forget_unseen, every_seconds=3600.0)
    templates = load_templates()
    notifications = Notifications(
        keys,
        templates,
        sender,
        measured,
        deliveries.wake,
        languages=released_languages(settings.message_languages),
    )
    notifications.on_erased = letters.wake
    return Service(
        name=NAME,
        database=database,
        router=make_router(database, keys, notifications, templates),
        migrations=MIGRATIONS,
        wiring=wiring(notifications),
        workers=[deliveries, letters, contacts],
        key_store=keys,
        pending_work=courier.pending,
        rules={**RULES, **TOESLAG_RULES},
        sample=courier.sample,
    )
