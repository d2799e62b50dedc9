"""The authority's life: made once, replaced in three steps, never a moment with the wrong trust."""

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.certificates.authority import (
    Authority,
    Lifetimes,
    advance,
    decode,
    encode,
    is_intact,
    next_step_due,
    rebuilt,
    settled,
)
from webhook.certificates.issuing import SKEW, Pair, is_sound, new_authority, validity

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TIMES = Lifetimes(authority=timedelta(days=30), leaf=timedelta(days=1), settle=timedelta(minutes=10))
RENEWAL = NOW + timedelta(days=20)


def everywhere(_certificate: bytes) -> bool:
    return True


def nowhere(_certificate: bytes) -> bool:
    return False


def made() -> Authority:
    fresh = advance(None, NOW, TIMES, nowhere)
    assert fresh is not None
    return fresh


def renewing() -> Authority:
    step = advance(made(), RENEWAL, TIMES, nowhere)
    assert step is not None
    return step


def published() -> Authority:
    step = advance(renewing(), RENEWAL, TIMES, everywhere)
    assert step is not None
    return step


def promoted() -> Authority:
    step = advance(published(), RENEWAL + TIMES.settle, TIMES, everywhere)
    assert step is not None
    return step


def test_where_there_is_none_one_is_made() -> None:
    fresh = made()
    assert is_sound(fresh.current)
    assert fresh.bundle == fresh.current.certificate


def test_before_two_thirds_nothing_happens() -> None:
    assert advance(made(), RENEWAL - timedelta(seconds=1), TIMES, everywhere) is None


def test_first_the_new_certificate_is_published_beside_the_old_one() -> None:
    before, step = made(), None
    step = advance(before, RENEWAL, TIMES, everywhere)
    assert step is not None
    assert step.upcoming is not None
    assert step.current == before.current, "the old authority must go on signing"
    assert step.bundle == before.current.certificate + step.upcoming.certificate


def test_it_does_not_sign_before_everyone_trusts_it() -> None:
    assert advance(renewing(), RENEWAL + timedelta(days=5), TIMES, nowhere) is None


def test_it_does_not_sign_before_the_news_has_settled() -> None:
    assert advance(published(), RENEWAL + TIMES.settle - timedelta(seconds=1), TIMES, everywhere) is None


def test_the_news_settles_from_its_publication_not_from_its_making() -> None:
    late = RENEWAL + timedelta(hours=2)
    step = advance(renewing(), late, TIMES, everywhere)
    assert step is not None
    assert step.published == late
    assert advance(step, late + TIMES.settle - timedelta(seconds=1), TIMES, everywhere) is None
    last = advance(step, late + TIMES.settle, TIMES, everywhere)
    assert last is not None
    assert last.current == step.upcoming


def test_what_is_published_no_more_does_not_sign() -> None:
    assert advance(published(), RENEWAL + TIMES.settle, TIMES, nowhere) is None


def test_an_authority_of_the_future_is_replaced_and_stays_trusted() -> None:
    early = NOW - SKEW - timedelta(seconds=1)
    step = advance(made(), early, TIMES, everywhere)
    assert step is not None
    assert validity(step.current.certificate).accepted_from <= early
    assert step.bundle.count(b"BEGIN CERTIFICATE") == 2


def test_a_clock_that_is_slow_within_the_skew_replaces_nothing() -> None:
    assert advance(made(), NOW - SKEW, TIMES, everywhere) is None


def test_then_it_signs_and_the_old_one_stays_trusted() -> None:
    before = published()
    after = advance(before, RENEWAL + TIMES.settle, TIMES, everywhere)
    assert after is not None
    assert after.current == before.upcoming
    assert after.upcoming is None
    assert before.current.certificate in after.bundle


def test_the_old_one_is_dropped_only_when_its_last_leaf_has_ended() -> None:
    after = promoted()
    ended = RENEWAL + TIMES.settle + TIMES.leaf + SKEW
    assert advance(after, ended - timedelta(seconds=1), TIMES, everywhere) is None
    last = advance(after, ended, TIMES, everywhere)
    assert last is not None
    assert last.bundle == after.current.certificate


@pytest.mark.parametrize("trusted", [everywhere, nowhere])
def test_an_expired_authority_is_replaced_at_once(trusted: Any) -> None:
    step = advance(made(), NOW + timedelta(days=31), TIMES, trusted)
    assert step is not None
    assert validity(step.current.certificate).ends > NOW + timedelta(days=31)


def test_an_authority_that_expires_during_its_replacement_hands_over_at_once() -> None:
    before = renewing()
    step = advance(before, NOW + timedelta(days=31), TIMES, nowhere)
    assert step is not None
    assert step.current == before.upcoming


@pytest.mark.parametrize(
    ("state", "due"),
    [
        (made, RENEWAL),
        (renewing, NOW + TIMES.authority),
        (published, RENEWAL + TIMES.settle),
        (promoted, RENEWAL + TIMES.settle + TIMES.leaf + SKEW),
    ],
)
def test_the_next_look_is_when_the_next_step_is_due(state: Any, due: datetime) -> None:
    authority = state()
    assert next_step_due(authority, TIMES) == due
    assert advance(authority, due, TIMES, everywhere) is not None


@given(st.lists(st.tuples(st.integers(0, 40), st.booleans()), max_size=12))
def test_through_any_history_somebody_trusted_signs(history: list[tuple[int, bool]]) -> None:
    """Whoever has the bundle of one state trusts who signs in the next, unless everything had expired."""
    authority, now = made(), NOW
    for days, published in history:
        now += timedelta(days=days)
        step = advance(authority, now, TIMES, everywhere if published else nowhere)
        if step is None:
            continue
        alive = validity(authority.current.certificate).ends > now or authority.upcoming is not None
        assert step.current.certificate in authority.bundle or not alive
        assert step.current.certificate in step.bundle
        assert is_sound(step.current)
        authority = step


@pytest.mark.parametrize("state", [made, renewing, published, promoted])
def test_a_state_survives_its_secret(state: Any) -> None:
    authority = state()
    assert decode(encode(authority)) == authority


DATA = encode(replace(promoted(), upcoming=new_authority(NOW, TIMES.authority), published=RENEWAL))


@pytest.mark.parametrize(
    "damage",
    [
        {"ca.crt": None},
        {"ca.key": None},
        {"ca.crt": "%%%"},
        {"ca.crt": 7},
        {"ca.key": base64.b64encode(new_authority(NOW, TIMES.authority).key).decode()},
    ],
    ids=["no certificate", "no key", "no base64", "no text", "another's key"],
)
def test_without_a_sound_current_authority_there_is_no_state(damage: dict[str, Any]) -> None:
    damaged = {key: value for key, value in {**DATA, **damage}.items() if value is not None}
    assert decode(damaged) is None


@pytest.mark.parametrize(
    ("damage", "lost"),
    [
        ({"next.key": None}, {"upcoming": None, "published": None}),
        ({"next.crt": base64.b64encode(b"nonsense").decode()}, {"upcoming": None, "published": None}),
        ({"retired.crt": base64.b64encode(b"nonsense").decode()}, {"retired": b""}),
        ({"promoted-at": base64.b64encode(b"yesterday").decode()}, {"promoted": None}),
        ({"promoted-at": base64.b64encode(b"2026-01-01T00:00:00").decode()}, {"promoted": None}),
        ({"published-at": base64.b64encode(b"\xff").decode()}, {"published": None}),
    ],
    ids=str,
)
def test_damage_beside_the_current_authority_costs_only_what_is_damaged(
    damage: dict[str, Any], lost: dict[str, Any]
) -> None:
    whole = decode(DATA)
    assert whole is not None
    assert is_intact({**DATA, "other": "x"}, whole)
    damaged = {key: value for key, value in {**DATA, **damage}.items() if value is not None}
    assert decode(damaged) == replace(whole, **lost)
    assert not is_intact(damaged, replace(whole, **lost)), "the damage must be noticed, to be repaired"


def test_a_rebuilt_authority_keeps_the_certificate_trusted_whose_key_is_lost() -> None:
    before = made()
    after = rebuilt({**encode(before), "ca.key": "%"}, NOW, TIMES)
    assert is_sound(after.current)
    assert after.retired == before.current.certificate
    assert rebuilt({}, NOW, TIMES).retired == b""


def test_a_settled_state_has_no_step_left() -> None:
    state = settled(made(), RENEWAL, TIMES, everywhere)
    assert state.published == RENEWAL
    assert advance(state, RENEWAL, TIMES, everywhere) is None


@given(st.dictionaries(st.sampled_from([*DATA, "other"]), st.text(max_size=30) | st.sampled_from([*DATA.values()])))
def test_any_data_are_a_state_or_none(data: dict[str, str]) -> None:
    found = decode(data)
    assert found is None or is_sound(found.current)


def test_a_pair_is_a_value() -> None:
    assert Pair(b"a", b"b") == Pair(b"a", b"b")
