"""Which version of a slip counts, whatever the order of arrival. Pure.

Income-intake is the authority per slip: what it tells others about one slip are versions of our own that
count up, one for each that came to count. The sender's numbers only decide which one that is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from shared.errors import Fault


class Status(StrEnum):
    """What became of a slip."""

    ACCEPTED = "ACCEPTED"
    CORRECTION = "CORRECTION"
    DUPLICATE = "DUPLICATE"
    REFUSED = "REFUSED"


class Rank(NamedTuple):
    """Where a version stands among those of its slip: the highest counts.

    A version that the sender numbered stands at its number. One without a number stands right behind the
    highest number known when it arrived, in order of arrival: it corrects what was known, and the sender's
    next number still comes after it.
    """

    version: int
    """The sender's number, or the highest one known when this arrived (0 for none)."""
    arrival: int
    """0 for a version with a number; else the how-manieth of this slip it was, from 1."""

    @property
    def given(self) -> int | None:
        """The sender's number, None without."""
        return None if self.arrival else self.version


@dataclass(frozen=True, slots=True)
class Known:
    """A recorded version of a slip.

    `told` is the version under which others were told, None when it never counted; `content` is the keyed
    hash of what it says.
    """

    wage_slip_id: str
    rank: Rank
    told: int | None
    content: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done with a slip that came in, given the versions that are known.

    `told` is the version under which others are told, for exactly a version that counts from now on; per slip
    it counts up from 1. `same` is the version it repeats; `supersedes` the one that counted until now;
    `superseded_by` the one that counts, when this one does not.
    """

    status: Status
    rank: Rank
    told: int | None = None
    same: Known | None = None
    supersedes: Known | None = None
    superseded_by: Known | None = None

    @property
    def counts(self) -> bool:
        return self.told is not None


def decide(known: Sequence[Known], version: int | None, content: str) -> Decision:
    """Duplicate, correction, first, or refused (W010), whatever the order in which versions arrive.

    A number that is given is taken at its word: the highest counts, and a number keeps its content. Without
    one, content that is known is a repetition (of the version that counts, if that has it, else of the first
    that has it) and other content corrects what is known.
    """
    highest = max((one.rank.version for one in known), default=0)
    rank = Rank(highest, len(known) + 1) if version is None else Rank(version, 0)
    if not known:
        return Decision(Status.ACCEPTED, rank, told=1)
    counting = max(known, key=_rank)
    if version is None:
        alike = [one for one in known if one.content == content]
        if alike:
            return _duplicate(counting if counting in alike else min(alike, key=_rank), counting)
    recorded = next((one for one in known if one.rank == rank), None)
    if recorded is not None:
        if recorded.content == content:
            return _duplicate(recorded, counting)
        return Decision(Status.REFUSED, rank, same=recorded)
    if rank < counting.rank:
        return Decision(Status.CORRECTION, rank, superseded_by=counting)
    told = max(one.told or 0 for one in known) + 1
    return Decision(Status.CORRECTION, rank, told=told, supersedes=counting)


def version_fault(version: int) -> Fault:
    """W010, for a decision REFUSED."""
    detail = (
        f"version {version} of this slip is recorded with other content: a correction has a higher version"
    )
    return Fault("W010", "/version", detail)


def _rank(one: Known) -> Rank:
    return one.rank


def _duplicate(same: Known, counting: Known) -> Decision:
    overtaken_by = None if same == counting else counting
    return Decision(Status.DUPLICATE, same.rank, same=same, superseded_by=overtaken_by)
