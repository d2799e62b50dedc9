"""Plain JSON objects of the Kubernetes API and the few questions every room asks of them."""

from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]
"""A decoded Kubernetes object, or a part of one. Objects out of a cache are shared: treat them as read-only."""

Key: TypeAlias = tuple[str, str]
"""(namespace, name); the namespace of a cluster-scoped object is the empty string."""


def metadata_of(obj: Json) -> Json:
    """The metadata of an object; empty when there is none."""
    metadata = obj.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def name_of(obj: Json) -> str:
    """metadata.name, or an empty string."""
    return str(metadata_of(obj).get("name") or "")


def namespace_of(obj: Json) -> str:
    """metadata.namespace, or an empty string for a cluster-scoped object."""
    return str(metadata_of(obj).get("namespace") or "")


def uid_of(obj: Json) -> str:
    """metadata.uid, or an empty string before the object is stored."""
    return str(metadata_of(obj).get("uid") or "")


def key_of(obj: Json) -> Key:
    """The object's (namespace, name)."""
    return namespace_of(obj), name_of(obj)


def labels_of(obj: Json) -> dict[str, str]:
    """metadata.labels, or an empty mapping."""
    return metadata_of(obj).get("labels") or {}


def annotations_of(obj: Json) -> dict[str, str]:
    """metadata.annotations, or an empty mapping."""
    return metadata_of(obj).get("annotations") or {}


def finalizers_of(obj: Json) -> list[str]:
    """metadata.finalizers, or an empty list."""
    return metadata_of(obj).get("finalizers") or []


def generation_of(obj: Json) -> int:
    """metadata.generation; 0 where the API server keeps none."""
    return int(metadata_of(obj).get("generation") or 0)


def version_of(obj: Json) -> str:
    """metadata.resourceVersion, or an empty string."""
    return str(metadata_of(obj).get("resourceVersion") or "")


def is_older(obj: Json, other: Json) -> bool:
    """Whether `obj` is an earlier state than `other` of the same object.

    Versions of one resource are comparable as decimal numbers (Kubernetes API concepts, resource versions); one that
    is no number says nothing.
    """
    one, another = version_of(obj), version_of(other)
    return one.isdecimal() and another.isdecimal() and int(one) < int(another)


def is_deleting(obj: Json) -> bool:
    """Whether the object carries a deletion timestamp."""
    return bool(metadata_of(obj).get("deletionTimestamp"))
