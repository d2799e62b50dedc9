"""Rules about how the parts of a pod template go together: names, volumes, labels, resources, and the GPUs of a node.

The API server asks the same of every pod, but only once the nodes are there and paid for, and of the controller
instead of the author. Source: kubernetes/kubernetes `pkg/apis/core/validation`.
"""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, Final

from controller.api import labels
from controller.api.json import Json
from controller.api.messages import Problem, quote
from controller.api.quantity import parse_quantity
from controller.api.reasons import Reason
from controller.planning.admission.findings import Finding, Rule, Subject
from controller.planning.names import LABEL_LENGTH, is_dns_label, is_label_key, is_label_value
from controller.planning.sizing.verdict import count

_TEMPLATE: Final = "inference.template"
_SPEC: Final = f"{_TEMPLATE}.spec"
_GPUS: Final = (labels.NVIDIA_GPU, labels.AMD_GPU)
_LISTS: Final = ("initContainers", "containers")
_NAME_GRAMMAR: Final = f"names are 1 to {LABEL_LENGTH} characters of a-z, 0-9 and -, letters or digits first and last"
_LABEL_GRAMMAR: Final = f"names and values are at most {LABEL_LENGTH} characters of A-Z, a-z, 0-9, -, _ and ."


def names(subject: Subject) -> Iterator[Finding]:
    """Containers and volumes have names of their own, and what is mounted is there."""
    spec = _spec(subject)
    yield from _named([(f"{path}.name", each["name"]) for path, each in _containers(spec)], "container")
    volumes: Sequence[Json] = spec.get("volumes") or ()
    yield from _named([(f"{_SPEC}.volumes[{i}].name", each["name"]) for i, each in enumerate(volumes)], "volume")
    for index, volume in enumerate(volumes):
        sources = [source for source, content in volume.items() if source != "name" and content is not None]
        if len(sources) != 1:
            field = f"{_SPEC}.volumes[{index}]"
            what = f"{field} {quote(volume['name'])} names {len(sources)} sources"
            fix = f"keep only {sources[0]}" if sources else "set one, such as emptyDir: {}"
            yield Problem(Reason.TEMPLATE_INVALID, field, what, "a volume has exactly 1", (fix,))
    known = {volume["name"] for volume in volumes}
    for path, container in _containers(spec):
        for index, mount in enumerate(container.get("volumeMounts") or ()):
            if mount["name"] not in known:
                field = f"{path}.volumeMounts[{index}].name"
                why = f"{_SPEC}.volumes has no volume of that name"
                fixes = (f"add it to {_SPEC}.volumes", "remove the mount")
                yield Problem(Reason.TEMPLATE_INVALID, field, f"{field} is {quote(mount['name'])}", why, fixes)


def labelled(subject: Subject) -> Iterator[Finding]:
    """Labels are labels."""
    inference = subject.workspace.inference
    template = inference.template if inference is not None and not subject.template_problems else None
    written: Mapping[str, str] = ((template or {}).get("metadata") or {}).get("labels") or {}
    for key, value in written.items():
        if not is_label_key(key) or not is_label_value(value or ""):
            field = f"{_TEMPLATE}.metadata.labels[{quote(key)}]"
            what = f"{field} is {quote(value or '')}, which is no label"
            yield Problem(Reason.TEMPLATE_INVALID, field, what, _LABEL_GRAMMAR, ("write it so", "use an annotation"))


def resources(subject: Subject) -> Iterator[Finding]:
    """Nothing asks for more than its own limit, and the pod for no more GPUs than a node of its size has."""
    spec = _spec(subject)
    for path, container in _containers(spec):
        asked: Mapping[str, Any] = container.get("resources") or {}
        limits: Mapping[str, Any] = asked.get("limits") or {}
        for name, request in (asked.get("requests") or {}).items():
            limit, extended = limits.get(name), name in _GPUS
            if limit is None and not extended:
                continue
            most = parse_quantity(limit or 0)
            if parse_quantity(request) > most or (extended and parse_quantity(request) != most):
                field = f"{path}.resources.requests[{quote(name)}]"
                why = f"the limit is {quote(limit) if limit is not None else 'missing'}"
                rule = ", and GPUs are asked for by equal numbers" if extended else ", and no request exceeds it"
                fixes = (f"set both to {request}", "remove the request")
                yield Problem(Reason.TEMPLATE_INVALID, field, f"{field} is {quote(request)}", f"{why}{rule}", fixes)
    yield from _gpus(subject, spec)


def _gpus(subject: Subject, spec: Json) -> Iterator[Finding]:
    sku = subject.sku
    if sku is None or subject.workspace.resource.partition is not None:
        return
    for name in _GPUS:
        asked, has = _limit(spec, name), sku.gpu_count if name == sku.gpu_resource else 0
        if asked <= has:
            continue
        what = f"{_TEMPLATE} asks for {float(asked):g} {name} in one pod"
        why = f"a node of {sku.name} has {count(has, 'GPU')} of that kind, so that the pod would wait for ever"
        fixes = (f"ask for {has} or fewer" if has else "remove the limit", "use a size with as many GPUs")
        yield Problem(Reason.TEMPLATE_INVALID, f"{_SPEC}.containers", what, why, fixes)


def _limit(spec: Json, name: str) -> Fraction:
    """What a pod takes of a resource: its containers and sidecars together, or its largest container of the start."""

    def limit(container: Json) -> Fraction:
        return parse_quantity(((container.get("resources") or {}).get("limits") or {}).get(name) or 0)

    together, largest = Fraction(0), Fraction(0)
    for container in spec.get("initContainers") or ():
        if container.get("restartPolicy") == "Always":
            together += limit(container)
            largest = max(largest, together)
        else:
            largest = max(largest, together + limit(container))
    return max(largest, together + sum(limit(each) for each in spec.get("containers") or ()))


def _named(written: list[tuple[str, str]], thing: str) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for field, name in written:
        if not is_dns_label(name):
            what = f"{field} {quote(name)} is no name of a {thing}"
            yield Problem(Reason.TEMPLATE_INVALID, field, what, _NAME_GRAMMAR, ("rename it",))
        elif (first := seen.setdefault(name, field)) != field:
            what = f"{field} {quote(name)} is given twice"
            yield Problem(Reason.NAME_DUPLICATE, field, what, f"{first} has that name already", ("rename one of them",))


def _spec(subject: Subject) -> Json:
    """The pod of a template that reads well; nothing of any other, whose fields are told first."""
    inference = subject.workspace.inference
    if inference is None or inference.template is None or subject.template_problems:
        return {}
    spec: Json = inference.template.get("spec") or {}
    return spec


def _containers(spec: Json) -> Iterator[tuple[str, Json]]:
    for name in _LISTS:
        for index, container in enumerate(spec.get(name) or ()):
            yield f"{_SPEC}.{name}[{index}]", container


RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "template-names",
        (f"{_SPEC}.containers", f"{_SPEC}.volumes"),
        "Containers and volumes of a pod template have names of their own, and what is mounted is there.",
        (Reason.TEMPLATE_INVALID, Reason.NAME_DUPLICATE),
        names,
    ),
    Rule(
        "template-labels",
        (f"{_TEMPLATE}.metadata.labels",),
        "Labels of a pod template have the form of labels.",
        (Reason.TEMPLATE_INVALID,),
        labelled,
    ),
    Rule(
        "template-resources",
        (f"{_SPEC}.containers",),
        "A pod template asks for no more than its own limits, and for no more GPUs than one node has.",
        (Reason.TEMPLATE_INVALID,),
        resources,
    ),
)
"""In the order in which their findings are shown."""
