"""What one simulator is told at start: which Azure identity it plays and how fast."""

import hashlib
from dataclasses import dataclass
from typing import Final

PROVIDER: Final = "Microsoft.ContainerService"


@dataclass(frozen=True, slots=True)
class Settings:
    """The simulated cluster.

    Attributes:
        subscription: subscription id.
        resource_group: resource group of the cluster resource.
        cluster: name of the managed cluster.
        location: Azure region.
        kubernetes_version: version the cluster and its nodes report, without `v`.
        system_pool_count: VMs of the system pool the cluster starts with, at least 1.
        pool_limit: agent pools a cluster may have, the system pool among them; AKS allows 100.
        speed: divisor of all durations of the scenario.
        nodes_attached: whether Node objects follow the pools, so that removals wait for drains.
    """

    subscription: str = "00000000-0000-0000-0000-000000000000"
    resource_group: str = "rg-kaito"
    cluster: str = "aks-kaito"
    location: str = "eastus"
    kubernetes_version: str = "1.36.4"
    system_pool_count: int = 1
    pool_limit: int = 100
    speed: float = 1.0
    nodes_attached: bool = False

    @property
    def node_resource_group(self) -> str:
        """The resource group AKS keeps the VMs in, spelled as ARM returns it."""
        return f"MC_{self.resource_group}_{self.cluster}_{self.location}"

    @property
    def cluster_id(self) -> str:
        """ARM id of the cluster; ARM spells `resourcegroups` in lower case."""
        return (
            f"/subscriptions/{self.subscription}/resourcegroups/{self.resource_group}"
            f"/providers/{PROVIDER}/managedClusters/{self.cluster}"
        )

    @property
    def digits(self) -> str:
        """The 8 digits in scale-set and node names; one number for all pools of a cluster."""
        digest = hashlib.sha256(self.cluster_id.lower().encode()).digest()
        return f"{int.from_bytes(digest[:8], 'big') % 90_000_000 + 10_000_000}"

    def scale_set(self, pool: str) -> str:
        """Name of the scale set behind a pool."""
        return f"aks-{pool}-{self.digits}-vmss"

    def node_name(self, pool: str, index: int) -> str:
        """Node and machine name of a VM: the scale set's name and the index in base 36, six characters."""
        return self.scale_set(pool) + base36(index).rjust(6, "0")

    def vm_id(self, pool: str, index: int) -> str:
        """ARM id of a VM, its resource group spelled as ARM returns it."""
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.node_resource_group}"
            f"/providers/Microsoft.Compute/virtualMachineScaleSets/{self.scale_set(pool)}/virtualMachines/{index}"
        )

    def provider_id(self, pool: str, index: int) -> str:
        """`spec.providerID` of a Node, its resource group in lower case as AKS nodes report it."""
        lowered = self.vm_id(pool, index).replace(self.node_resource_group, self.node_resource_group.lower())
        return f"azure://{lowered}"


def base36(number: int) -> str:
    """A non-negative number in base 36 with lower-case letters."""
    alphabet = "0123456789abcdefghijklmnopqrstuvwxyz"
    digits = ""
    while True:
        number, rest = divmod(number, 36)
        digits = alphabet[rest] + digits
        if not number:
            return digits
