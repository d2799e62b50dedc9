"""Rules about where data come from and go to: addresses, images, volumes and the Secrets that open them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from controller.api.reasons import Reason
from controller.api.workspace import DataSource
from controller.planning.admission.findings import Cel, Finding, Rule, Subject
from controller.planning.admission.references import image_problem, name_problem
from controller.planning.admission.volumes import Access, volume_findings
from controller.planning.names import IMAGE_PATTERN, SUBDOMAIN_PATTERN
from controller.planning.urls import url_problem

INPUT: Final = "tuning.input"
OUTPUT: Final = "tuning.output"

_SOURCES: Final = ("inference.adapters[].source", INPUT)
_HOLDERS: Final = (*_SOURCES, OUTPUT)


@dataclass(frozen=True, slots=True)
class Place:
    """A source of data and where it stands in the manifest."""

    field: str
    source: DataSource


def places(subject: Subject) -> Iterator[Place]:
    """Every source of data of a Workspace, in the order of the manifest."""
    workspace = subject.workspace
    for index, adapter in enumerate(workspace.inference.adapters if workspace.inference is not None else ()):
        if adapter.source is not None:
            yield Place(f"inference.adapters[{index}].source", adapter.source)
    if workspace.tuning is not None and workspace.tuning.input is not None:
        yield Place(INPUT, workspace.tuning.input)


def addresses(subject: Subject) -> Iterator[Finding]:
    """Data of a training run are fetched from public addresses only."""
    tuning = subject.workspace.tuning
    for index, url in enumerate(tuning.input.urls if tuning is not None and tuning.input is not None else ()):
        problem = url_problem(url, f"{INPUT}.urls[{index}]")
        if problem is not None:
            yield problem


def images(subject: Subject) -> Iterator[Finding]:
    """An image can be pulled or pushed under the name written."""
    written = [(place.source.image, f"{place.field}.image") for place in places(subject)]
    tuning = subject.workspace.tuning
    if tuning is not None and tuning.output is not None:
        written.append((tuning.output.image, f"{OUTPUT}.image"))
    for image, field in written:
        problem = image_problem(image, field) if image else None
        if problem is not None:
            yield problem


def volumes(subject: Subject) -> Iterator[Finding]:
    """A volume is one Kubernetes can mount, of the Workspace's own namespace, and fit for its purpose."""
    namespace = subject.workspace.namespace
    for place in places(subject):
        if place.source.volume is not None:
            field = f"{place.field}.volumeSource"
            yield from volume_findings(place.source.volume, field, access=Access.READ, namespace=namespace)
    tuning = subject.workspace.tuning
    if tuning is not None and tuning.output is not None and tuning.output.volume is not None:
        yield from volume_findings(
            tuning.output.volume, f"{OUTPUT}.volumeSource", access=Access.WRITE, namespace=namespace
        )


def secrets(subject: Subject) -> Iterator[Finding]:
    """Secrets are named, without a namespace: they are the Workspace's own."""
    written = [
        (secret, f"{place.field}.imagePullSecrets[{index}]")
        for place in places(subject)
        for index, secret in enumerate(place.source.image_pull_secrets)
    ]
    tuning = subject.workspace.tuning
    if tuning is not None and tuning.output is not None and tuning.output.image_push_secret:
        written.append((tuning.output.image_push_secret, f"{OUTPUT}.imagePushSecret"))
    for secret, field in written:
        problem = name_problem(secret, field, "Secret")
        if problem is not None:
            yield problem
    for place in places(subject):
        if place.source.image_pull_secrets and not place.source.image:
            yield f"{place.field}.imagePullSecrets is not used: {place.field}.image is not set"


def _fields(holders: tuple[str, ...], field: str) -> tuple[str, ...]:
    return tuple(f"{holder}.{field}" for holder in holders)


RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "data-addresses",
        _fields((INPUT,), "urls"),
        "Data are fetched over http or https from public addresses, whose names are not resolved.",
        (Reason.URL_INVALID, Reason.URL_NOT_ALLOWED),
        addresses,
        cel=(
            Cel(
                INPUT,
                "!has(self.urls) || self.urls.all(url, url.matches('^[hH][tT][tT][pP][sS]?://[^/?#@ ]+([/?#]|$)'))",
                f"urls must be absolute http or https addresses without a user ({Reason.URL_INVALID})",
                ".urls",
            ),
        ),
    ),
    Rule(
        "data-images",
        _fields(_HOLDERS, "image"),
        "An image has the form registry/path:tag; a placeholder left in a manifest is named.",
        (Reason.IMAGE_INVALID,),
        images,
        cel=tuple(
            Cel(
                holder,
                f"!has(self.image) || self.image == '' || self.image.matches('^(?:{IMAGE_PATTERN})$')",
                f"image must be an image reference such as registry/path:tag ({Reason.IMAGE_INVALID})",
                ".image",
            )
            for holder in _HOLDERS
        ),
    ),
    Rule(
        "data-volumes",
        _fields(_HOLDERS, "volumeSource"),
        "A volume is exactly one source Kubernetes can mount, read without unknown fields, inside the namespace; what "
        "is written to keeps it.",
        (Reason.VOLUME_INVALID, Reason.VOLUME_NOT_ALLOWED, Reason.NAME_INVALID, Reason.IMAGE_INVALID),
        volumes,
    ),
    Rule(
        "data-secrets",
        (*_fields(_SOURCES, "imagePullSecrets"), f"{OUTPUT}.imagePushSecret"),
        "Secrets that open registries are names of Secrets in the Workspace's namespace.",
        (Reason.NAME_INVALID,),
        secrets,
        cel=(
            *(
                Cel(
                    source,
                    "!has(self.imagePullSecrets) || "
                    f"self.imagePullSecrets.all(name, name.matches('^{SUBDOMAIN_PATTERN}$'))",
                    f"imagePullSecrets must be names of Secrets ({Reason.NAME_INVALID})",
                    ".imagePullSecrets",
                )
                for source in _SOURCES
            ),
            Cel(
                OUTPUT,
                "!has(self.imagePushSecret) || self.imagePushSecret == '' || "
                f"self.imagePushSecret.matches('^{SUBDOMAIN_PATTERN}$')",
                f"imagePushSecret must be the name of a Secret ({Reason.NAME_INVALID})",
                ".imagePushSecret",
            ),
        ),
    ),
)
"""In the order in which their findings are shown."""
