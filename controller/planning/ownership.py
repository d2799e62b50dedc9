"""Which metadata says that an existing node serves a Workspace, and what of it goes when the node is given back.

Administrators put nodes aside for a Workspace by its name and namespace in the same labels; what they wrote stays.
"""

from collections.abc import Mapping

from controller.api import labels
from controller.api.json import Json, annotations_of
from controller.api.workspace import Workspace
from controller.planning.claims import ownership_labels

_NAMES = (labels.WORKSPACE, labels.WORKSPACE_NAMESPACE)


def taking(found: Mapping[str, str], workspace: Workspace) -> Json:
    """Labels and annotations to merge into a node that is taken.

    Args:
        found: the labels it carries.
        workspace: who takes it.
    """
    reserved = all(key in found for key in _NAMES)
    # A node that lost the UID by hand looks put aside, too; the note it carries then still tells who named it.
    notes = {} if reserved else {labels.NAMED_FOR: workspace.uid}
    return {"labels": ownership_labels(workspace), "annotations": notes}


def freeing(node: Json, uid: str) -> Json:
    """Labels and annotations to merge into a node that is given back: of the labels, those that were put there by us.

    Args:
        node: as stored.
        uid: of the Workspace it served.
    """
    ours = annotations_of(node).get(labels.NAMED_FOR) == uid
    gone = (labels.WORKSPACE_UID, *(_NAMES if ours else ()))
    return {"labels": dict.fromkeys(gone), "annotations": {labels.NAMED_FOR: None}}
