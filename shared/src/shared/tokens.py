"""Who calls: bearer tokens (JWT, Ed25519) that carry a role, scopes and one municipality or one fund.

Whoever issues tokens holds the private key; services verify with the public keys alone. In the embedded shape
`python -m shared.tokens` is the issuer. Keys rotate by file: every `*.pub.pem` in the folder is trusted, the
private key that the setting TOKEN_KEY_FILE names signs.
"""

import os
import re
import secrets
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from fastapi import Request

from shared.errors import NotAllowed, NotAuthenticated, NotFound
from shared.key_files import create_once
from shared.settings import Settings, SettingsInvalid, load

AUDIENCE: Final = "bufferbudget"
ISSUER: Final = "bufferbudget"
LEEWAY_SECONDS = 30
"""How far the clocks of issuer and service may differ."""

_REMEMBERED_SECONDS = 60.0
_REMEMBERED_MAX = 1000
_MUNICIPALITY = re.compile(r"[0-9]{4}")


class Role(StrEnum):
    """What a caller is; what each may call stands at the routes."""

    BACKOFFICE = "backoffice"
    OFFICIAL = "official"
    FUND = "fund"
    OPERATOR = "operator"


SCOPES: Mapping[Role, frozenset[str]] = {
    Role.BACKOFFICE: frozenset(
        {
            "income-intake:read",
            "income-intake:write",
            "buffer-ledger:read",
            "buffer-ledger:write",
            "notifier:read",
            "notifier:write",
        }
    ),
    Role.OFFICIAL: frozenset(
        {"buffer-ledger:read", "buffer-ledger:write", "notifier:read", "notifier:write"}
    ),
    Role.FUND: frozenset({"buffer-ledger:read", "buffer-ledger:write"}),
    Role.OPERATOR: frozenset({"operations:read", "operations:write"}),
}
"""Most that a role may hold: area (a service, or operations), read (GET) or write; a token may hold less."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a request comes from, as its token says."""

    subject: str
    role: Role
    scopes: frozenset[str]
    municipality: str | None = None
    fund: str | None = None

    def must_be_of(self, municipality: str) -> None:
        """Raise NotAllowed unless the caller acts for this municipality; for what a caller names itself."""
        if self.municipality != municipality:
            raise NotAllowed(f"this token is not of municipality {municipality}")

    def must_see(self, municipality: str, what: str = "object") -> None:
        """Raise NotFound unless the caller acts for this municipality; for what is looked up by its id."""
        if self.municipality != municipality:
            raise NotFound(f"there is no such {what}")

    @property
    def of_municipality(self) -> str:
        """The municipality the caller acts for; raises NotAllowed when the token has none."""
        if self.municipality is None:
            raise NotAllowed("this token is not of a municipality")
        return self.municipality

    @property
    def of_fund(self) -> str:
        """The fund the caller acts for; raises NotAllowed when the token has none."""
        if self.fund is None:
            raise NotAllowed("this token is not of a fund")
        return self.fund


class Allow:
    """Which roles may call a route; used as a dependency that gives the Caller.

    The route checks it before it reads the body, so an unknown caller learns nothing and sends nothing.
    """

    def __init__(self, roles: Sequence[Role], area: str | None) -> None:
        self.roles = tuple(roles)
        self.area = area

    def check(self, request: Request, area: str) -> Caller:
        """The caller of this request; raises NotAuthenticated (401) or NotAllowed (403)."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise NotAuthenticated("send a bearer token: Authorization: Bearer <token>")
        verifier: Verifier = request.app.state.verifier
        caller = verifier.caller(token.strip())
        request.state.caller = caller
        if caller.role not in self.roles:
            raise NotAllowed(f"role {caller.role.value} may not do this")
        named = area if self.area is None else self.area
        scope = f"{named}:{'read' if request.method in {'GET', 'HEAD'} else 'write'}"
        if named and scope not in caller.scopes:
            raise NotAllowed(f"this token lacks the scope {scope}")
        return caller

    async def __call__(self, request: Request) -> Caller:
        # Not because it waits for anything: FastAPI runs plain functions in a thread, a detour per request.
        caller = getattr(request.state, "caller", None)
        if not isinstance(caller, Caller):  # a route that is not of our own class did not check
            raise NotAuthenticated("send a bearer token: Authorization: Bearer <token>")
        return caller


def allow(*roles: Role, area: str | None = None) -> Allow:
    """The dependency of a route: `BackOffice = Annotated[Caller, Depends(allow(Role.BACKOFFICE))]`.

    The scope asked is `<area>:read` for GET and `<area>:write` else; area is the service unless named, and
    the empty area asks for no scope.
    """
    if not roles:
        raise ValueError("a route names at least one role")
    return Allow(roles, area)


class Issuer:
    """Signs tokens with the private key; makes the key pair when there is none."""

    def __init__(self, key_file: Path) -> None:
        pem = create_once(key_file, _new_private_key)
        key = serialization.load_pem_private_key(pem, password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError(f"{key_file} does not hold an Ed25519 private key")
        self._key = key
        public = _public_pem(key.public_key())
        self._kid = _kid(public)
        create_once(key_file.parent / f"{self._kid}.pub.pem", lambda: public)

    def issue(self, caller: Caller, now: datetime, valid_for: timedelta) -> str:
        """A token for this caller from now on; times in whole seconds, UTC."""
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": caller.subject,
            "jti": secrets.token_hex(16),
            "iat": int(now.timestamp()),
            "nbf": int(now.timestamp()),
            "exp": int((now + valid_for).timestamp()),
            "role": caller.role.value,
            "scope": " ".join(sorted(caller.scopes)),
        }
        if caller.municipality is not None:
            claims["municipality"] = caller.municipality
        if caller.fund is not None:
            claims["fund"] = caller.fund
        return jwt.encode(claims, self._key, algorithm="EdDSA", headers={"kid": self._kid, "typ": "at+jwt"})


class Verifier:
    """Checks tokens with public keys; a key that appears in the folder later is picked up when first met.

    A token that was found good is remembered for a minute: checking its signature costs more than all else
    at the edge. A key that is taken out of the folder holds until the process restarts.
    """

    def __init__(self, key_folder: Path, seconds_now: Callable[[], float] = time.time) -> None:
        self._folder = key_folder
        self._seconds_now = seconds_now
        self._keys: dict[str, Ed25519PublicKey] = {}
        self._good: dict[bytes, tuple[Caller, float]] = {}

    def caller(self, token: str) -> Caller:
        """The caller a token stands for; raises NotAuthenticated with what is wrong, never with the token.

        Expiry is checked against the machine's clock, whatever day a simulated year has reached: a token is a
        means of access and no fact of the domain.
        """
        fingerprint, now = sha256(token.encode()).digest(), self._seconds_now()
        known = self._good.get(fingerprint)
        if known is not None and now < known[1]:
            return known[0]
        claims = self._signed(token)
        _check_times(claims, now)
        caller = _caller_of(claims)
        if len(self._good) >= _REMEMBERED_MAX:
            self._good.clear()
        until = min(now + _REMEMBERED_SECONDS, claims["exp"] + LEEWAY_SECONDS)
        self._good[fingerprint] = (caller, until)
        return caller

    def _signed(self, token: str) -> dict[str, Any]:
        """The claims of a token that is ours, whatever its times."""
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            return jwt.decode(
                token,
                self._key(kid),
                algorithms=["EdDSA"],
                audience=AUDIENCE,
                issuer=ISSUER,
                options={
                    "require": ["exp", "iat", "nbf", "sub", "aud", "iss"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except jwt.PyJWTError:
            raise NotAuthenticated("the token is not one that this service accepts") from None

    def _key(self, kid: object) -> Ed25519PublicKey:
        if not isinstance(kid, str) or not re.fullmatch(r"[0-9a-f]{16}", kid):
            raise NotAuthenticated("the token does not name a key (kid)")
        if kid not in self._keys:
            path = self._folder / f"{kid}.pub.pem"
            try:
                key = serialization.load_pem_public_key(path.read_bytes())
            except (OSError, ValueError):
                raise NotAuthenticated("the token is signed with a key that is not trusted here") from None
            if not isinstance(key, Ed25519PublicKey):
                raise NotAuthenticated("the token is signed with a key that is not trusted here")
            self._keys[kid] = key
        return self._keys[kid]


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    begins, ends = claims["nbf"], claims["exp"]
    if type(begins) is not int or type(ends) is not int or now < begins - LEEWAY_SECONDS:
        raise NotAuthenticated("the token is not one that this service accepts")
    if now >= ends + LEEWAY_SECONDS:
        raise NotAuthenticated("the token has expired: ask for a new one")


def _caller_of(claims: Mapping[str, Any]) -> Caller:
    try:
        role = Role(claims["role"])
    except (KeyError, ValueError):
        raise NotAuthenticated("the token names no role that is known here") from None
    scope = claims.get("scope")
    municipality, fund = claims.get("municipality"), claims.get("fund")
    if not isinstance(scope, str) or not isinstance(claims["sub"], str):
        raise NotAuthenticated("the token carries no scopes")
    if municipality is not None and not (
        isinstance(municipality, str) and _MUNICIPALITY.fullmatch(municipality)
    ):
        raise NotAuthenticated("the token's municipality is not a code of four digits")
    if role in {Role.BACKOFFICE, Role.OFFICIAL} and municipality is None:
        raise NotAuthenticated("the token names no municipality")
    if role is Role.FUND and not (isinstance(fund, str) and fund):
        raise NotAuthenticated("the token names no fund")
    held = frozenset(scope.split()) & SCOPES[role]
    return Caller(claims["sub"], role, held, municipality, fund if isinstance(fund, str) else None)


def _new_private_key() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _public_pem(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _kid(public: bytes) -> str:
    return sha256(public).hexdigest()[:16]


# ---- python -m shared.tokens -----------------------------------------------------------------------------


def caller_from(words: Mapping[str, str]) -> Caller:
    """Make the caller that ROLE, MUNICIPALITY, FUND, SUBJECT and SCOPES describe; raises ValueError."""
    try:
        role = Role(words.get("ROLE", "").strip().lower())
    except ValueError:
        raise ValueError("ROLE must be one of " + ", ".join(known.value for known in Role)) from None
    municipality = words.get("MUNICIPALITY") or "0344"
    if not _MUNICIPALITY.fullmatch(municipality):
        raise ValueError("MUNICIPALITY must be a code of four digits, for example 0344")
    fund = words.get("FUND") or None
    if role is Role.FUND and fund is None:
        raise ValueError("ROLE=fund needs FUND=<fundId>")
    scopes = frozenset(words.get("SCOPES", "").replace(",", " ").split()) or SCOPES[role]
    if not scopes <= SCOPES[role]:
        raise ValueError(f"{role.value} may not hold " + ", ".join(sorted(scopes - SCOPES[role])))
    return Caller(
        subject=words.get("SUBJECT") or f"{role.value}-{municipality if role is not Role.FUND else fund}",
        role=role,
        scopes=scopes,
        municipality=municipality if role in {Role.BACKOFFICE, Role.OFFICIAL} else None,
        fund=fund if role is Role.FUND else None,
    )


def token_for(settings: Settings, caller: Caller, now: datetime | None = None) -> str:
    """Issue a token with the key of these settings, valid for TOKEN_HOURS from now."""
    issuer = Issuer(settings.token_key_path)
    return issuer.issue(caller, now or datetime.now(UTC), timedelta(hours=settings.token_hours))


def _words(arguments: Iterable[str]) -> dict[str, str]:
    """Arguments are `ROLE=backoffice` or the bare role; they go before the environment."""
    words = {
        name: os.environ[name]
        for name in ("ROLE", "MUNICIPALITY", "FUND", "SUBJECT", "SCOPES")
        if os.environ.get(name)
    }
    for argument in arguments:
        name, equals, value = argument.partition("=")
        words[name.upper() if equals else "ROLE"] = value if equals else name
    return words


def main(arguments: Sequence[str]) -> int:
    """Print a token as the last line; when it cannot, give 2 and a sentence on standard error."""
    try:
        words = _words(arguments)
        overrides = {"data_dir": Path(words["DATA_DIR"])} if "DATA_DIR" in words else {}
        print(token_for(load(**overrides), caller_from(words)))
    except (ValueError, SettingsInvalid) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
