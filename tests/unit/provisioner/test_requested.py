"""Requests for a pool that may still be on their way: when a claim may be let go although no pool is seen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.labels import LAUNCH_REQUESTED
from provisioner.policy import Policy
from provisioner.requested import Answers, last_arrival, open_requests, with_request
from provisioner.steps import Observed
from provisioner.times import rfc3339
from tests.unit.provisioner.builders import NAME, at, claim, machine, seen

LIMIT = Policy().request_deadline


def view(*written: float, after: float = 0.0, answered: tuple[float, ...] = ()) -> Observed:
    """A claim with requests so many seconds after its creation."""
    text = " ".join(rfc3339(at(each)) for each in written)
    known = frozenset(rfc3339(at(each)) for each in answered)
    return seen(machine(annotations={LAUNCH_REQUESTED: text}), after=after, answered=known)


def test_a_request_without_an_answer_may_arrive_until_its_deadline_and_the_second_it_was_written_in_are_over() -> None:
    assert last_arrival(view(10, after=10)) == at(10 + LIMIT + 1)
    assert last_arrival(view(10, after=10 + LIMIT)) is not None
    assert last_arrival(view(10, after=10 + LIMIT + 1)) is None


def test_an_answer_ends_the_wait_for_its_own_request_only() -> None:
    assert last_arrival(view(10, 20, after=30, answered=(20,))) == at(10 + LIMIT + 1)
    assert last_arrival(view(10, 20, after=30, answered=(10, 20))) is None


def test_an_answer_to_one_of_two_requests_of_the_same_second_tells_nothing() -> None:
    """As when a process dies and the next one asks before the second is over."""
    assert last_arrival(view(10, 10, after=30, answered=(10,))) == at(10 + LIMIT + 1)


def test_a_claim_that_never_asked_waits_for_nothing() -> None:
    assert last_arrival(seen(machine())) is None
    assert last_arrival(seen(machine(annotations={LAUNCH_REQUESTED: "soon"}))) is None


@pytest.mark.parametrize("moment", [rfc3339(at(7200)), "9999-12-31T23:59:59Z"])
def test_a_request_that_a_wrong_clock_wrote_holds_up_nothing(moment: str) -> None:
    """Nor does one written by hand; a pool that comes after all has no claim, and is collected."""
    claimed = seen(machine(annotations={LAUNCH_REQUESTED: moment}), after=30)
    assert last_arrival(claimed) is None
    assert with_request(claimed) == rfc3339(at(30))


def test_a_new_request_joins_those_that_may_still_arrive() -> None:
    later = view(10, 20, after=20 + LIMIT, answered=(20,))
    assert with_request(later) == rfc3339(at(20 + LIMIT)), "the first is too old, the second is over"
    assert with_request(view(10, after=20)) == f"{rfc3339(at(10))} {rfc3339(at(20))}"


def test_what_is_known_of_a_claim_ends_with_it() -> None:
    answers = Answers()
    answers.note(NAME, "one")
    assert answers.of(NAME) == {"one"}
    answers.forget(NAME)
    assert answers.of(NAME) == frozenset()


def test_the_answer_to_one_request_does_not_speak_for_the_next_of_the_same_second() -> None:
    answers = Answers()
    answers.note(NAME, "one")
    answers.begin(NAME, "one")
    assert answers.of(NAME) == frozenset()


def test_the_latest_answers_are_remembered_however_often_a_claim_asks() -> None:
    answers = Answers()
    for second in range(500):
        answers.note(NAME, rfc3339(at(second)))
    assert answers.of(NAME) == {rfc3339(at(second)) for second in range(400, 500)}


@given(
    st.lists(st.integers(0, 400), max_size=80).map(sorted),
    st.sets(st.integers(0, 400)),
    st.integers(0, 600),
)
def test_no_request_without_an_answer_is_ever_forgotten_while_it_can_arrive(
    written: list[int], over: set[int], after: int
) -> None:
    before = view(*written, after=after, answered=tuple(over))
    kept = with_request(before).split()
    moments = {each: rfc3339(at(each)) for each in written}
    unknown = open_requests(claim(annotations={LAUNCH_REQUESTED: " ".join(moments.values())}), before.answered)
    recent = [text for each, text in moments.items() if text in unknown and each + LIMIT + 1 > after]
    assert set(recent[-49:]) <= set(kept)
    assert kept[-1] == rfc3339(before.now)
