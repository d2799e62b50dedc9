"""The JSON that ARM shows of pools, machines, the cluster, operations and lists."""

from datetime import UTC, datetime
from typing import Final

from controller.api.json import Json
from hack.aks_simulator.context import Context
from hack.aks_simulator.errors import detail_body
from hack.aks_simulator.settings import PROVIDER, Settings
from hack.aks_simulator.values import Operation, Pool, Vm, World, power_operation

ETAG_VERSION: Final = "2024-09-01"
"""First api-version that knows eTags, conditional headers and `status.provisioningError` (azure-rest-api-specs)."""


def pools_of(world: World) -> list[Pool]:
    """All pools, by name."""
    return [world.pools[name] for name in sorted(world.pools)]


def pool_body(settings: Settings, pool: Pool, api_version: str) -> Json:
    """An agent pool resource, as the given api-version shows it."""
    properties = pool.properties | {
        "provisioningState": pool.state,
        "currentOrchestratorVersion": pool.properties["orchestratorVersion"],
        "nodeImageVersion": pool.image,
    }
    if api_version >= ETAG_VERSION:
        properties["eTag"] = pool.etag
        if pool.error:
            properties["status"] = {"provisioningError": detail_body(pool.error)}
    return {
        "id": f"{settings.cluster_id}/agentPools/{pool.name}",
        "name": pool.name,
        "type": f"{PROVIDER}/managedClusters/agentPools",
        "properties": properties,
    }


def cluster_body(world: World, settings: Settings, api_version: str) -> Json:
    """The managed cluster resource."""
    minor = ".".join(settings.kubernetes_version.split(".")[:2])
    profiles = [{"name": pool.name} | pool_body(settings, pool, api_version)["properties"] for pool in pools_of(world)]
    return {
        "id": settings.cluster_id,
        "name": settings.cluster,
        "type": f"{PROVIDER}/ManagedClusters",
        "location": settings.location,
        "tags": {},
        "sku": {"name": "Base", "tier": "Standard"},
        "identity": {"type": "SystemAssigned"},
        "properties": {
            "provisioningState": changing.verb if (changing := power_operation(world)) else "Succeeded",
            "powerState": {"code": world.power},
            "kubernetesVersion": minor,
            "currentKubernetesVersion": settings.kubernetes_version,
            "dnsPrefix": settings.cluster,
            "fqdn": f"{settings.cluster}-{settings.digits}.hcp.{settings.location}.azmk8s.io",
            "nodeResourceGroup": settings.node_resource_group,
            "maxAgentPools": settings.pool_limit,
            "agentPoolProfiles": profiles,
            "networkProfile": {
                "networkPlugin": "azure",
                "networkPluginMode": "overlay",
                "loadBalancerSku": "standard",
            },
            "oidcIssuerProfile": {"enabled": True},
            "securityProfile": {"workloadIdentity": {"enabled": True}},
            "nodeProvisioningProfile": {"mode": "Manual"},
        },
    }


def machine_body(settings: Settings, pool: Pool, vm: Vm) -> Json:
    """A machine resource; its name is the Node's name."""
    name = settings.node_name(pool.name, vm.index)
    body: Json = {
        "id": f"{settings.cluster_id}/agentPools/{pool.name}/machines/{name}",
        "name": name,
        "type": f"{PROVIDER}/managedClusters/agentPools/machines",
        "properties": {
            "network": {"ipAddresses": [{"ip": node_address(settings, pool.name, vm.index), "family": "IPv4"}]},
            "resourceId": settings.vm_id(pool.name, vm.index),
        },
    }
    return body | ({"zones": [vm.zone]} if vm.zone else {})


def listed_vms(pool: Pool, now: float) -> list[Vm]:
    """The VMs Azure lists: allocated and not yet gone."""
    return [vm for vm in pool.vms if not vm.gone and vm.exists_at is not None and vm.exists_at <= now]


def operation_body(operation: Operation) -> Json:
    """The resource behind `Azure-AsyncOperation`."""
    body: Json = {"name": operation.id, "status": operation.status, "startTime": timestamp(operation.started)}
    if operation.finished is not None:
        body["endTime"] = timestamp(operation.finished)
        if operation.error:
            body["error"] = detail_body(operation.error)
    return body


def page_body(context: Context, items: list[Json], skip: int, next_link: str) -> Json:
    """One page of a list, starting at `skip`; with a nextLink, given up to its skip token, if more follow."""
    end = skip + context.scenario.page_size
    page: Json = {"value": items[skip:end]}
    return page | ({"nextLink": f"{next_link}{end}"} if end < len(items) else {})


def state_body(world: World, settings: Settings) -> Json:
    """Pools and operations as the admin surface shows them."""
    return {
        "pools": [
            pool_body(settings, pool, ETAG_VERSION)
            | {"vms": [settings.node_name(pool.name, vm.index) for vm in pool.vms if not vm.gone]}
            for pool in pools_of(world)
        ],
        "operations": [
            operation_body(operation) | {"kind": operation.kind, "pool": operation.pool}
            for operation in sorted(world.operations.values(), key=lambda each: (each.started, each.id))
        ],
        "rule_uses": dict(world.uses),
    }


def node_address(settings: Settings, pool: str, index: int) -> str:
    """A stable address of a VM within 10.224.0.0/16."""
    number = sum(settings.node_name(pool, index).encode()) * 31 + index
    return f"10.224.{number // 250 % 250}.{number % 250 + 4}"


def timestamp(instant: float) -> str:
    """ISO 8601 in UTC with the seven fractional digits Azure writes."""
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "0Z"
