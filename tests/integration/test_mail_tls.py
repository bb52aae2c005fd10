"""E-mail over TLS: STARTTLS with a certificate that is checked."""

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from deploy.parts.ports import free_port
from notifier.channels import EmailChannel, Outcome, Parcel, Result, mail_server
from notifier.wording import Sender, Wording
from tests.integration.notifier_desk import MailServer

PARCEL = Parcel(
    delivery_id="d",
    message_id="m",
    sender=Sender("Fonds", "team"),
    wording=Wording("Nieuws over uw buffer", "Beste deelnemer,\n"),
    composed_at=datetime(2026, 4, 8, tzinfo=UTC),
    email="robin@example.org",
)


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail server of a test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / "mail.pem", folder / "mail.key"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return certificate_file, key_file


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[MailServer, Path]]:
    certificate, key = _certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    handler = MailServer(free_port())
    controller = Controller(
        handler, hostname="127.0.0.1", port=handler.port, tls_context=context, require_starttls=True
    )
    controller.start()
    yield handler, certificate
    controller.stop()


async def _deliver(server: MailServer, context: ssl.SSLContext | None) -> list[Outcome]:
    outcomes: list[Outcome] = []

    async def report(parcel: Parcel, outcome: Outcome) -> None:
        outcomes.append(outcome)

    address = mail_server(f"{server.url}?starttls=required")
    await EmailChannel(address, "buffer@fonds.example", tls_context=context).deliver([PARCEL], report)
    return outcomes


async def test_mail_is_handed_over_inside_tls(server: tuple[MailServer, Path]) -> None:
    handler, certificate = server
    trusting = ssl.create_default_context(cafile=str(certificate))
    [outcome] = await _deliver(handler, trusting)
    assert outcome.result is Result.ACCEPTED
    assert len(handler.mails) == 1


async def test_a_certificate_that_nobody_vouches_for_gets_no_mail(server: tuple[MailServer, Path]) -> None:
    handler, _ = server
    [outcome] = await _deliver(handler, None)
    assert outcome.result is Result.LATER
    assert outcome.text.startswith("no connection to the mail server")
    assert handler.mails == []
