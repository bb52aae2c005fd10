"""What all calls of income-intake share: who may call them, and what they work with."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path
from pydantic import StringConstraints

from income_intake.keys import Keys
from income_intake.participants import Retention
from shared.database import Database
from shared.metrics import ServiceMetrics
from shared.tokens import Caller, Role, allow

BackOffice = Annotated[Caller, Depends(allow(Role.BACKOFFICE))]
PathId = Annotated[str, Path(), StringConstraints(pattern=r"^[0-9a-fA-F-]{36}$", to_lower=True)]


@dataclass(frozen=True, slots=True)
class Parts:
    """What the calls work with."""

    database: Database
    keys: Keys
    retention: Retention
    metrics: ServiceMetrics
    wake_batches: Callable[[], None]
    wake_erasures: Callable[[], None]
