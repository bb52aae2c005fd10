"""income-intake on either kind of database, for each test a new one."""

from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from income_intake.service import MIGRATIONS
from shared import log as logs
from shared.settings import Settings
from tests.integration.intake.office import Intake, started
from tests.migrated import copy_in_postgres

_numbers = count(1)


@pytest.fixture(params=["embedded", "postgres"])
def intake_settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings of the service on either database; keys of people lie in a file in both."""
    if request.param == "embedded":
        return Settings(data_dir=tmp_path)
    postgres = request.getfixturevalue("postgres")
    owner, service = copy_in_postgres(postgres, MIGRATIONS, f"intake_{next(_numbers)}")
    return Settings(
        data_dir=tmp_path,
        income_intake_owner_database_url=owner,
        income_intake_database_url=service,
    )


@pytest_asyncio.fixture
async def intake(intake_settings: Settings) -> AsyncIterator[Intake]:
    logs.configure("info", strict=True)
    made = await started(intake_settings)
    yield made
    for client in made.clients:
        await client.aclose()
    await made.service.database.close()
    assert made.service.key_store is not None
    await made.service.key_store.close()


@pytest.fixture
def office(intake: Intake) -> httpx.AsyncClient:
    return intake.office()
