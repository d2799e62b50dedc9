"""Writes Deployment and Service: only when they differ, and never over someone else's object."""

from dataclasses import replace

from controller.api import labels
from controller.api.json import Json, name_of, uid_of
from controller.api.messages import Problem, quote
from controller.api.reasons import Reason
from controller.api.resources import DEPLOYMENTS, SERVICES, Resource
from controller.api.workspace import Workspace
from controller.planning.drift import covers
from controller.planning.observed import Observed
from controller.planning.plan import Plan
from controller.reconcilers.context import Context
from controller.reconcilers.story import NORMAL
from controller.runtime.errors import Forbidden, Invalid, NotFound


class Refused(Exception):  # noqa: N818 - it is an answer, not a defect
    """The API server refused an object for a reason that trying again will not change.

    Attributes:
        problem: the refusal in words for the Workspace's owner.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.text)
        self.problem = problem


async def with_live_objects(context: Context, workspace: Workspace, plan: Plan, observed: Observed) -> Observed:
    """The observation with a live look for objects the cache lacks and we are about to write.

    The cache holds only objects with our label; an unlabelled one of the same name is someone else's.
    """
    if observed.service is None:
        observed = replace(observed, service=await _live(context, SERVICES, workspace))
    if observed.deployment is None and plan.deployment is not None:
        observed = replace(observed, deployment=await _live(context, DEPLOYMENTS, workspace))
    return observed


async def _live(context: Context, resource: Resource, workspace: Workspace) -> Json | None:
    try:
        return await context.client.get(resource, workspace.name, namespace=workspace.namespace)
    except NotFound:
        return None


async def apply_objects(context: Context, workspace: Workspace, obj: Json, plan: Plan, observed: Observed) -> None:
    """Applies what differs.

    Raises:
        Refused: an object is not accepted as it is.
    """
    await _apply(context, obj, SERVICES, plan.service, observed.service)
    if plan.deployment is None or not await _apply(context, obj, DEPLOYMENTS, plan.deployment, observed.deployment):
        return
    note = f"applied Deployment and Service {workspace.name}"
    context.recorder.event(obj, type=NORMAL, reason=Reason.WORKLOAD_APPLIED, note=note, related=plan.deployment)


async def _apply(context: Context, obj: Json, resource: Resource, wanted: Json, live: Json | None) -> bool:
    """Whether the object had to be written. The live UID keeps a successor of the same name from being changed."""
    if live is not None and covers(live, wanted):
        return False
    body = wanted if live is None else {**wanted, "metadata": {**wanted["metadata"], "uid": uid_of(live)}}
    try:
        await context.client.apply(resource, body, manager=labels.CONTROLLER_MANAGER)
    except (Invalid, Forbidden) as error:
        raise Refused(_refusal(resource, obj, error)) from error
    return True


def _refusal(resource: Resource, obj: Json, error: Invalid | Forbidden) -> Problem:
    return Problem(
        Reason.OBJECT_REFUSED,
        "",
        f"the API server refused {resource.kind} {quote(name_of(obj))}",
        error.message,
        ("change the policy or quota the message names", "delete the object so that it is made anew"),
    )
