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
from controller.api.workspace import Workspace
from controller.catalog.model import Preset, Sku
from controller.planning.nodes import tolerated_keys
from controller.planning.runtimes import RuntimeChoice

SERVICE_PORT: Final = 80
RENDEZVOUS_PORT: Final = 29500

PRIVATE_ACCESS: Final = "private"

_PERIOD_SECONDS: Final = 10

APPLIED_HASH: Final = "kaito.sh/applied-hash"
"""Annotation with a digest of the whole object as applied, so that a field that was dropped counts as a change."""


def render_deployment(workspace: Workspace, preset: Preset, sku: Sku, runtime: RuntimeChoice, count: int) -> Json:
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
                    "spec": _pod_spec(workspace, preset, sku, runtime),
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


def server_command(preset: Preset, runtime: RuntimeChoice) -> list[str]:
    """The command that starts the model server, with a number format the GPU computes in."""
    spec = preset.runtimes[runtime.runtime]
    return list(spec.argv({spec.dtype_param: runtime.dtype}))


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


def _pod_spec(workspace: Workspace, preset: Preset, sku: Sku, runtime: RuntimeChoice) -> Json:
    spec: Json = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "affinity": {"nodeAffinity": _own_nodes(workspace)},
        "tolerations": _tolerations(sku),
        "containers": [_container(workspace, preset, sku, runtime)],
        "volumes": [{"name": "dshm", "emptyDir": {"medium": "Memory"}}],
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
    }
    secrets = _pull_secrets(workspace)
    return {**spec, "imagePullSecrets": [{"name": name} for name in secrets]} if secrets else spec


def _own_nodes(workspace: Workspace) -> Json:
    own = {"key": labels.WORKSPACE_UID, "operator": "In", "values": [workspace.uid]}
    return {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [own]}]}}


def _tolerations(sku: Sku) -> list[Json]:
    return [{"key": key, "operator": "Exists", "effect": "NoSchedule"} for key in tolerated_keys(sku.gpu_resource)]


def _container(workspace: Workspace, preset: Preset, sku: Sku, runtime: RuntimeChoice) -> Json:
    gpus = {sku.gpu_resource: str(sku.gpu_count)}
    return {
        "name": workspace.name,
        "image": _image(workspace, preset),
        "command": server_command(preset, runtime),
        "ports": [{"name": "http", "containerPort": preset.port, "protocol": "TCP"}],
        "resources": {"requests": gpus, "limits": gpus},
        "startupProbe": {
            **_probe(preset),
            "failureThreshold": preset.readiness_timeout_minutes * 60 // _PERIOD_SECONDS,
        },
        "livenessProbe": {**_probe(preset), "failureThreshold": 3},
        "readinessProbe": {**_probe(preset), "failureThreshold": 3},
        "volumeMounts": [{"name": "dshm", "mountPath": "/dev/shm"}],  # noqa: S108 - shared memory for NCCL
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }


def _probe(preset: Preset) -> Json:
    return {
        "httpGet": {"path": preset.health_path, "port": "http"},
        "periodSeconds": _PERIOD_SECONDS,
        "timeoutSeconds": 5,
    }


def _image(workspace: Workspace, preset: Preset) -> str:
    wish = workspace.inference.preset if workspace.inference else None
    private = wish is not None and wish.access_mode == PRIVATE_ACCESS and wish.image
    return wish.image if wish is not None and private else preset.image.reference


def _pull_secrets(workspace: Workspace) -> tuple[str, ...]:
    wish = workspace.inference.preset if workspace.inference else None
    named = wish.image_pull_secrets if wish is not None and wish.access_mode == PRIVATE_ACCESS else ()
    return tuple(dict.fromkeys(named))


def _sealed(obj: Json) -> Json:
    digest = hashlib.sha256(json.dumps(obj, sort_keys=True).encode()).hexdigest()[:16]
    return {**obj, "metadata": {**obj["metadata"], "annotations": {APPLIED_HASH: digest}}}
