"""buffer-ledger on either kind of database, for each test a new one."""

from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import pytest
import pytest_asyncio

from buffer_ledger.service import MIGRATIONS
from shared import log as logs
from shared.settings import Settings
from tests.integration.ledger.ledger_office import LedgerOffice, started, stop
from tests.migrated import copy_in_postgres

_numbers = count(1)


@pytest.fixture(params=["embedded", "postgres"])
def ledger_settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings of the service on either database; keys of people lie in a file in both."""
    if request.param == "embedded":
        return Settings(data_dir=tmp_path)
    postgres = request.getfixturevalue("postgres")
    owner, service = copy_in_postgres(postgres, MIGRATIONS, f"ledger_{next(_numbers)}")
    return Settings(
        data_dir=tmp_path,
        buffer_ledger_owner_database_url=owner,
        buffer_ledger_database_url=service,
    )


@pytest_asyncio.fixture
async def ledger(ledger_settings: Settings) -> AsyncIterator[LedgerOffice]:
    logs.configure("info", strict=True)
    made = await started(ledger_settings)
    yield made
    await stop(made)
