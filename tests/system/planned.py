"""What stands in the cluster for a Workspace, held against what the pure planner says should stand there."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from controller.api import labels
from controller.api.conditions import TRUE, conditions_of
from controller.api.json import Json, annotations_of, generation_of, is_deleting, key_of, labels_of, name_of, uid_of
from controller.api.workspace import ConditionType, parse_workspace
from controller.config_maps import ConfigMaps
from controller.installation import SiteOptions
from controller.node_store import NodeStore
from controller.planning.drift import covers
from controller.planning.observed import is_owned_by, ref_of
from controller.planning.plan import Plan, make_plan
from controller.planning.pods import is_ready
from controller.planning.progress import read_server
from controller.planning.rendering import APPLIED_HASH, OWNED
from controller.planning.resolving import resolve
from controller.planning.site import Site
from controller.planning.target import Target, Templated, Training
from controller.reconcilers.informers import BY_WORKSPACE, Informers, build_informers
from controller.reconcilers.observe import observe
from controller.runtime import tasks
from tests.cluster.harness import eventually
from tests.system.harness import PATIENCE_SECONDS, System

Name: TypeAlias = tuple[str, str]
"""Namespace and name."""


@dataclass(frozen=True, slots=True)
class View:
    """One Workspace with all that is its own, and the plan for it.

    Attributes:
        plan: None where no plan can be made.
    """

    workspace: Json
    target: Target | None
    plan: Plan | None
    claims: tuple[Json, ...]
    nodes: tuple[Json, ...]
    objects: tuple[Json, ...]
    pods: tuple[Json, ...]

    @property
    def conditions(self) -> str:
        """The conditions in a line."""
        held = conditions_of(self.workspace).values()
        return "; ".join(f"{each.type}={each.status} {each.reason}: {each.message}" for each in held)


@dataclass(frozen=True, slots=True)
class Eyes:
    """Caches like the operator's own, and the installation it would see through them."""

    informers: Informers
    site: Site

    def names(self) -> list[Name]:
        """Every Workspace there is."""
        return [key_of(each) for each in self.informers.workspaces.values()]

    def view(self, name: Name) -> View | None:
        """The Workspace with its plan, as known now; None when there is no such Workspace."""
        namespace, own = name
        obj = self.informers.workspaces.get(own, namespace)
        if obj is None:
            return None
        workspace = parse_workspace(obj)
        resolved = resolve(workspace, obj, self.site)
        target = resolved if isinstance(resolved, Target) else None
        plan = make_plan(workspace, target, observe(self.informers, workspace, obj)) if target is not None else None
        key = f"{namespace}/{own}"
        claims = (each for _, each in self.informers.claims_for(key))
        return View(
            workspace=obj,
            target=target,
            plan=plan,
            claims=tuple(each for each in claims if labels_of(each).get(labels.WORKSPACE_UID) == workspace.uid),
            nodes=tuple(
                node
                for node in self.informers.nodes.by_index(BY_WORKSPACE, key)
                if labels_of(node).get(labels.WORKSPACE_UID) == workspace.uid
            ),
            objects=tuple(self._objects(name)),
            pods=tuple(each for each in self.informers.pods.by_index(BY_WORKSPACE, key) if not is_deleting(each)),
        )

    def leftovers(self, name: Name) -> list[str]:
        """Kind and name of everything in the cluster that serves the Workspace, itself included."""
        key, informers = f"{name[0]}/{name[1]}", self.informers
        groups = {
            "claim": [each for _, each in informers.claims_for(key)],
            "node": informers.nodes.by_index(BY_WORKSPACE, key),
            "object": self._objects(name),
            "pod": informers.pods.by_index(BY_WORKSPACE, key),
            "Workspace": [each for each in informers.workspaces.values() if key_of(each) == name],
        }
        return [f"{kind} {name_of(each)}" for kind, found in groups.items() for each in found]

    def _objects(self, name: Name) -> list[Json]:
        found = (each for resource in OWNED for each in self.informers.of(resource).values())
        return [each for each in found if (each["metadata"]["namespace"], labels_of(each)[labels.WORKSPACE]) == name]


@contextlib.asynccontextmanager
async def watching(system: System) -> AsyncIterator[Eyes]:
    """Eyes that see everything the operator sees, for as long as the context lasts."""
    config_maps = ConfigMaps(system.client)
    informers = build_informers(system.client, config_maps.informer)
    site = SiteOptions().site(auto_provision=True)
    site = replace(site, config_maps=config_maps.data, nodes=NodeStore(informers.nodes).facts)
    running = tasks.start({informer.name: informer.run for informer in informers.all()})

    async def synced() -> str:
        waiting = [each.name for each in informers.all() if each.served and not each.synced]
        return f"reading {', '.join(waiting)}" if waiting else ""

    try:
        await eventually(synced, PATIENCE_SECONDS)
        yield Eyes(informers, site)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def unfinished(seen: View) -> str:
    """What keeps the Workspace from having all its plan says, no more, and from saying so; empty when nothing does."""
    if seen.plan is None or seen.target is None:
        return f"there is no plan: {seen.conditions}"
    wrong = [
        *_wrong_nodes(seen, seen.plan),
        *_wrong_objects(seen, seen.plan, seen.target),
        *_wrong_pods(seen, seen.plan, seen.target),
        *_wrong_words(seen),
    ]
    return "; ".join(wrong)


def _wrong_nodes(seen: View, plan: Plan) -> list[str]:
    wrong = [] if plan.nodes.is_settled else [f"the plan has more to do about nodes: {plan.nodes}"]
    if len(plan.nodes.usable) != plan.demand.count:
        wrong.append(f"{len(plan.nodes.usable)} usable nodes instead of {plan.demand.count}")
    used = (seen.workspace.get("status") or {}).get("workerNodes") or []
    if sorted(used) != [node.name for node in plan.nodes.usable]:
        wrong.append(f"the status names the nodes {used} instead of {[node.name for node in plan.nodes.usable]}")
    return wrong + [f"claim {name_of(each)} is going" for each in seen.claims if is_deleting(each)]


def _wrong_objects(seen: View, plan: Plan, target: Target) -> list[str]:
    wanted = {ref_of(each): each for each in (*plan.services, plan.workload)}
    live = {ref_of(each): each for each in seen.objects}
    uid = uid_of(seen.workspace)
    wrong = [f"{ref} is missing" for ref in wanted.keys() - live.keys()]
    wrong += [f"{ref} is too many" for ref in live.keys() - wanted.keys()]
    for ref in wanted.keys() & live.keys():
        if not is_owned_by(live[ref], uid):
            wrong.append(f"{ref} is not its own")
        elif annotations_of(live[ref]).get(APPLIED_HASH) != annotations_of(wanted[ref])[APPLIED_HASH]:
            wrong.append(f"{ref} is of another plan")
        elif not isinstance(target.work, Templated) and not covers(live[ref], wanted[ref]):
            wrong.append(f"{ref} differs from what was applied")
    return wrong


def _trained(obj: Json) -> bool:
    held = conditions_of(obj).get(ConditionType.WORKSPACE_SUCCEEDED)
    return held is not None and held.status == TRUE and held.observed_generation == generation_of(obj)


def _wrong_pods(seen: View, plan: Plan, target: Target) -> list[str]:
    if isinstance(target.work, Training):
        return [] if _trained(seen.workspace) else ["the training run has not succeeded"]
    (server,) = [each for each in seen.objects if ref_of(each) == ref_of(plan.workload)] or [{}]
    progress = read_server(server)
    ready = sum(is_ready(pod) for pod in seen.pods)
    if progress.serves and ready == progress.wanted == len(seen.pods):
        return []
    return [f"{ready} of {len(seen.pods)} pods ready, {progress.wanted} wanted"]


def _wrong_words(seen: View) -> list[str]:
    held = conditions_of(seen.workspace)
    generation = generation_of(seen.workspace)
    root = held.get(ConditionType.READY)
    wrong = [] if root is not None and root.status == TRUE else [f"it is not Ready: {seen.conditions}"]
    late = [each.type for each in held.values() if each.observed_generation != generation]
    return wrong + ([f"generation {generation} is not judged in {late}"] if late else [])
