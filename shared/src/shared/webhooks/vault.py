"""Callback and secret of a subscription, encrypted: an address can hold a password of the receiver's too."""

import json
import os
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.key_files import MasterKey
from shared.personal_keys import Unreadable

_NONCE = 12


@dataclass(frozen=True, slots=True)
class Confidential:
    """Where deliveries go, and what they are signed with; kept out of every text made of this."""

    callback_url: str
    secret: str

    def __repr__(self) -> str:
        return "Confidential(...)"


class Vault:
    """Encrypts for one service; what belongs to one subscription does not open as another's."""

    def __init__(self, master_key: MasterKey, service: str) -> None:
        self._cipher = AESGCM(master_key.derive(f"{service}/webhooks"))

    def seal(self, subscription_id: str, known: Confidential) -> bytes:
        """The ciphertext for one row."""
        nonce = os.urandom(_NONCE)
        content = json.dumps([known.callback_url, known.secret]).encode()
        return nonce + self._cipher.encrypt(nonce, content, subscription_id.encode())

    def open(self, subscription_id: str, sealed: bytes) -> Confidential:
        """What was sealed; raises Unreadable."""
        try:
            content = self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], subscription_id.encode())
        except InvalidTag:
            raise Unreadable("a subscription does not open: is MASTER_KEY_FILE the right one?") from None
        return Confidential(*json.loads(content))
