"""Parts of pods that several workloads share."""

from typing import Final

from controller.api.json import Json
from controller.api.workspace import PresetSpec, Workspace
from controller.planning.nodes import NodeDemand

PRIVATE_ACCESS: Final = "private"

TOKEN_KEY: Final = "HF_TOKEN"  # noqa: S105 - the name of a key, not a token
"""Key of the user's Secret and name of the variable, as Hugging Face's library reads it."""

SHARED_MEMORY: Final[Json] = {"name": "dshm", "emptyDir": {"medium": "Memory"}}
"""Shared memory through which the processes of one model exchange tensors (NCCL, PyTorch's data loaders)."""

SHARED_MEMORY_MOUNT: Final[Json] = {"name": "dshm", "mountPath": "/dev/shm"}  # noqa: S108 - not a temporary file

CONFINED: Final[Json] = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
"""Security context of every container we write: PodSecurity `baseline`, and `restricted` but for the root user, which
the published images run as."""

POD_BASICS: Final[Json] = {
    "automountServiceAccountToken": False,
    "enableServiceLinks": False,
    "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
}
"""What every pod we write has: no credentials for the API server, no variables of Services, no odd system calls."""


def whole_node(demand: NodeDemand) -> Json:
    """The resources of a container that takes every GPU of its node, or what a partition leaves of them."""
    gpus = {demand.gpu_resource: str(demand.gpus)}
    return {"requests": gpus, "limits": gpus}


def access_token(workspace: Workspace) -> list[Json]:
    """The variable with the token for gated weights, by reference: the operator never reads it."""
    wish = workspace.preset
    if wish is None or not wish.model_access_secret:
        return []
    return [{"name": TOKEN_KEY, "valueFrom": {"secretKeyRef": {"name": wish.model_access_secret, "key": TOKEN_KEY}}}]


def own_image(wish: PresetSpec | None) -> str:
    """The image a user brings for a preset; empty where the published one is to be used."""
    return wish.image if wish is not None and wish.access_mode == PRIVATE_ACCESS else ""


def own_pull_secrets(wish: PresetSpec | None) -> tuple[str, ...]:
    """Names of the Secrets an image of the user's is pulled with."""
    return wish.image_pull_secrets if wish is not None and wish.access_mode == PRIVATE_ACCESS else ()


def secret_references(names: tuple[str, ...]) -> list[Json]:
    """The pod's `imagePullSecrets`, repetitions dropped."""
    return [{"name": name} for name in dict.fromkeys(names)]
