"""Which version of a slip counts, whatever the order of arrival. Pure.

Income-intake is the authority per slip: what it tells others about one slip are versions that strictly rise.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from shared.errors import Fault


class Status(StrEnum):
    """What became of a slip."""

    ACCEPTED = "ACCEPTED"
    CORRECTION = "CORRECTION"
    DUPLICATE = "DUPLICATE"
    REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True)
class Known:
    """A recorded version of a slip; `content` is the keyed hash of what it says."""

    wage_slip_id: str
    version: int
    content: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done with a slip that came in, given the versions that are known.

    `same` is the version it repeats; `supersedes` the one that counted until now, when this one counts from
    now on; `superseded_by` the one that counts, when this one does not. Exactly a version that counts is told
    to others, so that the versions told about one slip strictly rise.
    """

    status: Status
    version: int
    same: Known | None = None
    supersedes: Known | None = None
    superseded_by: Known | None = None

    @property
    def counts(self) -> bool:
        return self.status in (Status.ACCEPTED, Status.CORRECTION) and self.superseded_by is None


def decide(known: Sequence[Known], version: int | None, content: str) -> Decision:
    """Duplicate, correction, first, or refused (W010), whatever the order in which versions arrive.

    A version that is given is taken at its word: the highest counts. Without one, content that is known is a
    repetition (of the version that counts, if that has it, else of the first that has it) and other content
    is the next version.
    """
    if not known:
        return Decision(Status.ACCEPTED, version or 1)
    counting = max(known, key=lambda one: one.version)
    if version is None:
        alike = [one for one in known if one.content == content]
        if alike:
            same = counting if counting in alike else min(alike, key=lambda one: one.version)
            return _duplicate(same, counting)
        return Decision(Status.CORRECTION, counting.version + 1, supersedes=counting)
    recorded = next((one for one in known if one.version == version), None)
    if recorded is None:
        if version > counting.version:
            return Decision(Status.CORRECTION, version, supersedes=counting)
        return Decision(Status.CORRECTION, version, superseded_by=counting)
    if recorded.content == content:
        return _duplicate(recorded, counting)
    return Decision(Status.REFUSED, version, same=recorded)


def version_fault(version: int) -> Fault:
    """W010, for a decision REFUSED."""
    detail = (
        f"version {version} of this slip is recorded with other content: a correction has a higher version"
    )
    return Fault("W010", "/version", detail)


def _duplicate(same: Known, counting: Known) -> Decision:
    overtaken_by = None if same == counting else counting
    return Decision(Status.DUPLICATE, same.version, same=same, superseded_by=overtaken_by)
