"""The Deployment of a user's own pod: pinned to the Workspace's nodes and allowed onto them, otherwise as written."""

from typing import Final

from controller.api.json import Json, labels_of, metadata_of
from controller.api.resources import DEPLOYMENTS
from controller.api.workspace import Workspace
from controller.planning.nodes import NodeDemand
from controller.planning.rendering.objects import make_object, owned_labels
from controller.planning.rendering.placing import own_nodes, tolerations
from controller.planning.rendering.serving import OLD_POD_FIRST, PULL_SECONDS
from controller.planning.target import Templated

START_SECONDS: Final = 1800
"""How long the user's server may take from its start until it is ready before that is told."""


def render_template(workspace: Workspace, work: Templated, demand: NodeDemand) -> Json:
    """The Deployment of the user's pod on as many nodes as are asked for."""
    template, wished = work.template, work.template.get("spec") or {}
    metadata = {**metadata_of(template), "labels": {**labels_of(template), **owned_labels(workspace)}}
    spec = {
        **wished,
        "nodeSelector": wished.get("nodeSelector") or {},
        "affinity": own_nodes(workspace, wished.get("affinity")),
        "tolerations": _tolerations(wished, demand),
    }
    return make_object(
        DEPLOYMENTS,
        workspace,
        {
            "replicas": demand.count,
            "paused": False,
            "progressDeadlineSeconds": PULL_SECONDS + START_SECONDS,
            "selector": {"matchLabels": owned_labels(workspace)},
            "strategy": OLD_POD_FIRST,
            "template": {"metadata": metadata, "spec": spec},
        },
    )


def _tolerations(wished: Json, demand: NodeDemand) -> list[Json]:
    own: list[Json] = wished.get("tolerations") or []
    return [*own, *(each for each in tolerations(demand.gpu_resource) if each not in own)]
