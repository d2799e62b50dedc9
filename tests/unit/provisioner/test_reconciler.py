"""How claims are counted by state; the loop itself is shown on a real API server."""

from typing import Any

import pytest

from controller.api.json import Json
from provisioner.errors import ErrorKind, Fault
from provisioner.lifecycle import decide
from provisioner.metrics import CLAIM_STATES
from provisioner.reconciler import state_of
from tests.unit.provisioner.builders import machine, node, pool, seen

DONE = ["Launched", "Registered", "Initialized"]


@pytest.mark.parametrize(
    ("stored", "view", "state"),
    [
        (machine(), {}, "pending"),
        (machine(), {"pool": pool()}, "launched"),
        (machine(), {"pool": pool(), "nodes": [node(ready=False)]}, "registered"),
        (machine(done=DONE), {"pool": pool(), "nodes": [node()]}, "ready"),
        (machine(), {"pool": pool("Failed", fault=Fault(ErrorKind.QUOTA))}, "failed"),
        (machine(deleted_at=0), {"pool": pool()}, "deleting"),
    ],
)
def test_each_claim_is_in_one_state(stored: Json, view: dict[str, Any], state: str) -> None:
    view_of_claim = seen(stored, **view)
    assert state_of(view_of_claim, decide(view_of_claim).conditions) == state
    assert state in CLAIM_STATES
