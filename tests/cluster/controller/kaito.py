"""What KAITO leaves in a cluster: the objects of one Workspace, as its controllers of v0.2 and v0.12 write them."""

import json
from typing import Final

from controller.api import labels
from controller.api.json import Json, uid_of
from controller.api.resources import MACHINES, NODE_CLAIMS

IMAGE: Final = "mcr.microsoft.com/aks/kaito/kaito-base:0.5.0"
_COMMAND: Final = (
    "python3 /workspace/vllm/inference_api.py --download-dir=/workspace/weights --dtype=bfloat16 --max-model-len=auto"
    " --model=microsoft/phi-3-mini-4k-instruct --served-model-name=phi-3-mini-4k-instruct --tensor-parallel-size=1"
)
_OLD_COMMAND: Final = (
    "accelerate launch --num_processes=1 --num_machines=1 --machine_rank=0 --gpu_ids=all inference_api.py"
    " --pipeline=text-generation --torch_dtype=bfloat16"
)
_TRAINING: Final = (
    "cd /workspace/tfs/ && python3 metrics_server.py & accelerate launch --num_processes=1"
    " /workspace/tfs/fine_tuning.py --pretrained_model_name_or_path=/workspace/weights"
)
_RAY: Final = (("ray", 6379), ("dashboard", 8265))
_SKU: Final = {"key": "sku", "value": "gpu", "effect": "NoSchedule"}


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
    chosen = {"kaito.sh/workspace": name}
    server = {
        "name": name,
        "image": IMAGE,
        "command": ["/bin/sh", "-c", _COMMAND],
        "ports": [{"name": "http", "containerPort": 5000}, {"name": "kv-events", "containerPort": 5557}],
        "env": [{"name": "VLLM_USE_FLASHINFER_SAMPLER", "value": "0"}],
        "resources": _gpu(),
        "volumeMounts": [{"name": "dshm", "mountPath": "/dev/shm"}],
    }
    pod = {
        "affinity": _on(node),
        "tolerations": [{"operator": "Equal", **_SKU}],
        "containers": [server],
        "volumes": [{"name": "dshm", "emptyDir": {"medium": "Memory"}}],
    }
    spec = {
        "replicas": 1,
        "serviceName": f"{name}-headless",
        "podManagementPolicy": "Parallel",
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete", "whenScaled": "Retain"},
        "selector": {"matchLabels": chosen},
        "template": {"metadata": {"labels": chosen}, "spec": pod},
    }
    told = metadata(workspace, **{"workspace.kaito.io/revision": "3"})
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": told, "spec": spec}


def services(workspace: Json) -> list[Json]:
    """The Service clients use, with Ray's ports on it, and the headless one."""
    name = workspace["metadata"]["name"]
    chosen = {"kaito.sh/workspace": name}
    ports = [{"name": "http", "port": 80, "targetPort": 5000}]
    ports += [{"name": port, "port": number, "targetPort": number} for port, number in _RAY]
    clients = {
        "type": "ClusterIP",
        "ports": ports,
        "selector": {**chosen, "statefulset.kubernetes.io/pod-name": f"{name}-0"},
        "publishNotReadyAddresses": True,
    }
    headless = {"clusterIP": "None", "selector": chosen, "publishNotReadyAddresses": True}
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


def deployment(workspace: Json, node: str) -> Json:
    """The Deployment KAITO v0.2 makes of a preset; nothing but the owner tells whose it is."""
    name = workspace["metadata"]["name"]
    chosen = {"kaito.sh/workspace": name}
    probe = {"httpGet": {"path": "/healthz", "port": 5000}, "periodSeconds": 10}
    server = {
        "name": name,
        "image": "mcr.microsoft.com/aks/kaito/kaito-phi-2:0.0.3",
        "command": ["/bin/sh", "-c", _OLD_COMMAND],
        "ports": [{"containerPort": 5000}],
        "resources": _gpu(),
        "livenessProbe": {**probe, "initialDelaySeconds": 600},
        "readinessProbe": {**probe, "initialDelaySeconds": 30},
    }
    pod = {"affinity": _on(node), "tolerations": [_SKU], "containers": [server]}
    template = {"metadata": {"labels": chosen}, "spec": pod}
    spec = {"replicas": 1, "selector": {"matchLabels": chosen}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata(workspace), "spec": spec}


def job(workspace: Json, node: str) -> Json:
    """The Job of a training run whose result goes into a volume."""
    name = workspace["metadata"]["name"]
    volumes: list[Json] = [{"name": each, "emptyDir": {}} for each in ("results-volume", "data-volume")]
    mounts = [
        {"name": "results-volume", "mountPath": "/mnt/results"},
        {"name": "data-volume", "mountPath": "/mnt/data"},
    ]
    trainer = {
        "name": name,
        "image": IMAGE,
        "command": ["/bin/sh", "-c", _TRAINING],
        "ports": [{"containerPort": 5000}],
        "env": [{"name": "PYTORCH_CUDA_ALLOC_CONF", "value": "expandable_segments:True"}],
        "resources": _gpu(),
        "volumeMounts": mounts,
    }
    pod = {
        "affinity": _on(node),
        "tolerations": [_SKU],
        "restartPolicy": "Never",
        "containers": [trainer],
        "volumes": volumes,
    }
    told = metadata(workspace, **{"workspace.kaito.io/revision": "3"})
    told["labels"] = {"kaito.sh/workspace": name}
    spec = {"template": {"metadata": {"labels": {"kaito.sh/workspace": name}}, "spec": pod}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": told, "spec": spec}


def _on(node: str) -> Json:
    term = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}


def _gpu() -> Json:
    return {"requests": {"nvidia.com/gpu": "1"}, "limits": {"nvidia.com/gpu": "1"}}


def machine(workspace: Json, name: str) -> Json:
    """A Machine as KAITO v0.1 to v0.3 writes it: the Workspace's name and namespace, and no UID."""
    asked = {
        labels.INSTANCE_TYPE: workspace["resource"]["instanceType"],
        labels.PROVISIONER_NAME: "default",
        labels.MACHINE_TYPE: "gpu",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/os": "linux",
    }
    return {
        "apiVersion": MACHINES.api_version,
        "kind": MACHINES.kind,
        "metadata": {"name": name, "labels": {labels.PROVISIONER_NAME: "default", **_marks(workspace)}},
        "spec": {
            "machineTemplateRef": {"name": name},
            "requirements": _requirements(asked),
            "resources": {"requests": {"storage": "50Gi"}},
            "taints": [_SKU],
        },
    }


def node_claim(workspace: Json, name: str) -> Json:
    """A NodeClaim as KAITO v0.12 writes it for Azure's gpu-provisioner."""
    size = workspace["resource"]["instanceType"]
    asked = {
        labels.NODE_POOL: "kaito",
        labels.INSTANCE_TYPE: size,
        "kubernetes.io/os": "linux",
        "karpenter.azure.com/sku-name": size,
    }
    notes = {"karpenter.sh/do-not-disrupt": "true", "kaito.sh/node-image-family": "ubuntu"}
    return {
        "apiVersion": NODE_CLAIMS.api_version,
        "kind": NODE_CLAIMS.kind,
        "metadata": {"name": name, "labels": {labels.NODE_POOL: "kaito", **_marks(workspace)}, "annotations": notes},
        "spec": {
            "expireAfter": "Never",
            "nodeClassRef": {"group": "kaito.sh", "kind": "KaitoNodeClass", "name": "default"},
            "requirements": _requirements(asked),
            "resources": {"requests": {"storage": "87Gi"}},
            "taints": [_SKU],
        },
    }


def _marks(workspace: Json) -> dict[str, str]:
    """The labels of a claim, and with it of its node."""
    found = workspace["metadata"]
    wished: dict[str, str] = workspace["resource"]["labelSelector"]["matchLabels"]
    return {labels.WORKSPACE: found["name"], labels.WORKSPACE_NAMESPACE: found["namespace"], **wished}


def _requirements(asked: dict[str, str]) -> list[Json]:
    return [{"key": key, "operator": "In", "values": [value]} for key, value in asked.items()]
