"""What the conditions of a claim come to."""

import pytest

from controller.api.claims import MACHINE, NODE_CLAIM
from controller.api.conditions import FALSE, TRUE, UNKNOWN, Condition
from controller.api.reasons import Reason
from provisioner.verdict import is_failure, sum_up


def dependents(*statuses: str) -> list[Condition]:
    """The three conditions of a NodeClaim."""
    named = zip(NODE_CLAIM.dependents, statuses, strict=True)
    return [Condition(type_, status, Reason.QUOTA_EXCEEDED, "why") for type_, status in named]


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ((TRUE, TRUE, TRUE), (TRUE, Reason.READY, "")),
        ((TRUE, UNKNOWN, UNKNOWN), (UNKNOWN, "ReconcilingDependents", "Registered=Unknown, Initialized=Unknown")),
        ((TRUE, FALSE, UNKNOWN), (FALSE, "UnhealthyDependents", "Registered=False, Initialized=Unknown")),
    ],
)
def test_a_node_claims_ready_names_what_is_not_true(statuses: tuple[str, ...], expected: tuple[str, str, str]) -> None:
    root = sum_up(NODE_CLAIM, dependents(*statuses))
    assert (root.status, root.reason, root.message) == expected


def test_a_machines_ready_repeats_the_first_that_is_not_true() -> None:
    root = sum_up(MACHINE, dependents(TRUE, FALSE, UNKNOWN))
    assert (root.status, root.reason, root.message) == (FALSE, Reason.QUOTA_EXCEEDED, "Registered: why")


@pytest.mark.parametrize(
    ("status", "reason", "failure"),
    [
        (TRUE, Reason.LAUNCHED, False),
        (UNKNOWN, Reason.AGENT_POOL_CREATING, False),
        (UNKNOWN, Reason.THROTTLED, False),
        (UNKNOWN, Reason.QUOTA_EXCEEDED, True),
        (UNKNOWN, Reason.REGISTRATION_TIMEOUT, True),
        (FALSE, Reason.QUOTA_EXCEEDED, True),
        (FALSE, Reason.MULTIPLE_NODES_FOUND, True),
        (FALSE, Reason.DRAINING, False),
    ],
)
def test_a_failure_is_told_from_a_wait_by_its_reason(status: str, reason: Reason, failure: bool) -> None:
    assert is_failure(Condition("Launched", status, reason)) is failure
