"""The read and decision log: who looked at or decided about whom, and why; append-only, for the auditor.

The subject is a participant; of a look at a batch that names nobody it is the batch.
"""

from collections.abc import Collection, Sequence

from sqlalchemy import insert

from shared.database import Tx
from shared.plumbing import TABLES


async def record(tx: Tx, *, actor: str, purpose: str, action: str, participant_ids: Collection[str]) -> None:
    """Note that an actor (a token's subject) did an action for a purpose, one row per participant.

    Part of the caller's transaction: what could not be logged does not happen.
    """
    noted = [(participant_id, action) for participant_id in dict.fromkeys(participant_ids)]
    await record_each(tx, actor=actor, purpose=purpose, noted=noted)


async def record_each(tx: Tx, *, actor: str, purpose: str, noted: Sequence[tuple[str, str]]) -> None:
    """Note several actions about several people at once, a row for each (participant, action)."""
    rows = [
        {
            "access_id": tx.new_id(),
            "recorded_at": tx.now,
            "actor": actor,
            "purpose": purpose,
            "action": action,
            "participant_id": participant_id,
        }
        for participant_id, action in noted
    ]
    await tx.execute(insert(TABLES.access_log), rows)
