"""Every image the project chooses comes from the installation's copies; those of users stay as they are written."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from controller.api.json import Json, annotations_of
from controller.api.workspace import parse_workspace
from controller.planning.registries import Registries, parse_rewrites
from controller.planning.rendering import APPLIED_HASH, Rendering, render
from controller.planning.rendering.images import PULLER, PUSHER
from tests.unit.planning.rendering.kit import manifest, pod, rendered, served, target_of, tuned

COPIES = "copies.example.com"
REWRITES = parse_rewrites(",".join(f"{host}={COPIES}" for host in ("mcr.microsoft.com", "docker.io", "ghcr.io")))
OWN = "own.example.com/model:1"
PRIVATE = {
    "name": "phi-3-mini-4k-instruct",
    "accessMode": "private",
    "presetOptions": {"image": OWN, "imagePullSecrets": ["mine"]},
}
ADAPTERS = [{"source": {"name": "poet", "image": "mcr.microsoft.com/users/poet:1"}}]


def pulled(obj: Json, *secrets: str) -> Rendering:
    """The objects of a manifest where there are copies of all images."""
    target = replace(target_of(obj), registries=Registries(REWRITES, secrets))
    return render(parse_workspace(obj), target)


def images(found: Rendering) -> set[str]:
    containers: list[dict[str, Any]] = [*pod(found)["containers"], *pod(found).get("initContainers", [])]
    return {container["image"] for container in containers}


KINDS = pytest.mark.parametrize(
    "obj",
    [
        served("phi-3-mini-4k-instruct"),
        served("phi-3-mini-128k-instruct", adapters=ADAPTERS),
        manifest("Standard_ND96isr_H100_v5", 2, inference={"preset": {"name": "deepseek-r1-0528"}}),
        tuned(),
    ],
    ids=["server", "adapters", "several nodes", "training"],
)


@KINDS
def test_every_image_we_choose_names_its_release(obj: Json) -> None:
    for image in images(rendered(obj)):
        assert re.search(r":v?\d+\.\d+\.\d+(-\d+)?$", image), f"{image} is another one tomorrow"


@KINDS
def test_every_image_we_choose_is_a_copy_and_nothing_else_changes(obj: Json) -> None:
    published, copied = rendered(obj), pulled(obj)
    assert {image.partition("/")[0] for image in images(copied)} == {COPIES}
    assert {image.partition("/")[2] for image in images(copied)} == {
        image.partition("/")[2] for image in images(published)
    }
    assert copied.services == published.services
    one, other = (annotations_of(found.workload)[APPLIED_HASH] for found in (published, copied))
    assert one != other, "the digest of the object must tell the two apart"


def test_images_of_users_stay_and_so_do_those_their_containers_are_told_to_fetch() -> None:
    found = pulled(served("phi-3-mini-4k-instruct", adapters=ADAPTERS) | {"inference": {
        "preset": PRIVATE, "adapters": ADAPTERS,
    }})  # fmt: skip
    (server,), (puller,) = pod(found)["containers"], pod(found)["initContainers"]
    assert server["image"] == OWN
    assert puller["image"] == f"{COPIES}/aks/skopeo:1.14.4-6"
    assert "mcr.microsoft.com/users/poet:1" in puller["command"]


def test_a_template_is_left_alone() -> None:
    spec = {"containers": [{"name": "a", "image": "docker.io/a:1", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}
    obj = manifest(inference={"template": {"spec": spec}})
    assert pulled(obj, "key") == rendered(obj)


def test_the_installations_secrets_come_after_the_users() -> None:
    obj = served("phi-3-mini-4k-instruct") | {"inference": {"preset": PRIVATE}}
    assert pod(pulled(obj, "key", "mine"))["imagePullSecrets"] == [{"name": "mine"}, {"name": "key"}]
    assert pod(pulled(tuned(), "key"))["imagePullSecrets"] == [{"name": "key"}]


@pytest.mark.parametrize("image", [PULLER, PUSHER])
def test_the_page_about_registries_names_the_small_programs_to_copy(image: str) -> None:
    page = Path(__file__).parents[4] / "docs/how-to/private-registries.md"
    assert f"`{image}`" in page.read_text(encoding="utf-8")
