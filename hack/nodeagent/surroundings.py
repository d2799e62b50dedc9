"""What a container finds around it: environment, arguments and files, out of its Pod's description."""

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from controller.api.json import Json, name_of, namespace_of, uid_of

_REFERENCE: Final = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)")

_LISTENERS: Final = {
    "KAITO_BIND_ADDRESS": "webhook",
    "KAITO_METRICS_BIND_ADDRESS": "metrics",
    "KAITO_HEALTH_PROBE_BIND_ADDRESS": "probes",
}
"""Environment of our programs by the names of their containers' ports: what a network namespace would make needless."""


class UnsupportedError(Exception):
    """A Pod asks for something this agent does not do; the message names it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one pod runs.

    Attributes:
        address: the pod's, as Kubernetes knows it.
        local: the address of the loopback interface behind it.
        node: name of the Node.
        kubeconfig: how its service account reaches the API server, in the place of the files a kubelet mounts.
        volumes: folder with a folder per volume.
    """

    address: str
    local: str
    node: str
    kubeconfig: Path
    volumes: Path


def environment(pod: Json, place: Place, config_maps: Mapping[str, Json]) -> dict[str, str]:
    """The container's environment.

    Args:
        pod: the Pod.
        place: where it runs.
        config_maps: the ConfigMaps of its namespace by name.

    Raises:
        UnsupportedError: a source that is not supported, or that is missing.
    """
    container = container_of(pod)
    found: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        found |= _data(config_maps, source.get("configMapRef", {}).get("name", ""))
    for variable in container.get("env", ()):
        found[variable["name"]] = _value(variable, pod, place, config_maps)
    ports = {port["name"]: port["containerPort"] for port in container.get("ports", ())}
    listeners = {name: f"{place.local}:{ports[port]}" for name, port in _LISTENERS.items() if port in ports}
    return found | listeners | {"KAITO_KUBECONFIG": str(place.kubeconfig)}


def arguments(pod: Json, place: Place, variables: Mapping[str, str]) -> list[str]:
    """Command and arguments, with references to variables resolved and paths of mounts replaced by those of here."""
    container = container_of(pod)
    mounts = {mount["mountPath"]: place.volumes / mount["name"] for mount in container.get("volumeMounts", ())}
    return [
        _moved(_REFERENCE.sub(lambda match: variables.get(match[1], match[0]), word), mounts)
        for word in (*container.get("command", ()), *container.get("args", ()))
    ]


def secret_volumes(pod: Json) -> dict[str, str]:
    """Name of the Secret by name of the volume.

    Raises:
        UnsupportedError: a volume that is neither a Secret nor made of projections, whose token we pass otherwise.
    """
    found = {}
    for volume in pod["spec"].get("volumes", ()):
        if "secret" in volume:
            found[volume["name"]] = volume["secret"]["secretName"]
        elif "projected" not in volume:
            raise UnsupportedError(f"volume {volume['name']} of Pod {name_of(pod)}: {', '.join(volume)}")
    return found


def write_secret(folder: Path, secret: Json) -> None:
    """The Secret's entries as files."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, value in (secret.get("data") or {}).items():
        (folder / name).write_bytes(base64.b64decode(value))


def container_of(pod: Json) -> Json:
    """The only container.

    Raises:
        UnsupportedError: there are several, or containers that run before it.
    """
    containers: list[Json] = pod["spec"]["containers"]
    if len(containers) > 1 or pod["spec"].get("initContainers"):
        raise UnsupportedError(f"Pod {name_of(pod)} has more than one container")
    return containers[0]


def _value(variable: Json, pod: Json, place: Place, config_maps: Mapping[str, Json]) -> str:
    source = variable.get("valueFrom")
    if source is None:
        return str(variable.get("value", ""))
    if "fieldRef" in source:
        fields = {
            "metadata.name": name_of(pod),
            "metadata.namespace": namespace_of(pod),
            "metadata.uid": uid_of(pod),
            "spec.nodeName": place.node,
            "status.podIP": place.address,
        }
        path = source["fieldRef"]["fieldPath"]
        if path in fields:
            return fields[path]
    if "configMapKeyRef" in source:
        reference = source["configMapKeyRef"]
        return _data(config_maps, reference["name"])[reference["key"]]
    raise UnsupportedError(f"variable {variable['name']} of Pod {name_of(pod)}: {source}")


def _data(config_maps: Mapping[str, Json], name: str) -> dict[str, str]:
    if name not in config_maps:
        raise UnsupportedError(f"environment from ConfigMap {name!r}, which does not exist")
    return config_maps[name].get("data") or {}


def _moved(word: str, mounts: Mapping[str, Path]) -> str:
    for path, folder in _longest_first(mounts.items()):
        word = re.sub(rf"(?<![\w/]){re.escape(path)}(?=/|$)", str(folder), word)
    return word


def _longest_first(mounts: Iterable[tuple[str, Path]]) -> list[tuple[str, Path]]:
    return sorted(mounts, key=lambda mount: -len(mount[0]))
