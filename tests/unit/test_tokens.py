"""Tokens: who may be trusted to be whom."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.errors import NotAllowed, NotAuthenticated, NotFound
from shared.settings import Settings
from shared.tokens import SCOPES, Caller, Issuer, Role, Verifier, caller_from, token_for

HOUR = timedelta(hours=1)
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def _caller(**words: str) -> Caller:
    return caller_from({"ROLE": "backoffice", **words})


def _issued(folder: Path, caller: Caller, **options: Any) -> str:
    issuer = Issuer(folder / "signing.pem")
    return issuer.issue(caller, options.get("now", datetime.now(UTC)), options.get("valid_for", HOUR))


@pytest.mark.parametrize(
    "caller",
    [
        _caller(),
        _caller(ROLE="official", MUNICIPALITY="0599"),
        _caller(ROLE="fund", FUND="0199a1b2"),
        _caller(ROLE="operator"),
        _caller(SCOPES="income-intake:write", SUBJECT="payroll-export"),
    ],
)
def test_a_token_gives_back_its_caller(tmp_path: Path, caller: Caller) -> None:
    assert Verifier(tmp_path).caller(_issued(tmp_path, caller)) == caller


def test_defaults_are_municipality_0344_and_all_scopes_of_the_role() -> None:
    caller = _caller()
    assert caller.municipality == "0344"
    assert caller.scopes == SCOPES[Role.BACKOFFICE]
    assert _caller(ROLE="operator").municipality is None


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ({"ROLE": "boss"}, "ROLE"),
        ({"MUNICIPALITY": "Utrecht"}, "four digits"),
        ({"ROLE": "fund"}, "FUND"),
        ({"ROLE": "operator", "SCOPES": "notifier:write"}, "may not hold notifier:write"),
    ],
)
def test_a_token_that_makes_no_sense_is_not_made(words: dict[str, str], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        _caller(**words)


@pytest.mark.parametrize(
    ("seconds", "complaint"), [(-31, "accepts"), (3631, "expired"), (-(10**9), "accepts"), (10**9, "expired")]
)
def test_before_and_after_its_time_a_token_is_refused(tmp_path: Path, seconds: int, complaint: str) -> None:
    token = _issued(tmp_path, _caller(), now=NOW, valid_for=HOUR)
    verifier = Verifier(tmp_path, lambda: NOW.timestamp() + seconds)
    with pytest.raises(NotAuthenticated, match=complaint):
        verifier.caller(token)


def test_a_token_that_was_good_is_refused_once_it_has_expired(tmp_path: Path) -> None:
    token = _issued(tmp_path, _caller(), now=NOW, valid_for=timedelta(seconds=10))
    seconds = NOW.timestamp()
    verifier = Verifier(tmp_path, lambda: seconds)
    for _ in range(2):
        assert verifier.caller(token) == _caller()
    seconds += 41
    with pytest.raises(NotAuthenticated, match="expired"):
        verifier.caller(token)


@pytest.mark.parametrize(
    "change",
    [
        {"aud": "somebody-else"},
        {"iss": "somebody-else"},
        {"role": "boss"},
        {"role": None},
        {"scope": None},
        {"municipality": None},
        {"municipality": "344"},
        {"municipality": 344},
        {"role": "fund"},
        {"exp": None},
        {"exp": "tomorrow"},
        {"nbf": 1.5},
        {"sub": None},
        {"sub": 5},
    ],
)
def test_claims_that_are_missing_or_wrong_are_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    key_file = tmp_path / "signing.pem"
    token = _issued(tmp_path, _caller())
    kid = jwt.get_unverified_header(token)["kid"]
    claims = jwt.decode(token, options={"verify_signature": False}) | change
    claims = {name: value for name, value in claims.items() if value is not None}
    forged = jwt.encode(claims, key_file.read_bytes(), algorithm="EdDSA", headers={"kid": kid})
    with pytest.raises(NotAuthenticated):
        Verifier(tmp_path).caller(forged)


def test_a_signature_of_another_key_is_refused(tmp_path: Path) -> None:
    token = _issued(tmp_path, _caller())
    kid = jwt.get_unverified_header(token)["kid"]
    claims = jwt.decode(token, options={"verify_signature": False})
    forged = jwt.encode(claims, Ed25519PrivateKey.generate(), algorithm="EdDSA", headers={"kid": kid})
    with pytest.raises(NotAuthenticated):
        Verifier(tmp_path).caller(forged)


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_another_algorithm_is_refused(tmp_path: Path, algorithm: str) -> None:
    token = _issued(tmp_path, _caller())
    kid = jwt.get_unverified_header(token)["kid"]
    claims = jwt.decode(token, options={"verify_signature": False})
    key = "" if algorithm == "none" else "x" * 64
    forged = jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid})
    with pytest.raises(NotAuthenticated):
        Verifier(tmp_path).caller(forged)


@pytest.mark.parametrize("kid", [None, "../../etc/passwd", "0123456789abcdef"])
def test_a_key_that_is_not_in_the_folder_is_not_trusted(tmp_path: Path, kid: Any) -> None:
    claims = jwt.decode(_issued(tmp_path, _caller()), options={"verify_signature": False})
    headers = {"kid": kid} if kid is not None else {}
    with pytest.raises(NotAuthenticated):
        Verifier(tmp_path).caller(
            jwt.encode(claims, Ed25519PrivateKey.generate(), algorithm="EdDSA", headers=headers)
        )


def test_keys_rotate_old_tokens_hold_until_their_key_is_taken_away(tmp_path: Path) -> None:
    old = _issued(tmp_path, _caller(SUBJECT="old"))
    (tmp_path / "signing.pem").unlink()
    new = _issued(tmp_path, _caller(SUBJECT="new"))
    assert [Verifier(tmp_path).caller(token).subject for token in (old, new)] == ["old", "new"]
    (tmp_path / f"{jwt.get_unverified_header(old)['kid']}.pub.pem").unlink()
    with pytest.raises(NotAuthenticated, match="not trusted"):
        Verifier(tmp_path).caller(old)
    assert Verifier(tmp_path).caller(new).subject == "new"


def test_the_verifier_needs_no_private_key(tmp_path: Path) -> None:
    token = _issued(tmp_path, _caller())
    (tmp_path / "signing.pem").unlink()
    assert Verifier(tmp_path).caller(token).role is Role.BACKOFFICE


def test_only_the_owner_may_read_the_private_key(tmp_path: Path) -> None:
    _issued(tmp_path, _caller())
    assert (tmp_path / "signing.pem").stat().st_mode & 0o777 == 0o600


def test_many_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    with ThreadPoolExecutor(8) as threads:
        tokens = list(threads.map(lambda _: token_for(settings, _caller()), range(24)))
    assert len({jwt.get_unverified_header(token)["kid"] for token in tokens}) == 1
    verifier = Verifier(settings.token_public_path)
    assert all(verifier.caller(token).municipality == "0344" for token in tokens)


def test_a_caller_of_one_municipality_acts_for_no_other() -> None:
    caller = _caller(MUNICIPALITY="0344")
    caller.must_be_of("0344")
    caller.must_see("0344")
    with pytest.raises(NotAllowed):
        caller.must_be_of("0599")
    with pytest.raises(NotFound):
        caller.must_see("0599")


def test_an_operator_is_of_no_municipality() -> None:
    with pytest.raises(NotAllowed):
        _ = _caller(ROLE="operator").of_municipality
    with pytest.raises(NotAllowed):
        _ = _caller(ROLE="operator").of_fund


def test_the_command_prints_the_token_as_its_last_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "shared.tokens", "fund", "FUND=f-1", f"DATA_DIR={tmp_path}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    caller = Verifier(tmp_path / "tokens").caller(done.stdout.splitlines()[-1])
    assert (caller.role, caller.fund) == (Role.FUND, "f-1")


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "shared.tokens", "ROLE=boss", f"DATA_DIR={tmp_path}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("ROLE must be one of")
