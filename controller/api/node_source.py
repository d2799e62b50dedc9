"""Where the nodes of a Workspace come from: told to the installation at its start, overridden by annotation."""

from collections.abc import Mapping
from enum import StrEnum

from controller.api import labels
from controller.api.claims import MACHINE, NODE_CLAIM, ClaimKind


class NodeSource(StrEnum):
    """Where nodes come from. Free nodes that match are used first, whichever is chosen."""

    MACHINE = "machine"
    """Missing nodes are asked for with karpenter.sh/v1alpha5 Machines."""

    NODE_CLAIM = "nodeclaim"
    """Missing nodes are asked for with karpenter.sh/v1 NodeClaims."""

    EXISTING = "existing"
    """No node is made; only nodes that are there are used."""

    @property
    def kind(self) -> ClaimKind | None:
        """The kind of claim missing nodes are asked for with; None where none are made."""
        return {NodeSource.MACHINE: MACHINE, NodeSource.NODE_CLAIM: NODE_CLAIM}.get(self)


_BY_NAME = {each.value: each for each in NodeSource}


def wished_source(annotations: Mapping[str, str]) -> NodeSource | None:
    """The source a Workspace asks for itself; None without a wish, or with a word that is no source."""
    return _BY_NAME.get(annotations.get(labels.NODE_SOURCE, ""))
