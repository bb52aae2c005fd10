"""A real HTTPS server on loopback that takes webhooks, with a certificate of its own and faults on demand."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shared.webhooks.signatures import key_of, signed_headers

HOST = "receiver.example"


def certificate(folder: Path, host: str = HOST) -> tuple[Path, Path]:
    """A certificate for a host that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "receiver of a test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / f"{host}.pem", folder / f"{host}.key"
    certificate_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return certificate_file, key_file


class Names:
    """A resolver of names that exist in a test alone."""

    def __init__(self, **addresses: Sequence[str]) -> None:
        self.known: dict[str, Sequence[str]] = {HOST: ["127.0.0.1"], **addresses}
        self.asked: list[str] = []

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        if host not in self.known:
            raise OSError("no such name")
        return self.known[host]


@dataclass
class Received:
    """One request as it came."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads(self.body)
        return read

    def is_signed_with(self, secret: str) -> bool:
        """As a receiver checks it: over what it got, with the secret that it was given."""
        event_id, seconds = self.headers["webhook-id"], int(self.headers["webhook-timestamp"])
        expected = signed_headers(key_of(secret), event_id, seconds, self.body)
        return expected["webhook-signature"] == self.headers["webhook-signature"]


@dataclass
class Receiver:
    """The server; `answers` are the statuses it gives in turn, 200 after the last. 0 never answers."""

    certificate_file: Path
    host: str
    port: int = 0
    answers: list[int] = field(default_factory=list)
    refused_keys: set[str] = field(default_factory=set)
    """Answers 500 to events about these, whatever `answers` says."""
    headers: str = ""
    body: bytes = b""
    received: list[Received] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        return f"https://{self.host}:{self.port}/events?for=test"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        line, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in lines)}
        received = Received(line, headers, await reader.readexactly(int(headers["content-length"])))
        self.received.append(received)
        status = self.answers.pop(0) if self.answers else 200
        if any(key.encode() in received.body for key in self.refused_keys):
            status = 500
        if status == 0:
            await asyncio.sleep(3600)
        answer = f"HTTP/1.1 {status} X\r\nContent-Length: {len(self.body)}\r\n{self.headers}\r\n"
        writer.write(answer.encode() + self.body)
        await writer.drain()
        return True


@asynccontextmanager
async def receiving(folder: Path, host: str = HOST) -> AsyncIterator[Receiver]:
    """The receiver while it listens."""
    certificate_file, key_file = certificate(folder, host)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate_file, key_file)
    receiver = Receiver(certificate_file, host)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=context)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        await asyncio.sleep(0)
