"""Everything a cluster holds."""

import json

from controller.api.json import Json
from hack.devcluster.commands import CommandError
from tests.cluster.harness import Cluster

_OF_THE_MOMENT = frozenset({"events", "events.events.k8s.io", "componentstatuses", "leases.coordination.k8s.io"})
"""Kinds that come and go by themselves."""


async def nothing_but(cluster: Cluster, before: set[str]) -> str:
    """Empty once the cluster holds nothing more than before.

    What owners leave is collected a little later, and kinds that were removed are listed a little longer.
    """
    try:
        return ", ".join(sorted(await everything(cluster) - before))
    except CommandError as error:
        return str(error)


async def everything(cluster: Cluster) -> set[str]:
    """Every object of every kind that can be listed: kind, namespace and name."""
    kinds = (await cluster.kubectl("api-resources", "--verbs=list", "--output=name")).split()
    wanted = ",".join(kind for kind in kinds if kind not in _OF_THE_MOMENT)
    document: Json = json.loads(await cluster.kubectl("get", wanted, "--all-namespaces", "--output=json"))
    return {_name(item) for item in document["items"]}


def _name(item: Json) -> str:
    metadata = item["metadata"]
    group = item["apiVersion"].rpartition("/")[0]
    return "/".join(filter(None, (f"{item['kind']}.{group}".rstrip("."), metadata.get("namespace"), metadata["name"])))
