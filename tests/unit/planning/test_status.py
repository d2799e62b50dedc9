from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from controller.api.claims import MACHINE, Taint
from controller.api.conditions import Condition
from controller.api.json import Json
from controller.api.messages import Problem
from controller.api.reasons import Reason
from controller.planning.containers import Trouble
from controller.planning.node_plan import plan_nodes
from controller.planning.node_status import node_conditions
from controller.planning.observed import Observed, Ref
from controller.planning.status import (
    blocked_conditions,
    conditions_for,
    deleting_conditions,
    owned_part,
    render_status,
)
from tests.unit.planning.builders import UID, claim, demand, node, workspace, workspace_object

OWNER = workspace()
GOOD_NODE = node("n", of=OWNER, made_for=0)
GOOD_CLAIM = claim(OWNER, 0, ready=True)


def deployment(ready: int, **status: Any) -> Json:
    found = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": ready, **status}
    return {"metadata": {"name": "phi", "generation": 1}, "spec": {"replicas": 1}, "status": found}


REF = ("Deployment", "phi")


def deployed(ready: int, **status: Any) -> dict[Ref, Json]:
    return {REF: deployment(ready, **status)}


def conditions(observed: Observed, *, provision: bool = True, count: int = 1) -> dict[str, Condition]:
    wanted = demand(count, provision=provision)
    return {c.type: c for c in conditions_for(OWNER, wanted, plan_nodes(OWNER, wanted, observed), observed)}


STORY = [
    # what is observed, then per condition: status and reason
    (Observed(), ("False", "MachinesPending"), ("False", "MachinesPending"), ("False", "WaitingForNodes")),
    (
        Observed(claims=(claim(OWNER, 0, message="24 vCPUs needed, 0 left"),)),
        ("False", "SubscriptionQuotaReached"),
        ("False", "SubscriptionQuotaReached"),
        ("False", "WaitingForNodes"),
    ),
    (
        Observed(claims=(GOOD_CLAIM,)),
        ("True", "MachinesReady"),
        ("False", "NodesPending"),
        ("False", "WaitingForNodes"),
    ),
    (
        Observed(claims=(GOOD_CLAIM,), nodes=(node("n", of=OWNER, made_for=0, ready=False),)),
        ("True", "MachinesReady"),
        ("False", "NodeNotReady"),
        ("False", "WaitingForNodes"),
    ),
    (
        Observed(claims=(GOOD_CLAIM,), nodes=(node("n", of=OWNER, made_for=0, allocatable={}),)),
        ("True", "MachinesReady"),
        ("False", "GpusNotAdvertised"),
        ("False", "WaitingForNodes"),
    ),
    (
        Observed(claims=(GOOD_CLAIM,), nodes=(GOOD_NODE,)),
        ("True", "MachinesReady"),
        ("True", "ResourcesReady"),
        ("False", "PodsPending"),
    ),
    (
        Observed(claims=(GOOD_CLAIM,), nodes=(GOOD_NODE,), objects=deployed(0)),
        ("True", "MachinesReady"),
        ("True", "ResourcesReady"),
        ("False", "PodsPending"),
    ),
    (
        Observed(claims=(GOOD_CLAIM,), nodes=(GOOD_NODE,), objects=deployed(1, observedGeneration=0)),
        ("True", "MachinesReady"),
        ("True", "ResourcesReady"),
        ("False", "PodsPending"),
    ),
    (
        Observed(claims=(GOOD_CLAIM,), nodes=(GOOD_NODE,), objects=deployed(1)),
        ("True", "MachinesReady"),
        ("True", "ResourcesReady"),
        ("True", "InferenceReady"),
    ),
    (
        Observed(nodes=(node("n", of=OWNER),), objects=deployed(1)),
        ("True", "NoMachinesNeeded"),
        ("True", "ResourcesReady"),
        ("True", "InferenceReady"),
    ),
]


@pytest.mark.parametrize(("observed", "machine", "resource", "inference"), STORY)
def test_the_conditions_follow_what_is_observed(
    observed: Observed, machine: tuple[str, str], resource: tuple[str, str], inference: tuple[str, str]
) -> None:
    found = {type_: (c.status, c.reason) for type_, c in conditions(observed).items()}
    assert (found["MachineReady"], found["ResourceReady"], found["InferenceReady"]) == (machine, resource, inference)
    whole = all(part[0] == "True" for part in (resource, inference))
    roots = ("WorkspaceSucceeded", "WorkspaceReady", "Ready")
    assert {found[root] for root in roots} == {(str(whole), found["Ready"][1])}


def test_what_serves_is_said_once_it_does() -> None:
    for ready, message in ((1, "1 of 1 pod ready, served by vllm"), (0, "0 of 1 pod ready; the pods are being made")):
        seen = Observed(claims=(GOOD_CLAIM,), nodes=(GOOD_NODE,), objects=deployed(ready))
        plan = plan_nodes(OWNER, demand(), seen)
        found = {c.type: c for c in conditions_for(OWNER, demand(), plan, seen, served="served by vllm")}
        assert found["InferenceReady"].message == message


@pytest.mark.parametrize(
    ("observed", "nodes"),
    [
        (Observed(), ("False", "NodesPending")),
        (Observed(claims=(GOOD_CLAIM,)), ("False", "NodesPending")),
        (Observed(nodes=(node("n", of=OWNER, made_for=0, ready=False),)), ("False", "NodeNotReady")),
        (Observed(nodes=(node("n", of=OWNER, made_for=0, allocatable={}),)), ("False", "GpusNotAdvertised")),
        (Observed(nodes=(GOOD_NODE,)), ("True", "ResourcesReady")),
    ],
)
def test_nodes_are_told_apart_from_their_claims(observed: Observed, nodes: tuple[str, str]) -> None:
    found = conditions(observed)["NodesReady"]
    assert (found.status, found.reason) == nodes


QUOTA = Observed(claims=(claim(OWNER, 0, message="24 vCPUs needed, 0 left"),))


@pytest.mark.parametrize(
    ("observed", "kept", "mover"),
    [
        (Observed(), "Reconciling", "MachinesPending"),
        (QUOTA, "Stalled", "SubscriptionQuotaReached"),
        (Observed(claims=(GOOD_CLAIM,), nodes=(GOOD_NODE,), objects=deployed(0)), "Reconciling", "PodsPending"),
        (Observed(claims=(GOOD_CLAIM,), nodes=(GOOD_NODE,), objects=deployed(1)), "", ""),
    ],
)
def test_who_moves_it_on_is_told_by_one_condition_at_most(observed: Observed, kept: str, mover: str) -> None:
    found = conditions(observed)
    abnormal = {type_: found[type_] for type_ in ("Reconciling", "Stalled") if type_ in found}
    assert set(abnormal) == ({kept} if kept else set())
    assert all(each.status == "True" and each.reason == mover for each in abnormal.values())


def test_a_workspace_refused_is_stalled_and_one_that_goes_is_neither() -> None:
    problem = Problem(Reason.PRESET_UNKNOWN, "inference.preset.name", "unknown")
    found = {c.type: c for c in blocked_conditions(OWNER, Observed(), [problem])}
    assert (found["Stalled"].status, found["Stalled"].reason) == ("True", "PresetUnknown")
    assert found["WorkspaceSucceeded"].status == "False"
    assert not {"Stalled", "Reconciling"} & {c.type for c in deleting_conditions(found, "waiting")}


def test_the_claims_own_words_reach_the_workspace() -> None:
    found = conditions(Observed(claims=(claim(OWNER, 0, message="24 vCPUs needed, 0 left"),)))
    assert "24 vCPUs needed, 0 left" in found["Ready"].message
    assert claim(OWNER, 0).name in found["Ready"].message


def test_without_provisioning_the_missing_node_is_described() -> None:
    found = conditions(Observed(), provision=False)
    for type_ in ("MachineReady", "NodesReady", "ResourceReady", "Stalled"):
        assert found[type_].reason == "NodesMissing", f"nobody but people makes nodes here: {found[type_]}"
        assert "add a Standard_NC6s_v3 node with 1 nvidia.com/gpu" in found[type_].message


SETTING_UP = {"metadata": {"name": "phi-0", "uid": "pod"}, "status": {"phase": "Pending"}}
NO_PLACE: Json = {
    **SETTING_UP,
    "status": {
        "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1"}]
    },
}


def test_a_pod_without_a_place_is_no_news_while_its_node_is_broken() -> None:
    lost = node("n", of=OWNER, made_for=0, ready=False)
    broken = Observed(claims=(GOOD_CLAIM,), nodes=(lost,), objects=deployed(0), pods=(NO_PLACE,))
    assert conditions(broken)["InferenceReady"].reason == "WaitingForNodes"
    healthy = Observed(claims=(GOOD_CLAIM,), nodes=(GOOD_NODE,), objects=deployed(0), pods=(NO_PLACE,))
    assert conditions(healthy)["InferenceReady"].reason == "Unschedulable"


def test_a_pod_that_follows_another_is_not_warned_of_before_the_scheduler_has_looked_again() -> None:
    words = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."
    verdict = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": words}
    metadata = {"name": "phi-1", "creationTimestamp": "2026-01-05T10:00:00Z"}
    rolled = deployment(0, observedGeneration=2)
    rolled["metadata"]["generation"] = 2
    new = {"metadata": metadata, "status": {"conditions": [verdict]}}
    seen = Observed(claims=(GOOD_CLAIM,), nodes=(GOOD_NODE,), objects={REF: rolled}, pods=(new,))
    for second, reason, mover in ((30, "PodsPending", "Reconciling"), (50, "Unschedulable", "Stalled")):
        found = conditions(replace(seen, now=datetime(2026, 1, 5, 10, 0, second, tzinfo=UTC)))
        assert (found["InferenceReady"].reason, found[mover].reason) == (reason, reason)


def test_what_an_event_says_of_the_workload_is_told_until_there_are_pods() -> None:
    server = deployment(0)
    server["metadata"]["uid"] = "server"
    reports = {"server": Trouble(Reason.OBJECT_REFUSED, "StatefulSet phi: exceeded quota: gpus")}
    seen = Observed(claims=(GOOD_CLAIM,), nodes=(GOOD_NODE,), objects={REF: server}, reports=reports)
    found = conditions(seen)
    assert found["InferenceReady"].message == "0 of 1 pod ready; StatefulSet phi: exceeded quota: gpus"
    assert found["Stalled"].reason == "ObjectRefused"


def test_a_passed_rollout_deadline_names_the_pod() -> None:
    late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "took too long"}
    held = deployed(0, conditions=[late])
    seen = Observed(claims=(GOOD_CLAIM,), nodes=(GOOD_NODE,), objects=held, pods=(SETTING_UP,))
    assert "took too long; pod phi-0 is being placed" in conditions(seen)["InferenceReady"].message


def test_a_passed_rollout_deadline_is_told() -> None:
    late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "took too long"}
    observed = Observed(claims=(GOOD_CLAIM,), nodes=(GOOD_NODE,), objects=deployed(0, conditions=[late]))
    found = conditions(observed)["InferenceReady"]
    assert (found.reason, "took too long" in found.message) == ("StartupTimeout", True)


def test_a_stateful_set_whose_pod_pulls_for_ever_is_stalled_since_nothing_else_tells() -> None:
    metadata = {"name": "phi-0", "creationTimestamp": "2026-01-05T10:00:00Z"}
    pulling = {"metadata": metadata, "status": {"conditions": [{"type": "PodScheduled", "status": "True"}]}}
    objects = {("StatefulSet", "phi"): deployment(0)}
    seen = Observed(claims=(GOOD_CLAIM,), nodes=(GOOD_NODE,), objects=objects, pods=(pulling,))
    for minute, reason, mover in ((59, "PodsPending", "Reconciling"), (60, "StartupTimeout", "Stalled")):
        found = conditions(replace(seen, now=datetime(2026, 1, 5, 10 + minute // 60, minute % 60, tzinfo=UTC)))
        assert (found["InferenceReady"].reason, found[mover].reason) == (reason, reason)
        assert "pod phi-0 pulls its image" in found["InferenceReady"].message


def test_a_pod_that_does_not_end_is_told_once_there_is_a_node_for_another() -> None:
    metadata = {"name": "phi-0", "deletionTimestamp": "2026-01-05T10:00:00Z"}
    hangs = {"metadata": metadata, "spec": {"nodeName": "gone"}, "status": {"phase": "Running"}}
    objects = {("StatefulSet", "phi"): deployment(0)}
    late = datetime(2026, 1, 5, 10, 1, tzinfo=UTC)
    seen = Observed(claims=(GOOD_CLAIM,), nodes=(GOOD_NODE,), objects=objects, pods=(hangs,), now=late)
    assert conditions(seen)["Stalled"].reason == "PodDeletionStuck"
    lost = replace(seen, nodes=(replace(GOOD_NODE, ready=False),))
    assert conditions(lost)["InferenceReady"].reason == "WaitingForNodes", "a node that is repaired ends it too"


def test_a_rule_that_grew_stricter_takes_down_nothing_that_serves() -> None:
    problem = Problem(Reason.PRESET_UNKNOWN, "inference.preset.name", "unknown")
    ours = {**deployment(1), "metadata": {"name": "phi", "ownerReferences": [{"uid": UID, "controller": True}]}}
    found = {c.type: c for c in blocked_conditions(OWNER, Observed(objects={REF: ours}), [problem])}
    assert found["InferenceReady"].status == "True"
    assert (found["Ready"].status, found["Ready"].reason) == ("False", "PresetUnknown")


def test_a_foreign_deployment_that_serves_is_not_taken_for_ours() -> None:
    problem = Problem(Reason.FOREIGN_OBJECT, "metadata.name", "taken")
    found = {c.type: c for c in blocked_conditions(OWNER, Observed(objects=deployed(1)), [problem])}
    assert found["InferenceReady"].status == "False"


def test_of_many_problems_the_first_is_told_whole_and_the_others_counted() -> None:
    problems = [Problem(Reason.PRESET_UNKNOWN, "a", "x" * 700), *[Problem(Reason.FIELD_REQUIRED, "b", "y")] * 19]
    message = blocked_conditions(OWNER, Observed(), problems)[0].message
    assert len(message) <= 600
    assert message.endswith("(and 19 more problems)")


def test_nodes_are_told_as_they_are_when_only_the_workload_is_refused() -> None:
    observed = Observed(claims=(GOOD_CLAIM,), nodes=(GOOD_NODE,))
    known = node_conditions(demand(), plan_nodes(OWNER, demand(), observed), observed)
    problem = Problem(Reason.OBJECT_REFUSED, "", "quota")
    found = {c.type: c for c in blocked_conditions(OWNER, observed, [problem], known=known)}
    assert (found["ResourceReady"].status, found["Ready"].reason) == ("True", "ObjectRefused")


def test_pods_that_cannot_be_created_are_not_said_to_start() -> None:
    denied = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota: gpus"}
    observed = Observed(claims=(GOOD_CLAIM,), nodes=(GOOD_NODE,), objects=deployed(0, conditions=[denied]))
    found = conditions(observed)["InferenceReady"]
    assert (found.reason, "exceeded quota: gpus" in found.message) == ("ObjectRefused", True)


def test_the_claim_people_must_act_on_is_told_before_one_that_takes_its_time() -> None:
    launched = MACHINE.launched
    starting = {launched: Condition(launched, "Unknown", "AgentPoolCreating", "is being made")}
    refused = {launched: Condition(launched, "False", "SubscriptionQuotaReached", "0 vCPUs left")}
    for first, second in ((starting, refused), (refused, starting)):
        claims = (claim(OWNER, 0, conditions=first), claim(OWNER, 1, conditions=second))
        assert conditions(Observed(claims=claims), count=2)["Ready"].reason == "SubscriptionQuotaReached"


def test_a_node_about_to_be_taken_counts_already() -> None:
    found = conditions(Observed(nodes=(node("spare"),)))["MachineReady"]
    assert (found.status, found.reason) == ("True", "NoMachinesNeeded")


def test_a_taint_that_keeps_the_pods_away_is_named() -> None:
    barred = node("n", of=OWNER, made_for=0, taints=(Taint("dedicated", "team-a", "NoSchedule"),))
    found = conditions(Observed(claims=(GOOD_CLAIM,), nodes=(barred,)))["ResourceReady"]
    assert (found.reason, "dedicated=team-a:NoSchedule" in found.message) == ("NodeNotReady", True)


def test_conditions_of_other_writers_are_no_difference() -> None:
    ready, theirs = {"type": "Ready", "status": "True"}, {"type": "BenchmarkCompleted", "status": "True"}
    first, last = {"name": "accepted", "startTime": "now"}, {"name": "benchmarked", "startTime": "now"}
    ours = {"conditions": [ready], "workerNodes": ["n"], "phases": [first]}
    shared = {**ours, "conditions": [theirs, ready], "phases": [last, first], "performance": {}}
    assert owned_part(shared) == owned_part(ours)


@pytest.mark.parametrize(
    ("ready", "before", "state"),
    [(0, "", "Pending"), (0, "Pending", "Pending"), (1, "Pending", "Ready"), (0, "Ready", "NotReady")],
)
def test_the_state_tells_what_never_served_from_what_stopped(ready: int, before: str, state: str) -> None:
    observed = Observed(claims=(GOOD_CLAIM,), nodes=(GOOD_NODE,), objects=deployed(ready))
    found = list(conditions(observed).values())
    stored = workspace_object(status={"state": before})
    assert render_status(OWNER, stored, found, (), 1, now="2026-01-01T00:00:00Z")["state"] == state


def test_nothing_of_a_leaving_workspace_claims_to_be_ready() -> None:
    before = {c.type: c for c in conditions_for(OWNER, demand(), plan_nodes(OWNER, demand(), Observed()), Observed())}
    after = deleting_conditions(before, "waiting for 1 machine")
    assert {c.status for c in after if c.type != "WorkspaceDeleting"} == {"False"}
    assert after[0].type == "WorkspaceDeleting"


def test_an_unchanged_world_gives_an_unchanged_status() -> None:
    observed = Observed(claims=(GOOD_CLAIM,), nodes=(GOOD_NODE,), objects=deployed(1))
    plan = plan_nodes(OWNER, demand(), observed)
    found = conditions_for(OWNER, demand(), plan, observed)
    first = render_status(OWNER, workspace_object(), found, plan.usable, 1, now="2026-01-01T00:00:00Z")
    stored = workspace_object(status=first)
    assert render_status(OWNER, stored, found, plan.usable, 1, now="2026-01-02T00:00:00Z") == first
