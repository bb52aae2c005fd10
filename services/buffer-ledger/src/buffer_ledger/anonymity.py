"""When a fund's figures may move without telling anything of fewer than ten people. Pure.

What a fund has been shown can be subtracted: one figure from another, today's from any earlier one. So it is
not enough that ten people changed since last time: each of `_VIEWS` of what is shown now, against each of
what was shown ever, must rest on nobody or on at least ten people. A sum in which all but one are nil is that
one's amount.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

PEOPLE_IN_A_STEP = 10
"""The fewest people that anything a fund can work out may rest on."""


class Share(NamedTuple):
    """What one person accounts for in a fund's figures, in cents."""

    committed_cents: int = 0
    drawn_cents: int = 0
    returned_cents: int = 0

    def plus(self, other: "Share") -> "Share":
        return Share(*(mine + others for mine, others in zip(self, other, strict=True)))

    def minus(self, other: "Share") -> "Share":
        return Share(*(mine - others for mine, others in zip(self, other, strict=True)))


Shares = Mapping[str, Share]
"""By person; whoever is not in it accounts for nothing."""

NOTHING = Share()

# A figure itself; what was set apart less what left (in buffers, or drawn by those who ended); what left.
_VIEWS = ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, -1, 0), (1, 0, -1), (0, 1, 1), (1, -1, -1))


def next_shown(now: Shares, shown: Sequence[Shares]) -> Shares:
    """What may be shown next: as many figures as possible as they are now, the others as shown last.

    `shown` is what was shown until now, oldest first. Equal to the last of it when nothing may move.
    """
    ever: Sequence[Shares] = ({}, *shown)
    last = ever[-1]
    steps = [people_moved(now, last, figure) for figure in range(len(NOTHING))]
    free = [figure for figure, people in enumerate(steps) if people >= PEOPLE_IN_A_STEP]
    for size in range(len(free), 0, -1):
        for figures in combinations(free, size):
            candidate = _with(last, now, frozenset(figures))
            if all(_tells_of_enough(candidate, earlier) for earlier in ever):
                return candidate
    return last


def people_moved(now: Shares, before: Shares, figure: int) -> int:
    """How many people account for another amount of a figure (its place in Share) than before."""
    return sum(
        1
        for person in now.keys() | before.keys()
        if now.get(person, NOTHING)[figure] != before.get(person, NOTHING)[figure]
    )


def _with(last: Shares, now: Shares, figures: frozenset[int]) -> Shares:
    return {
        person: Share(
            *(
                (now if figure in figures else last).get(person, NOTHING)[figure]
                for figure in range(len(NOTHING))
            )
        )
        for person in now.keys() | last.keys()
    }


def _tells_of_enough(candidate: Shares, earlier: Shares) -> bool:
    """Whether every view of the difference rests on nobody or on enough people."""
    people = [0] * len(_VIEWS)
    for person in candidate.keys() | earlier.keys():
        committed, drawn, returned = candidate.get(person, NOTHING).minus(earlier.get(person, NOTHING))
        if not (committed or drawn or returned):
            continue
        for number, (of_committed, of_drawn, of_returned) in enumerate(_VIEWS):
            if of_committed * committed + of_drawn * drawn + of_returned * returned:
                people[number] += 1
        if min(people) >= PEOPLE_IN_A_STEP:
            return True
    return all(number == 0 or number >= PEOPLE_IN_A_STEP for number in people)
