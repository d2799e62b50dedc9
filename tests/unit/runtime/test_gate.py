"""Who may see the metrics: what is remembered, for how long, and what strangers cannot do."""

import asyncio
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.runtime import gate
from controller.runtime.errors import ApiError, Forbidden, Unavailable
from controller.runtime.gate import BUSY, NO_TOKEN, POWERLESS, UNKNOWN, Decision, Gate, bearer_token
from tests.unit.virtual_time import run_virtual

YES = Decision(HTTPStatus.OK)
NO = Decision(HTTPStatus.FORBIDDEN, "not you")
NOBODY = Decision(HTTPStatus.UNAUTHORIZED, "nobody's token")
PROMETHEUS, STRANGER = "10.0.0.1", "10.0.0.66"


class Authority:
    """Answers by a list, counts questions, and may be away or slow."""

    def __init__(self, **known: Decision) -> None:
        self.known = known
        self.asked: list[str] = []
        self.error: ApiError | None = None
        self.seconds = 0.0
        self.at_once = self.most_at_once = 0

    async def __call__(self, token: str) -> Decision:
        self.asked.append(token)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.at_once -= 1
        if self.error is not None:
            raise self.error
        return self.known.get(token, NOBODY)


def scene(play: Callable[[Gate, Authority], Coroutine[Any, Any, None]]) -> None:
    """Plays on virtual time with an authority that lets `good` in and knows `poor`."""
    authority = Authority(good=YES, poor=NO)
    run_virtual(play(Gate(authority), authority))


def test_without_a_token_nobody_is_asked() -> None:
    async def play(door: Gate, authority: Authority) -> None:
        assert await door.decide("", STRANGER) == NO_TOKEN
        assert authority.asked == []

    scene(play)


@pytest.mark.parametrize(
    ("token", "decision", "seconds"),
    [("good", YES, gate.ALLOWED_SECONDS), ("poor", NO, gate.REFUSED_SECONDS), ("bad", NOBODY, gate.REFUSED_SECONDS)],
)
def test_a_decision_is_asked_for_once_and_again_when_it_has_aged(
    token: str, decision: Decision, seconds: float
) -> None:
    async def play(door: Gate, authority: Authority) -> None:
        for _ in range(3):
            assert await door.decide(token, PROMETHEUS) == decision
        assert authority.asked == [token]
        await asyncio.sleep(seconds)
        assert await door.decide(token, PROMETHEUS) == decision
        assert authority.asked == [token, token]

    scene(play)


def test_a_right_that_is_withdrawn_ends_with_the_age_of_the_yes() -> None:
    async def play(door: Gate, authority: Authority) -> None:
        assert await door.decide("good", PROMETHEUS) == YES
        authority.known["good"] = NO
        await asyncio.sleep(gate.ALLOWED_SECONDS)
        assert await door.decide("good", PROMETHEUS) == NO
        authority.error = Unavailable("gone")
        await asyncio.sleep(gate.REFUSED_SECONDS)
        assert await door.decide("good", PROMETHEUS) == UNKNOWN, "the old yes came back in an outage"

    scene(play)


def test_while_nobody_can_be_asked_who_was_let_in_still_is_and_others_are_told_to_come_back() -> None:
    async def play(door: Gate, authority: Authority) -> None:
        assert await door.decide("good", PROMETHEUS) == YES
        authority.error = Unavailable("the API server is away")
        for _ in range(10):
            await asyncio.sleep(gate.OUTAGE_SECONDS / 11)
            assert await door.decide("good", PROMETHEUS) == YES
        assert await door.decide("new", STRANGER) == UNKNOWN
        await asyncio.sleep(gate.OUTAGE_SECONDS / 11 + 1)
        assert await door.decide("good", PROMETHEUS) == UNKNOWN, "a yes outlived the longest outage"
        authority.error = None
        await asyncio.sleep(gate.PEER_PAUSE_SECONDS)
        assert await door.decide("good", PROMETHEUS) == YES

    scene(play)


def test_a_scrape_waits_for_a_silent_authority_once_and_not_each_time() -> None:
    async def play(door: Gate, authority: Authority) -> None:
        assert await door.decide("good", PROMETHEUS) == YES
        authority.seconds = 3600.0
        await asyncio.sleep(gate.ALLOWED_SECONDS)
        loop = asyncio.get_running_loop()
        began = loop.time()
        answers = await asyncio.gather(*(door.decide("good", PROMETHEUS) for _ in range(5)))
        assert answers == [YES] * 5
        assert loop.time() - began == pytest.approx(gate.ASK_SECONDS)
        assert len(authority.asked) == 2, "scrapes at the same moment asked each for itself"

    scene(play)


def test_a_missing_right_of_our_own_is_told_apart() -> None:
    async def play(door: Gate, authority: Authority) -> None:
        authority.error = Forbidden("no", status=403)
        assert await door.decide("new", PROMETHEUS) == POWERLESS

    scene(play)


def test_a_flood_of_tokens_from_everywhere_asks_little_and_does_not_touch_who_is_known() -> None:
    async def play(door: Gate, authority: Authority) -> None:
        assert await door.decide("good", PROMETHEUS) == YES
        authority.seconds = 0.01
        began, seconds = asyncio.get_running_loop().time(), 120
        answers = set()
        for second in range(seconds):
            flood = [door.decide(f"{second}-{number}", f"10.1.0.{number}") for number in range(200)]
            answers |= {answer.status for answer in await asyncio.gather(*flood)}
            assert await door.decide("good", PROMETHEUS) == YES
            await asyncio.sleep(1.0)
        passed = asyncio.get_running_loop().time() - began
        strangers = [token for token in authority.asked if token != "good"]
        assert answers == {HTTPStatus.UNAUTHORIZED, HTTPStatus.SERVICE_UNAVAILABLE}
        assert len(strangers) <= gate.ASKED_BURST + gate.ASKED_RATE * passed
        assert authority.most_at_once <= gate.ASKED_AT_ONCE + 1

    scene(play)


def test_one_peer_with_many_tokens_leaves_the_others_room() -> None:
    async def play(door: Gate, authority: Authority) -> None:
        for number in range(100):
            await door.decide(f"token-{number}", STRANGER)
        assert len(authority.asked) == 1
        assert await door.decide("token-100", STRANGER) == BUSY
        assert await door.decide("good", PROMETHEUS) == YES

    scene(play)


@given(st.lists(st.text("ab", min_size=1, max_size=6), max_size=400))
def test_memory_stays_bounded_whatever_is_sent(tokens: list[str]) -> None:
    async def play(door: Gate, authority: Authority) -> None:
        for number, token in enumerate(tokens):
            authority.known[token] = YES if number % 2 else NO
            await door.decide(token, f"10.2.{number % 250}.1")
            await asyncio.sleep(0.2)
        assert len(door._allowed._entries) <= gate.MOST_ALLOWED
        assert len(door._refused._entries) <= gate.MOST_REFUSED
        assert len(door._pauses._entries) <= gate.MOST_REFUSED

    scene(play)


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer abc", "abc"),
        ("bearer  abc ", "abc"),
        ("Basic abc", ""),
        ("Bearer", ""),
        ("Bearer ", ""),
        ("", ""),
        ("abc", ""),
        ("Bearer gr\u00fcn", ""),
        (b"Bearer \xff".decode("utf-8", "surrogateescape"), ""),
    ],
)
def test_only_a_bearer_token_counts(header: str, token: str) -> None:
    assert bearer_token(header) == token
