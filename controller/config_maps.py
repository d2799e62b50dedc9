"""The users' configuration files as they are known now, for the programs that judge or run Workspaces.

ConfigMaps of all namespaces are watched, since Workspaces of all namespaces may name one. Of each only its name is
kept, and of its data only the documents that configure Workspaces.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from controller.api.json import Json, metadata_of
from controller.api.resources import CONFIG_MAPS
from controller.planning.configs import INFERENCE_KEY, TRAINING_KEY
from controller.planning.configs.document import MAX_CHARACTERS
from controller.runtime.cache import Informer
from controller.runtime.reflector import WatchClient

PATIENCE: Final = 15.0
"""Seconds a program waits for the ConfigMaps before it goes on without them."""

_KEPT: Final = ("name", "namespace", "uid", "resourceVersion")
_DOCUMENTS: Final = (INFERENCE_KEY, TRAINING_KEY)
_NOTHING: Final[Mapping[str, str]] = {}


class ConfigMaps:
    """The ConfigMaps of the cluster, as far as they configure Workspaces.

    Args:
        client: to the API server.
    """

    def __init__(self, client: WatchClient) -> None:
        self.informer = Informer(client, CONFIG_MAPS, transform=slim_config_map)
        self._end_of_patience = asyncio.get_running_loop().time() + PATIENCE

    def data(self, namespace: str, name: str) -> Mapping[str, str] | None:
        """The configuration in a ConfigMap; None while no such ConfigMap is known."""
        obj = self.informer.get(name, namespace)
        return None if obj is None else obj.get("data", _NOTHING)

    def problem(self) -> str:
        """Why users should be answered by somebody else for now; empty once the ConfigMaps are known.

        Who may not list them, or waits too long, answers all the same: a configuration that is not known is a warning,
        and is looked at again before anything starts.
        """
        if self.informer.synced or asyncio.get_running_loop().time() >= self._end_of_patience:
            return ""
        return "waiting for the first list"


def slim_config_map(obj: Json) -> Json:
    """Of a ConfigMap: who it is, and the documents that configure Workspaces, cut where they are too long to read."""
    data: Mapping[str, Any] = obj.get("data") or _NOTHING
    kept = {key: data[key][: MAX_CHARACTERS + 1] for key in _DOCUMENTS if isinstance(data.get(key), str)}
    slim: Json = {key: obj[key] for key in ("apiVersion", "kind") if key in obj}
    slim["metadata"] = {key: value for key, value in metadata_of(obj).items() if key in _KEPT}
    return {**slim, "data": kept} if kept else slim
