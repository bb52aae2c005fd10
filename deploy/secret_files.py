"""Make the secrets that deploy/compose.yaml reads, in var/compose: `python -m deploy.secret_files [FOLDER]`.

| in the folder | what |
|---|---|
| `secrets/*_database_url` | nine URLs with their passwords: data, owner and keys of each service |
| `secrets/*_master_key` | what a service's keys of people are wrapped with: back these up, apart |
| `secrets/smtp_url` | the mail server; empty means letters only |
| `secrets/notify_api_key` | key of the provider of text messages; empty means none |
| `secrets/postgres_password`, `secrets/grafana_password` | of the superuser and of `admin` |
| `tokens/signing.pem` | signs tokens; goes into no container |
| `token-keys/*.pub.pem` | what the services check tokens with |

What is there already stays as it is. The folder is for its owner alone; the files in it are readable for all,
because the engine shows them to accounts inside containers with the permissions they have outside.
"""

import secrets
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from shared.key_files import create_once
from shared.settings import SERVICE_NAMES
from shared.tokens import Issuer

FOLDER = Path("var/compose")
DATABASE_HOST = "postgres:5432"


def make_secrets(folder: Path) -> list[str]:
    """Make what is missing; the names of the files made."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    made = [name for name, content in _contents().items() if _make(folder / "secrets" / name, content)]
    signing = folder / "tokens" / "signing.pem"
    if not signing.exists():
        made.append("signing.pem")
    Issuer(signing)
    for public in signing.parent.glob("*.pub.pem"):
        shown = folder / "token-keys" / public.name
        shown.parent.mkdir(exist_ok=True, mode=0o755)
        shutil.copyfile(public, shown)
        shown.chmod(0o444)
    return made


def _contents() -> dict[str, str]:
    files = {"smtp_url": "", "notify_api_key": ""}
    files |= {name: secrets.token_hex(16) for name in ("postgres_password", "grafana_password")}
    for service in (name.replace("-", "_") for name in SERVICE_NAMES):
        files[f"{service}_master_key"] = secrets.token_hex(32)
        for role, database, name in (
            ("service", service, f"{service}_database_url"),
            ("owner", service, f"{service}_owner_database_url"),
            ("keys", f"{service}_keys", f"{service}_keys_database_url"),
        ):
            password = secrets.token_hex(16)
            files[name] = f"postgresql://{service}_{role}:{password}@{DATABASE_HOST}/{database}"
    return files


def _make(path: Path, content: str) -> bool:
    if path.exists():
        return False
    path.parent.mkdir(exist_ok=True, mode=0o755)
    create_once(path, f"{content}\n".encode)
    path.chmod(0o644)
    return True


def main(arguments: Sequence[str]) -> int:
    """Make the files and say which; nothing secret is printed."""
    folder = Path(arguments[0]) if arguments else FOLDER
    made = make_secrets(folder)
    print(f"{folder}: " + (", ".join(made) if made else "everything is there already"))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
