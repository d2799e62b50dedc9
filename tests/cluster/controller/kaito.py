"""What KAITO v0.12 leaves in a namespace: the objects of one Workspace, as its controller writes them."""

import json
from typing import Final

from controller.api.json import Json, uid_of

IMAGE: Final = "mcr.microsoft.com/aks/kaito/kaito-base:0.5.0"
_COMMAND: Final = (
    "python3 /workspace/vllm/inference_api.py --download-dir=/workspace/weights --dtype=bfloat16 --max-model-len=auto"
    " --model=microsoft/phi-3-mini-4k-instruct --served-model-name=phi-3-mini-4k-instruct --tensor-parallel-size=1"
)
_RAY: Final = (("ray", 6379), ("dashboard", 8265))


def metadata(workspace: Json, suffix: str = "", **annotations: str) -> Json:
    """Name and owner; KAITO labels neither workloads nor Services."""
    name = workspace["metadata"]["name"]
    owner = {
        "apiVersion": "kaito.sh/v1beta1",
        "kind": "Workspace",
        "name": name,
        "uid": uid_of(workspace),
        "controller": True,
        "blockOwnerDeletion": True,
    }
    found = {"name": name + suffix, "namespace": workspace["metadata"]["namespace"], "ownerReferences": [owner]}
    return {**found, "annotations": annotations} if annotations else found


def stateful_set(workspace: Json, node: str) -> Json:
    """The StatefulSet of a preset on one node, which is found by a label."""
    name = workspace["metadata"]["name"]
    labels = {"kaito.sh/workspace": name}
    term = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    gpus = {"nvidia.com/gpu": "1"}
    server = {
        "name": name,
        "image": IMAGE,
        "command": ["/bin/sh", "-c", _COMMAND],
        "ports": [{"name": "http", "containerPort": 5000}, {"name": "kv-events", "containerPort": 5557}],
        "env": [{"name": "VLLM_USE_FLASHINFER_SAMPLER", "value": "0"}],
        "resources": {"requests": gpus, "limits": gpus},
        "volumeMounts": [{"name": "dshm", "mountPath": "/dev/shm"}],
    }
    pod = {
        "affinity": {"nodeAffinity": required},
        "tolerations": [{"key": "sku", "operator": "Equal", "value": "gpu", "effect": "NoSchedule"}],
        "containers": [server],
        "volumes": [{"name": "dshm", "emptyDir": {"medium": "Memory"}}],
    }
    spec = {
        "replicas": 1,
        "serviceName": f"{name}-headless",
        "podManagementPolicy": "Parallel",
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete", "whenScaled": "Retain"},
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    told = metadata(workspace, **{"workspace.kaito.io/revision": "3"})
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": told, "spec": spec}


def services(workspace: Json) -> list[Json]:
    """The Service clients use, with Ray's ports on it, and the headless one."""
    name = workspace["metadata"]["name"]
    labels = {"kaito.sh/workspace": name}
    ports = [{"name": "http", "port": 80, "targetPort": 5000}]
    ports += [{"name": port, "port": number, "targetPort": number} for port, number in _RAY]
    clients = {
        "type": "ClusterIP",
        "ports": ports,
        "selector": {**labels, "statefulset.kubernetes.io/pod-name": f"{name}-0"},
        "publishNotReadyAddresses": True,
    }
    headless = {"clusterIP": "None", "selector": labels, "publishNotReadyAddresses": True}
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata(workspace), "spec": clients},
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata(workspace, "-headless"), "spec": headless},
    ]


def revision(workspace: Json) -> Json:
    """The newest of KAITO's ControllerRevisions."""
    told = metadata(workspace, "-3f9a1", **{"workspace.kaito.io/hash": "3f9a1c"})
    told["labels"] = {"workspace.kaito.io/name": workspace["metadata"]["name"]}
    data = json.loads(json.dumps({block: workspace.get(block) for block in ("resource", "inference", "tuning")}))
    return {"apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": told, "data": data, "revision": 3}
