"""How a delivery shows that it is ours: an HMAC over id, time and body, as Standard Webhooks lays it down.

    webhook-id: 0198f2...                     the event's id, the same at each attempt
    webhook-timestamp: 1772442000             seconds since 1970 of this attempt
    webhook-signature: v1,K5oZfzN95Z9UVu1...  base64 of HMAC-SHA256(key, id + "." + timestamp + "." + body)

A receiver computes the same, compares in constant time, refuses a timestamp more than five minutes off, and
does nothing for an id that it has handled.
"""

import hmac
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from typing import Final

PREFIX: Final = "whsec_"
SHORTEST: Final = 24
"""Fewest bytes of a key."""
LONGEST: Final = 200
"""Most characters of a secret."""


def secret_of(random: bytes) -> str:
    """A secret as it is handed out, from random bytes."""
    return PREFIX + b64encode(random).decode()


def key_of(secret: str) -> bytes:
    """The key that a secret stands for: what follows `whsec_` in base64, else the characters themselves.

    Raises ValueError in words for whoever chose it, which never repeat it.
    """
    if not (secret.isascii() and secret.isprintable() and len(secret) <= LONGEST):
        raise ValueError(f"must be at most {LONGEST} printable ASCII characters")
    if secret.startswith(PREFIX):
        try:
            key = b64decode(secret.removeprefix(PREFIX), validate=True)
        except NotBase64:
            raise ValueError(f"must be base64 after {PREFIX}") from None
    else:
        key = secret.encode()
    if len(key) < SHORTEST:
        raise ValueError(f"must stand for at least {SHORTEST} bytes")
    return key


def signed_headers(key: bytes, event_id: str, seconds: int, body: bytes) -> dict[str, str]:
    """The three headers of one attempt at `seconds` since 1970."""
    signed = f"{event_id}.{seconds}.".encode() + body
    signature = b64encode(hmac.digest(key, signed, "sha256")).decode()
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": f"v1,{signature}",
    }
