"""The images of the small programs that carry data in and out: pinned, public, and named in this one place.

All published images can be pulled from an installation's own copies of them.
"""

from typing import Final

from controller.api.json import Json
from controller.planning.registries import PUBLISHED, Registries
from controller.planning.rendering.objects import resealed
from controller.planning.rendering.parts import secret_references

PULLER: Final = "mcr.microsoft.com/aks/skopeo:1.14.4-6"
"""skopeo, tar and a shell: fetches images and unpacks them. The image KAITO uses."""

PUSHER: Final = "ghcr.io/oras-project/oras:v1.2.2"
"""oras, tar and a shell: pushes an adapter as an image. The image KAITO uses."""


def relocated(workload: Json, registries: Registries, own: str) -> Json:
    """The workload with every image from where the installation pulls it, and what it is pulled with.

    Args:
        workload: what makes the pods.
        registries: where published images come from.
        own: the image the user brings for the model, which is left as it is; empty for none.
    """
    if registries == PUBLISHED:
        return workload
    template = workload["spec"]["template"]
    pod = dict(template["spec"])
    for field in ("initContainers", "containers"):
        if field in pod:
            pod[field] = [_relocated(container, registries, own) for container in pod[field]]
    secrets = (*(each["name"] for each in pod.get("imagePullSecrets", [])), *registries.pull_secrets)
    if secrets:
        pod["imagePullSecrets"] = secret_references(secrets)
    return resealed({**workload, "spec": {**workload["spec"], "template": {**template, "spec": pod}}})


def _relocated(container: Json, registries: Registries, own: str) -> Json:
    image = container["image"]
    return container if image == own else {**container, "image": registries.image(image)}
