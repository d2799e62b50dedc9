"""The collector rests while someone lists, and goes on afterwards whatever happened."""

import gc
from collections.abc import Iterator

import pytest

from controller.runtime.collector import freeze_survivors, paused_collector


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    yield
    gc.unfreeze()
    gc.enable()


def test_overlapping_pauses_end_with_the_last() -> None:
    with paused_collector():
        with paused_collector():
            assert not gc.isenabled()
        assert not gc.isenabled(), "the outer list still runs"
    assert gc.isenabled()


def test_a_failed_list_does_not_leave_the_collector_off() -> None:
    with pytest.raises(RuntimeError), paused_collector():
        raise RuntimeError
    assert gc.isenabled()


def test_a_frozen_cache_is_not_walked() -> None:
    gc.unfreeze()
    with paused_collector():
        kept = [{"name": str(number)} for number in range(100)]
    assert gc.get_freeze_count() == 0
    freeze_survivors()
    assert gc.get_freeze_count() >= len(kept)
