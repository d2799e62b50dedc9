"""Where the internet cannot be reached, no image comes from there: neither the installation's nor a Workspace's."""

import pytest

from controller.catalog import load_catalog
from controller.planning.registries import Registries, parse_rewrites
from controller.planning.rendering.images import PULLER, PUSHER
from tests.manifests.building import build, of_kind, pod_template

MIRROR = "registry.example.com/"
OVERLAY = build("overlays/air-gapped")
OPTION = "--registry-rewrite="
WITH_PODS = ("DaemonSet", "Deployment", "Job", "StatefulSet")


def published() -> set[str]:
    """Every image that the controller may write into a pod."""
    presets = load_catalog().presets.values()
    images = {preset.image for preset in presets}
    images |= {edition.image for preset in presets for edition in preset.alternatives}
    images |= {preset.tuning.image for preset in presets if preset.tuning}
    return {image.reference for image in images if image is not None} | {PULLER, PUSHER}


def test_every_pod_of_the_manifests_is_from_the_mirror() -> None:
    pods = [pod_template(item)["spec"] for kind in WITH_PODS for item in of_kind(OVERLAY, kind)]
    containers = [item for pod in pods for field in ("initContainers", "containers") for item in pod.get(field) or ()]
    assert containers
    assert [item["image"] for item in containers if not item["image"].startswith(MIRROR)] == []


@pytest.mark.parametrize("image", sorted(published()))
def test_what_the_controller_writes_is_from_the_mirror(image: str) -> None:
    (controller,) = (item for item in of_kind(OVERLAY, "Deployment") if item["metadata"]["name"] == "kaito-controller")
    (option,) = (arg for arg in pod_template(controller)["spec"]["containers"][0]["args"] if arg.startswith(OPTION))
    registries = Registries(parse_rewrites(option.removeprefix(OPTION)))
    assert registries.image(image).startswith(MIRROR)
