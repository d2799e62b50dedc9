"""Asking the API server with kubectl for what it may refuse."""

from collections.abc import Iterable

import yaml

from controller.api.json import Json
from hack.devcluster.commands import CommandError
from tests.cluster.harness import Cluster


def documents(items: Iterable[Json]) -> str:
    """Objects as kubectl reads them."""
    return yaml.safe_dump_all(items, sort_keys=False)


async def refused(site: Cluster, *arguments: str, stdin: str = "") -> list[str]:
    """What kubectl complains about, line by line."""
    try:
        await site.kubectl(*arguments, stdin=stdin)
    except CommandError as error:
        return str(error).splitlines()[1:]
    return []
