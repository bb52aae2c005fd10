"""What a fund is shown never lets fewer than ten people be told from it, whatever is subtracted from what."""

from collections.abc import Mapping

import pytest

from buffer_ledger.anonymity import NOTHING, Share, Shares, next_shown

CAP = 100_000


def group(people: int, share: Share, *, first: int = 0) -> dict[str, Share]:
    return {f"person {number}": share for number in range(first, first + people)}


def totals(shares: Shares) -> Share:
    total = NOTHING
    for share in shares.values():
        total = total.plus(share)
    return total


def drawn(cents: int) -> Share:
    return Share(CAP, cents, 0)


@pytest.mark.parametrize(("people", "seen"), [(9, 0), (10, 10 * CAP)])
def test_a_figure_moves_when_ten_people_account_for_it(people: int, seen: int) -> None:
    assert totals(next_shown(group(people, drawn(0)), [])) == Share(seen, 0, 0)


def test_one_draw_among_ten_buffers_is_not_shown() -> None:
    now = {**group(10, drawn(0)), "person 0": drawn(46_820)}
    assert totals(next_shown(now, [])) == Share(10 * CAP, 0, 0)


def test_one_draw_is_not_shown_by_what_the_buffers_give_back_either() -> None:
    shown = [group(10, drawn(0))]
    ended = {**group(10, Share(CAP, 0, CAP)), "person 0": Share(CAP, 46_820, CAP - 46_820)}
    assert next_shown(ended, shown) == shown[-1]
    ended |= group(10, Share(CAP, 1_000, CAP - 1_000))
    assert totals(next_shown(ended, shown)) == Share(10 * CAP, 10_000, 10 * CAP - 10_000)


def test_a_correction_of_one_person_waits_for_nine_others() -> None:
    shown = [group(12, drawn(10_000))]
    corrected = {**shown[0], "person 3": drawn(9_000)}
    assert next_shown(corrected, shown) == shown[-1]
    corrected |= group(10, drawn(8_000))
    assert totals(next_shown(corrected, shown)).drawn_cents == 10 * 8_000 + 2 * 10_000


def test_a_step_of_ten_that_undoes_nine_of_an_earlier_step_is_not_shown() -> None:
    first, then = group(30, drawn(10_000)), {**group(30, drawn(10_000)), **group(10, drawn(12_000))}
    back = {**first, "person 0": drawn(11_000)}
    assert next_shown(then, [first]) == then
    assert next_shown(back, [first, then]) == then


def test_a_step_back_to_exactly_what_was_shown_before_is_shown() -> None:
    first, then = group(30, drawn(10_000)), {**group(30, drawn(10_000)), **group(10, drawn(12_000))}
    assert next_shown(first, [first, then]) == first


def test_what_is_left_in_fewer_than_ten_buffers_is_not_shown() -> None:
    shown = [group(12, drawn(0))]
    now: Mapping[str, Share] = {**group(12, drawn(CAP)), **group(3, drawn(60_000))}
    assert next_shown(now, shown) == shown[-1]
    assert totals(next_shown(group(12, drawn(CAP)), shown)).drawn_cents == 12 * CAP


def test_a_figure_that_may_move_does_so_while_another_waits() -> None:
    shown = [group(20, drawn(0))]
    now = {**group(20, drawn(5_000)), **group(2, Share(CAP, 5_000, CAP - 5_000))}
    assert totals(next_shown(now, shown)) == Share(20 * CAP, 20 * 5_000, 0)
