"""How claims are counted by state, and since when a node is missed; the loop is shown on a real API server."""

import asyncio
from typing import Any

import pytest

from controller.api.claims import MACHINE
from controller.api.json import Json
from controller.api.resources import NODES
from controller.runtime.cache import Informer
from provisioner.errors import ErrorKind, Fault
from provisioner.lifecycle import decide
from provisioner.metrics import CLAIM_STATES
from provisioner.nodes import POOL_INDEX, pool_names
from provisioner.offerings import Place
from provisioner.policy import Policy
from provisioner.reconciler import Reconciler, state_of
from provisioner.snapshot import Snapshot
from tests.unit.provisioner.builders import NAME, SIZES, machine, node, pool, seen
from tests.unit.virtual_time import run_virtual

NOBODY: Any = None
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


def looking(snapshot: Snapshot) -> Reconciler:
    """A reconciler that may look at pools and nodes, of which there are none, and do nothing."""
    nodes = Informer(NOBODY, NODES, indexes={POOL_INDEX: pool_names})
    parts: dict[str, Any] = {"claims": NOBODY, "recorder": NOBODY, "quotas": NOBODY}
    return Reconciler(
        NOBODY, NOBODY, snapshot, nodes=nodes, policy=Policy(), sizes=SIZES, place=Place("eastus"), **parts
    )


def test_a_node_is_missed_from_the_end_of_its_pools_start_and_whatever_a_rival_lacks() -> None:
    """A claim whose pool was stopped for days must not go in the moment before its node is back."""

    async def scenario() -> list[float]:
        snapshot = Snapshot(NOBODY, busy=1.0, idle=1.0, on_change=NOBODY)
        made, found = looking(snapshot), []
        stopped, starting, started = pool(stopped=True), pool("Starting"), pool()
        looks = ((stopped, ""), (stopped, ""), (starting, ""), (starting, ""))
        for known, rival in (*looks, (started, ""), (started, "Machine x"), (started, "")):
            snapshot.learn(NAME, known)
            found.append(made._observe(MACHINE, machine(), rival).nodeless)
            await asyncio.sleep(600)
        return found

    assert run_virtual(scenario()) == [0, 0, 0, 0, 0, 0, 1200]
