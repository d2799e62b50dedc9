"""What the Node of a VM should look like by now, and the next write that brings it there.

A step is decided from the Node as it is, never from what was written before: whatever was missed is made up for.
The order is that of a real AKS node: registered with the `uninitialized` and `not-ready` taints, then providerID and
zone from the cloud node manager, then Ready from the kubelet, then GPUs from the device plugin.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from controller.api import labels as keys
from controller.api.json import Json, labels_of
from hack.aks_simulator.bodies import node_address, timestamp
from hack.aks_simulator.context import Context
from hack.aks_simulator.sizes import VmSize
from hack.aks_simulator.values import NodeFaultKind, Pool, Vm

CLUSTER_LABEL: Final = "kubernetes.azure.com/cluster"
KWOK_ANNOTATION: Final = "kwok.x-k8s.io/node"
UNINITIALIZED: Final = "node.cloudprovider.kubernetes.io/uninitialized"
NOT_READY: Final = "node.kubernetes.io/not-ready"

_GIB: Final = 2**30
_MIB: Final = 2**20


@dataclass(frozen=True, slots=True)
class Create:
    """Register the Node."""

    node: Json


@dataclass(frozen=True, slots=True)
class Patch:
    """Change the Node by JSON merge patch, under the resourceVersion it was judged by."""

    name: str
    patch: Json
    subresource: str = ""


Step = Create | Patch


def next_step(context: Context, pool: Pool, vm: Vm, node: Json | None) -> Step | None:
    """The one write due for a VM that is to stay; None when the Node is as it should be by now."""
    timing = context.timing
    if vm.boots_at is None or vm.gone:
        return None
    trouble = {fault.kind for fault in pool.faults if context.holds(fault.rule)}
    registered = vm.boots_at + timing.register_seconds
    if node is None:
        due = context.now >= registered and "never_registers" not in trouble
        return Create(new_node(context, pool, vm)) if due and not vm.leaving else None
    if context.now >= registered + timing.provider_id_seconds and not (node.get("spec") or {}).get("providerID"):
        return _initialize(context, pool, vm, node)
    return _drifted(pool, node) or _status_step(context, pool, node, registered, trouble)


def new_node(context: Context, pool: Pool, vm: Vm) -> Json:
    """The Node as the kubelet registers it."""
    settings = context.settings
    size = context.sizes[pool.vm_size.lower()]
    name = settings.node_name(pool.name, vm.index)
    taints = [_taint(UNINITIALIZED, "true", "NoSchedule"), _taint(NOT_READY, "", "NoSchedule"), *_pool_taints(pool)]
    capacity, allocatable = _resources(pool, size)
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": _kubelet_labels(context, pool, size, name) | pool.properties.get("nodeLabels", {}),
            "annotations": {KWOK_ANNOTATION: "fake"},
        },
        "spec": {"taints": taints},
        "status": {
            "capacity": capacity,
            "allocatable": allocatable,
            "addresses": [
                {"type": "InternalIP", "address": node_address(settings, pool.name, vm.index)},
                {"type": "Hostname", "address": name},
            ],
            "conditions": _conditions(context, ready=False),
            "nodeInfo": _node_info(context, pool, size, name),
        },
    }


def is_ready(node: Json) -> bool:
    """Whether the Node's Ready condition is True."""
    return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in _conditions_of(node))


def cordon(node: Json) -> Patch | None:
    """The write that makes a Node unschedulable, None when it already is."""
    if (node.get("spec") or {}).get("unschedulable"):
        return None
    return _guarded(node, {"spec": {"unschedulable": True}})


def silence(node: Json) -> Patch | None:
    """The write by which the cluster notices that the Node's kubelet is gone, None when it has."""
    if not is_ready(node):
        return None
    words = {"status": "Unknown", "reason": "NodeStatusUnknown", "message": "Kubelet stopped posting node status."}
    conditions = [entry | words if entry["type"] == "Ready" else entry for entry in _conditions_of(node)]
    return _guarded(node, {"status": {"conditions": conditions}}, "status")


def _status_step(
    context: Context, pool: Pool, node: Json, registered: float, trouble: set[NodeFaultKind]
) -> Step | None:
    size = context.sizes[pool.vm_size.lower()]
    ready_at = registered + context.timing.node_ready_seconds
    if context.now < ready_at or "never_ready" in trouble:
        return None
    if any(entry["type"] == "Ready" and entry["status"] == "False" for entry in _conditions_of(node)):
        return _guarded(node, {"status": {"conditions": _conditions(context, ready=True)}}, "status")
    kept = [taint for taint in _taints_of(node) if (taint["key"], taint["effect"]) != (NOT_READY, "NoSchedule")]
    if is_ready(node) and kept != _taints_of(node):
        return _guarded(node, {"spec": {"taints": kept}})
    if not size.gpu_count or context.now < ready_at + context.timing.gpu_seconds or "no_gpu" in trouble:
        return None
    count = {size.gpu_resource: str(size.gpu_count)}
    shown = (node.get("status") or {}).get("allocatable") or {}
    if count.items() <= shown.items():
        return None
    return _guarded(node, {"status": {"capacity": count, "allocatable": count}}, "status")


def _initialize(context: Context, pool: Pool, vm: Vm, node: Json) -> Step:
    region = context.settings.location
    zone = f"{region}-{vm.zone}" if vm.zone else "0"
    topology = {
        keys.REGION: region,
        keys.ZONE: zone,
        "topology.disk.csi.azure.com/zone": zone if vm.zone else "",
        "failure-domain.beta.kubernetes.io/region": region,
        "failure-domain.beta.kubernetes.io/zone": zone,
    }
    taints = [taint for taint in _taints_of(node) if taint["key"] != UNINITIALIZED]
    spec = {"providerID": context.settings.provider_id(pool.name, vm.index), "taints": taints}
    return _guarded(node, {"metadata": {"labels": topology}, "spec": spec})


def _drifted(pool: Pool, node: Json) -> Step | None:
    """Pool labels and taints that changed after the Node registered."""
    wanted: Mapping[str, str] = pool.properties.get("nodeLabels", {})
    present = labels_of(node)
    labels: dict[str, str | None] = {key: value for key, value in wanted.items() if present.get(key) != value}
    labels |= {key: None for key in pool.retired_labels if key in present}
    if labels:
        return _guarded(node, {"metadata": {"labels": labels}})
    retired = _parsed_taints(pool.retired_taints)
    kept = [taint for taint in _taints_of(node) if _identity(taint) not in map(_identity, retired)]
    missing = [taint for taint in _pool_taints(pool) if _identity(taint) not in map(_identity, kept)]
    if missing or kept != _taints_of(node):
        return _guarded(node, {"spec": {"taints": [*kept, *missing]}})
    return None


def _kubelet_labels(context: Context, pool: Pool, size: VmSize, name: str) -> dict[str, str]:
    properties = pool.properties
    labels = {
        keys.AGENT_POOL: pool.name,
        keys.AKS_AGENT_POOL: pool.name,
        CLUSTER_LABEL: context.settings.node_resource_group,
        "kubernetes.azure.com/mode": properties["mode"].lower(),
        "kubernetes.azure.com/role": "agent",
        "kubernetes.azure.com/nodepool-type": properties["type"],
        "kubernetes.azure.com/node-image-version": pool.image,
        "kubernetes.azure.com/os-sku": properties["osSKU"],
        "kubernetes.azure.com/sku-cpu": str(size.vcpu),
        "kubernetes.azure.com/sku-memory": str(int(size.memory_gib * 1024)),
        "kubernetes.azure.com/storageprofile": properties["osDiskType"].lower(),
        "kubernetes.azure.com/storagetier": "Premium_LRS",
        keys.INSTANCE_TYPE: size.name,
        "beta.kubernetes.io/instance-type": size.name,
        keys.ARCH: size.arch,
        "beta.kubernetes.io/arch": size.arch,
        keys.OS: properties["osType"].lower(),
        "beta.kubernetes.io/os": properties["osType"].lower(),
        keys.HOSTNAME: name,
    }
    if size.vendor == "nvidia":
        labels |= {keys.ACCELERATOR: "nvidia", "kubernetes.azure.com/accelerator": "nvidia"}
    if properties.get("scaleSetPriority") == "Spot":
        labels["kubernetes.azure.com/scalesetpriority"] = "spot"
    return labels


def _resources(pool: Pool, size: VmSize) -> tuple[dict[str, str], dict[str, str]]:
    """Capacity and allocatable; the reserved share follows what AKS documents for Kubernetes 1.29 and later."""
    pods = pool.properties["maxPods"]
    memory = size.memory_gib * _GIB
    reserved = min((20 * pods + 50) * _MIB, memory / 4) + 100 * _MIB
    disk = pool.properties["osDiskSizeGB"] * _GIB
    common = {"hugepages-1Gi": "0", "hugepages-2Mi": "0", "pods": str(pods)}
    capacity = {"cpu": str(size.vcpu), "memory": f"{int(memory) // 1024}Ki", "ephemeral-storage": f"{disk // 1024}Ki"}
    allocatable = {
        "cpu": f"{size.vcpu * 1000 - _reserved_millicores(size.vcpu)}m",
        "memory": f"{int(memory - reserved) // 1024}Ki",
        "ephemeral-storage": str(disk * 9 // 10),
    }
    return capacity | common, allocatable | common


def _reserved_millicores(vcpu: int) -> int:
    steps = ((64, 740), (32, 420), (16, 260), (8, 180), (4, 140), (2, 100))
    return next((reserved for cores, reserved in steps if vcpu >= cores), 60)


def _node_info(context: Context, pool: Pool, size: VmSize, name: str) -> Json:
    return {
        "architecture": size.arch,
        "bootID": name,
        "containerRuntimeVersion": "containerd://1.7.28-1",
        "kernelVersion": "5.15.0-1096-azure",
        "kubeProxyVersion": f"v{context.settings.kubernetes_version}",
        "kubeletVersion": f"v{context.settings.kubernetes_version}",
        "machineID": name,
        "operatingSystem": pool.properties["osType"].lower(),
        "osImage": f"{pool.properties['osSKU']} ({pool.image})",
        "systemUUID": name,
    }


def _conditions(context: Context, *, ready: bool) -> list[Json]:
    now = timestamp(context.now)[:19] + "Z"
    words = ("KubeletReady", "kubelet is posting ready status") if ready else ("KubeletNotReady", "node is starting")
    table = [
        ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ("Ready", "True" if ready else "False", *words),
    ]
    return [
        {
            "type": kind,
            "status": status,
            "reason": reason,
            "message": message,
            "lastHeartbeatTime": now,
            "lastTransitionTime": now,
        }
        for kind, status, reason, message in table
    ]


def _conditions_of(node: Json) -> list[Json]:
    return (node.get("status") or {}).get("conditions") or []


def _taints_of(node: Json) -> list[Json]:
    return (node.get("spec") or {}).get("taints") or []


def _taint(key: str, value: str, effect: str) -> dict[str, str]:
    return {"key": key, "effect": effect} | ({"value": value} if value else {})


def _pool_taints(pool: Pool) -> list[dict[str, str]]:
    spot = ["kubernetes.azure.com/scalesetpriority=spot:NoSchedule"]
    extra = spot if pool.properties.get("scaleSetPriority") == "Spot" else []
    return _parsed_taints([*pool.properties.get("nodeTaints", ()), *extra])


def _parsed_taints(texts: Iterable[str]) -> list[dict[str, str]]:
    parsed = []
    for text in texts:
        left, _, effect = text.rpartition(":")
        key, _, value = left.partition("=")
        parsed.append(_taint(key, value, effect))
    return parsed


def _identity(taint: Mapping[str, Any]) -> tuple[str, str, str]:
    return taint["key"], taint.get("value") or "", taint["effect"]


def _guarded(node: Json, patch: Json, subresource: str = "") -> Patch:
    metadata = {"resourceVersion": node["metadata"]["resourceVersion"]} | patch.get("metadata", {})
    return Patch(node["metadata"]["name"], patch | {"metadata": metadata}, subresource)
