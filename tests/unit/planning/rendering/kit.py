"""A Workspace rendered as the controller does it, admission included."""

from collections.abc import Mapping
from typing import Any

from controller.api.json import Json
from controller.api.workspace import parse_workspace
from controller.catalog import load_catalog
from controller.planning.configs import INFERENCE_KEY, TRAINING_KEY
from controller.planning.rendering import Rendering, render
from controller.planning.resolving import resolve
from controller.planning.site import Site
from controller.planning.target import Target
from tests.unit.planning.builders import V100, workspace_object

CATALOG = load_catalog()
A10 = "Standard_NV36ads_A10_v5"
A100 = "Standard_NC24ads_A100_v4"
A100_4 = "Standard_NC96ads_A100_v4"
SELECTOR = {"matchLabels": {"apps": "phi-3"}}


def manifest(
    sku: str = V100, count: int | None = None, annotations: Mapping[str, str] | None = None, **work: Any
) -> Json:
    """A Workspace on a number of nodes of a size; `work` is its `inference` or `tuning`, the example's unless given."""
    obj = workspace_object(resource={"instanceType": sku, "labelSelector": SELECTOR})
    if count is not None:
        obj["resource"]["count"] = count
    if annotations:
        obj["metadata"]["annotations"] = dict(annotations)
    if work:
        del obj["inference"]
    return {**obj, **work}


def target_of(obj: Json, config: str | None = None, **site: Any) -> Target:
    """The target of a manifest, whose ConfigMap, where it names one, holds a text; `site` is said of the place."""

    def config_maps(namespace: str, name: str) -> Mapping[str, str] | None:
        return None if config is None else {INFERENCE_KEY: config, TRAINING_KEY: config}

    found = resolve(parse_workspace(obj), obj, Site(CATALOG, config_maps=config_maps, **site))
    assert isinstance(found, Target), f"found wanting: {[problem.text for problem in found]}"
    return found


def rendered(obj: Json, config: str | None = None, **site: Any) -> Rendering:
    """The objects of a manifest."""
    return render(parse_workspace(obj), target_of(obj, config, **site))


def served(name: str, sku: str = A100, **more: Any) -> Json:
    """A manifest that serves a preset."""
    return manifest(sku, inference={"preset": {"name": name}, **more})


def tuned(method: str = "qlora", **more: Any) -> Json:
    """A manifest that tunes the example's model from a URL into an image."""
    tuning = {
        "preset": {"name": "phi-3-mini-4k-instruct"},
        "method": method,
        "input": {"urls": ["https://data.example.com/a.parquet?sig=1"]},
        "output": {"image": "registry.example.com/out/adapter:1", "imagePushSecret": "push"},
        **more,
    }
    return manifest(tuning=tuning)


def pod(found: Rendering) -> Json:
    """The pod's `spec`."""
    spec = found.workload["spec"]["template"]["spec"]
    assert isinstance(spec, dict)
    return spec


def server(found: Rendering) -> Json:
    """The one container of the pod."""
    (container,) = pod(found)["containers"]
    assert isinstance(container, dict)
    return container
