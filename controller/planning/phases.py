"""The timeline of a Workspace's start, from being accepted to serving.

A moment comes from the objects' own timestamps wherever they have one, so that a controller that starts anew, or a
status that was lost, gives the same timeline; only where no object tells it is it the moment of the first look. What
has ended stays as it was written: nodes and pods that are replaced later do not rewrite the story.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from controller.api.claims import Claim
from controller.api.conditions import TRUE, Condition
from controller.api.json import Json, is_deleting, metadata_of
from controller.api.workspace import ConditionType, Workspace
from controller.planning.observed import Observed, is_owned_by
from controller.planning.plan import Plan
from controller.planning.pods import main_containers, ready_since
from controller.planning.progress import job_of, read_job, read_server, server_of


class Phase(StrEnum):
    """The phases, in their order; a training run ends with `training`, a model server with the last two."""

    ACCEPTED = "accepted"
    PLANNED = "planned"
    CLAIMS_CREATED = "claims-created"
    NODES_REGISTERED = "nodes-registered"
    GPUS_ADVERTISED = "gpus-advertised"
    IMAGES_PULLED = "images-pulled"
    WEIGHTS_LOADING = "weights-loading"
    SERVING = "serving"
    TRAINING = "training"


@dataclass(frozen=True, slots=True)
class Step:
    """What is seen of one phase.

    Attributes:
        phase: which one.
        over: whether it has ended.
        moment: when, as RFC 3339; empty where no object tells.
    """

    phase: Phase
    over: bool
    moment: str = ""


@dataclass(frozen=True, slots=True)
class Sight:
    """How far the planning of a Workspace is.

    Attributes:
        plan: what was decided; None while something keeps a plan from being made.
        blocked: whether something keeps the plan from being carried out.
    """

    plan: Plan | None = None
    blocked: bool = True


NOTHING_PLANNED: Final = Sight()

_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
"""How the API server writes moments; such texts sort by time."""


def timeline(workspace: Workspace, obj: Json, sight: Sight, conditions: Sequence[Condition], *, now: str) -> list[Json]:
    """The phases to store.

    Args:
        workspace: the typed view of `obj`.
        obj: the Workspace as stored; what its timeline says has ended is kept.
        sight: what was planned.
        conditions: what is said of the Workspace now, with their times.
        now: the present moment as RFC 3339.
    """
    before = {str(entry.get("name")): entry for entry in (obj.get("status") or {}).get("phases") or []}
    reached = max((index for index, phase in enumerate(Phase) if phase in before), default=-1)
    steps = {step.phase: step for step in _steps(workspace, sight)}
    start = _known(metadata_of(obj).get("creationTimestamp")) or now
    told: list[Json] = []
    for index, phase in enumerate(Phase):
        kept, step = before.get(phase, {}), steps.get(phase)
        if phase is Phase.SERVING:
            told += _serving(kept, start, conditions, now) if step or kept else []
        elif kept.get("startTime") and kept.get("endTime"):
            told.append(dict(kept))
            start = str(kept["endTime"])
        elif step is None or index < reached:
            told += [dict(kept)] if kept and sight.plan is None else []
        else:
            start = str(kept.get("startTime") or start)
            if not step.over:
                return [*told, {"name": str(phase), "startTime": start}]
            # What is older than the Workspace, such as nodes that were there before, took no time.
            end = max(start, _known(step.moment) or now)
            told.append({"name": str(phase), "startTime": start, "endTime": end})
            start = end
    return told


def _serving(kept: Json, start: str, conditions: Sequence[Condition], now: str) -> list[Json]:
    """The present stretch of serving, or the last one with its end; nothing before the first."""
    ready = next((each for each in conditions if each.type == ConditionType.INFERENCE_READY), None)
    turned = (ready.last_transition_time if ready is not None else "") or now
    if ready is not None and ready.status == TRUE:
        since = turned if "endTime" in kept else kept.get("startTime") or start
        return [{"name": str(Phase.SERVING), "startTime": since}]
    if not kept or "endTime" in kept:
        return [dict(kept)] if kept else []
    return [{**kept, "endTime": max(str(kept.get("startTime") or start), turned)}]


def _steps(workspace: Workspace, sight: Sight) -> Iterator[Step]:
    """Every phase that applies."""
    plan = sight.plan
    if plan is None:
        yield Step(Phase.ACCEPTED, over=False)
        return
    seen = plan.seen
    made = [_created(each) for each in seen.objects.values() if is_owned_by(each, workspace.uid)]
    claims = [claim.creation_time for claim in seen.claims]
    yield Step(Phase.ACCEPTED, over=True, moment=_first([*made, *claims]))
    workload = seen.like(plan.workload)
    yield Step(Phase.PLANNED, not sight.blocked or bool(claims), _first(claims or [_created(workload or {})]))
    if plan.demand.count:
        yield from _node_steps(plan)
    yield from _training_steps(seen) if workspace.tuning is not None else _server_steps(seen)


def _node_steps(plan: Plan) -> Iterator[Step]:
    active = [claim for claim in plan.seen.claims if not claim.deleting]
    if active or plan.nodes.create:
        yield Step(Phase.CLAIMS_CREATED, not plan.nodes.create, _last(claim.creation_time for claim in active))
    wanted, members = plan.demand.count, plan.nodes.members
    joined = _last(node.created for node in members)
    yield Step(Phase.NODES_REGISTERED, len(members) >= wanted, joined)
    yield Step(Phase.GPUS_ADVERTISED, len(plan.nodes.usable) >= wanted, _initialized(active) if active else joined)


def _initialized(claims: Sequence[Claim]) -> str:
    """When the last claim's node had all it promised, GPUs included; empty while one does not say."""
    found = [claim.conditions.get(claim.kind.initialized) for claim in claims]
    moments = [each.last_transition_time for each in found if each is not None and each.status == TRUE]
    return _last(moments) if len(moments) == len(claims) else ""


def _server_steps(seen: Observed) -> Iterator[Step]:
    server = server_of(seen)
    progress = read_server(server) if server is not None else None
    wanted = progress.wanted if progress is not None else 0
    yield _pulled(seen, wanted)
    ready = _moments(seen.pods, ready_since)
    serves = progress is not None and progress.serves
    yield Step(Phase.WEIGHTS_LOADING, serves, _last(ready) if len(ready) >= wanted else "")
    yield Step(Phase.SERVING, over=False)


def _training_steps(seen: Observed) -> Iterator[Step]:
    job = job_of(seen)
    run = read_job(job) if job is not None else None
    ended = seen.trained or (run is not None and run.ended)
    pulled = _pulled(seen, 1)
    yield Step(Phase.IMAGES_PULLED, pulled.over or ended, pulled.moment)
    yield Step(Phase.TRAINING, ended, run.ended_at if run is not None else "")


def _pulled(seen: Observed, wanted: int) -> Step:
    """Images are there once a pod's own containers have started; its init containers came before."""
    started = _moments(seen.pods, _started)
    return Step(Phase.IMAGES_PULLED, 0 < wanted <= len(started), _last(started))


def _started(pod: Json) -> str:
    """When the last of the pod's own containers started for the first time we know of; empty before."""
    moments = [_start_of(container) for container in main_containers(pod)]
    return _last(moments) if moments and all(moments) else ""


def _start_of(container: Json) -> str:
    for part in ("lastState", "state"):
        for kind in ("terminated", "running"):
            moment = ((container.get(part) or {}).get(kind) or {}).get("startedAt")
            if moment:
                return str(moment)
    return ""


def _moments(pods: Iterable[Json], tell: Callable[[Json], str]) -> list[str]:
    return [moment for pod in pods if not is_deleting(pod) and (moment := tell(pod))]


def _created(obj: Json) -> str:
    return str(metadata_of(obj).get("creationTimestamp") or "")


def _known(text: object) -> str:
    """The text where it is a moment as the API server writes it, else nothing."""
    return text if isinstance(text, str) and _MOMENT.fullmatch(text) else ""


def _first(moments: Iterable[str]) -> str:
    return min((moment for moment in moments if _known(moment)), default="")


def _last(moments: Iterable[str]) -> str:
    return max((moment for moment in moments if _known(moment)), default="")
