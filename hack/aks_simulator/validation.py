"""Whether AKS would take an agent pool: its name and what its properties mean together."""

import re
from typing import Any, Final

from controller.api.json import Json
from hack.aks_simulator.context import Context
from hack.aks_simulator.errors import RefusalError, invalid_parameter, size_not_supported
from hack.aks_simulator.sizes import VmSize
from hack.aks_simulator.values import Pool, World

RESERVED_PREFIXES: Final = ("kubernetes.azure.com/", "kubernetes.io/")

_NAME: Final = re.compile(r"[a-z][a-z0-9]{0,11}")
_WINDOWS_NAME: Final = re.compile(r"[a-z][a-z0-9]{0,5}")
_LABEL_KEY: Final = re.compile(
    r"(?:(?=.{1,253}/)[a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
)
_LABEL_VALUE: Final = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_TAINT: Final = re.compile(r"(?P<key>[^=:]+)(=(?P<value>[^=:]*))?:(NoSchedule|PreferNoSchedule|NoExecute)")


def check_name(name: str, os_type: str) -> None:
    """Refuse a pool name AKS does not take: 12 lower-case letters and digits on Linux, 6 on Windows."""
    pattern = _WINDOWS_NAME if os_type == "Windows" else _NAME
    if not pattern.fullmatch(name):
        raise invalid_parameter("name", f"agent pool name {name!r} does not match ^{pattern.pattern}$")


def check_pool(stored: Json) -> None:
    """Refuse properties that are each well formed but make no pool.

    Raises:
        RefusalError: 400 with AKS's code.
    """
    if stored["mode"] == "System" and stored["count"] < 1:
        raise invalid_parameter("count", "a System pool needs at least 1 node")
    if 0 < stored["osDiskSizeGB"] < 30:
        raise invalid_parameter("osDiskSizeGB", f"{stored['osDiskSizeGB']} is neither 0 nor between 30 and 2048")
    if stored["powerState"].get("code") not in {"Running", "Stopped"}:
        raise invalid_parameter("powerState.code", f"{stored['powerState'].get('code')!r} is none of Running, Stopped")
    _check_scaling(stored)
    _check_labels(stored.get("nodeLabels", {}))
    _check_taints(stored.get("nodeTaints", []))


def known_size(context: Context, name: str) -> VmSize:
    """The VM size of that name, if the region offers it.

    Raises:
        RefusalError: 400 `VMSizeNotSupported`.
    """
    size = context.sizes.get(name.lower())
    if size is None or name.lower() in context.scenario.retired_sizes:
        raise size_not_supported(name, context.settings.subscription, context.settings.location)
    return size


def check_version(context: Context, wanted: str) -> None:
    """Refuse a Kubernetes version that is malformed or newer than the cluster's."""
    match = re.fullmatch(r"(\d+)\.(\d+)(?:\.(\d+))?", wanted)
    current = [int(part) for part in context.settings.kubernetes_version.split(".")]
    parts = [int(part) for part in match.groups() if part is not None] if match else []
    if not parts or parts > current[: len(parts)]:
        message = f"Version {wanted} is not supported in this cluster of version {context.settings.kubernetes_version}."
        raise RefusalError(400, "AgentPoolK8sVersionNotSupported", message)


def check_room(context: Context, world: World) -> None:
    """Refuse one pool more than a cluster may have."""
    limit = context.settings.pool_limit
    if len(world.pools) >= limit:
        raise RefusalError(400, "MaxAgentPoolCountReached", f"The cluster already has {limit} agent pools.")


def check_system_pool_remains(world: World, leaving: Pool) -> None:
    """Refuse to take away the last System pool."""
    systems = [pool.name for pool in world.pools.values() if pool.properties["mode"] == "System"]
    if systems == [leaving.name]:
        message = f"There has to be at least one system agent pool; {leaving.name} is the last."
        raise RefusalError(400, "OperationNotAllowed", message)


def check_untainted_pool_remains(pools: list[Json]) -> None:
    """Refuse a state in which every pool has hard taints: system pods would have nowhere to run."""
    if not any(_is_open(properties.get("nodeTaints", [])) for properties in pools):
        raise RefusalError(400, "CanNotTaintAllAgentPools", "At least one agent pool must be without hard taints.")


def _is_open(taints: list[str]) -> bool:
    return all(taint.endswith(":PreferNoSchedule") or taint.startswith("CriticalAddonsOnly=") for taint in taints)


def _check_scaling(stored: Json) -> None:
    if not stored["enableAutoScaling"]:
        return
    low, high = stored.get("minCount"), stored.get("maxCount")
    if low is None or high is None or not low <= stored["count"] <= high:
        raise invalid_parameter(
            "minCount", f"minCount {low} <= count {stored['count']} <= maxCount {high} does not hold"
        )


def _check_labels(labels: dict[str, str]) -> None:
    for key, value in labels.items():
        if key.startswith(RESERVED_PREFIXES):
            raise invalid_parameter("nodeLabels", f"label {key!r} uses a prefix reserved for the system")
        if not _LABEL_KEY.fullmatch(key):
            raise invalid_parameter("nodeLabels", f"{key!r} is not a label key")
        if not _LABEL_VALUE.fullmatch(value):
            raise invalid_parameter("nodeLabels", f"{value!r} is not a value for label {key!r}")


def _check_taints(taints: list[Any]) -> None:
    for taint in taints:
        match = _TAINT.fullmatch(taint) if isinstance(taint, str) else None
        if not match or not _LABEL_KEY.fullmatch(match["key"]) or not _LABEL_VALUE.fullmatch(match["value"] or ""):
            raise invalid_parameter("nodeTaints", f"{taint!r} is not of the form key=value:effect")
