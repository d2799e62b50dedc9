"""Which Kubernetes volumes hold data of a Workspace.

A `volumeSource` is read exactly, and must stay inside the Workspace's namespace and keep what is stored in it:

- persistentVolumeClaim, configMap, secret, azureFile, csi, downwardAPI name objects of the pod's own namespace and
  cannot name others. projected bundles such objects; the identities it can bundle too are refused, since nothing that
  reads data needs one.
- ephemeral makes a claim of its own, in the same namespace; filling it from another namespace is refused.
- emptyDir starts empty and ends with the pod: told, since nothing can be read from it or found in it later.
- image is an OCI artifact that the kubelet pulls; nfs names a server, whose exports decide who may mount. Both are
  reached from any pod's network too.
- hostPath is refused: the files of a node belong to every tenant on it. So are disks and shares named by their own
  address (azureDisk, awsElasticBlockStore, iscsi and the like): nothing ties them to a namespace, an administrator's
  PersistentVolume does. What Kubernetes no longer mounts is refused by name.

Source: Kubernetes documentation of volumes and of the Pod Security Standards.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from controller.api.json import Json
from controller.api.messages import Problem, quote
from controller.api.reasons import Reason
from controller.planning.admission.findings import Finding
from controller.planning.admission.references import image_problem, name_problem
from controller.planning.admission.strict import VOLUME_SOURCE, misfits


class Access(StrEnum):
    """What a volume is for."""

    READ = "read from"
    WRITE = "written to"


ALLOWED: Final = (
    "persistentVolumeClaim",
    "csi",
    "nfs",
    "azureFile",
    "ephemeral",
    "emptyDir",
    "configMap",
    "secret",
    "projected",
    "downwardAPI",
    "image",
)
"""Volume sources that are taken, the usual one first."""

READ_ONLY: Final = frozenset({"configMap", "secret", "projected", "downwardAPI", "image"})
"""Volume sources pods cannot write to."""

FLEETING: Final = frozenset({"emptyDir", "ephemeral"})
"""Volume sources that begin empty with each pod and end with it."""

GONE: Final = frozenset(
    {
        "cephfs",
        "flocker",
        "gitRepo",
        "glusterfs",
        "photonPersistentDisk",
        "quobyte",
        "rbd",
        "scaleIO",
        "storageos",
    }
)
"""Volume sources Kubernetes knew and no longer mounts."""

_PROJECTED: Final = frozenset({"configMap", "secret", "downwardAPI"})
_NAMES: Final = (
    ("persistentVolumeClaim", ("claimName",), "PersistentVolumeClaim"),
    ("configMap", ("name",), "ConfigMap"),
    ("secret", ("secretName",), "Secret"),
    ("azureFile", ("secretName",), "Secret"),
    ("csi", ("nodePublishSecretRef", "name"), "Secret"),
)
"""Where a volume source names an object of the namespace: source, path inside it, kind of the object."""

_NEEDED: Final = {
    "configMap": "name",
    "secret": "secretName",
    "ephemeral": "volumeClaimTemplate",
    "image": "reference",
}
"""Fields Kubernetes requires of a volume although its types do not say so."""

_FIX: Final = "use persistentVolumeClaim: {claimName: …} with a claim of the Workspace's namespace"


@dataclass(frozen=True, slots=True)
class _Volume:
    source: str
    content: Json
    field: str
    namespace: str

    @property
    def path(self) -> str:
        return f"{self.field}.{self.source}"


def volume_findings(volume: Json, field: str, *, access: Access, namespace: str) -> Iterator[Finding]:
    """What is wrong with a volume, and what its author should know.

    Args:
        volume: the `volumeSource`.
        field: where it stands.
        access: what it is for.
        namespace: the Workspace's own.
    """
    unread = False
    for problem in misfits(volume, VOLUME_SOURCE, field, Reason.VOLUME_INVALID):
        unread = True
        yield problem
    sources = [name for name, content in volume.items() if content is not None]
    if unread:
        return
    if len(sources) != 1:
        named = ", ".join(sources[:5]) or "none"
        what, why = f"{field} names {len(sources)} volumes ({named})", "it is exactly 1 of the sources Kubernetes knows"
        yield Problem(Reason.VOLUME_INVALID, field, what, why, (_FIX,))
        return
    found = _Volume(sources[0], volume[sources[0]], field, namespace)
    refusal = _refused(found) or _unwritable(found, access) or _incomplete(found)
    if refusal is not None:
        yield refusal
        return
    yield from _names(found)
    if found.source in FLEETING:
        yield f"{found.path} is empty in every new pod: {_LOST[access]}"


_LOST: Final = {Access.READ: "there is nothing to read from it", Access.WRITE: "the result is lost with the pod"}


def _refused(volume: _Volume) -> Problem | None:
    if volume.source == "hostPath":
        why = "it opens files of the node, which belong to every tenant on it"
    elif volume.source in GONE:
        why = "Kubernetes no longer mounts such volumes"
    elif volume.source not in ALLOWED:
        why = "it names storage by its own address, which nothing ties to this namespace"
    elif (foreign := _foreign(volume)) is not None:
        return foreign
    else:
        return None
    return Problem(Reason.VOLUME_NOT_ALLOWED, volume.path, f"{volume.path} is not mounted", why, (_FIX,))


def _foreign(volume: _Volume) -> Problem | None:
    if volume.source == "ephemeral":
        origin = _at(volume.content, ("volumeClaimTemplate", "spec", "dataSourceRef", "namespace"))
        if origin and origin != volume.namespace:
            field = f"{volume.path}.volumeClaimTemplate.spec.dataSourceRef.namespace"
            why = "data of other namespaces are not mounted"
            return Problem(
                Reason.VOLUME_NOT_ALLOWED, field, f"{field} is {quote(origin)}", why, (f"remove {field}", _FIX)
            )
    if volume.source == "projected":
        for index, bundled in enumerate(volume.content.get("sources") or ()):
            for name in (each for each in bundled if bundled[each] is not None and each not in _PROJECTED):
                field = f"{volume.path}.sources[{index}].{name}"
                why = f"only {', '.join(sorted(_PROJECTED))} hold data; nothing that reads data needs an identity"
                return Problem(
                    Reason.VOLUME_NOT_ALLOWED, field, f"{field} is not mounted", why, (f"remove {field}", _FIX)
                )
    return None


def _unwritable(volume: _Volume, access: Access) -> Problem | None:
    if access is not Access.WRITE:
        return None
    if volume.source in READ_ONLY:
        field, what = volume.path, f"{volume.path} cannot be written to"
        return Problem(Reason.VOLUME_NOT_ALLOWED, field, what, "the result of the training is stored in it", (_FIX,))
    if volume.content.get("readOnly") is True:
        field = f"{volume.path}.readOnly"
        why = "the result of the training is stored in the volume"
        return Problem(Reason.VOLUME_NOT_ALLOWED, field, f"{field} is true", why, (f"remove {field}",))
    return None


def _incomplete(volume: _Volume) -> Problem | None:
    needed = _NEEDED.get(volume.source)
    if needed is None or volume.content.get(needed):
        return None
    field = f"{volume.path}.{needed}"
    return Problem(Reason.VOLUME_INVALID, field, f"{field} is missing", "Kubernetes requires it", (f"set {field}",))


def _names(volume: _Volume) -> Iterator[Problem]:
    for source, path, thing in _NAMES:
        if source == volume.source and (name := _at(volume.content, path)) is not None:
            yield from _wrong(name_problem(name, ".".join((volume.path, *path)), thing))
    if volume.source == "image" and (reference := volume.content.get("reference")) is not None:
        yield from _wrong(image_problem(reference, f"{volume.path}.reference"))
    if volume.source == "projected":
        for index, bundled in enumerate(volume.content.get("sources") or ()):
            for key, thing in (("configMap", "ConfigMap"), ("secret", "Secret")):
                if (name := _at(bundled, (key, "name"))) is not None:
                    yield from _wrong(name_problem(name, f"{volume.path}.sources[{index}].{key}.name", thing))


def _wrong(problem: Problem | None) -> Iterator[Problem]:
    if problem is not None:
        yield problem


def _at(content: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        if not isinstance(content, dict):
            return None
        content = content.get(key)
    return content
