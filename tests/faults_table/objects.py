"""Faults of nodes, of what the API server refuses, and of what a Workspace names: all of them real."""

from controller.api import labels
from controller.api.json import Json
from controller.api.resources import CONFIG_MAPS, NAMESPACES, NODES, SERVICES, Resource
from controller.planning.configs import INFERENCE_KEY, TRAINING_KEY
from tests.cluster.harness import eventually
from tests.faults_table.injection import Act, Injection, at_once
from tests.faults_table.place import NAME, PATIENCE_SECONDS, PRESET, Place
from tests.faults_table.pods import TUNING, now

QUOTAS = Resource("", "v1", "resourcequotas", "ResourceQuota", namespaced=True)
LIMITS = Resource("", "v1", "limitranges", "LimitRange", namespaced=True)
H100_8 = "Standard_ND96isr_H100_v5"
A100 = "Standard_NC24ads_A100_v4"
"""A size on which vLLM runs, which reads the ConfigMap."""

CONFIG = "late-config"


async def _quota(place: Place, resource: str) -> None:
    """Sets the quota of a resource to none, and waits until it counts; before that everything is refused as unknown."""
    await place.create(QUOTAS, spec={"hard": {resource: "0"}})

    async def uncounted() -> str:
        found = await place.client.get(QUOTAS, place.namespace, namespace=place.namespace)
        return "" if "used" in (found.get("status") or {}) else "not counted yet"

    await eventually(uncounted, PATIENCE_SECONDS)


async def _no_quota(place: Place) -> None:
    await place.client.delete(QUOTAS, place.namespace, namespace=place.namespace)


def _pods_refused(place: Place) -> bool:
    found = (event for event in place.world.events.values() if event["metadata"]["namespace"] == place.namespace)
    return any(event["reason"] == "FailedCreate" for event in found)


def over_quota(order: Act, resource: str = "pods") -> Injection:
    """A quota that refuses what the Workspace needs."""

    async def make(place: Place) -> None:
        await _quota(place, resource)
        await order(place)

    return Injection(make, _no_quota, _pods_refused if resource == "pods" else at_once)


async def _one_node(place: Place) -> None:
    await place.node()
    await place.order()


async def _two_large_nodes(place: Place) -> None:
    for number in range(2):
        await place.node(f"-{number}", gpus=8, size=H100_8)
    await place.order(count=2, size=H100_8, inference={"preset": {"name": "deepseek-r1-0528"}})


async def _training(place: Place) -> None:
    await place.node()
    await place.order(tuning=TUNING)


async def _enforce(place: Place, level: str | None) -> None:
    wish = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": level}}}
    await place.client.merge(NAMESPACES, place.namespace, wish)


async def _restricted(place: Place) -> None:
    await _enforce(place, "restricted")
    await _one_node(place)


async def _limited(place: Place) -> None:
    await place.create(LIMITS, spec={"limits": [{"type": "Container", "max": {labels.NVIDIA_GPU: "0"}}]})
    await _one_node(place)


async def _foreign(place: Place) -> None:
    theirs = {"ports": [{"port": 8080}], "selector": {"app": "theirs"}}
    await place.create(SERVICES, metadata={"name": NAME}, spec=theirs)
    await _one_node(place)


async def _serving(place: Place) -> None:
    await _one_node(place)
    await place.until_ready()


async def _kubelet(place: Place, status: str, message: str, **others: str) -> None:
    """Writes what the node controller writes of a node that stopped reporting, or the node itself."""
    said = {"Ready": status, **others}
    common = {"reason": "NodeStatus", "message": message, "lastTransitionTime": now()}
    body = {"status": {"conditions": [{"type": type_, "status": each, **common} for type_, each in said.items()]}}
    await place.client.merge(NODES, place.namespace, body, subresource="status")


async def _lost(place: Place) -> None:
    await _serving(place)
    await _kubelet(place, "Unknown", "Kubelet stopped posting node status.")


async def _taint(place: Place, *taints: Json) -> None:
    await place.client.merge(NODES, place.namespace, {"spec": {"taints": list(taints)}})


async def _tainted(place: Place) -> None:
    await _serving(place)
    await _taint(place, {"key": "dedicated", "value": "others", "effect": "NoSchedule"})


async def _cordon(place: Place, *, cordoned: bool) -> None:
    await place.client.merge(NODES, place.namespace, {"spec": {"unschedulable": cordoned or None}})


async def _cordoned(place: Place) -> None:
    await _serving(place)
    await _cordon(place, cordoned=True)


async def _disk(place: Place, pressure: str) -> None:
    await _kubelet(place, "True", "kubelet is posting ready status", DiskPressure=pressure)


async def _disk_full(place: Place) -> None:
    await _serving(place)
    await _disk(place, "True")


def _barred(place: Place) -> bool:
    """Whether the node controller has tainted the node for its condition."""
    node = place.world.nodes.get(place.namespace)
    return node is not None and "disk-pressure" in str(node["spec"].get("taints"))


async def _deleted(place: Place) -> None:
    await place.node()
    await place.order(annotations={labels.NODE_SOURCE: "existing"})
    await place.until_ready()
    await place.client.delete(NODES, place.namespace)


async def _a_node(place: Place) -> None:
    await place.node()


async def _gpus(place: Place, number: str) -> None:
    body = {"status": {"allocatable": {labels.NVIDIA_GPU: number}}}
    await place.client.merge(NODES, place.namespace, body, subresource="status")


async def _without_gpus(place: Place) -> None:
    await _serving(place)
    await _gpus(place, "0")


async def _one_of_two(place: Place) -> None:
    await place.node()
    await place.order(count=2, annotations={labels.NODE_SOURCE: "existing"})


async def _second_node(place: Place) -> None:
    await place.node("-second")


async def _write(place: Place, length: str) -> None:
    data = {INFERENCE_KEY: f"vllm: {{max-model-len: {length}}}"}
    body = {"metadata": {"name": CONFIG, "namespace": place.namespace}, "data": data}
    await place.client.apply(CONFIG_MAPS, body, manager="tests")


async def _configured(place: Place) -> None:
    await place.node(size=A100)
    await place.order(size=A100, inference={"preset": {"name": PRESET}, "config": CONFIG})


async def _write_training(place: Place, rank: str) -> None:
    text = f"training_config: {{QuantizationConfig: {{load_in_4bit: true}}, LoraConfig: {{r: {rank}}}}}"
    body = {"metadata": {"name": CONFIG, "namespace": place.namespace}, "data": {TRAINING_KEY: text}}
    await place.client.apply(CONFIG_MAPS, body, manager="tests")


async def _mistrained(place: Place) -> None:
    await place.node()
    await place.order(tuning={**TUNING, "config": CONFIG})
    await _write_training(place, "many")


async def _misconfigured(place: Place) -> None:
    await _write(place, "2048")
    await _configured(place)
    await place.until_ready()
    await _write(place, "many")


INJECTIONS = {
    "pods-over-quota": over_quota(_one_node),
    "pods-over-quota-in-a-set": over_quota(_two_large_nodes),
    "pods-over-quota-in-a-job": over_quota(_training),
    "pod-security": Injection(_restricted, lambda place: _enforce(place, None), _pods_refused),
    "limit-range": Injection(
        _limited, lambda place: place.client.delete(LIMITS, place.namespace, namespace=place.namespace), _pods_refused
    ),
    "service-over-quota": over_quota(_one_node, "services"),
    "foreign-object": Injection(_foreign, lambda place: place.client.delete(SERVICES, NAME, namespace=place.namespace)),
    "node-lost": Injection(_lost, lambda place: _kubelet(place, "True", "kubelet is posting ready status")),
    "node-tainted": Injection(_tainted, _taint),
    "gpus-gone": Injection(_without_gpus, lambda place: _gpus(place, "1")),
    "node-cordoned": Injection(_cordoned, lambda place: _cordon(place, cordoned=False)),
    "disk-pressure": Injection(_disk_full, lambda place: _disk(place, "False"), _barred),
    "node-deleted": Injection(_deleted, _a_node),
    "nodes-missing": Injection(_one_of_two, _second_node),
    "config-map-missing": Injection(_configured, lambda place: _write(place, "2048")),
    "training-config-invalid": Injection(_mistrained, lambda place: _write_training(place, "8")),
    "config-invalid": Injection(_misconfigured, lambda place: _write(place, "2048")),
}
