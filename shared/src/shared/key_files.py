"""Secret files: made on first use, for their owner only, safe when two processes start at once."""

import contextlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def create_once(path: Path, make: Callable[[], bytes]) -> bytes:
    """Read a secret file, making it first when it is missing; all processes get the same content.

    The content is written and synced under a name of its own, then linked in one step: whoever comes second
    finds the first one's file whole.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        pass
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(make())
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
    return path.read_bytes()


class MasterKey:
    """The one secret from which each service derives its keys; never stored beside the data it protects."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) < 32:
            raise ValueError("a master key has at least 32 bytes")
        self._secret = secret

    @classmethod
    def from_file(cls, path: Path) -> "MasterKey":
        """Read the key (hexadecimal text of at least 32 bytes); makes the file when it is missing."""
        text = create_once(path, _new_secret)
        try:
            return cls(bytes.fromhex(text.decode().strip()))
        except ValueError as error:
            raise ValueError(f"{path} must hold at least 64 hexadecimal digits") from error

    def derive(self, purpose: str) -> bytes:
        """32 bytes for one purpose, such as `notifier/people`; another purpose gives an unrelated key."""
        return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=purpose.encode()).derive(
            self._secret
        )


def _new_secret() -> bytes:
    return f"{secrets.token_hex(32)}\n".encode()
