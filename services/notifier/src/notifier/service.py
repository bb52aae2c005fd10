"""The notifier as a value: database, keys, routes, handlers, delivery worker. Building starts nothing."""

from pathlib import Path
from typing import Final

from notifier.bounces import Bounces
from notifier.channels import Channel, EmailChannel, mail_server
from notifier.contacts import ChannelName
from notifier.delivery import Courier
from notifier.followups import FollowUps
from notifier.forms import RULES
from notifier.http import make_router
from notifier.languages import released_languages
from notifier.letters import LetterChannel
from notifier.notifications import Notifications
from notifier.notify import NotifyApi, NotifyChannel, notify_account
from notifier.quiet_hours import QuietHours
from notifier.retention import Retention
from notifier.tasks import TaskChannel
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


def channels(settings: Settings, api: NotifyApi | None) -> dict[ChannelName, Channel]:
    """The ways out that the settings allow: letters and tasks always, the others when a server is named."""
    ways: dict[ChannelName, Channel] = {
        ChannelName.LETTER: LetterChannel(settings.letter_path),
        ChannelName.TASK: TaskChannel(),
    }
    if settings.smtp_url is not None:
        server = mail_server(settings.smtp_url.get_secret_value())
        ways[ChannelName.EMAIL] = EmailChannel(server, settings.mail_from)
    if api is not None and settings.notify_sms_template_id is not None:
        ways[ChannelName.SMS] = NotifyChannel(api, "sms", settings.notify_sms_template_id)
    if api is not None and settings.notify_email_template_id is not None:
        if ChannelName.EMAIL in ways:
            raise ValueError("e-mail goes by SMTP_URL or by NOTIFY_EMAIL_TEMPLATE_ID: set one of them")
        ways[ChannelName.EMAIL] = NotifyChannel(api, "email", settings.notify_email_template_id)
    return ways


def provider(settings: Settings, clock: Clock) -> NotifyApi | None:
    """The provider of text messages and e-mail, when the settings name one. Raises ValueError."""
    if settings.notify_url is None and settings.notify_api_key is None:
        return None
    if settings.notify_url is None or settings.notify_api_key is None:
        raise ValueError("NOTIFY_URL and NOTIFY_API_KEY belong together: set both or none")
    account = notify_account(settings.notify_url, settings.notify_api_key.get_secret_value())
    return NotifyApi(account, clock.now)


def build(settings: Settings, clock: Clock, ids: Ids, metrics: Metrics) -> Service:
    """Make the service; raises ValueError for settings of delivery that cannot be read."""
    database = database_of(NAME, settings, clock, ids)
    keys = key_store_of(NAME, settings)
    sender = Sender(email=settings.mail_from)
    measured = metrics.of(NAME)
    api = provider(settings, clock)
    bounces = Bounces(settings.bounces_max, measured)
    courier = Courier(
        database,
        keys,
        channels(settings, api),
        sender,
        settings.mail_from,
        get_log(NAME),
        measured,
        bounces=bounces,
        quiet_hours=QuietHours.parse(settings.quiet_hours),
        task_days=settings.task_days,
        most_a_day=settings.messages_per_day_max,
    )
    followups = FollowUps(database, keys, bounces, measured, api)
    deliveries = Worker("deliveries", courier.step)
    following = Worker("delivery-follow-ups", followups.step, every_seconds=30.0)
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

    async def sample() -> None:
        await courier.sample()
        await followups.sample()

    templates = load_templates()
    notifications = Notifications(
        keys,
        templates,
        sender,
        measured,
        deliveries.wake,
        bounces=bounces,
        languages=released_languages(settings.message_languages),
    )
    notifications.on_erased = letters.wake
    return Service(
        name=NAME,
        database=database,
        router=make_router(database, keys, notifications, templates, followups),
        migrations=MIGRATIONS,
        wiring=wiring(notifications),
        workers=[deliveries, following, letters, contacts],
        key_store=keys,
        pending_work=courier.pending,
        rules={**RULES, **TOESLAG_RULES},
        sample=sample,
    )
