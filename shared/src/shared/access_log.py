"""The read and decision log: who looked at or decided about whom, and why; append-only, for the auditor."""

from collections.abc import Collection

from sqlalchemy import insert

from shared.database import Tx
from shared.plumbing import TABLES


async def record(tx: Tx, *, actor: str, purpose: str, action: str, participant_ids: Collection[str]) -> None:
    """Note that an actor (a token's subject) did an action for a purpose, one row per participant.

    Part of the caller's transaction: what could not be logged does not happen.
    """
    rows = [
        {
            "access_id": tx.new_id(),
            "recorded_at": tx.now,
            "actor": actor,
            "purpose": purpose,
            "action": action,
            "participant_id": participant_id,
        }
        for participant_id in dict.fromkeys(participant_ids)
    ]
    await tx.execute(insert(TABLES.access_log), rows)
