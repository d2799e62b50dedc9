"""The history of a Workspace: one ControllerRevision for every wish that was carried out.

A revision holds the Workspace as it can be applied again, so that going back is applying it. Of a ConfigMap the wish
names only a digest is kept, and Secrets are never read. The label is the one KAITO's revisions carry, so that the
history of a Workspace that was made by KAITO goes on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from controller.api import labels
from controller.api.json import Json, annotations_of, labels_of, name_of
from controller.api.messages import shorten
from controller.api.resources import CONTROLLER_REVISIONS, WORKSPACES
from controller.api.workspace import Workspace
from controller.planning.configs.lookup import named_config
from controller.planning.rendering.objects import digest
from controller.planning.site import Site
from controller.planning.target import Target, Training

LIMIT: Final = 10
"""Revisions of a Workspace that are kept."""

CAUSE: Final = "kubernetes.io/change-cause"
"""Annotation that says what was changed, as on revisions of Deployments."""

CONFIG_HASH: Final = "kaito.sh/config-hash"
"""Annotation with a digest of the ConfigMap's text; missing where no ConfigMap is used."""

CAUSE_CHARACTERS: Final = 400
"""Characters of a change's description that are kept."""

_BLOCKS: Final = ("resource", "inference", "tuning")
_OURS: Final = "kaito.sh/"
_TOLD: Final = 5
_DEPTH: Final = 4


@dataclass(frozen=True, slots=True)
class Wish:
    """What a Workspace asks for, in digests.

    Attributes:
        pods: of everything of the user's its pods depend on; another one means other pods.
        whole: of everything that is carried out, its Services and nodes included. A training run is carried out once,
            so that nothing but its own wish counts.
        config: of the text of the ConfigMap it names; empty where none is used.
        once: whether it is carried out once, as training is.
    """

    pods: str
    whole: str
    config: str = ""
    once: bool = False


def wish_of(workspace: Workspace, obj: Json, target: Target, site: Site) -> Wish:
    """The wish of a Workspace that can run.

    Args:
        workspace: the typed view of `obj`.
        obj: the Workspace as stored.
        target: what it resolves to.
        site: the installation it was resolved for.
    """
    named = named_config(workspace, site)
    config = "" if named is None else digest(named.text)
    if isinstance(target.work, Training):
        run = digest(target.work.intent)
        return Wish(run, run, config, once=True)
    blocks = {block: obj[block] for block in _BLOCKS if obj.get(block) is not None}
    resource = {key: value for key, value in (obj.get("resource") or {}).items() if key != "preferredNodes"}
    pods = [{**blocks, "resource": resource}, workspace.annotations.get(labels.RUNTIME), config]
    return Wish(digest(pods), digest([blocks, _effective(obj), config]), config)


def revision_name(workspace: Workspace, wish: Wish, applied: str) -> str:
    """The name of the revision of a wish.

    Args:
        workspace: whose history it belongs to.
        wish: what was asked for.
        applied: the digest of the workload it was carried out with; a newer operator may carry it out otherwise.
    """
    parts = [workspace.uid, wish.whole, "" if wish.once else applied]
    return f"{workspace.name}-{digest(parts)}"


def render_revision(workspace: Workspace, obj: Json, wish: Wish, name: str) -> Json:
    """The revision, but for its number and its cause."""
    owner = {"apiVersion": WORKSPACES.api_version, "kind": WORKSPACES.kind, "name": workspace.name}
    return {
        "apiVersion": CONTROLLER_REVISIONS.api_version,
        "kind": CONTROLLER_REVISIONS.kind,
        "metadata": {
            "name": name,
            "namespace": workspace.namespace,
            "labels": {labels.REVISION_OF: workspace.name},
            "annotations": {CONFIG_HASH: wish.config} if wish.config else {},
            "ownerReferences": [{**owner, "uid": workspace.uid, "controller": True}],
        },
        "data": appliable(obj),
    }


def appliable(obj: Json) -> Json:
    """The Workspace as its author would write it: without status and bookkeeping."""
    metadata: Json = {"name": name_of(obj), "namespace": obj["metadata"].get("namespace", "")}
    if labels_of(obj):
        metadata["labels"] = labels_of(obj)
    annotations = {key: value for key, value in annotations_of(obj).items() if not _is_bookkeeping(key)}
    if annotations:
        metadata["annotations"] = annotations
    blocks = {block: obj[block] for block in _BLOCKS if obj.get(block) is not None}
    return {"apiVersion": WORKSPACES.api_version, "kind": WORKSPACES.kind, "metadata": metadata, **blocks}


def next_revision(wanted: Json, history: Sequence[Json]) -> Json | None:
    """The revision to write, with number and cause; None where the newest already is the wanted one.

    An older revision that is wanted again gets the next number instead of a double, as with Deployments.

    Args:
        wanted: from `render_revision`.
        history: the Workspace's revisions, in any order.
    """
    newest = max(history, key=number_of, default=None)
    if newest is not None and name_of(newest) == name_of(wanted):
        return None
    again = next((each for each in history if name_of(each) == name_of(wanted)), None)
    cause = shorten(cause_of(newest, wanted, again), CAUSE_CHARACTERS)
    metadata = {**wanted["metadata"], "annotations": {**annotations_of(wanted), CAUSE: cause}}
    return {**wanted, "metadata": metadata, "revision": 1 if newest is None else number_of(newest) + 1}


def surplus(history: Sequence[Json], *, limit: int = LIMIT) -> list[Json]:
    """The oldest revisions beyond the number that is kept."""
    ordered = sorted(history, key=number_of, reverse=True)
    return ordered[limit:]


def number_of(revision: Json) -> int:
    """The number of a revision; 0 where it has none."""
    return int(revision.get("revision") or 0)


def cause_of(before: Json | None, wanted: Json, again: Json | None) -> str:
    """What makes a revision another one than the one before it, in words."""
    if before is None:
        return "first applied"
    one, other = before.get("data") or {}, wanted["data"]
    changed = [f"{path} {how}" for path, how in _differences(_compared(one), _compared(other), "")]
    if annotations_of(before).get(CONFIG_HASH) != annotations_of(wanted).get(CONFIG_HASH):
        changed.append("the contents of the ConfigMap changed")
    more = f" and {len(changed) - _TOLD} more" if len(changed) > _TOLD else ""
    unchanged = "the operator or its catalogue changed" if "kind" in one else "taken over from KAITO"
    text = ", ".join(changed[:_TOLD]) + more if changed else unchanged
    return f"back to revision {number_of(again)}: {text}" if again is not None else text


def _compared(data: Json) -> Json:
    """The parts of a revision that are compared; KAITO's revisions have no metadata."""
    blocks = {block: data[block] for block in _BLOCKS if data.get(block)}
    return {**blocks, "metadata": {"annotations": _effective(data)}}


def _effective(obj: Json) -> dict[str, str]:
    """The annotations that steer what is carried out."""
    return {
        key: value for key, value in annotations_of(obj).items() if key.startswith(_OURS) and not _is_bookkeeping(key)
    }


def _is_bookkeeping(key: str) -> bool:
    """Whether an annotation is no part of a wish: kubectl's and KAITO's own notes, and a pause."""
    return key in (labels.LAST_APPLIED, labels.PAUSED) or key.startswith(labels.KAITO_BOOKKEEPING)


def _differences(one: Any, other: Any, path: str, depth: int = 0) -> Iterator[tuple[str, str]]:
    """Where two JSON values differ, and how; nothing of the values themselves, which may be confidential."""
    if one == other or (not one and not other):
        return
    if isinstance(one, dict) and isinstance(other, dict) and depth < _DEPTH:
        for key in sorted({*one, *other}):
            inner = f"{path}[{key}]" if "/" in key else f"{path}.{key}" if path else key
            yield from _differences(one.get(key), other.get(key), inner, depth + 1)
        return
    yield path, "added" if not one else "removed" if not other else "changed"
