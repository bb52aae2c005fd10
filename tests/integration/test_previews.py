"""Every kind of message can be looked at in every language and channel before anybody gets it."""

from base64 import b64decode
from itertools import product
from typing import Any

from notifier.languages import LANGUAGES, order
from notifier.previews import CONTENTS
from notifier.wording import MessageKind
from tests.integration.test_households import Running, notifier

__all__ = ["notifier"]  # the fixture of a running one

PATH = "/v1/message-previews"
CHANNELS = ("EMAIL", "LETTER", "SMS")


async def test_any_kind_can_be_seen_in_any_language_and_channel(notifier: Running) -> None:
    for kind, language, channel in product(MessageKind, LANGUAGES, CHANNELS):
        wish = {"kind": kind, "language": language, "channel": channel}
        answer = await notifier.client.post(PATH, json=wish)
        assert answer.status_code == 200, answer.text
        shown: dict[str, Any] = answer.json()
        assert shown["languages"] == list(order(language))
        assert shown["reviewNeeded"] == [one for one in shown["languages"] if one in {"tr", "ar", "uk"}]
        assert [version[:2] for version in shown["templates"]] == shown["languages"]
        assert ("html" in shown, "pdf" in shown) == (channel == "EMAIL", channel == "LETTER")
        assert "Voorbeeldfonds" in shown["text"]
        if channel == "LETTER":
            assert b64decode(shown["pdf"]).startswith(b"%PDF-1.7")
        if channel == "SMS":
            assert "€" not in shown["text"]


async def test_an_occasion_can_be_chosen_and_must_belong_to_the_kind(notifier: Running) -> None:
    texts = set()
    for occasion, content in CONTENTS.items():
        wish = {"kind": content.kind, "language": "nl", "channel": "EMAIL", "occasion": occasion}
        answer = await notifier.client.post(PATH, json=wish)
        assert answer.json()["occasion"] == occasion
        texts.add(answer.json()["text"])
    assert len(texts) == len(CONTENTS)
    wrong = {"kind": "BUFFER_END", "language": "xx", "channel": "EMAIL", "occasion": "ALMOST_EMPTY"}
    refused = await notifier.client.post(PATH, json=wrong)
    assert refused.status_code == 400
    assert {(error["rule"], error["pointer"]) for error in refused.json()["errors"]} >= {
        ("M006", "/occasion")
    }
    assert "/language" in {error["pointer"] for error in refused.json()["errors"]}


async def test_only_the_back_office_sees_previews(notifier: Running) -> None:
    wish = {"kind": "BUFFER_MONTH", "language": "nl", "channel": "SMS"}
    for role in ({"ROLE": "operator"}, {"ROLE": "fund", "FUND": "a0000000-0000-4000-8000-000000000001"}):
        answer = await notifier.client.post(PATH, json=wish, headers=notifier.headers(**role))
        assert answer.status_code == 403
