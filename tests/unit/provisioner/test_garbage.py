"""When a pool without a claim may be removed."""

import pytest

from provisioner.garbage import orphan_rest
from tests.unit.provisioner.builders import at, pool

BORN = {"kaito.sh/creation-timestamp": "2026-08-21T10-00-00Z"}


@pytest.mark.parametrize(
    ("labels", "claimless", "after", "rest"),
    [
        (BORN, 0, 100, 200),
        (BORN, 250, 100, 50),
        (BORN, 0, 300, 0),
        ({}, 0, 10_000, 300),
        ({}, 300, 0, 0),
        ({"kaito.sh/creation-timestamp": "yesterday"}, 10, 10_000, 290),
    ],
    ids=["young", "seen for long", "old", "age unknown", "age unknown, seen for long", "age unreadable"],
)
def test_the_grace_counts_from_birth_or_first_sight(
    labels: dict[str, str], claimless: float, after: float, rest: float
) -> None:
    assert orphan_rest(pool(labels=labels), claimless, at(after), 300) == rest


def test_only_pools_a_kaito_provisioner_made_are_candidates() -> None:
    assert pool().ours
    assert not pool(labels={"team": "other"}).ours
    assert not pool(labels={"kaito.sh/workspace": "phi"}).ours, "a pool of the user's own may carry the label"
