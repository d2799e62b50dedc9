"""The Deployment that serves a preset: one pod on each of the Workspace's own nodes, each a whole copy of the model."""

from typing import Final

from controller.api.json import Json
from controller.api.resources import DEPLOYMENTS
from controller.api.workspace import Runtime, Workspace
from controller.catalog import Preset
from controller.planning.nodes import NodeDemand
from controller.planning.rendering.adapters import Adapters, render_adapters
from controller.planning.rendering.command import server_command
from controller.planning.rendering.objects import make_object, owned_labels, without_empty
from controller.planning.rendering.parts import (
    CONFINED,
    POD_BASICS,
    READING_ALL,
    SHARED_MEMORY,
    SHARED_MEMORY_MOUNT,
    access_token,
    own_image,
    own_pull_secrets,
    secret_references,
    whole_node,
)
from controller.planning.rendering.placing import own_nodes, tolerations
from controller.planning.target import Serving

WEIGHTS_VOLUME: Final = "model-weights"
WEIGHTS_PATH: Final = "/workspace/weights"
"""Where the published base image downloads weights to. vLLM is told so by a flag; Transformers keeps what it downloads
in the folder of Hugging Face's library, which would be lost with the container."""

PERIOD_SECONDS: Final = 10

PULL_SECONDS: Final = 1800
"""How long a pod may take until its server is started: placing it and pulling images of tens of GiB."""

JOIN_SECONDS: Final = 2 * PULL_SECONDS
"""How long pods that serve one copy together wait for one another: the last may need a new node, and pulls there."""

OLD_POD_FIRST: Final[Json] = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
"""The old pod goes before the new one comes: the only GPUs are taken until then."""


def render_deployment(workspace: Workspace, serving: Serving, demand: NodeDemand) -> Json:
    """The Deployment that serves the preset on as many nodes as are asked for.

    What is stated empty here and below is what would stop it if somebody added it: an apply takes it away again.
    """
    return make_object(
        DEPLOYMENTS,
        workspace,
        {
            "replicas": demand.count,
            "paused": False,
            "progressDeadlineSeconds": PULL_SECONDS + startup_failures(serving.preset) * PERIOD_SECONDS,
            "selector": {"matchLabels": owned_labels(workspace)},
            "strategy": OLD_POD_FIRST,
            "template": render_pod(workspace, serving, demand),
        },
    )


def render_pod(workspace: Workspace, serving: Serving, demand: NodeDemand) -> Json:
    """The pod template of a pod that serves a whole copy of the model."""
    adapters = render_adapters(workspace)
    spec: Json = {
        **POD_BASICS,
        "nodeSelector": {},
        "affinity": own_nodes(workspace),
        "tolerations": tolerations(demand.gpu_resource),
        "containers": [_container(workspace, serving, demand, adapters)],
        "volumes": [SHARED_MEMORY, *_weights(workspace, serving), *adapters.volumes],
    }
    optional = {
        "initContainers": list(adapters.pullers),
        "imagePullSecrets": secret_references(own_pull_secrets(workspace.preset)),
    }
    return {"metadata": {"labels": owned_labels(workspace)}, "spec": {**spec, **without_empty(optional)}}


def startup_failures(preset: Preset, *, joins: bool = False) -> int:
    """How often the startup probe may fail before the model counts as stuck.

    Args:
        preset: the model.
        joins: whether its pods wait for one another before they load it.
    """
    return (preset.readiness_timeout_minutes * 60 + (JOIN_SECONDS if joins else 0)) // PERIOD_SECONDS


def _container(workspace: Workspace, serving: Serving, demand: NodeDemand, adapters: Adapters) -> Json:
    preset, runtime = serving.preset, serving.runtime.runtime
    spec = preset.runtimes[runtime]
    weights = {"name": WEIGHTS_VOLUME, "mountPath": WEIGHTS_PATH}
    mounts = [SHARED_MEMORY_MOUNT, *([weights] if _downloads(workspace, preset) else []), *adapters.mounts]
    container: Json = {
        "name": workspace.name,
        "image": own_image(workspace.preset) or preset.image_reference,
        "command": [*adapters.launcher(runtime), *server_command(serving, adapters=adapters.count)],
        "args": [],
        "ports": [{"name": "http", "containerPort": preset.port, "protocol": "TCP"}],
        "resources": whole_node(demand),
        "startupProbe": {**_probe(preset), "failureThreshold": startup_failures(preset)},
        "livenessProbe": {**_probe(preset), "failureThreshold": 3},
        "readinessProbe": {**_probe(preset), "failureThreshold": 3},
        "volumeMounts": mounts,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": READING_ALL if adapters.foreign else CONFINED,
    }
    cache = {"HF_HOME": WEIGHTS_PATH} if runtime is Runtime.TRANSFORMERS and _downloads(workspace, preset) else {}
    env = [
        *({"name": name, "value": value} for name, value in sorted({**spec.env, **cache}.items())),
        *access_token(workspace),
        *adapters.strengths(runtime),
    ]
    return container | without_empty({"env": env, "workingDir": spec.working_dir})


def _weights(workspace: Workspace, serving: Serving) -> list[Json]:
    """The place for downloaded weights: the node's disk, or a volume on its local ones that goes with the pod."""
    if not _downloads(workspace, serving.preset):
        return []
    if not serving.disks:
        return [{"name": WEIGHTS_VOLUME, "emptyDir": {}}]
    claim = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": serving.disks,
        "resources": {"requests": {"storage": f"{serving.preset.disk_gib}Gi"}},
    }
    template = {"metadata": {"labels": owned_labels(workspace)}, "spec": claim}
    return [{"name": WEIGHTS_VOLUME, "ephemeral": {"volumeClaimTemplate": template}}]


def _downloads(workspace: Workspace, preset: Preset) -> bool:
    """Whether the server fetches its weights at start and needs a place for them."""
    return preset.download and not own_image(workspace.preset)


def _probe(preset: Preset) -> Json:
    return {
        "httpGet": {"path": preset.health_path, "port": "http"},
        "periodSeconds": PERIOD_SECONDS,
        "timeoutSeconds": 5,
    }
