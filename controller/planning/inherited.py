"""What earlier releases of KAITO made for a Workspace that lives on: it is used and counted like our own.

KAITO writes neither the Workspace's UID nor an ordinal on claims and nodes. Name and namespace alone would hand a
successor of the same name what its predecessor left, so that only claims made after the Workspace are its own.
"""

import re
from collections.abc import Mapping
from typing import Final

from controller.api import labels
from controller.api.claims import Claim
from controller.api.workspace import Workspace
from controller.planning.observed import Node

ORDINAL: Final = "inherited"
"""Value of the label kaito.sh/claim-ordinal on nodes of such claims."""

_NAME: Final = re.compile(r"ws[0-9a-f]{9}")
"""How KAITO names claims. Source: kaito-project/kaito, `pkg/utils/nodeclaim`."""

_OF_PROVISIONERS: Final = (labels.PROVISIONER_NAME, labels.NODE_POOL, labels.MACHINE_TYPE, labels.CLAIM_ORDINAL)


def is_own(claim: Claim, workspace: Workspace, born: str) -> bool:
    """Whether a claim was made for this very Workspace: it carries its UID, or KAITO made it in its lifetime.

    Args:
        claim: a claim of any kind.
        workspace: the Workspace.
        born: when it was made, as RFC 3339.
    """
    if labels.WORKSPACE_UID in claim.labels:
        return claim.labels[labels.WORKSPACE_UID] == workspace.uid
    return _names(claim.labels, workspace) and bool(_NAME.fullmatch(claim.name)) and "" < born <= claim.creation_time


def is_stray(claim: Claim, workspace: Workspace, born: str) -> bool:
    """Whether KAITO made a claim for a Workspace of this name that is older than this one, so that nobody uses it.

    A Workspace restored from a backup meets its own claims so. Whether they are its own nobody can tell from them: they
    are told of, and a person who knows says so by the label with the UID.
    """
    made_by_kaito = labels.WORKSPACE_UID not in claim.labels and bool(_NAME.fullmatch(claim.name))
    return made_by_kaito and _names(claim.labels, workspace) and not (claim.deleting or is_own(claim, workspace, born))


def is_reserved(node: Node, workspace: Workspace) -> bool:
    """Whether somebody put a node that nobody made for a claim aside for the Workspace, as KAITO has its users do."""
    made = any(key in node.labels for key in _OF_PROVISIONERS)
    return _names(node.labels, workspace) and labels.WORKSPACE_UID not in node.labels and not made


def _names(found: Mapping[str, str], workspace: Workspace) -> bool:
    named = (found.get(labels.WORKSPACE), found.get(labels.WORKSPACE_NAMESPACE))
    return named == (workspace.name, workspace.namespace) and labels.RAG_ENGINE not in found
