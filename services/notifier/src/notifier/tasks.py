"""Messages told by a person: for residents who read with difficulty, or who asked for it.

The task itself is a row that the courier writes together with the evidence; here is the channel.
"""

from collections.abc import Sequence
from typing import Final

from notifier.channels import Outcome, Parcel, Report, Result

PUT_UP: Final = Outcome(Result.ACCEPTED, None, "a task was put up for somebody to tell it")


class TaskChannel:
    """Somebody tells the resident. Nothing leaves the building, so nothing can be lost on the way."""

    async def deliver(self, parcels: Sequence[Parcel], report: Report) -> None:
        """Accept every parcel: recording the acceptance is what makes the task."""
        for parcel in parcels:
            await report(parcel, PUT_UP)
