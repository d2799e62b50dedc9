"""What every object of a Workspace has in common: name, labels, owner, and a digest of itself."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from types import MappingProxyType
from typing import Any, Final

from controller.api import labels
from controller.api.json import Json
from controller.api.resources import WORKSPACES, Resource
from controller.api.workspace import Workspace

APPLIED_HASH: Final = "kaito.sh/applied-hash"
"""Annotation with a digest of the whole object as applied, so that a field that was dropped counts as a change."""


def make_object(
    resource: Resource,
    workspace: Workspace,
    spec: Json,
    *,
    name: str = "",
    annotations: Mapping[str, str] = MappingProxyType({}),
) -> Json:
    """An object of the Workspace, owned by it and sealed with its digest.

    Args:
        resource: the kind.
        workspace: the owner.
        spec: the object's `spec`.
        name: its name; the Workspace's unless given.
        annotations: what else its annotations say.
    """
    owner = {
        "apiVersion": WORKSPACES.api_version,
        "kind": WORKSPACES.kind,
        "name": workspace.name,
        "uid": workspace.uid,
        "controller": True,
    }
    metadata: Json = {
        "name": name or workspace.name,
        "namespace": workspace.namespace,
        "labels": owned_labels(workspace),
        "ownerReferences": [owner],
    }
    obj: Json = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, "spec": spec}
    return _sealed(obj, annotations)


def resealed(obj: Json) -> Json:
    """An object whose fields were changed after it was made, with the digest of what it is now."""
    metadata = dict(obj["metadata"])
    annotations = {key: value for key, value in metadata.pop("annotations").items() if key != APPLIED_HASH}
    return _sealed({**obj, "metadata": metadata}, annotations)


def _sealed(obj: Json, annotations: Mapping[str, str]) -> Json:
    sealed = {**annotations, APPLIED_HASH: digest([obj, dict(annotations)])}
    return {**obj, "metadata": {**obj["metadata"], "annotations": sealed}}


def owned_labels(workspace: Workspace) -> dict[str, str]:
    """The labels of everything that belongs to the Workspace, by which its pods are selected too."""
    return {labels.WORKSPACE: workspace.name}


def digest(value: Any) -> str:
    """16 hexadecimal digits that change with the JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def stated(value: Any) -> Any:
    """A typed value as JSON for a digest, of its fields only those that are set.

    A field that a later version adds, with its default, leaves digests as they are: nothing is rolled out or trained
    anew by an upgrade. JSON within, such as a volume of the user's, stays as written.
    """
    if isinstance(value, tuple):
        return [stated(each) for each in value]
    if not is_dataclass(value):
        return value
    held = {each.name: (getattr(value, each.name), _unset(each)) for each in fields(value)}
    return {name: stated(found) for name, (found, unset) in held.items() if found != unset}


def _unset(field: Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def without_empty(found: Json) -> Json:
    """The fields that hold something: an empty value is not stored, and would look like a difference for ever."""
    return {key: value for key, value in found.items() if value not in ({}, [], "", None)}
