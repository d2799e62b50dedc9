"""The Deployment that serves a preset: one pod on each of the Workspace's own nodes, each a whole copy of the model."""

from typing import Final

from controller.api.json import Json
from controller.api.resources import DEPLOYMENTS
from controller.api.workspace import Workspace
from controller.catalog import Preset
from controller.planning.nodes import NodeDemand
from controller.planning.rendering.adapters import Adapters, render_adapters
from controller.planning.rendering.command import server_command
from controller.planning.rendering.objects import make_object, owned_labels, without_empty
from controller.planning.rendering.parts import (
    CONFINED,
    POD_BASICS,
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
"""Where the published base image downloads weights to."""

PERIOD_SECONDS: Final = 10

OLD_POD_FIRST: Final[Json] = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
"""The old pod goes before the new one comes: the only GPUs are taken until then."""


def render_deployment(workspace: Workspace, serving: Serving, demand: NodeDemand) -> Json:
    """The Deployment that serves the preset on as many nodes as are asked for."""
    return make_object(
        DEPLOYMENTS,
        workspace,
        {
            "replicas": demand.count,
            "progressDeadlineSeconds": serving.preset.readiness_timeout_minutes * 60,
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
        "affinity": own_nodes(workspace),
        "tolerations": tolerations(demand.gpu_resource),
        "containers": [_container(workspace, serving, demand, adapters)],
        "volumes": [SHARED_MEMORY, *_weights(workspace, serving.preset), *adapters.volumes],
    }
    optional = {
        "initContainers": list(adapters.pullers),
        "imagePullSecrets": secret_references(own_pull_secrets(workspace.preset)),
    }
    return {"metadata": {"labels": owned_labels(workspace)}, "spec": {**spec, **without_empty(optional)}}


def startup_failures(preset: Preset) -> int:
    """How often the startup probe may fail before the model counts as stuck."""
    return preset.readiness_timeout_minutes * 60 // PERIOD_SECONDS


def _container(workspace: Workspace, serving: Serving, demand: NodeDemand, adapters: Adapters) -> Json:
    preset, runtime = serving.preset, serving.runtime.runtime
    spec = preset.runtimes[runtime]
    mounts = [SHARED_MEMORY_MOUNT, *adapters.mounts]
    if _downloads(workspace, preset):
        mounts.append({"name": WEIGHTS_VOLUME, "mountPath": WEIGHTS_PATH})
    container: Json = {
        "name": workspace.name,
        "image": own_image(workspace.preset) or preset.image_reference,
        "command": server_command(serving, adapters=adapters.count),
        "ports": [{"name": "http", "containerPort": preset.port, "protocol": "TCP"}],
        "resources": whole_node(demand),
        "startupProbe": {**_probe(preset), "failureThreshold": startup_failures(preset)},
        "livenessProbe": {**_probe(preset), "failureThreshold": 3},
        "readinessProbe": {**_probe(preset), "failureThreshold": 3},
        "volumeMounts": mounts,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": CONFINED,
    }
    env = [
        *({"name": name, "value": value} for name, value in sorted(spec.env.items())),
        *access_token(workspace),
        *adapters.strengths(runtime),
    ]
    return container | without_empty({"env": env, "workingDir": spec.working_dir})


def _weights(workspace: Workspace, preset: Preset) -> list[Json]:
    return [{"name": WEIGHTS_VOLUME, "emptyDir": {}}] if _downloads(workspace, preset) else []


def _downloads(workspace: Workspace, preset: Preset) -> bool:
    """Whether the server fetches its weights at start and needs a place for them."""
    return preset.download and not own_image(workspace.preset)


def _probe(preset: Preset) -> Json:
    return {
        "httpGet": {"path": preset.health_path, "port": "http"},
        "periodSeconds": PERIOD_SECONDS,
        "timeoutSeconds": 5,
    }
