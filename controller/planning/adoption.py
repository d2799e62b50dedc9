"""What KAITO made for a Workspace before this operator came: it goes on as it is, until its user wants something else.

KAITO's workloads carry neither our label nor a digest. They are labelled, so that the caches show them, and annotated
with the wish they serve; while that wish stands nothing else of them is touched and no pod restarts. A changed wish
replaces them by what we make. Services are ours at once: what changes in them restarts nothing.
Source of the names: kaito-project/kaito v0.12, `pkg/workspace`.
"""

from typing import Any, Final

from controller.api import labels
from controller.api.json import Json, annotations_of, is_deleting, labels_of, metadata_of
from controller.api.resources import SERVICES
from controller.api.workspace import Workspace
from controller.planning.observed import Observed, is_owned_by
from controller.planning.rendering import APPLIED_HASH, WORKLOADS

_MINE: Final = {"manager": labels.CONTROLLER_MANAGER, "operation": "Apply"}


def is_adopted(live: Json) -> bool:
    """Whether the object is KAITO's, has been taken over, and was not written by us since."""
    found = annotations_of(live)
    return labels.ADOPTED in found and APPLIED_HASH not in found


def is_kept(live: Json, pods: str) -> bool:
    """Whether the object stays as KAITO made it.

    Args:
        live: the object.
        pods: the digest of what the Workspace's pods depend on now.
    """
    return is_adopted(live) and annotations_of(live)[labels.ADOPTED] == pods and not is_deleting(live)


def kept_workload(workspace: Workspace, observed: Observed, pods: str) -> Json | None:
    """The workload of KAITO's that stays; None where there is none."""
    for resource in WORKLOADS:
        for (kind, _), live in observed.objects.items():
            if kind == resource.kind and is_owned_by(live, workspace.uid) and is_kept(live, pods):
                return live
    return None


def may_have_predecessor(workspace: Workspace, observed: Observed) -> bool:
    """Whether KAITO may have made something the caches do not show: it is worth a look at the API server.

    Its revision stands on the Workspace, or there are pods, or a workload, that no workload of ours accounts for. A
    Service that we wrote tells that the look was had: nothing is written before it.
    """
    kinds = {resource.kind for resource in WORKLOADS}
    own = [(ref[0], live) for ref, live in observed.objects.items() if is_owned_by(live, workspace.uid)]
    known = [live for kind, live in own if kind in kinds and not is_deleting(live)]
    if any({labels.ADOPTED, APPLIED_HASH} & annotations_of(live).keys() for live in known):
        return False
    looked = any(kind == SERVICES.kind and APPLIED_HASH in annotations_of(live) for kind, live in own)
    return bool(known or observed.pods) or (labels.KAITO_REVISION in workspace.annotations and not looked)


def is_adoptable(live: Json, workspace: Workspace) -> bool:
    """Whether an object under one of the Workspace's names was made for it by KAITO, and the caches do not show it.

    One that we wrote and somebody took our marks off is no such object: it is written once more.

    Args:
        live: the object as the API server has it, with the managers of its fields.
        workspace: whose name it has.
    """
    found = annotations_of(live)
    known = APPLIED_HASH in found or (labels.ADOPTED in found and labels.WORKSPACE in labels_of(live))
    theirs = labels.ADOPTED in found or not _was_applied(live)
    return is_owned_by(live, workspace.uid) and theirs and not known and not is_deleting(live)


def is_awaited(live: Json) -> bool:
    """Whether the caches are about to show an object, since it carries our label and mark."""
    return labels.WORKSPACE in labels_of(live) and bool({labels.ADOPTED, APPLIED_HASH} & annotations_of(live).keys())


def adoption_patch(live: Json, workspace: Workspace, pods: str, *, fields: bool) -> Json:
    """The merge patch that takes an object over, if it still is the version that was seen.

    Args:
        live: the object as stored.
        workspace: its owner.
        pods: the digest of what the Workspace's pods depend on now.
        fields: whether its fields become ours too, so that the next apply drops those we do not write.
    """
    metadata: Json = {
        "resourceVersion": metadata_of(live)["resourceVersion"],
        "labels": {labels.WORKSPACE: workspace.name},
        "annotations": {labels.ADOPTED: annotations_of(live).get(labels.ADOPTED, pods)},
    }
    if fields:
        metadata["managedFields"] = _handed_over(metadata_of(live).get("managedFields") or [], workspace.uid)
    return {"metadata": metadata}


def _was_applied(live: Json) -> bool:
    return any(map(_is_mine, metadata_of(live).get("managedFields") or []))


def _is_mine(entry: Json) -> bool:
    """Whether an entry of managedFields is that of our applies of the object itself, not of its status."""
    return _MINE.items() <= entry.items() and not entry.get("subresource")


def _handed_over(entries: list[Json], uid: str) -> list[Json]:
    """The owners of an object's fields, with us in the place of who wrote the owner reference: that was KAITO."""
    reference = f'k:{{"uid":"{uid}"}}'
    if any(map(_is_mine, entries)):
        return entries
    for index, entry in enumerate(entries):
        written: Any = (entry.get("fieldsV1") or {}).get("f:metadata") or {}
        if not entry.get("subresource") and reference in (written.get("f:ownerReferences") or {}):
            return [*entries[:index], {**entry, **_MINE}, *entries[index + 1 :]]
    return entries
