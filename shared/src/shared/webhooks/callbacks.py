"""What a callback may be: an https address outside of our own network. Pure; names are resolved elsewhere."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias
from urllib.parse import urlsplit

Network: TypeAlias = IPv4Network | IPv6Network
Address: TypeAlias = IPv4Address | IPv6Address

LONGEST: Final = 2000
_HOST = re.compile(r"(?=.{1,253}\Z)([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9-]{1,63}\.?")
_TEXT = re.compile(r"[!-~]+")
_HERE = ("localhost", ".localhost", ".local", ".internal", ".home.arpa")

_NEVER_PUBLIC: Final[tuple[Network, ...]] = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",
        "100.64.0.0/10",  # between providers and customers; a cloud's metadata lies in it
        "168.63.129.16/32",  # a public address that every machine of one cloud reaches its host by
        "192.0.0.0/24",
        "192.88.99.0/24",
        "198.18.0.0/15",
        "::/96",
        "64:ff9b::/96",  # the next ones carry an IPv4 address, which might be any
        "64:ff9b:1::/48",
        "2001::/23",
        "2002::/16",
        "fec0::/10",
    )
)


@dataclass(frozen=True, slots=True)
class Callback:
    """A checked callback URL, in the parts by which a connection is made; nobody parses the text again."""

    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """What the header Host says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == 443 else f"{host}:{self.port}"

    @property
    def address(self) -> Address | None:
        """The address, when the URL names one instead of a host."""
        try:
            return ip_address(self.host)
        except ValueError:
            return None


def read_callback(url: str) -> Callback:
    """Read a callback URL; raises ValueError in words for whoever sent it, which never repeat the URL."""
    if len(url) > LONGEST or not _TEXT.fullmatch(url) or "\\" in url:
        raise ValueError(f"must be at most {LONGEST} ASCII characters without spaces or backslashes")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("must be a URL, such as https://example.nl/events") from None
    if parts.scheme != "https":
        raise ValueError("must begin with https://")
    if "@" in parts.netloc or "#" in url:
        raise ValueError("must have no user name, password or fragment")
    if port == 0:
        raise ValueError("must name a port from 1 to 65535, or none")
    callback = Callback(host, port or 443, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
    if callback.address is None and not _HOST.fullmatch(host):
        raise ValueError("must name a host; write one with other letters in its ASCII form (xn--...)")
    return callback


def host_fault(callback: Callback, allowed: Sequence[Network]) -> str | None:
    """What is wrong with the host as it is written; what a name leads to is seen when it is resolved."""
    address = callback.address
    if address is not None:
        return None if may_reach(address, allowed) else "must not lead into a private network"
    name = callback.host.rstrip(".").lower()
    if not allowed and (name == _HERE[0] or name.endswith(_HERE[1:])):
        return "must not lead into a private network"
    return None


def may_reach(address: Address, allowed: Sequence[Network]) -> bool:
    """Whether a connection to this address may be made: public ones, and those an operator allowed."""
    plain: Address = address
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        plain = address.ipv4_mapped
    if any(plain.version == network.version and plain in network for network in allowed):
        return True
    if any(plain.version == network.version and plain in network for network in _NEVER_PUBLIC):
        return False
    return plain.is_global and not plain.is_multicast and not plain.is_reserved and _unscoped(plain)


def read_networks(text: str) -> tuple[Network, ...]:
    """Networks as an operator lists them, `10.20.0.0/16, 192.0.2.7`; raises ValueError."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def _unscoped(address: Address) -> bool:
    return not (isinstance(address, IPv6Address) and address.scope_id)
