"""The project's manifests, made local: no Deployments, and webhooks by URL instead of by Service."""

import copy
from pathlib import Path
from typing import Any

import yaml

from hack.devcluster.commands import kubectl, kubectl_path, run
from hack.devcluster.layout import REPOSITORY, Layout

Json = dict[str, Any]

_APPLY = ("apply", "--server-side", "--field-manager=devcluster", "-f")
_WEBHOOK_KINDS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")


async def render() -> list[Json]:
    """Every object of `manifests/base`.

    Raises:
        CommandError: the kustomization does not build.
    """
    text = await run(str(kubectl_path()), "kustomize", str(REPOSITORY / "manifests" / "base"))
    return [document for document in yaml.safe_load_all(text) if document]


def deployments(objects: list[Json]) -> dict[str, Json]:
    """The Deployments by name: our programs are started after their description."""
    return {item["metadata"]["name"]: item for item in objects if item["kind"] == "Deployment"}


def localized(objects: list[Json], webhook_url: str) -> list[Json]:
    """The objects to apply here.

    Args:
        objects: what `render` gave; not changed.
        webhook_url: what the webhook configurations call, without a path.
    """
    kept = [copy.deepcopy(item) for item in objects if item["kind"] != "Deployment"]
    for item in kept:
        if item["kind"] in _WEBHOOK_KINDS:
            for webhook in item["webhooks"]:
                service = webhook["clientConfig"].pop("service")
                webhook["clientConfig"]["url"] = webhook_url + service.get("path", "")
    return kept


async def apply_file(layout: Layout, path: Path) -> None:
    """Apply the objects of one file.

    Raises:
        CommandError: something was refused.
    """
    await kubectl(layout, *_APPLY, str(path))


async def apply(layout: Layout, objects: list[Json]) -> None:
    """Apply the objects and wait until the API server serves their CustomResourceDefinitions.

    Raises:
        CommandError: something was refused, or a definition is not served within 30 s.
    """
    await kubectl(layout, *_APPLY, "-", stdin=yaml.safe_dump_all(objects, sort_keys=False))
    definitions = [item["metadata"]["name"] for item in objects if item["kind"] == "CustomResourceDefinition"]
    if definitions:
        names = [f"crd/{name}" for name in definitions]
        await kubectl(layout, "wait", "--for=condition=Established", "--timeout=30s", *names)
