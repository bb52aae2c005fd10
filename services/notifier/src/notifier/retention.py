"""What goes by itself: letters of the erased and of long ago, contacts of ids that nobody registers.

Every step looks at what is there now and may be done again: a process that dies between an erasure and its
letters leaves them to the next look, of whichever process.
"""

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Final

from notifier import store
from notifier.letters import files_of_letters
from shared.database import Database, chunks
from shared.personal_keys import KeyStore

FORGOTTEN_AT_ONCE: Final = 100


class Retention:
    """The retention terms of one notifier; days of 0 keep until the person is erased."""

    def __init__(
        self,
        database: Database,
        keys: KeyStore,
        letters: Path,
        *,
        keep_letters_days: int,
        keep_unseen_contacts_days: int,
    ) -> None:
        self._database = database
        self._keys = keys
        self._letters = letters
        self._keep_letters = timedelta(days=keep_letters_days)
        self._keep_unseen = timedelta(days=keep_unseen_contacts_days)

    async def remove_letters(self) -> bool:
        """Remove the files of erased people and of letters written longer ago than their term.

        Returns False: all of them are done in one step.
        """
        files = await asyncio.to_thread(_letter_files, self._letters)
        before = self._database.clock.now() - self._keep_letters if self._keep_letters else None
        for message_ids in chunks(sorted(files)):
            async with self._database.read() as reading:
                over = await store.letters_of_erased(reading, message_ids)
                if before is not None:
                    over |= await store.letters_written_before(reading, message_ids, before)
            await asyncio.to_thread(_remove, [path for message_id in over for path in files[message_id]])
        return False

    async def forget_unseen(self) -> bool:
        """Forget who was never registered within the term; whether there may be more of them.

        As good as erased: an id that nobody registers is a mistake, and nothing is kept under it any more.
        """
        if not self._keep_unseen:
            return False
        before = self._database.clock.now() - self._keep_unseen
        async with self._database.write() as tx:
            found = await store.unseen_since(tx, before, FORGOTTEN_AT_ONCE)
            await store.lock_people(tx, found)
            # Looked at again behind the lock: somebody may just have been registered.
            forgotten = await store.unseen_since(tx, before, FORGOTTEN_AT_ONCE, among_these=found)
            await store.erase(tx, forgotten)
            # The keys stand in a store of their own: if this rolls back, the next step does it again.
            for participant_id in forgotten:
                await self._keys.destroy(participant_id)
        return bool(forgotten)


def _letter_files(folder: Path) -> dict[str, list[Path]]:
    """The files in the folder by the message they may belong to, those of an interrupted writing too."""
    files: dict[str, list[Path]] = {}
    for path in files_of_letters(folder):
        files.setdefault(path.stem.removeprefix("."), []).append(path)
    return files


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
