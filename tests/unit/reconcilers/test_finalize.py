"""The end of a Workspace: what is refused or fails holds nothing else up, and pods nothing for ever."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from controller.api import labels
from controller.api.claims import MACHINE
from controller.api.json import Json
from controller.api.workspace import parse_workspace
from controller.planning.claims import Order, render_claim
from controller.reconcilers.finalize import POD_PATIENCE, RECHECK, finalize, waited_long
from controller.runtime.errors import Unavailable
from tests.unit.planning.builders import UID, V100, workspace, workspace_object
from tests.unit.reconcilers.kit import Stand, stand
from tests.unit.runtime.scripted_server import Reply, answer, status


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


def leaving() -> Json:
    """The example while it is being deleted."""
    known = workspace_object()["metadata"]
    ends = {"deletionTimestamp": "2026-01-05T10:00:00Z", "finalizers": [labels.WORKSPACE_FINALIZER]}
    return workspace_object(metadata={**known, **ends})


def own_deployment() -> Json:
    owner = {"kind": "Workspace", "name": "phi", "uid": UID, "controller": True}
    metadata = {"name": "phi", "namespace": "default", "uid": "d", "resourceVersion": "1", "ownerReferences": [owner]}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}


def own_machine() -> Json:
    made = render_claim(workspace(), 0, Order(MACHINE, (V100,), "amd64", 88))
    return {**made, "metadata": {**made["metadata"], "uid": "m", "resourceVersion": "1"}}


async def ended(place: Stand, refusal: Reply) -> tuple[object, str]:
    """What comes of a step of which the deletion of the workload is answered so, and what the status says then."""
    place.context.informers.deployments._replace([own_deployment()])
    machines = answer({"metadata": {"resourceVersion": "9"}, "items": [own_machine()]})
    place.server.script(refusal, machines, status(404, "NotFound"), answer({}), answer(leaving()))
    obj = leaving()
    try:
        outcome: object = await finalize(place.context, parse_workspace(obj), obj)
    except Unavailable as error:
        outcome = error
    name = own_machine()["metadata"]["name"]
    assert f"DELETE /apis/karpenter.sh/v1alpha5/machines/{name}" in place.requests, "its nodes would cost on"
    (written,) = place.writes_of_status()
    return outcome, json.dumps(written.body["status"]["conditions"])


@pytest.mark.parametrize(
    "refusal",
    [
        status(400, "", "admission webhook denied the request"),
        status(403, "Forbidden", "denied by policy"),
        status(413, "RequestEntityTooLarge", "denied by policy"),
    ],
    ids=["a webhook without a code", "a policy", "a policy with a reason of its own"],
)
async def test_a_workload_that_must_not_be_deleted_keeps_no_claim(tmp_path: Path, refusal: Reply) -> None:
    async with stand(tmp_path) as place:
        outcome, told = await ended(place, refusal)
    assert outcome is RECHECK
    assert "denied" in told


async def test_a_fault_at_the_workload_keeps_no_claim_and_is_tried_again_soon(tmp_path: Path) -> None:
    async with stand(tmp_path) as place:
        outcome, told = await ended(place, status(500, "InternalError", "failed calling webhook"))
    assert isinstance(outcome, Unavailable), "the queue's own pauses are shorter than the next look by the clock"
    assert "failed calling webhook" in told
