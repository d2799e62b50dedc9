"""The status of a Workspace, computed from what is observed; the same input always gives the same words."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from controller.api.claims import Claim
from controller.api.conditions import FALSE, TRUE, Condition, conditions_of, merge_conditions, root_condition
from controller.api.json import Json
from controller.api.messages import TEXT_LIMIT, Problem, shorten
from controller.api.reasons import Reason, is_waiting
from controller.api.workspace import ConditionType, Workspace
from controller.planning.nodes import NodeDemand, NodePlan
from controller.planning.observed import Node, Observed, is_owned_by
from controller.planning.pods import first_trouble

CLAIM_MESSAGE_CHARACTERS = 400
"""Characters of a claim's message that are shown on the Workspace."""


@dataclass(frozen=True, slots=True)
class Workload:
    """How far the Deployment is.

    Attributes:
        wanted: pods that should serve.
        ready: pods that serve the present spec.
        settled: whether the Deployment's controller has seen the present spec and rolled it out.
        overdue: the message of the rollout's own deadline once it has passed; empty before.
        refusal: why pods cannot be created, such as a quota; empty when they can.
    """

    wanted: int
    ready: int
    settled: bool
    overdue: str = ""
    refusal: str = ""


def read_workload(deployment: Json) -> Workload:
    """The progress a Deployment reports."""
    spec, status = deployment.get("spec") or {}, deployment.get("status") or {}
    wanted = int(spec.get("replicas", 1))
    seen = int(status.get("observedGeneration") or 0) >= int((deployment.get("metadata") or {}).get("generation") or 0)
    updated, total = int(status.get("updatedReplicas") or 0), int(status.get("replicas") or 0)
    conditions: dict[str, Json] = {c.get("type"): c for c in status.get("conditions") or []}
    progressing, failing = conditions.get("Progressing", {}), conditions.get("ReplicaFailure", {})
    overdue = progressing.get("reason") == "ProgressDeadlineExceeded"
    return Workload(
        wanted=wanted,
        ready=int(status.get("readyReplicas") or 0),
        settled=seen and updated >= wanted and total == updated,
        overdue=str(progressing.get("message") or "deadline exceeded") if overdue else "",
        refusal=str(failing.get("message") or "refused") if failing.get("status") == TRUE else "",
    )


def conditions_for(demand: NodeDemand, plan: NodePlan, observed: Observed) -> list[Condition]:
    """The conditions of a Workspace that can run, root conditions included."""
    machines, resources = node_conditions(demand, plan, observed)
    inference = inference_condition(observed, resources)
    return [machines, resources, inference, *_roots([resources, inference])]


def blocked_conditions(
    workspace: Workspace,
    observed: Observed,
    problems: Sequence[Problem],
    *,
    known: Sequence[Condition] = (),
) -> list[Condition]:
    """The conditions of a Workspace that cannot go on, under the first problem's reason and in its words.

    What already serves keeps being reported: a rule that grew stricter later takes nothing down.

    Args:
        workspace: whose conditions they are.
        observed: its surroundings.
        problems: what is in the way, at least one.
        known: conditions that hold all the same, MachineReady and ResourceReady.
    """
    first, message = problems[0].reason, _told(problems)
    deployment = observed.deployment
    serving = deployment is not None and is_owned_by(deployment, workspace.uid) and _serves(read_workload(deployment))
    if serving:
        inference = Condition(ConditionType.INFERENCE_READY, TRUE, Reason.INFERENCE_READY, _serving_text(observed))
    else:
        inference = Condition(ConditionType.INFERENCE_READY, FALSE, first, message)
    resources = [] if known else [Condition(ConditionType.RESOURCE_READY, FALSE, first, message)]
    roots = [Condition(type_, FALSE, first, message) for type_ in (ConditionType.WORKSPACE_READY, ConditionType.READY)]
    return [*known, *resources, inference, *roots]


def _told(problems: Sequence[Problem]) -> str:
    """The first problem whole, and how many more there are."""
    others = len(problems) - 1
    if not others:
        return problems[0].text
    more = f" (and {_count(others, 'more problem')})"
    return shorten(problems[0].text, TEXT_LIMIT - len(more)) + more


def node_conditions(demand: NodeDemand, plan: NodePlan, observed: Observed) -> list[Condition]:
    """MachineReady and ResourceReady, which hold whatever becomes of the workload."""
    machines = machine_condition(demand, plan, observed.claims)
    return [machines, resource_condition(demand, plan, machines)]


def deleting_conditions(previous: dict[str, Condition], remaining: str) -> list[Condition]:
    """The conditions of a Workspace that is going away: what is left, and nothing that still claims to be ready."""
    deleting = Condition(ConditionType.DELETING, TRUE, Reason.WORKSPACE_DELETING, remaining)
    gone = [
        replace(condition, status=FALSE, reason=Reason.WORKSPACE_DELETING, message=remaining)
        for type_ in ConditionType
        if type_ is not ConditionType.DELETING and (condition := previous.get(type_)) is not None
    ]
    return [deleting, *gone]


def _roots(dependents: Sequence[Condition]) -> list[Condition]:
    return [
        root_condition(ConditionType.WORKSPACE_READY, dependents, Reason.WORKSPACE_READY),
        root_condition(ConditionType.READY, dependents, Reason.WORKSPACE_READY),
    ]


def machine_condition(demand: NodeDemand, plan: NodePlan, claims: Sequence[Claim]) -> Condition:
    """MachineReady: whether every claim made for the Workspace is ready, else what holds up the first that is not."""
    active = sorted((claim for claim in claims if not claim.deleting), key=lambda claim: claim.name)
    ready = sum(claim.ready for claim in active)
    needed = len(active) + len(plan.create)
    existing = len(plan.members) + len(plan.take)
    if needed == 0 and existing >= demand.count:
        text = f"{_count(existing, 'existing node')} in use"
        return Condition(ConditionType.MACHINE_READY, TRUE, Reason.NO_MACHINES_NEEDED, text)
    if needed == 0 and not demand.provision:
        text = (
            f"{existing} of {_count(demand.count, 'node')} found, and this installation makes none: {_wanted(demand)}"
        )
        return Condition(ConditionType.MACHINE_READY, FALSE, Reason.NODES_PENDING, text)
    if needed and ready == needed:
        text = f"{ready} of {_count(needed, 'machine')} ready"
        return Condition(ConditionType.MACHINE_READY, TRUE, Reason.MACHINES_READY, text)
    return _held_up(active, ready, max(needed, 1))


def _held_up(active: Sequence[Claim], ready: int, needed: int) -> Condition:
    """The claim people must act on comes before those that merely take their time."""
    progress = f"{ready} of {_count(needed, 'machine')} ready"
    held = [(holdup, claim) for claim in active if not claim.ready and (holdup := claim.holdup) is not None]
    if held:
        holdup, claim = min(held, key=lambda pair: (pair[0].status != FALSE, is_waiting(pair[0].reason), pair[1].name))
        text = f"{progress}; {claim.name}: {shorten(holdup.message, CLAIM_MESSAGE_CHARACTERS)}"
        return Condition(ConditionType.MACHINE_READY, FALSE, holdup.reason or Reason.MACHINES_PENDING, text)
    waiting = next((claim.name for claim in active if not claim.ready), "")
    text = f"{progress}; {waiting}: no provisioner has reported on it yet" if waiting else progress
    return Condition(ConditionType.MACHINE_READY, FALSE, Reason.MACHINES_PENDING, text)


def resource_condition(demand: NodeDemand, plan: NodePlan, machines: Condition) -> Condition:
    """ResourceReady: whether enough nodes can run pods now, else the nearest cause."""
    if len(plan.usable) >= demand.count:
        text = f"{len(plan.usable)} of {_count(demand.count, 'node')} ready with {_gpus(demand)} each"
        return Condition(ConditionType.RESOURCE_READY, TRUE, Reason.RESOURCES_READY, text)
    lacking = [node for node in plan.members if node not in plan.usable]
    if lacking and (machines.status == TRUE or len(plan.members) >= demand.count):
        return _node_trouble(demand, lacking[0])
    if machines.status != TRUE:
        return replace(machines, type=ConditionType.RESOURCE_READY)
    text = f"{len(plan.usable)} of {_count(demand.count, 'node')} ready; waiting for nodes to join the cluster"
    return Condition(ConditionType.RESOURCE_READY, FALSE, Reason.NODES_PENDING, text)


def _node_trouble(demand: NodeDemand, node: Node) -> Condition:
    if node.unschedulable:
        return _node_not_ready(f"node {node.name} is cordoned")
    if not node.ready:
        return _node_not_ready(
            f"node {node.name} is not Ready: {shorten(node.not_ready_message, CLAIM_MESSAGE_CHARACTERS)}"
        )
    barrier = demand.barrier(node)
    if barrier is not None:
        return _node_not_ready(f"node {node.name} carries the taint {barrier.text}, which keeps the pods away")
    offered = node.gpus(demand.gpu_resource)
    text = (
        f"node {node.name} is Ready but offers {offered} of {_gpus(demand)}; its driver or device plugin is not up yet"
    )
    return Condition(ConditionType.RESOURCE_READY, FALSE, Reason.GPUS_NOT_ADVERTISED, text)


def _node_not_ready(text: str) -> Condition:
    return Condition(ConditionType.RESOURCE_READY, FALSE, Reason.NODE_NOT_READY, text)


def inference_condition(observed: Observed, resources: Condition) -> Condition:
    """InferenceReady: whether every pod serves, else the gravest trouble of a pod, else what is waited for."""
    if observed.deployment is None:
        if resources.status == TRUE:
            return _not_serving(Reason.PODS_PENDING, "the Deployment is being created")
        return _not_serving(Reason.WAITING_FOR_NODES, "the Deployment is created once the nodes are ready")
    workload = read_workload(observed.deployment)
    if _serves(workload):
        return Condition(ConditionType.INFERENCE_READY, TRUE, Reason.INFERENCE_READY, _serving_text(observed))
    trouble = first_trouble(observed.pods)
    progress = f"{workload.ready} of {_count(workload.wanted, 'pod')} ready"
    if trouble is not None:
        return _not_serving(trouble.reason, f"{progress}; {trouble.message}")
    if workload.refusal:
        return _not_serving(Reason.OBJECT_REFUSED, f"{progress}; {shorten(workload.refusal, CLAIM_MESSAGE_CHARACTERS)}")
    if workload.overdue:
        return _not_serving(Reason.STARTUP_TIMEOUT, f"{progress}; {workload.overdue}")
    if resources.status != TRUE:
        return _not_serving(Reason.WAITING_FOR_NODES, f"{progress}; {resources.message}")
    return _not_serving(Reason.PODS_PENDING, f"{progress}; the image is pulled and the model loaded")


def _serves(workload: Workload) -> bool:
    return workload.settled and 0 < workload.wanted <= workload.ready


def _serving_text(observed: Observed) -> str:
    workload = read_workload(observed.deployment or {})
    return f"{workload.ready} of {_count(workload.wanted, 'pod')} ready"


def _not_serving(reason: Reason, text: str) -> Condition:
    return Condition(ConditionType.INFERENCE_READY, FALSE, reason, text)


def render_status(
    workspace: Workspace, obj: Json, conditions: Sequence[Condition], nodes: Sequence[Node], count: int, *, now: str
) -> Json:
    """The complete status to store.

    Args:
        workspace: the typed view of `obj`.
        obj: the Workspace as stored; its present conditions give the transition times.
        conditions: what should be said, without times.
        nodes: the nodes in use.
        count: how many nodes are wanted; 0 while unknown.
        now: the present moment as RFC 3339.
    """
    settled = merge_conditions(conditions_of(obj), conditions, generation=workspace.generation, now=now)
    status: Json = {
        "observedGeneration": workspace.generation,
        "conditions": [condition.as_json() for condition in settled],
        "workerNodes": [node.name for node in nodes],
    }
    return {**status, "targetNodeCount": count} if count else status


def owned_part(status: Json) -> Json:
    """What of a stored status is ours to write; other writers may keep conditions of their own beside it."""
    ours = [entry for entry in status.get("conditions") or [] if entry.get("type") in set(ConditionType)]
    kept = ("observedGeneration", "workerNodes", "targetNodeCount")
    return {**{key: status[key] for key in kept if key in status}, "conditions": ours}


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _gpus(demand: NodeDemand) -> str:
    return f"{demand.gpus} {demand.gpu_resource}"


def _wanted(demand: NodeDemand) -> str:
    return f"add a {demand.instance_type} node with {_gpus(demand)} that the label selector accepts"
