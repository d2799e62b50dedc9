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

POD_SECURITY: Final = "baseline"
"""The PodSecurity level every pod we write keeps.

It is not `restricted` because the published images run as root: they name no user, and their weights, caches and
programs belong to root (kaito-project/kaito `docker/presets`, oras-project/oras and the skopeo image of AKS). All else
`restricted` asks for holds: no privileges, no capabilities, the runtime's seccomp profile, no volumes of the host.
"""

CONFINED: Final[Json] = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
"""Security context of a container that touches nobody else's files."""

READING_ALL: Final[Json] = {**CONFINED, "capabilities": {"drop": ["ALL"], "add": ["DAC_OVERRIDE"]}}
"""Security context of a container that is given a volume of the user's, whose files may belong to any user: root
without this one capability could neither read nor write them. PodSecurity `baseline` allows it."""

CPUS_PER_GPU: Final = 1
MEMORY_GIB_PER_GPU: Final = 2
"""What is asked for beside each GPU, so little that it fits wherever the GPU does. Pods that ask for nothing are the
first to be killed when a node's memory runs out."""

POD_BASICS: Final[Json] = {
    "automountServiceAccountToken": False,
    "enableServiceLinks": False,
    "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
}
"""What every pod we write has: no credentials for the API server, no variables of Services, no odd system calls."""


def whole_node(demand: NodeDemand) -> Json:
    """The resources of a container that takes every GPU of its node, or what a partition leaves of them."""
    gpus = {demand.gpu_resource: str(demand.gpus)}
    beside = {"cpu": str(CPUS_PER_GPU * demand.gpus), "memory": f"{MEMORY_GIB_PER_GPU * demand.gpus}Gi"}
    return {"requests": {**beside, **gpus}, "limits": gpus}


def literal(word: str) -> str:
    """A user's word in a command, which the kubelet would otherwise read: `$(HF_TOKEN)` would become the token."""
    return word.replace("$", "$$")


INDEX: Final = "POD_INDEX"
"""The variable with the number of a StatefulSet's pod. KAITO's programs know the first one by it."""


def pod_index() -> Json:
    """The variable with the pod's number."""
    path = "metadata.labels['apps.kubernetes.io/pod-index']"
    return {"name": INDEX, "valueFrom": {"fieldRef": {"fieldPath": path}}}


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
