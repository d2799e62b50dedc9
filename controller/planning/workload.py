"""The objects that serve a preset: one Deployment over the Workspace's own nodes, and one Service in front of it.

Names, ports and labels are those clients of KAITO know: Service and Deployment carry the Workspace's name, port 80
leads to the server, 29500 to the rendezvous of distributed transformers.
"""

import hashlib
import json
from typing import Final

from controller.api import labels
from controller.api.json import Json
from controller.api.resources import DEPLOYMENTS, SERVICES, WORKSPACES
from controller.api.workspace import Runtime, Workspace
from controller.catalog import Preset, Sku
from controller.planning.nodes import tolerated_keys
from controller.planning.runtimes import RuntimeChoice
from controller.planning.sizing import Layout

SERVICE_PORT: Final = 80
RENDEZVOUS_PORT: Final = 29500

PRIVATE_ACCESS: Final = "private"

WEIGHTS_VOLUME: Final = "model-weights"
WEIGHTS_PATH: Final = "/workspace/weights"
"""Where the published base image downloads weights to."""

TOKEN_KEY: Final = "HF_TOKEN"  # noqa: S105 - the name of a key, not a token
"""Key of the user's Secret and name of the variable, as Hugging Face's library reads it."""

_PERIOD_SECONDS: Final = 10

APPLIED_HASH: Final = "kaito.sh/applied-hash"
"""Annotation with a digest of the whole object as applied, so that a field that was dropped counts as a change."""


def render_deployment(
    workspace: Workspace, preset: Preset, sku: Sku, runtime: RuntimeChoice, layout: Layout, count: int
) -> Json:
    """The Deployment that serves the preset on `count` nodes, one pod each.

    The old pod goes before the new one comes: the only GPUs are taken until then.
    """
    deadline = preset.readiness_timeout_minutes * 60
    return _sealed(
        {
            "apiVersion": DEPLOYMENTS.api_version,
            "kind": DEPLOYMENTS.kind,
            "metadata": _metadata(workspace),
            "spec": {
                "replicas": count,
                "progressDeadlineSeconds": deadline,
                "selector": {"matchLabels": _pod_labels(workspace)},
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
                "template": {
                    "metadata": {"labels": _pod_labels(workspace)},
                    "spec": _pod_spec(workspace, preset, sku, runtime, layout),
                },
            },
        }
    )


def render_service(workspace: Workspace, preset: Preset) -> Json:
    """The Service clients talk to. The rendezvous port never leaves the cluster."""
    ports: list[Json] = [{"name": "http", "port": SERVICE_PORT, "targetPort": preset.port, "protocol": "TCP"}]
    if not workspace.wants_load_balancer:
        ports.append(
            {"name": "torch", "port": RENDEZVOUS_PORT, "targetPort": RENDEZVOUS_PORT, "protocol": "TCP"},
        )
    return _sealed(
        {
            "apiVersion": SERVICES.api_version,
            "kind": SERVICES.kind,
            "metadata": _metadata(workspace),
            "spec": {
                "type": "LoadBalancer" if workspace.wants_load_balancer else "ClusterIP",
                "selector": _pod_labels(workspace),
                "ports": ports,
            },
        }
    )


def server_command(preset: Preset, runtime: RuntimeChoice, layout: Layout) -> list[str]:
    """The command that starts the model server: a number format the GPU computes in, and every GPU put to use."""
    spec = preset.runtimes[runtime.runtime]
    flags = {spec.dtype_param: runtime.dtype} if spec.dtype_param else {}
    if runtime.runtime is Runtime.VLLM:
        spread = {"tensor-parallel-size": layout.tensor, "data-parallel-size": layout.data}
        flags |= {flag: str(size) for flag, size in spread.items() if size > 1}
    return list(spec.argv(flags))


def _metadata(workspace: Workspace) -> Json:
    return {
        "name": workspace.name,
        "namespace": workspace.namespace,
        "labels": _pod_labels(workspace),
        "ownerReferences": [
            {
                "apiVersion": WORKSPACES.api_version,
                "kind": WORKSPACES.kind,
                "name": workspace.name,
                "uid": workspace.uid,
                "controller": True,
            }
        ],
    }


def _pod_labels(workspace: Workspace) -> Json:
    return {labels.WORKSPACE: workspace.name}


def _pod_spec(workspace: Workspace, preset: Preset, sku: Sku, runtime: RuntimeChoice, layout: Layout) -> Json:
    volumes: list[Json] = [{"name": "dshm", "emptyDir": {"medium": "Memory"}}]
    if _downloads(workspace, preset):
        volumes.append({"name": WEIGHTS_VOLUME, "emptyDir": {}})
    spec: Json = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "affinity": {"nodeAffinity": _own_nodes(workspace)},
        "tolerations": _tolerations(sku),
        "containers": [_container(workspace, preset, sku, runtime, layout)],
        "volumes": volumes,
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
    }
    secrets = _pull_secrets(workspace)
    return {**spec, "imagePullSecrets": [{"name": name} for name in secrets]} if secrets else spec


def _own_nodes(workspace: Workspace) -> Json:
    own = {"key": labels.WORKSPACE_UID, "operator": "In", "values": [workspace.uid]}
    return {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [own]}]}}


def _tolerations(sku: Sku) -> list[Json]:
    return [{"key": key, "operator": "Exists", "effect": "NoSchedule"} for key in tolerated_keys(sku.gpu_resource)]


def _container(workspace: Workspace, preset: Preset, sku: Sku, runtime: RuntimeChoice, layout: Layout) -> Json:
    gpus = {sku.gpu_resource: str(sku.gpu_count)}
    spec = preset.runtimes[runtime.runtime]
    mounts = [{"name": "dshm", "mountPath": "/dev/shm"}]  # noqa: S108 - shared memory for NCCL
    if _downloads(workspace, preset):
        mounts.append({"name": WEIGHTS_VOLUME, "mountPath": WEIGHTS_PATH})
    container: Json = {
        "name": workspace.name,
        "image": _image(workspace, preset),
        "command": server_command(preset, runtime, layout),
        "ports": [{"name": "http", "containerPort": preset.port, "protocol": "TCP"}],
        "resources": {"requests": gpus, "limits": gpus},
        "startupProbe": {
            **_probe(preset),
            "failureThreshold": preset.readiness_timeout_minutes * 60 // _PERIOD_SECONDS,
        },
        "livenessProbe": {**_probe(preset), "failureThreshold": 3},
        "readinessProbe": {**_probe(preset), "failureThreshold": 3},
        "volumeMounts": mounts,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    # Only what is set: an empty value would not be stored, and would look like a difference for ever.
    env = [*({"name": name, "value": value} for name, value in sorted(spec.env.items())), *_access(workspace)]
    optional = {"env": env, "workingDir": spec.working_dir}
    return container | {key: value for key, value in optional.items() if value}


def _access(workspace: Workspace) -> list[Json]:
    """The token for gated weights, by reference: the operator never reads it."""
    wish = workspace.inference.preset if workspace.inference else None
    if wish is None or not wish.model_access_secret:
        return []
    reference = {"name": wish.model_access_secret, "key": TOKEN_KEY}
    return [{"name": TOKEN_KEY, "valueFrom": {"secretKeyRef": reference}}]


def _downloads(workspace: Workspace, preset: Preset) -> bool:
    """Whether the server fetches its weights at start and needs a place for them."""
    return preset.download and _image(workspace, preset) == preset.image_reference


def _probe(preset: Preset) -> Json:
    return {
        "httpGet": {"path": preset.health_path, "port": "http"},
        "periodSeconds": _PERIOD_SECONDS,
        "timeoutSeconds": 5,
    }


def _image(workspace: Workspace, preset: Preset) -> str:
    wish = workspace.inference.preset if workspace.inference else None
    private = wish is not None and wish.access_mode == PRIVATE_ACCESS and wish.image
    return wish.image if wish is not None and private else preset.image_reference


def _pull_secrets(workspace: Workspace) -> tuple[str, ...]:
    wish = workspace.inference.preset if workspace.inference else None
    named = wish.image_pull_secrets if wish is not None and wish.access_mode == PRIVATE_ACCESS else ()
    return tuple(dict.fromkeys(named))


def _sealed(obj: Json) -> Json:
    digest = hashlib.sha256(json.dumps(obj, sort_keys=True).encode()).hexdigest()[:16]
    return {**obj, "metadata": {**obj["metadata"], "annotations": {APPLIED_HASH: digest}}}
