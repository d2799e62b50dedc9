"""From method and path to the ARM operation meant; ARM compares path segments without regard to case."""

import re
from dataclasses import dataclass
from typing import Final

from hack.aks_simulator.errors import arm
from hack.aks_simulator.settings import PROVIDER, Settings

_CLUSTER: Final = (
    rf"/subscriptions/(?P<subscription>[^/]+)/resourceGroups/(?P<group>[^/]+)"
    rf"/providers/{re.escape(PROVIDER)}/managedClusters/(?P<cluster>[^/]+)"
)
_POOL: Final = rf"{_CLUSTER}/agentPools/(?P<pool>[^/]+)"
_REGION: Final = (
    rf"/subscriptions/(?P<subscription>[^/]+)/providers/{re.escape(PROVIDER)}/locations/(?P<location>[^/]+)"
)
_COMPUTE: Final = r"/subscriptions/(?P<subscription>[^/]+)/providers/Microsoft\.Compute/locations/(?P<location>[^/]+)"

_ROUTES: Final = tuple(
    (method, re.compile(pattern, re.IGNORECASE), operation)
    for method, pattern, operation in (
        ("GET", _CLUSTER, "get_cluster"),
        ("POST", rf"{_CLUSTER}/stop", "stop_cluster"),
        ("POST", rf"{_CLUSTER}/start", "start_cluster"),
        ("GET", rf"{_CLUSTER}/agentPools", "list_pools"),
        ("GET", _POOL, "get_pool"),
        ("PUT", _POOL, "put_pool"),
        ("DELETE", _POOL, "delete_pool"),
        ("POST", rf"{_POOL}/abort", "abort_pool"),
        ("POST", rf"{_POOL}/deleteMachines", "delete_machines"),
        ("GET", rf"{_POOL}/machines", "list_machines"),
        ("GET", rf"{_POOL}/machines/(?P<item>[^/]+)", "get_machine"),
        ("GET", rf"{_REGION}/operations/(?P<item>[^/]+)", "get_operation"),
        ("GET", rf"{_REGION}/operationresults/(?P<item>[^/]+)", "get_result"),
        ("GET", rf"{_COMPUTE}/usages", "list_usages"),
    )
)


@dataclass(frozen=True, slots=True)
class Target:
    """The operation a request means.

    Attributes:
        operation: its name, as scenario rules use it.
        subscription: from the path.
        group: resource group, empty for regional paths.
        cluster: cluster name, empty for regional paths.
        location: region, empty for cluster paths.
        pool: pool name, empty where none is named.
        item: machine name or operation id.
    """

    operation: str
    subscription: str
    group: str = ""
    cluster: str = ""
    location: str = ""
    pool: str = ""
    item: str = ""


def find_target(method: str, path: str) -> Target:
    """The operation a decoded path means.

    Raises:
        RefusalError: 404 for a path ARM does not know, 405 for a method it does not take there.
    """
    known = False
    for verb, pattern, operation in _ROUTES:
        match = pattern.fullmatch(path.rstrip("/"))
        if match and verb == method:
            return Target(operation, **match.groupdict())
        known = known or match is not None
    if known:
        raise arm(405, "MethodNotAllowed", f"The requested resource does not support http method '{method}'.")
    raise arm(404, "InvalidResourceType", f"The resource type of path '{path}' could not be found.")


def check_scope(settings: Settings, target: Target) -> None:
    """Refuse a subscription, resource group, cluster or location that is not the simulated one.

    Raises:
        RefusalError: 404 with ARM's code for the first that differs.
    """
    if target.subscription.lower() != settings.subscription.lower():
        raise arm(404, "SubscriptionNotFound", f"The subscription '{target.subscription}' could not be found.")
    if target.location and target.location.lower() != settings.location.lower():
        raise arm(404, "LocationNotAvailableForResourceType", f"The location '{target.location}' is not available.")
    if target.group and target.group.lower() != settings.resource_group.lower():
        raise arm(404, "ResourceGroupNotFound", f"Resource group '{target.group}' could not be found.")
    if target.cluster and target.cluster.lower() != settings.cluster.lower():
        message = (
            f"The Resource '{PROVIDER}/managedClusters/{target.cluster}' under resource group "
            f"'{settings.resource_group}' was not found. For more details please go to "
            "https://aka.ms/ARMResourceNotFoundFix"
        )
        raise arm(404, "ResourceNotFound", message)
