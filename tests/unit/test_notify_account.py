"""Where the provider is and who we are there, as settings write it."""

import pytest

from notifier.notify import NotifyAccount, notify_account
from notifier.service import channels, provider
from shared.clock import SystemClock
from shared.settings import Settings

SERVICE, SECRET = "a0000000-0000-4000-8000-0000000000aa", "b0000000-0000-4000-8000-0000000000bb"
KEY = f"my-key-{SERVICE}-{SECRET}"


def test_an_api_key_holds_the_service_and_its_secret() -> None:
    assert notify_account("https://api.example/", KEY) == NotifyAccount(
        "https://api.example", SERVICE, SECRET
    )
    assert notify_account("http://127.0.0.1:8000", KEY).url == "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("http://api.example", KEY),
        ("https://api.example?x=1", KEY),
        ("api.example", KEY),
        ("https://api.example", "secret-without-ids"),
        ("https://api.example", f"my-key-{SECRET}"),
    ],
)
def test_what_cannot_be_read_is_refused_without_repeating_the_key(url: str, key: str) -> None:
    with pytest.raises(ValueError, match="NOTIFY") as refused:
        notify_account(url, key)
    assert SECRET not in str(refused.value)
    assert "without-ids" not in str(refused.value)


def test_settings_that_contradict_each_other_are_refused_at_start() -> None:
    halves: list[dict[str, str]] = [{"notify_url": "https://api.example"}, {"notify_api_key": KEY}]
    for half in halves:
        with pytest.raises(ValueError, match="belong together"):
            provider(Settings.model_validate(half), SystemClock())
    both = {"notify_url": "https://api.example", "notify_api_key": KEY, "notify_email_template_id": SERVICE}
    settings = Settings.model_validate({**both, "smtp_url": "smtp://127.0.0.1"})
    with pytest.raises(ValueError, match="set one of them"):
        channels(settings, provider(settings, SystemClock()))
    assert provider(Settings(), SystemClock()) is None
