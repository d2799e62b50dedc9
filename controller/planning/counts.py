"""How many nodes a Workspace gets: the one place where what the user wrote meets what the model needs."""

from controller.api.workspace import DEFAULT_COUNT, Workspace
from controller.catalog import Preset, Sku
from controller.planning.bypass import bypasses
from controller.planning.existing_nodes import MIG
from controller.planning.sizing import Use, nodes_needed


def nodes_wanted(workspace: Workspace, preset: Preset | None, sku: Sku | None, use: Use) -> int:
    """The number of nodes to have, at least 1.

    Enough is honoured exactly. Too few is raised to the need: v1alpha1 refuses such a manifest at creation, so it is
    one of v1beta1, where the field is deprecated and kept as written, or one that came in while nobody judged it. Who
    overrules the sums gets exactly what is written.

    Args:
        workspace: the Workspace.
        preset: its model; None for a pod template, which has the nodes it asks for.
        sku: the size of its nodes; None where it is not known.
        use: what the model is used for.
    """
    written, part = workspace.resource.count, workspace.resource.partition
    if part is not None and part.mode == MIG:
        # No model is spread over slices, so that more of them never help.
        return max(written or DEFAULT_COUNT, DEFAULT_COUNT)
    if written is not None and bypasses(workspace):
        return max(written, DEFAULT_COUNT)
    return max(written or DEFAULT_COUNT, nodes_least(preset, sku, use))


def nodes_least(preset: Preset | None, sku: Sku | None, use: Use) -> int:
    """The fewest nodes that hold the model; 1 where that is not known, or no number of them does."""
    if preset is None or sku is None:
        return DEFAULT_COUNT
    return nodes_needed(preset, sku, use) or DEFAULT_COUNT
