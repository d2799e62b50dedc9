"""Claims that are older than they may become."""

import pytest

from controller.api.reasons import Reason
from provisioner.expiry import expired, expires_in
from provisioner.lifecycle import decide
from provisioner.policy import Policy
from provisioner.steps import DeleteClaim, Observed
from tests.unit.provisioner.builders import machine, node, node_claim, pool, seen

MINDED = Policy(expiry=True)
DAY = 86_400.0


def view(after: float, expire_after: str = "720h", policy: Policy = MINDED) -> Observed:
    """A Ready claim so many seconds after its creation."""
    stored = node_claim(done=("Launched", "Registered", "Initialized"), expireAfter=expire_after)
    return seen(stored, pool=pool(), nodes=[node()], after=after, policy=policy)


def test_a_claim_that_is_too_old_is_deleted_where_that_is_minded() -> None:
    action = decide(view(30 * DAY)).action
    assert isinstance(action, DeleteClaim)
    assert (action.reason, "720h" in action.note) == (Reason.EXPIRED, True)


@pytest.mark.parametrize(
    "found",
    [
        view(30 * DAY - 1),
        view(300 * DAY, "Never"),
        view(300 * DAY, ""),
        view(300 * DAY, policy=Policy()),
        seen(machine(), after=300 * DAY, policy=MINDED),
        seen(node_claim(expireAfter="1h"), after=300 * DAY, policy=MINDED, rival="Machine ws"),
    ],
    ids=["a second too young", "never", "not said", "not minded, as by default", "a Machine", "a rival"],
)
def test_every_other_claim_stays(found: Observed) -> None:
    assert expired(found) is None


def test_its_end_is_looked_forward_to() -> None:
    assert expires_in(view(DAY)) == 29 * DAY
    assert decide(view(30 * DAY - 60)).requeue_after == 60
