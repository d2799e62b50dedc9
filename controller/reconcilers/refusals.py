"""Answers of the API server that people must know of: as a problem in words, not as a line in a log."""

from controller.api import labels
from controller.api.claims import ClaimKind
from controller.api.json import Json, name_of
from controller.api.messages import Problem, quote
from controller.api.reasons import Reason
from controller.api.resources import Resource
from controller.runtime.errors import ApiError, Unavailable


class Blocked(Exception):  # noqa: N818 - it is an answer, not a defect
    """The Workspace cannot go on until someone acts.

    Attributes:
        problem: what is in the way, in words for the Workspace's owner.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.text)
        self.problem = problem


def refused(error: ApiError, resource: Resource | None = None, obj: Json | None = None) -> Problem:
    """The problem of a request that was answered and not granted.

    Args:
        error: the answer.
        resource: the kind of the object that was refused; None when only the request is known.
        obj: the object.
    """
    what = f"{resource.kind} {quote(name_of(obj or {}))}" if resource is not None else quote(error.request)
    if isinstance(error, Unavailable):
        return Problem(
            Reason.API_SERVER_FAULT,
            "",
            f"the API server could not take {what}",
            f"{error.status} {error.reason}: {error.message}",
            ("it is tried again without end", "look at the admission webhook the message names"),
        )
    return Problem(
        Reason.OBJECT_REFUSED,
        "",
        f"the API server refused {what}",
        f"{error.status} {error.reason}: {error.message}",
        ("change the policy, quota or role the message names", "look at the admission webhooks of the cluster"),
    )


def name_taken(kind: str, name: str, namespace: str = "") -> Problem:
    """The problem of an object of the needed name that belongs to someone else."""
    place = f" in namespace {quote(namespace)}" if namespace else ""
    return Problem(
        Reason.FOREIGN_OBJECT,
        "metadata.name",
        f"{kind} {quote(name)} already exists{place}",
        "it is not owned by this Workspace, and what others own is never changed",
        (f"delete or rename that {kind}", "give the Workspace another name"),
    )


def kind_not_served(kind: ClaimKind) -> Problem:
    """The problem of nodes that are to be asked for with claims of a kind the cluster does not know."""
    resource = kind.resource
    return Problem(
        Reason.CLAIM_KIND_NOT_SERVED,
        f"metadata.annotations[{labels.NODE_SOURCE}]",
        f"nodes cannot be asked for with {resource.plural}",
        f"the API server does not serve {resource.plural} of {resource.api_version}",
        (f"install the CRD {resource.plural}.{resource.group}", f"set the annotation {labels.NODE_SOURCE}"),
    )
