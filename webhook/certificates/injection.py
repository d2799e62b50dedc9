"""The trust bundle in the webhook configurations; pure.

A JSON patch touches `caBundle` and nothing else, and `test`s the webhook's name and the bundle it replaces: the
owner of the manifests can re-apply, reorder and remove entries without a fight, and no writer's bundle is lost unseen.
"""

import base64
import binascii
from collections.abc import Iterator
from typing import Any

from controller.api.json import Json


def bundle_patch(configuration: Json, bundle: bytes) -> list[Json]:
    """The operations that put the bundle into every entry that shows another one; empty when none does."""
    wanted = base64.b64encode(bundle).decode()
    operations: list[Json] = []
    for index, entry in enumerate(_entries(configuration)):
        client = entry.get("clientConfig")
        if isinstance(client, dict) and client.get("caBundle") != wanted:
            path = f"/webhooks/{index}/clientConfig/caBundle"
            operations.append({"op": "test", "path": f"/webhooks/{index}/name", "value": entry.get("name")})
            if client.get("caBundle"):
                operations.append({"op": "test", "path": path, "value": client["caBundle"]})
            operations.append({"op": "add", "path": path, "value": wanted})
    return operations


def trusts(configuration: Json, certificate: bytes) -> bool:
    """Whether every entry of the configuration trusts the certificate; one without entries calls nobody."""
    return all(certificate in _bundle(entry) for entry in _entries(configuration))


def _entries(configuration: Json) -> Iterator[Json]:
    return (entry for entry in configuration.get("webhooks") or [] if isinstance(entry, dict))


def _bundle(entry: dict[str, Any]) -> bytes:
    try:
        return base64.b64decode((entry.get("clientConfig") or {}).get("caBundle") or "")
    except (binascii.Error, ValueError, TypeError):
        return b""
