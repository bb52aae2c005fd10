"""What finds people, employers and slips without naming them, and what encrypts the rest.

Every hash is keyed and has a purpose of its own, so that nobody without the service's master key can try out
all BSNs, and no hash of one kind equals one of another.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

from pydantic_core import to_json

from shared.personal_keys import KeyStore, Plain, Sealed

IDENTIFIERS: Final = "participant"
EMPLOYER: Final = "employment"
SLIP: Final = "wage-slip"
PIECE: Final = "batch-piece"
FAULTS: Final = "batch-faults"


class Keys:
    """The service's keyed hashes and its people's keys; a batch has a key of its own, like a person."""

    def __init__(self, store: KeyStore) -> None:
        self.store = store

    def bsn_index(self, municipality: str, bsn: str) -> str:
        """By what a person is found who is named by BSN."""
        return self.store.blind_index("bsn", f"{municipality}|{bsn}")

    def reference_index(self, municipality: str, reference: str) -> str:
        """By what a person is found who is named by a reference of the municipality."""
        return self.store.blind_index("external-reference", f"{municipality}|{reference}")

    def employer_key(self, participant_id: str, employer: str) -> str:
        """The opaque key of an employer of one person; the same employer has another for another person."""
        return self.store.blind_index("employer", f"{participant_id}|{employer}")

    def slip_key(self, identity: str) -> str:
        """The opaque key of a slip's identity."""
        return self.store.blind_index("slip", identity)

    def content_key(self, slip_key: str, content: str) -> str:
        """By what equal content of one slip is recognised."""
        return self.store.blind_index("slip-content", f"{slip_key}|{content}")

    def digest(self, municipality: str, body: bytes) -> str:
        """By what the same bytes of one municipality are recognised."""
        return self.store.blind_index("batch", f"{municipality}|{sha256(body).hexdigest()}")

    async def seal(self, purpose: str, items: Sequence[tuple[str, bytes]]) -> list[bytes]:
        """Encrypt contents, each with the key of the person or batch named before it."""
        if not items:
            return []
        return await self.store.encrypt_many([Plain(subject, purpose, content) for subject, content in items])

    async def unseal(self, purpose: str, items: Sequence[tuple[str, bytes]]) -> list[bytes]:
        """What `seal` encrypted; raises PersonErased when the key of one of them is gone."""
        if not items:
            return []
        return await self.store.decrypt_many([Sealed(subject, purpose, sealed) for subject, sealed in items])

    async def unseal_present(self, purpose: str, items: Sequence[tuple[str, bytes]]) -> list[bytes | None]:
        """What `seal` encrypted, None for what cannot be opened because its key is gone."""
        if not items:
            return []
        sealed = [Sealed(subject, purpose, content) for subject, content in items]
        return await self.store.decrypt_present(sealed)


def packed(value: Mapping[str, Any]) -> bytes:
    """A private object as bytes to encrypt; members without a value are left out."""
    kept = {name: member for name, member in value.items() if member is not None}
    return to_json(kept)
