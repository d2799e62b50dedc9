"""Names of objects beside those that are called like the Workspace itself."""

from typing import Final

from controller.api.workspace import Workspace
from controller.planning.names import LABEL_LENGTH
from controller.planning.rendering.objects import digest

STATEFUL_SET_LENGTH: Final = 52
"""Characters of the longest name of a StatefulSet with pods: a hash of 10 is put behind it in a label of theirs."""

_HEADLESS: Final = "-headless"


def spread_name(workspace: Workspace) -> str:
    """The name of the StatefulSet that spreads a model over nodes."""
    return _bounded(workspace.name, STATEFUL_SET_LENGTH)


def headless_name(workspace: Workspace) -> str:
    """The name of the Service by which the pods of several nodes find one another."""
    return _bounded(workspace.name, LABEL_LENGTH - len(_HEADLESS)) + _HEADLESS


def leader_pod(workspace: Workspace) -> str:
    """The name of the pod that serves a model spread over nodes."""
    return f"{spread_name(workspace)}-0"


def leader_address(workspace: Workspace) -> str:
    """The host name of that pod inside the cluster, whatever the cluster's domain."""
    return f"{leader_pod(workspace)}.{headless_name(workspace)}.{workspace.namespace}.svc"


def _bounded(name: str, limit: int) -> str:
    """The name itself, or its beginning with a digest of the whole."""
    return name if len(name) <= limit else f"{name[: limit - 9]}-{digest(name)[:8]}"
