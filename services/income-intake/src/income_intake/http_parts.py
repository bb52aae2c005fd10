"""What all calls of income-intake share: who may call them, and what they work with."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path

from income_intake.keys import Keys
from income_intake.participants import Retention
from shared.database import Database
from shared.ids import UuidText
from shared.metrics import ServiceMetrics
from shared.tokens import Caller, Role, allow

BackOffice = Annotated[Caller, Depends(allow(Role.BACKOFFICE))]
PathId = Annotated[UuidText, Path()]


@dataclass(frozen=True, slots=True)
class Parts:
    """What the calls work with."""

    database: Database
    keys: Keys
    retention: Retention
    metrics: ServiceMetrics
    wake_batches: Callable[[], None]
    wake_erasures: Callable[[], None]
