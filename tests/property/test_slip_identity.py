"""Whatever the order in which versions of a slip arrive, and however often, the same one counts at last."""

import json
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from income_intake.batch_lines import read_line
from income_intake.slip_form import SlipForm
from income_intake.slips import RULES, normal_name, normal_number
from income_intake.versions import Decision, Known, Rank, Status, decide
from shared.requests import RULES as GENERAL_RULES


@dataclass
class Register:
    """What income-intake records and tells about one slip."""

    known: list[Known] = field(default_factory=list)
    told: list[int] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)

    def take(self, version: int | None, content: str) -> Decision:
        decision = decide(self.known, version, content)
        if decision.status in (Status.ACCEPTED, Status.CORRECTION):
            self.known.append(Known(f"id-{len(self.known)}", decision.rank, decision.told, content))
        if decision.told is not None:
            self.told.append(decision.told)
        self.decisions.append(decision)
        return decision

    @property
    def counting(self) -> Known:
        return max(self.known, key=lambda one: one.rank)


contents = st.sampled_from("abcde")
versions = st.integers(1, 6)
arrivals = st.lists(st.tuples(st.none() | versions, contents), min_size=1, max_size=12)
# One content per version: what a sender who numbers versions sends.
numbered = st.dictionaries(versions, contents, min_size=1)


@given(arrivals)
def test_versions_told_count_up_and_the_last_told_counts(sent: list[tuple[int | None, str]]) -> None:
    register = Register()
    for version, content in sent:
        register.take(version, content)
    assert register.told == list(range(1, len(register.told) + 1))
    assert register.told[-1] == register.counting.told
    assert len({one.rank for one in register.known}) == len(register.known)


@given(arrivals)
def test_only_a_version_that_the_sender_gave_before_is_refused(sent: list[tuple[int | None, str]]) -> None:
    register, first_given = Register(), dict[int, str]()
    for version, content in sent:
        decision = register.take(version, content)
        contradicts = version is not None and first_given.setdefault(version, content) != content
        assert (decision.status is Status.REFUSED) == contradicts


@given(numbered, st.lists(contents, max_size=4), st.data())
def test_the_highest_version_given_wins_unless_something_without_version_came_after_it(
    given_versions: dict[int, str], without: list[str], data: st.DataObject
) -> None:
    arrived = data.draw(st.permutations([*given_versions.items(), *((None, text) for text in without)]))
    register = Register()
    corrections = [(v, register.take(v, text).status is not Status.DUPLICATE) for v, text in arrived]
    highest = max(given_versions)
    since = corrections[corrections.index((highest, True)) + 1 :]
    if any(version is None and new for version, new in since):
        assert register.counting.rank.version == highest
        assert register.counting.rank.given is None
    else:
        assert register.counting.rank == Rank(highest, 0)


@given(numbered, st.data())
def test_numbered_versions_end_the_same_in_any_order_and_sent_twice(
    sent: dict[int, str], data: st.DataObject
) -> None:
    arrived = data.draw(st.permutations([*sent.items(), *sent.items()]))
    register = Register()
    for version, content in arrived:
        register.take(version, content)
    assert (register.counting.rank.given, register.counting.content) == max(sent.items())
    assert {(one.rank.given, one.content) for one in register.known} == set(sent.items())
    assert [decision.status for decision in register.decisions].count(Status.DUPLICATE) == len(sent)
    assert Status.REFUSED not in {decision.status for decision in register.decisions}


@given(arrivals)
def test_sending_everything_again_changes_nothing(sent: list[tuple[int | None, str]]) -> None:
    register = Register()
    for version, content in sent:
        register.take(version, content)
    known, told = list(register.known), list(register.told)
    for version, content in sent:
        again = register.take(version, content)
        assert again.status in (Status.DUPLICATE, Status.REFUSED)
    assert (register.known, register.told) == (known, told)


@given(st.lists(contents, min_size=1, max_size=8, unique=True))
def test_without_versions_the_later_received_counts(sent: list[str]) -> None:
    register = Register()
    for content in sent:
        register.take(None, content)
    assert (register.counting.content, register.counting.told) == (sent[-1], len(sent))


@given(st.text(st.characters(max_codepoint=0x24F), min_size=1, max_size=40))
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normal_name(normal_name(text)) == normal_name(text)
    assert normal_number(normal_number(text)) == normal_number(text)


@given(st.text(st.characters(categories=["Lu", "Ll", "Nd"]), min_size=1, max_size=30))
def test_space_around_and_between_does_not_make_another_name(text: str) -> None:
    assert normal_name(f"  {text}  B.V. ") == normal_name(f"{text} bv")


TODAY = date(2026, 4, 2)
odd_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=30),
    st.dates().map(str),
    st.sampled_from(["123456782", "0344", "SLIP", "ESTIMATE", "2026-03-01", "2026-03-31"]),
    st.lists(st.dictionaries(st.sampled_from(["kind", "label", "amountCents"]), st.integers()), max_size=2),
)
odd_slips = st.dictionaries(
    st.sampled_from([f.alias or n for n, f in SlipForm.model_fields.items()]), odd_values
)


@given(odd_slips)
def test_whatever_a_line_holds_it_is_read_or_refused_with_known_rules(raw: dict[str, Any]) -> None:
    read = read_line(json.dumps(raw).encode(), TODAY)
    if not isinstance(read, SlipForm):
        assert read
        assert {fault.rule for fault in read} <= {*RULES, *GENERAL_RULES}


@given(st.binary(max_size=200))
def test_whatever_bytes_a_line_has_it_is_refused_with_a_known_rule(line: bytes) -> None:
    read = read_line(line, TODAY)
    assert not isinstance(read, SlipForm)
    assert {fault.rule for fault in read} <= {*RULES, *GENERAL_RULES}
