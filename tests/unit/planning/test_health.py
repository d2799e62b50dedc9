"""What deployment tools make of a Workspace's status: kstatus, and Argo CD with the health check we ship."""

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.api import labels
from controller.api.json import Json
from controller.api.messages import Problem
from controller.api.reasons import Reason
from controller.api.workspace import parse_workspace
from controller.planning.node_plan import plan_nodes
from controller.planning.observed import Observed
from controller.planning.pausing import paused_status
from controller.planning.status import blocked_conditions, conditions_for, render_status
from hack.crds.schema import workspace_schema
from tests.unit.planning.builders import claim, demand, node, workspace, workspace_object
from tests.unit.planning.kstatus import kstatus

NOW = "2026-01-05T10:00:00Z"
OWNER = workspace()
SHIPPED = Path(__file__).parents[3] / "manifests" / "argocd" / "argocd-cm.yaml"
NODES = Observed(claims=(claim(OWNER, 0, ready=True),), nodes=(node("n", of=OWNER, made_for=0),))


def server(ready: int) -> dict[tuple[str, str], Json]:
    status = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": ready}
    return {("Deployment", "phi"): {"metadata": {"generation": 1}, "spec": {"replicas": 1}, "status": status}}


def crashing() -> Json:
    ended = {"terminated": {"exitCode": 1, "reason": "Error", "message": "CUDA error"}}
    state = {"waiting": {"reason": "CrashLoopBackOff"}}
    container = {"name": "phi", "state": state, "lastState": ended, "restartCount": 3}
    return {"metadata": {"name": "phi-0"}, "status": {"containerStatuses": [container]}}


def seen(observed: Observed, *, state: str = "") -> Json:
    """The Workspace as stored after one look."""
    plan = plan_nodes(OWNER, demand(), observed)
    return written(conditions_for(OWNER, demand(), plan, observed), state)


def refused() -> Json:
    problem = Problem(Reason.PRESET_UNKNOWN, "inference.preset.name", "unknown")
    return written(blocked_conditions(OWNER, Observed(), [problem]))


def written(conditions: list[Any], state: str = "") -> Json:
    stored = workspace_object(status={"state": state})
    return {**stored, "status": render_status(OWNER, stored, conditions, (), 1, now=NOW)}


def changed(obj: Json) -> Json:
    return {**obj, "metadata": {**obj["metadata"], "generation": 2}}


def leaving(obj: Json) -> Json:
    return {**obj, "metadata": {**obj["metadata"], "deletionTimestamp": NOW}}


def paused(obj: Json) -> Json:
    found = {**obj, "metadata": {**obj["metadata"], "annotations": {labels.PAUSED: "true"}}}
    return {**found, "status": paused_status(parse_workspace(found), found, now=NOW)}


READY = seen(replace(NODES, objects=server(1)))
QUOTA = Observed(claims=(claim(OWNER, 0, message="0 vCPUs left"),))
CASES = {
    # the Workspace, then what kstatus and Argo CD say
    "first look": (seen(Observed()), "InProgress", "Progressing"),
    "refused at the first look": (refused(), "Failed", "Degraded"),
    "no quota": (seen(QUOTA), "Failed", "Degraded"),
    "pods start": (seen(replace(NODES, objects=server(0))), "InProgress", "Progressing"),
    "pods crash": (seen(replace(NODES, objects=server(0), pods=(crashing(),))), "Failed", "Degraded"),
    "ready": (READY, "Current", "Healthy"),
    "served once": (seen(replace(NODES, objects=server(0)), state="Ready"), "InProgress", "Degraded"),
    "changed since": (changed(READY), "InProgress", "Progressing"),
    "goes away": (leaving(READY), "Terminating", "Progressing"),
    "paused while it serves": (paused(READY), "Current", "Suspended"),
    "paused, then changed": (paused(changed(READY)), "Current", "Suspended"),
    "paused, then changed this moment": (changed(paused(READY)), "InProgress", "Suspended"),
    "paused before the first look": (paused(workspace_object()), "InProgress", "Suspended"),
    "paused and goes away": (leaving(paused(READY)), "Terminating", "Progressing"),
}


@pytest.fixture(scope="module")
def check() -> Any:
    """The shipped health check as a function of the Workspace, as Argo CD runs it: a script with a global `obj`."""
    script = yaml.safe_load(SHIPPED.read_text())["data"]["resource.customizations.health.kaito.sh_Workspace"]
    lua = import_module("lupa.lua51").LuaRuntime(unpack_returned_tuples=True, register_eval=False)

    def run(obj: Json) -> dict[str, str]:
        lua.globals().obj = lua.table_from(obj, recursive=True)
        return dict(lua.execute(script))

    return run


@pytest.mark.parametrize("case", CASES)
def test_kstatus_reads_every_status_rightly_from_the_first_on(case: str) -> None:
    obj, expected, _ = CASES[case]
    assert kstatus(obj) == expected, f"{case}: {obj['status']['conditions']}"


@pytest.mark.parametrize("case", CASES)
def test_argo_cd_reads_every_status_rightly_from_the_first_on(case: str, check: Any) -> None:
    obj, _, expected = CASES[case]
    found = check(obj)
    assert found["status"] == expected, f"{case}: {found}"
    assert found["message"], "Argo CD shows nothing beside the status"


def test_nobody_takes_a_workspace_for_ready_that_no_one_has_seen(check: Any) -> None:
    """The API server fills in the status the definition states; without it kstatus would say Current."""
    unseen = workspace_schema(())["properties"]["status"]["default"]
    assert kstatus(workspace_object(status=unseen)) == "InProgress"
    for obj in (workspace_object(status=unseen), workspace_object()):
        assert check(obj)["status"] == "Progressing"


def test_argo_cd_shows_the_reason_and_the_words(check: Any) -> None:
    assert check(seen(QUOTA))["message"].startswith("SubscriptionQuotaReached: ResourceReady: 0 of 1 machine ready")
