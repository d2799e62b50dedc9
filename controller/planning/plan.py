"""The whole decision about one Workspace that can run: which nodes and objects it should have."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from controller.api import labels
from controller.api.json import Json, annotations_of, is_deleting
from controller.api.resources import JOBS, SERVICES
from controller.api.workspace import Workspace
from controller.planning.adoption import is_adopted, is_kept, kept_workload
from controller.planning.claims import Order, render_claim
from controller.planning.node_plan import given_up, plan_nodes
from controller.planning.nodes import NodeDemand, NodePlan
from controller.planning.observed import Observed, Ref, is_owned_by, ref_of
from controller.planning.progress import job_of, read_job
from controller.planning.provisioning import Provisioning, concluded, digest, follow
from controller.planning.rendering import APPLIED_HASH, INTENT, Rendering, render
from controller.planning.served import served_by
from controller.planning.target import Target
from controller.planning.wishes import capacity_types, zones


@dataclass(frozen=True, slots=True)
class Plan:
    """What should exist for a Workspace that can run.

    Attributes:
        demand: what is asked of the nodes now.
        nodes: what to do about nodes and claims.
        services: the Services to have.
        workload: what makes the pods.
        start: whether the workload is to be written; it waits for its nodes once, and then stays.
        remove: own objects it should not have any more.
        seen: what is observed without objects that have no place any more; the status is about this.
        provisioning: how the claims fared, to be remembered.
        served: by what the pods of the present workload serve, and why; empty while that is not the one wanted.
    """

    demand: NodeDemand
    nodes: NodePlan
    services: tuple[Json, ...]
    workload: Json
    start: bool
    remove: Mapping[Ref, Json]
    seen: Observed
    provisioning: Provisioning
    served: str = ""


def make_plan(
    workspace: Workspace, target: Target, observed: Observed, pods: str = "", *, certain: bool = False
) -> Plan:
    """The plan for what is observed; pure and total.

    Args:
        workspace: whose plan it is.
        target: what it resolves to.
        observed: its surroundings.
        pods: the digest of what its pods depend on; a workload of KAITO's stays while it serves just that.
        certain: whether `trained` is known of just this wish, whatever other run there is.
    """
    rendering = render(workspace, target)
    kept = kept_workload(workspace, observed, pods)
    if kept is not None:
        rendering = replace(rendering, workload=kept)
    live = observed.like(rendering.workload)
    outdated = _outdated(workspace, rendering, observed, pods)
    going = {ref: obj for ref, obj in outdated.items() if not is_deleting(obj)}
    demand = replace(target.demand, count=0) if _gives_back(workspace, rendering, observed) else target.demand
    asked = digest(render_claim(workspace, 0, _order(workspace, target))["spec"])
    hopeless = {claim.uid for claim in given_up(target.demand, observed)}
    known = follow(observed.provisioning, observed.claims, hopeless, order=asked, now=observed.now)
    observed = replace(observed, provisioning=known)
    nodes = plan_nodes(workspace, demand, observed)
    claims = [claim for claim in observed.claims if not claim.deleting and claim not in nodes.delete]
    starts = _starts(rendering.workload, live, observed, enough=len(nodes.usable) >= target.demand.count)
    return Plan(
        demand=demand,
        nodes=nodes,
        services=rendering.services,
        workload=rendering.workload,
        start=kept is None and ref_of(rendering.workload) not in outdated and starts,
        # While the status still says that all is done, a run removed now could be taken for one that was done.
        remove={} if observed.trained and not certain and _has_run(outdated) else going,
        seen=_without(observed, outdated, certain=certain),
        provisioning=concluded(known, claims, complete=not (nodes.create or nodes.held)),
        served=served_by(workspace, target.work) if _is_written(rendering.workload, live) else "",
    )


def _starts(wanted: Json, live: Json | None, observed: Observed, *, enough: bool) -> bool:
    """Whether the workload is to be written: once its nodes are there, and from then on where it is no single run."""
    if live is None:
        return enough and not observed.trained
    return not is_deleting(live) and wanted["kind"] != JOBS.kind


def _is_written(wanted: Json, live: Json | None) -> bool:
    """Whether what is there was written from just what is wanted."""
    written = annotations_of(wanted).get(APPLIED_HASH)
    return live is not None and bool(written) and annotations_of(live).get(APPLIED_HASH) == written


def _gives_back(workspace: Workspace, rendering: Rendering, observed: Observed) -> bool:
    """Whether the nodes of a training run that is over are not to be kept."""
    if rendering.workload["kind"] != JOBS.kind or not workspace.releases_nodes:
        return False
    live = observed.like(rendering.workload)
    return observed.trained if live is None else read_job(live).ended and _is_same_run(rendering.workload, live)


NO_DEMAND: Final = NodeDemand(count=0, instance_type="", gpu_resource=labels.NVIDIA_GPU, gpus=0)
"""What a run that is over asks of nodes."""


def is_over(workspace: Workspace, observed: Observed) -> bool:
    """Whether a Workspace that cannot be resolved holds nodes for a training run that is over and wants them back.

    What it asks for now may be unknown, as when its ConfigMap was deleted after the run; that the run has ended is not.
    """
    if workspace.tuning is None or not workspace.releases_nodes:
        return False
    job = job_of(observed)
    if job is None or not is_owned_by(job, workspace.uid):
        return observed.trained
    return read_job(job).ended  # the status may still speak of the run before


def _is_same_run(wanted: Json, live: Json) -> bool:
    return annotations_of(live).get(INTENT) == annotations_of(wanted).get(INTENT)


def _outdated(workspace: Workspace, rendering: Rendering, observed: Observed, pods: str) -> dict[Ref, Json]:
    """Own objects that have no place any more: another kind of workload, and a run or pods of something else."""
    wanted = {ref_of(obj): obj for obj in (rendering.workload, *rendering.services)}
    return {
        ref: live
        for ref, live in observed.objects.items()
        if is_owned_by(live, workspace.uid) and not is_kept(live, pods) and not _has_place(ref, live, wanted.get(ref))
    }


def _has_place(ref: Ref, live: Json, wanted: Json | None) -> bool:
    """Whether an own object can be made into what is wanted under its name; pods of KAITO's cannot."""
    if wanted is None or (is_adopted(live) and ref[0] != SERVICES.kind):
        return False
    return ref[0] != JOBS.kind or _is_same_run(wanted, live)


def _without(observed: Observed, outdated: Mapping[Ref, Json], *, certain: bool) -> Observed:
    kept = {ref: live for ref, live in observed.objects.items() if ref not in outdated}
    return replace(observed, objects=kept, trained=observed.trained and (certain or not _has_run(outdated)))


def _has_run(objects: Mapping[Ref, Json]) -> bool:
    return any(kind == JOBS.kind for kind, _ in objects)


def claims_to_create(workspace: Workspace, target: Target, nodes: NodePlan) -> list[Json]:
    """The claims for the ordinals the node plan asks for."""
    order = _order(workspace, target)
    return [render_claim(workspace, ordinal, order) for ordinal in nodes.create]


def _order(workspace: Workspace, target: Target) -> Order:
    return Order(
        kind=target.demand.kind,
        instance_types=target.sizes or (target.sku.name,),
        arch=target.sku.arch,
        disk_gib=target.disk_gib,
        zones=zones(workspace),
        capacity_types=capacity_types(workspace),
        node_class=target.node_class,
    )
