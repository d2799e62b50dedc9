"""The status of a Workspace, computed from what is observed; the same input always gives the same words."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from controller.api.conditions import FALSE, TRUE, Condition, conditions_of, merge_conditions, root_condition
from controller.api.json import Json
from controller.api.messages import TEXT_LIMIT, Problem, shorten
from controller.api.reasons import Reason
from controller.api.workspace import ConditionType, Workspace
from controller.planning.node_status import node_conditions
from controller.planning.nodes import NodeDemand, NodePlan
from controller.planning.observed import Node, Observed, is_owned_by
from controller.planning.pods import first_trouble
from controller.planning.progress import counted, read_server, server_of
from controller.planning.training_status import has_succeeded, training_conditions, training_state

REFUSAL_CHARACTERS: Final = 400
"""Characters of a workload controller's message that are shown on the Workspace."""


def conditions_for(workspace: Workspace, demand: NodeDemand, plan: NodePlan, observed: Observed) -> list[Condition]:
    """The conditions of a Workspace that can run, root conditions included."""
    machines, resources = node_conditions(demand, plan, observed)
    if workspace.tuning is not None:
        training = training_conditions(workspace, observed, resources)
        # What has ended well stays well, whatever becomes of its nodes.
        deciding = training[-1:] if has_succeeded(training) else [resources, *training]
        return [machines, resources, *training, *_roots(deciding, Reason.TRAINING_SUCCEEDED)]
    inference = inference_condition(observed, resources)
    return [machines, resources, inference, *_roots([resources, inference], Reason.WORKSPACE_READY)]


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
    stopped = Condition("", FALSE, first, message)
    resources = [] if known else [replace(stopped, type=ConditionType.RESOURCE_READY)]
    roots = [replace(stopped, type=type_) for type_ in (ConditionType.WORKSPACE_READY, ConditionType.READY)]
    if workspace.tuning is not None:
        training = training_conditions(workspace, observed, stopped)
        if has_succeeded(training):
            return [*known, *resources, *training, *_roots(training[-1:], Reason.TRAINING_SUCCEEDED)]
        return [*known, *resources, *training, *roots]
    server = server_of(observed)
    if server is not None and is_owned_by(server, workspace.uid) and (progress := read_server(server)).serves:
        inference = _serving(progress.text)
    else:
        inference = replace(stopped, type=ConditionType.INFERENCE_READY)
    return [*known, *resources, inference, *roots]


def _told(problems: Sequence[Problem]) -> str:
    """The first problem whole, and how many more there are."""
    others = len(problems) - 1
    if not others:
        return problems[0].text
    more = f" (and {counted(others, 'more problem')})"
    return shorten(problems[0].text, TEXT_LIMIT - len(more)) + more


def deleting_conditions(previous: dict[str, Condition], remaining: str) -> list[Condition]:
    """The conditions of a Workspace that is going away: what is left, and nothing that still claims to be ready."""
    deleting = Condition(ConditionType.DELETING, TRUE, Reason.WORKSPACE_DELETING, remaining)
    gone = [
        replace(condition, status=FALSE, reason=Reason.WORKSPACE_DELETING, message=remaining)
        for type_ in ConditionType
        if type_ is not ConditionType.DELETING and (condition := previous.get(type_)) is not None
    ]
    return [deleting, *gone]


def _roots(dependents: Sequence[Condition], done: Reason) -> list[Condition]:
    return [root_condition(type_, dependents, done) for type_ in (ConditionType.WORKSPACE_READY, ConditionType.READY)]


def inference_condition(observed: Observed, resources: Condition) -> Condition:
    """InferenceReady: whether every pod serves, else the gravest trouble of a pod, else what is waited for."""
    server = server_of(observed)
    if server is None:
        if resources.status == TRUE:
            return _not_serving(Reason.PODS_PENDING, "the pods are about to be made")
        return _not_serving(Reason.WAITING_FOR_NODES, "pods are made once the nodes are ready")
    progress = read_server(server)
    if progress.serves:
        return _serving(progress.text)
    trouble = first_trouble(observed.pods)
    if trouble is not None:
        return _not_serving(trouble.reason, f"{progress.text}; {trouble.message}")
    if progress.refusal:
        refusal = shorten(progress.refusal, REFUSAL_CHARACTERS)
        return _not_serving(Reason.OBJECT_REFUSED, f"{progress.text}; {refusal}")
    if progress.overdue:
        return _not_serving(Reason.STARTUP_TIMEOUT, f"{progress.text}; {progress.overdue}")
    if resources.status != TRUE:
        return _not_serving(Reason.WAITING_FOR_NODES, f"{progress.text}; {resources.message}")
    return _not_serving(Reason.PODS_PENDING, f"{progress.text}; the image is pulled and the model loaded")


def _serving(text: str) -> Condition:
    return Condition(ConditionType.INFERENCE_READY, TRUE, Reason.INFERENCE_READY, text)


def _not_serving(reason: Reason, text: str) -> Condition:
    return Condition(ConditionType.INFERENCE_READY, FALSE, reason, text)


def state_of(workspace: Workspace, conditions: Sequence[Condition], before: str) -> str:
    """The whole in one word, as KAITO's users know it.

    Args:
        workspace: whose state it is.
        conditions: its conditions.
        before: the word that stands now; what was ready once is not pending again.
    """
    if workspace.tuning is not None:
        return training_state(conditions)
    serves = any(each.type == ConditionType.READY and each.status == TRUE for each in conditions)
    return "Ready" if serves else "NotReady" if before in ("Ready", "NotReady") else "Pending"


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
        "state": state_of(workspace, conditions, str((obj.get("status") or {}).get("state") or "")),
        "conditions": [condition.as_json() for condition in settled],
        "workerNodes": [node.name for node in nodes],
    }
    return {**status, "targetNodeCount": count} if count else status


def owned_part(status: Json) -> Json:
    """What of a stored status is ours to write; other writers may keep conditions of their own beside it."""
    ours = [entry for entry in status.get("conditions") or [] if entry.get("type") in set(ConditionType)]
    kept = ("observedGeneration", "state", "workerNodes", "targetNodeCount")
    return {**{key: status[key] for key in kept if key in status}, "conditions": ours}
