"""Rules about a pod template of the user: it can become pods, and leaves to the operator what the operator decides.

The pods are the user's own: which images, accounts and volumes they may use is decided by the cluster's Pod Security
admission, as for every pod. What is refused here would pass by the choice of nodes, claim another Workspace's pods, or
be refused by the API server later, when nobody looks any more.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from controller.api import labels
from controller.api.json import Json
from controller.api.messages import Problem, quote
from controller.api.reasons import Reason
from controller.planning.admission.findings import Finding, Rule, Subject
from controller.planning.admission.references import image_problem

OWN_DOMAIN: Final = "kaito.sh"
"""Labels of this domain and those in it state what belongs to whom."""

_TEMPLATE: Final = "inference.template"
_CONTAINERS: Final = f"{_TEMPLATE}.spec.containers"
_LISTS: Final = ("initContainers", "containers")
_GPUS: Final = frozenset({labels.NVIDIA_GPU, labels.AMD_GPU})
_SLICE: Final = "nvidia.com/mig-"
_DECIDED: Final[Mapping[str, tuple[str, str]]] = {
    "nodeName": (
        "it would pass by the choice of nodes and the scheduler",
        "remove it and use resource.preferredNodes or resource.labelSelector",
    ),
    "activeDeadlineSeconds": ("a served model runs until it is deleted, its pods have no end", "remove it"),
    "ephemeralContainers": ("they are added to a running pod, not to a template", "use initContainers or containers"),
}
"""Fields of a pod that a template cannot have: why, and what to do instead."""


def fields(subject: Subject) -> Iterator[Finding]:
    """Every field is one of Kubernetes, of its type."""
    yield from subject.template_problems


def containers(subject: Subject) -> Iterator[Finding]:
    """There is something to run."""
    spec = _spec(subject)
    if spec is None:
        return
    if not spec.get("containers"):
        what, why = f"{_CONTAINERS} is empty", "a pod runs 1 container or more"
        fix = f"set {_CONTAINERS}[0].name and .image"
        yield Problem(Reason.FIELD_REQUIRED, _CONTAINERS, what, why, (fix,))
        return
    for path, container in _each(spec):
        image = container.get("image")
        if not image:
            why = "it says what is run"
            yield Problem(Reason.FIELD_REQUIRED, f"{path}.image", f"{path}.image is missing", why, ("set it",))
        elif (problem := image_problem(image, f"{path}.image")) is not None:
            yield problem
    if not spec.get("resourceClaims") and not any(_asks_for_gpu(container) for _, container in _each(spec)):
        yield f"no container of {_TEMPLATE} has a limit for {labels.NVIDIA_GPU}: the GPUs of its nodes stay unused"


def decided(subject: Subject) -> Iterator[Finding]:
    """What the operator or Kubernetes decides is not in the template."""
    spec, template = _spec(subject), _template(subject)
    if spec is None or template is None:
        return
    for name, (why, fix) in _DECIDED.items():
        if spec.get(name):
            field = f"{_TEMPLATE}.spec.{name}"
            yield Problem(Reason.FIELD_NOT_ALLOWED, field, f"{field} is set", why, (fix,))
    policy = spec.get("restartPolicy")
    if policy and policy != "Always":
        field = f"{_TEMPLATE}.spec.restartPolicy"
        what, why = f"{field} is {quote(policy)}", "a served model is started again whenever it ends: Always"
        yield Problem(Reason.FIELD_NOT_ALLOWED, field, what, why, ("remove it",))
    for key in (template.get("metadata") or {}).get("labels") or ():
        domain = key.partition("/")[0]
        if "/" in key and (domain == OWN_DOMAIN or domain.endswith(f".{OWN_DOMAIN}")):
            field = f"{_TEMPLATE}.metadata.labels[{quote(key)}]"
            why = f"labels of {OWN_DOMAIN} say which Workspace a pod belongs to and are set by the controller"
            yield Problem(Reason.LABEL_RESERVED, field, f"{field} is reserved", why, ("remove it",))


RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "template-fields",
        (_TEMPLATE,),
        "A pod template holds only fields Kubernetes knows, each of its type, and none is missing.",
        (Reason.TEMPLATE_INVALID,),
        fields,
    ),
    Rule(
        "template-containers",
        (_CONTAINERS,),
        "A pod template has one container or more, each with an image; a template that asks for no GPU is told.",
        (Reason.FIELD_REQUIRED, Reason.IMAGE_INVALID),
        containers,
    ),
    Rule(
        "template-decided",
        (f"{_TEMPLATE}.spec", f"{_TEMPLATE}.metadata.labels"),
        "A pod template leaves node, restarts, end and ownership to the operator.",
        (Reason.FIELD_NOT_ALLOWED, Reason.LABEL_RESERVED),
        decided,
    ),
)
"""In the order in which their findings are shown."""


def _template(subject: Subject) -> Json | None:
    inference = subject.workspace.inference
    return inference.template if inference is not None else None


def _spec(subject: Subject) -> Json | None:
    """The pod of a template that reads well; None of any other, whose fields are told first."""
    template = _template(subject)
    if template is None or subject.template_problems:
        return None
    spec: Json = template.get("spec") or {}
    return spec


def _each(spec: Json) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name in _LISTS:
        for index, container in enumerate(spec.get(name) or ()):
            yield f"{_TEMPLATE}.spec.{name}[{index}]", container


def _asks_for_gpu(container: Mapping[str, Any]) -> bool:
    asked = (container.get("resources") or {}).get("limits") or {}
    return any(name in _GPUS or name.startswith(_SLICE) for name in asked)
