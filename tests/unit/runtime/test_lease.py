"""The Lease record as a value, and the moment from which it may be taken."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.runtime.lease import LeaseRecord, LeaseTiming, Sighting, microtime

NOW = "2026-05-01T10:00:00.000000Z"
LATER = "2026-05-01T10:00:02.500000Z"

records = st.builds(
    LeaseRecord,
    holder=st.sampled_from(["", "a", "b"]),
    duration=st.integers(1, 60).map(float),
    acquired=st.just(NOW),
    renewed=st.just(LATER),
    transitions=st.integers(0, 9),
    version=st.sampled_from(["", "7"]),
)


@given(records)
def test_a_record_survives_the_way_through_an_object(record: LeaseRecord) -> None:
    body = record.body(name="kaito-controller", namespace="kaito-system")
    assert LeaseRecord.parse(body) == record
    assert ("resourceVersion" in body["metadata"]) == bool(record.version)


@pytest.mark.parametrize("lease", [{}, {"metadata": {}, "spec": None}, {"spec": {"holderIdentity": None}}])
def test_a_lease_without_content_reads_as_nobodys(lease: dict[str, object]) -> None:
    assert LeaseRecord.parse(lease).holder == ""


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-7))])))
def test_times_are_written_with_six_decimals_in_utc(moment: datetime) -> None:
    text = microtime(moment)
    assert re.fullmatch(r"\d{1,4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", text)


def test_a_local_time_is_converted_not_relabelled() -> None:
    west = datetime(2026, 5, 1, 3, 0, tzinfo=timezone(timedelta(hours=-7)))
    assert microtime(west) == NOW


def test_each_change_of_holder_counts_and_a_renewal_does_not() -> None:
    first = LeaseRecord().held_by("a", duration=15, now=NOW)
    assert (first.transitions, first.acquired) == (0, NOW), "the first holder ever is no change"
    renewed = first.held_by("a", duration=15, now=LATER)
    assert (renewed.transitions, renewed.acquired, renewed.renewed) == (0, NOW, LATER)
    taken = renewed.held_by("b", duration=15, now=LATER)
    assert (taken.transitions, taken.acquired) == (1, LATER)
    again = taken.released(LATER).held_by("b", duration=15, now=LATER)
    assert again.transitions == 2, "a holder that comes back starts a new epoch"


def test_a_free_lease_can_be_taken_at_once_and_a_held_one_when_its_own_duration_has_passed_here() -> None:
    held = LeaseRecord(holder="a", duration=7, version="1")
    assert Sighting(held, since=100).free_at("b") == 107
    assert Sighting(held, since=100).free_at("a") == float("-inf"), "our own, from before a restart"
    assert Sighting(held.released(NOW), since=100).free_at("b") == float("-inf")


def test_only_a_change_makes_a_record_young_again() -> None:
    seen = Sighting(LeaseRecord(holder="a", duration=15, version="1"), since=100)
    same = LeaseRecord(holder="a", duration=15, version="1")
    assert seen.updated(same, 110).since == 100
    assert seen.updated(LeaseRecord(holder="a", duration=15, renewed=LATER, version="2"), 110).since == 110


def test_a_label_put_on_the_lease_is_no_sign_of_life() -> None:
    seen = Sighting(LeaseRecord(holder="a", duration=15, version="1"), since=100)
    labelled = {"metadata": {"resourceVersion": "2", "labels": {"k": "v"}}, "spec": {"holderIdentity": "a"}}
    after = seen.updated(replace(LeaseRecord.parse(labelled), duration=15), 110)
    assert after.since == 100, "a dead leader's lease would never expire under a tool that keeps touching it"
    assert after.record.version == "2", "the next write must name the version that is there now"


def test_what_others_wrote_on_the_lease_survives_a_renewal() -> None:
    others = {"labels": {"l": "1"}, "annotations": {"a": "2"}, "ownerReferences": [{"uid": "u"}], "finalizers": ["f"]}
    stored = {"metadata": {"name": "n", "uid": "u", "managedFields": [], "resourceVersion": "7", **others}}
    body = LeaseRecord.parse(stored).held_by("a", duration=15, now=NOW).body(name="n", namespace="ns")
    assert body["metadata"] == {"name": "n", "namespace": "ns", "resourceVersion": "7", **others}


@pytest.mark.parametrize(
    "timing",
    [(10, 10, 2), (15, 2, 2), (15, 2.4, 2), (15, 10, 0), (10, 15, 2), (2.5, 1, 0.5), (15, 14.7, 2), (300, 294.1, 2)],
)
def test_timings_that_could_make_two_leaders_are_refused(timing: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        LeaseTiming(*timing)


@pytest.mark.parametrize(
    "timing", [(15, 10, 2), (15, 12, 2), (137, 107, 26), (270, 240, 60), (60, 40, 15), (3, 2, 0.5)]
)
def test_timings_in_use_elsewhere_are_accepted(timing: tuple[float, float, float]) -> None:
    assert LeaseTiming(*timing).stop_grace > 0


@given(st.integers(2, 300), st.floats(0.5, 299), st.floats(0.01, 20))
def test_stopping_always_fits_between_the_deadline_and_the_takeover(lease: int, renew: float, retry: float) -> None:
    try:
        timing = LeaseTiming(lease, renew, retry)
    except ValueError:
        return
    assert timing.renew_deadline + 2 * timing.stop_grace <= timing.safe + 1e-9
    assert timing.safe <= lease - 0.2
