"""The status of a Workspace, computed from what is observed; the same input always gives the same words."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from controller.api.conditions import FALSE, TRUE, Condition, conditions_of, merge_conditions, root_condition
from controller.api.json import Json, uid_of
from controller.api.messages import TEXT_LIMIT, Problem, shorten
from controller.api.reasons import Reason, needs_people
from controller.api.workspace import ConditionType, Workspace
from controller.planning.lateness import overdue
from controller.planning.memory import FIELDS, remembered
from controller.planning.node_status import node_conditions
from controller.planning.nodes import NodeDemand, NodePlan
from controller.planning.observed import Node, Observed, is_owned_by
from controller.planning.phases import NOTHING_PLANNED, Phase, Sight, timeline
from controller.planning.pods import first_trouble, standing
from controller.planning.progress import Progress, counted, read_server, server_of
from controller.planning.training_status import has_succeeded, training_conditions, training_state

REFUSAL_CHARACTERS: Final = 400
"""Characters of a workload controller's message that are shown on the Workspace."""

REVISIONS: Final = ("currentRevision", "succeededRevision")
"""Fields that name the revision in force, and the one whose training run ended well."""

_FOLLOWS_FROM_NODES: Final = (
    Reason.UNSCHEDULABLE,
    Reason.READINESS_LOST,
    Reason.POD_EVICTED,
    Reason.POD_DELETION_STUCK,
)
"""Troubles of pods that need no explanation of their own while nodes are missing or broken."""

_ABNORMAL: Final = (ConditionType.RECONCILING, ConditionType.STALLED, ConditionType.PAUSED, ConditionType.DELETING)
"""Conditions that stand only while something is out of the ordinary."""


def conditions_for(
    workspace: Workspace, demand: NodeDemand, plan: NodePlan, observed: Observed, *, served: str = ""
) -> list[Condition]:
    """The conditions of a Workspace that can run, root conditions included.

    Args:
        workspace: whose conditions they are.
        demand: what is asked of the nodes.
        plan: what is done about them.
        observed: its surroundings.
        served: by what its pods serve, and why; said once they do.
    """
    nodes = node_conditions(demand, plan, observed)
    resources = nodes[-1]
    stuck = observed.provisioning.stalled and resources.status != TRUE
    if workspace.tuning is not None:
        training = training_conditions(workspace, observed, resources)
        # What has ended well stays well, whatever becomes of its nodes.
        deciding = training[-1:] if has_succeeded(training) else [resources, *training]
        return [*nodes, *training, *_roots(deciding, Reason.TRAINING_SUCCEEDED, stuck=stuck)]
    inference = inference_condition(observed, resources, served)
    roots = _roots([resources, inference], Reason.WORKSPACE_READY, stuck=stuck)
    return [*nodes, inference, replace(roots[0], type=ConditionType.WORKSPACE_SUCCEEDED), *roots]


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
        known: conditions that hold all the same, those of the nodes.
    """
    first, message = problems[0].reason, _told(problems)
    stopped = Condition("", FALSE, first, message)
    resources = [] if known else [replace(stopped, type=ConditionType.RESOURCE_READY)]
    roots = _summed_up(stopped)
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
    return [*known, *resources, inference, replace(stopped, type=ConditionType.WORKSPACE_SUCCEEDED), *roots]


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
        if type_ not in _ABNORMAL and (condition := previous.get(type_)) is not None
    ]
    return [deleting, *gone]


def _roots(dependents: Sequence[Condition], done: Reason, *, stuck: bool = False) -> list[Condition]:
    return _summed_up(root_condition(ConditionType.READY, dependents, done), stuck=stuck)


def _summed_up(root: Condition, *, stuck: bool = False) -> list[Condition]:
    """The root under its two names, and who moves it on where it is not True: people, once all tries came to nothing.

    Reconciling and Stalled are there only while they hold, as tools that follow the kstatus conventions expect.
    """
    roots = [replace(root, type=type_) for type_ in (ConditionType.WORKSPACE_READY, ConditionType.READY)]
    if root.status == TRUE:
        return roots
    type_ = ConditionType.STALLED if stuck or needs_people(root.reason) else ConditionType.RECONCILING
    return [*roots, replace(root, type=type_, status=TRUE)]


def inference_condition(observed: Observed, resources: Condition, served: str = "") -> Condition:
    """InferenceReady: whether every pod serves, else the gravest trouble of a pod, else what is waited for."""
    server = server_of(observed)
    if server is None:
        if resources.status == TRUE:
            return _not_serving(Reason.PODS_PENDING, "the pods are about to be made")
        return _not_serving(Reason.WAITING_FOR_NODES, "pods are made once the nodes are ready")
    progress = read_server(server)
    if progress.serves:
        return _serving(", ".join(part for part in (progress.text, served) if part))
    reason, text = _held_up(observed, server, progress, resources)
    return _not_serving(reason, f"{progress.text}; {text}")


def _held_up(observed: Observed, server: Json, progress: Progress, resources: Condition) -> tuple[Reason, str]:
    """What keeps a server's pods from serving, and the words for it."""
    trouble = first_trouble(observed.pods, server, observed.reports, observed.now)
    nodes_lack = resources.status != TRUE
    if trouble is not None and not (nodes_lack and trouble.reason in _FOLLOWS_FROM_NODES):
        return trouble.reason, trouble.message
    told = standing(observed.pods, server)
    if progress.refusal:
        return Reason.OBJECT_REFUSED, shorten(progress.refusal, REFUSAL_CHARACTERS)
    if uid_of(server) in observed.reports:
        report = observed.reports[uid_of(server)]
        return report.reason, report.message
    if nodes_lack:
        return Reason.WAITING_FOR_NODES, resources.message
    if progress.overdue:
        return Reason.STARTUP_TIMEOUT, f"{progress.overdue}; {told}" if told else progress.overdue
    if late := overdue(observed):
        return Reason.STARTUP_TIMEOUT, late
    return Reason.PODS_PENDING, told or "the pods are being made"


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
    workspace: Workspace,
    obj: Json,
    conditions: Sequence[Condition],
    nodes: Sequence[Node],
    count: int,
    *,
    now: str,
    sight: Sight = NOTHING_PLANNED,
) -> Json:
    """The complete status to store.

    Args:
        workspace: the typed view of `obj`.
        obj: the Workspace as stored; its present conditions give the transition times.
        conditions: what should be said, without times.
        nodes: the nodes in use.
        count: how many nodes are wanted; 0 while unknown.
        now: the present moment as RFC 3339.
        sight: how far the planning is, for the timeline.
    """
    settled = merge_conditions(conditions_of(obj), conditions, generation=workspace.generation, now=now)
    status: Json = {
        "observedGeneration": workspace.generation,
        "state": state_of(workspace, conditions, str((obj.get("status") or {}).get("state") or "")),
        "conditions": [condition.as_json() for condition in settled],
        "workerNodes": [node.name for node in nodes],
        "phases": timeline(workspace, obj, sight, settled, now=now),
        **remembered(obj.get("status") or {}, sight.plan),
    }
    return {**status, "targetNodeCount": count} if count else status


def owned_part(status: Json) -> Json:
    """What of a stored status is ours to write; other writers may keep conditions of their own beside it."""
    conditions = {entry.get("type"): entry for entry in status.get("conditions") or []}
    phases = {entry.get("name"): entry for entry in status.get("phases") or []}
    kept = ("observedGeneration", "state", "workerNodes", "targetNodeCount", *REVISIONS, *FIELDS)
    return {
        **{key: status[key] for key in kept if key in status},
        # By name: the order of the entries is the API server's affair.
        "conditions": {type_: conditions[type_] for type_ in ConditionType if type_ in conditions},
        "phases": {phase: phases[phase] for phase in Phase if phase in phases},
    }
