"""How long pods may hold up the end of a Workspace."""

from datetime import UTC, datetime, timedelta

import pytest

from controller.reconcilers.finalize import POD_PATIENCE, waited_long


@pytest.mark.parametrize(
    ("since", "long"),
    [
        (timedelta(0), False),
        (POD_PATIENCE / 2, False),
        (POD_PATIENCE * 2, True),
        (-POD_PATIENCE / 2, False),
        (-timedelta(days=400), True),
    ],
    ids=["just now", "a while", "too long", "a clock that lags a little", "a clock that lags by a year"],
)
def test_pods_hold_nothing_for_ever_whatever_the_clocks_say(since: timedelta, long: bool) -> None:
    moment = (datetime.now(UTC) - since).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert waited_long({"metadata": {"deletionTimestamp": moment}}) is long
