"""MachineReady, NodesReady and ResourceReady: how things stand with the nodes, whatever becomes of the workload."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from controller.api import labels
from controller.api.claims import READY, Claim
from controller.api.conditions import FALSE, TRUE, Condition
from controller.api.messages import shorten
from controller.api.reasons import Reason, is_waiting, needs_people
from controller.api.workspace import ConditionType
from controller.planning.claim_words import told_for
from controller.planning.node_plan import LINGERS_AFTER
from controller.planning.nodes import NodeDemand, NodePlan
from controller.planning.observed import Node, Observed
from controller.planning.progress import counted
from controller.planning.provisioning import UNTRIED, Provisioning

CLAIM_MESSAGE_CHARACTERS: Final = 400
"""Characters of a claim's message that are shown on the Workspace."""


NODE_CONDITIONS: Final = (
    ConditionType.MACHINE_READY,
    ConditionType.NODE_CLAIM_READY,
    ConditionType.NODES_READY,
    ConditionType.RESOURCE_READY,
)
"""The conditions that speak of nodes alone; of the first two there is the one whose claims are asked for."""

_NO_NODES: Final = "no nodes are needed any more: the training run is over"


def node_conditions(demand: NodeDemand, plan: NodePlan, observed: Observed) -> list[Condition]:
    """MachineReady, NodesReady and ResourceReady, which hold whatever becomes of the workload."""
    machines = told_for(demand.kind, machine_condition(demand, plan, observed.claims, observed.provisioning))
    if machines.reason == Reason.NODES_MISSING:
        machines = replace(machines, message=f"{machines.message}{_occupied(observed)}")
    nodes = nodes_condition(demand, plan)
    told = replace(machines, message="; ".join(part for part in (machines.message, _strays(observed)) if part))
    return [told, nodes, resource_condition(demand, plan, machines, nodes)]


def _occupied(observed: Observed) -> str:
    """What keeps nodes that look free from being used; empty where nothing does."""
    names = sorted(node.name for node in observed.nodes if node.name in observed.occupied)
    if not names:
        return ""
    which = f"{names[0]} and {counted(len(names) - 1, 'further node')}" if names[1:] else names[0]
    return f"; pods of others hold the GPUs of {which}"


def _strays(observed: Observed) -> str:
    """What people should know of claims that cost money and serve nobody; empty where there are none."""
    if not observed.strays:
        return ""
    first, others = observed.strays[0], len(observed.strays) - 1
    which = f"{first} and {counted(others, 'further claim')}" if others else first
    return (
        f"{which} of an older Workspace of this name runs unused: delete it, or set its label "
        f"{labels.WORKSPACE_UID} to the UID of this Workspace, which then uses it"
    )


def machine_condition(
    demand: NodeDemand, plan: NodePlan, claims: Sequence[Claim], known: Provisioning = UNTRIED
) -> Condition:
    """MachineReady: whether every claim made for the Workspace is ready, else what holds up the first that is not."""
    active = sorted((claim for claim in claims if not claim.deleting), key=lambda claim: claim.name)
    ready = sum(claim.ready for claim in active)
    if demand.count == 0 and not active:
        return Condition(ConditionType.MACHINE_READY, TRUE, Reason.NO_MACHINES_NEEDED, _NO_NODES)
    needed = len(active) + len(plan.create) + plan.held
    existing = len(plan.members) + len(plan.take)
    if needed == 0 and existing >= demand.count:
        text = f"{counted(existing, 'existing node')} in use"
        return Condition(ConditionType.MACHINE_READY, TRUE, Reason.NO_MACHINES_NEEDED, text)
    if needed == 0 and not demand.provision:
        text = (
            f"{existing} of {counted(demand.count, 'node')} found, and this installation makes none: {_wanted(demand)}"
        )
        return Condition(ConditionType.MACHINE_READY, FALSE, Reason.NODES_MISSING, text)
    if plan.waits_for:
        return _stuck(plan.waits_for, f"{ready} of {counted(needed, 'machine')} ready")
    if needed and ready == needed:
        text = f"{ready} of {counted(needed, 'machine')} ready"
        return Condition(ConditionType.MACHINE_READY, TRUE, Reason.MACHINES_READY, text)
    return _held_up(active, ready, max(needed, 1), known, waits=bool(plan.held))


def _stuck(claims: Sequence[Claim], progress: str) -> Condition:
    """What is said of claims whose deletion does not come to an end."""
    first = claims[0]
    ready = first.conditions.get(READY)
    cause = f": {shorten(ready.message, CLAIM_MESSAGE_CHARACTERS)}" if ready is not None and ready.message else ""
    text = (
        f"{progress}; no further ones are made until some of {counted(len(claims), 'claim')} are gone that should be"
        f" deleted for more than {LINGERS_AFTER / 60:.0f} minutes; {first.name}, since {first.deletion_time}{cause}"
    )
    return Condition(ConditionType.MACHINE_READY, FALSE, Reason.CLAIM_DELETION_STUCK, text)


def _held_up(active: Sequence[Claim], ready: int, needed: int, known: Provisioning, *, waits: bool) -> Condition:
    """The claim people must act on comes before those that merely take their time."""
    progress = f"{ready} of {counted(needed, 'machine')} ready"
    held = [(holdup, claim) for claim in active if not claim.ready and (holdup := claim.holdup) is not None]
    if held:
        holdup, claim = min(held, key=lambda pair: (pair[0].status != FALSE, is_waiting(pair[0].reason), pair[1].name))
        text = f"{progress}; {claim.name}: {shorten(holdup.message, CLAIM_MESSAGE_CHARACTERS)}"
        return Condition(ConditionType.MACHINE_READY, FALSE, holdup.reason or Reason.MACHINES_PENDING, text)
    if known.failures:
        following = f"the next is made after {known.next_try}" if waits else "another one is under way"
        text = f"{progress}; {known.failures} in a row came to nothing, {following}; the last: {known.message}"
        return Condition(ConditionType.MACHINE_READY, FALSE, known.reason, text)
    waiting = next((claim.name for claim in active if not claim.ready), "")
    text = f"{progress}; {waiting}: no provisioner has reported on it yet" if waiting else progress
    return Condition(ConditionType.MACHINE_READY, FALSE, Reason.MACHINES_PENDING, text)


def nodes_condition(demand: NodeDemand, plan: NodePlan) -> Condition:
    """NodesReady: whether enough nodes can run pods now, whatever claims there are for them."""
    if demand.count == 0:
        return Condition(ConditionType.NODES_READY, TRUE, Reason.RESOURCES_READY, _NO_NODES)
    if len(plan.usable) >= demand.count:
        text = f"{len(plan.usable)} of {counted(demand.count, 'node')} ready with {_gpus(demand)} each"
        return Condition(ConditionType.NODES_READY, TRUE, Reason.RESOURCES_READY, text)
    lacking = [node for node in plan.members if node not in plan.usable]
    if lacking:
        trouble = _node_trouble(demand, lacking[0])
        since = plan.troubled.get(lacking[0].name)
        rest = f"; so since {since}, another takes its place if that lasts {demand.patience:.0f} s" if since else ""
        return replace(trouble, message=f"{trouble.message}{rest}")
    if not demand.provision and len(plan.members) + len(plan.take) < demand.count:
        text = f"{len(plan.usable)} of {counted(demand.count, 'node')} ready: {_wanted(demand)}"
        return Condition(ConditionType.NODES_READY, FALSE, Reason.NODES_MISSING, text)
    text = f"{len(plan.usable)} of {counted(demand.count, 'node')} ready; waiting for nodes to join the cluster"
    return Condition(ConditionType.NODES_READY, FALSE, Reason.NODES_PENDING, text)


def resource_condition(demand: NodeDemand, plan: NodePlan, machines: Condition, nodes: Condition) -> Condition:
    """ResourceReady: whether enough nodes can run pods now, else the nearest cause: a node's own, or a claim's.

    What looks like the wait every node begins with is none where the claim says that people must look.
    """
    joined = machines.status == TRUE or len(plan.members) >= demand.count
    overdue = is_waiting(nodes.reason) and needs_people(machines.reason)
    cause = nodes if nodes.status == TRUE or (joined and not overdue) else machines
    return replace(cause, type=ConditionType.RESOURCE_READY)


def _node_trouble(demand: NodeDemand, node: Node) -> Condition:
    if node.deleting:
        return _node_not_ready(f"node {node.name} is being deleted")
    if node.unschedulable:
        return _node_not_ready(f"node {node.name} is cordoned")
    if not node.ready:
        return _node_not_ready(
            f"node {node.name} is not Ready: {shorten(node.not_ready_message, CLAIM_MESSAGE_CHARACTERS)}"
        )
    if not demand.accepts(node) and not demand.instance_type:
        return _node_not_ready(f"node {node.name} has other GPUs than the Workspace's other nodes")
    if not demand.accepts(node):
        return _node_not_ready(f"node {node.name} is a {node.instance_type}, not a {demand.instance_type}")
    barrier = demand.barrier(node)
    if barrier is not None:
        return _node_not_ready(f"node {node.name} carries the taint {barrier.text}, which keeps the pods away")
    offered = node.gpus(demand.gpu_resource)
    text = (
        f"node {node.name} is Ready but offers {offered} of {_gpus(demand)}; its driver or device plugin is not up yet"
    )
    return Condition(ConditionType.NODES_READY, FALSE, Reason.GPUS_NOT_ADVERTISED, text)


def _node_not_ready(text: str) -> Condition:
    return Condition(ConditionType.NODES_READY, FALSE, Reason.NODE_NOT_READY, text)


def _gpus(demand: NodeDemand) -> str:
    return f"{demand.gpus} {demand.gpu_resource}"


def _wanted(demand: NodeDemand) -> str:
    size = f"{demand.instance_type} " if demand.instance_type else ""
    return f"add a {size}node with {_gpus(demand)} that the label selector accepts"
