"""Rules about the annotations that say where nodes come from, and what is asked of those that are made.

A pod is written once, whichever of the listed sizes its node turns out to be of: it must run on each of them alike.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from typing import Final

from controller.api import labels
from controller.api.json import metadata_of
from controller.api.messages import Problem, quote
from controller.api.node_source import NodeSource
from controller.api.reasons import Reason
from controller.catalog import Cloud, Sku
from controller.planning.admission import fit_rules
from controller.planning.admission.findings import Finding, Rule, Subject, Trigger
from controller.planning.counts import nodes_wanted
from controller.planning.names import is_label_value, nearest
from controller.planning.runtimes import choose_runtime
from controller.planning.sizing import fit
from controller.planning.sizing.verdict import count
from controller.planning.wishes import listed

CAPACITY_TYPES: Final = ("spot", "on-demand")
"""Ways of paying for a node, as Karpenter calls them."""

LONGEST: Final = 10
"""Words in one list: each is a further try of minutes before a Workspace hears that nothing is to be had."""

_AZURE_ZONE: Final = re.compile(r"(?P<region>[a-z0-9]+)-[1-9]")


def _field(key: str) -> str:
    return f"metadata.annotations[{key}]"


_SOURCE, _SIZES, _ZONES, _PAID = map(
    _field, (labels.NODE_SOURCE, labels.INSTANCE_TYPES, labels.ZONES, labels.CAPACITY_TYPES)
)


def source(subject: Subject) -> Iterator[Finding]:
    """The source is one there is; lists that ask something of new nodes are told where none are made."""
    given = subject.workspace.annotations
    wish = given.get(labels.NODE_SOURCE)
    if wish is not None and subject.workspace.node_source is None:
        yield _unknown(_SOURCE, wish, tuple(NodeSource))
    if not subject.auto_provision:
        for key in (labels.INSTANCE_TYPES, labels.ZONES, labels.CAPACITY_TYPES):
            if given.get(key):
                yield f"the annotation {key} has no effect: no nodes are made for this Workspace"


def lists(subject: Subject) -> Iterator[Finding]:
    """Each list names something, nothing twice, and not too much."""
    given = subject.workspace.annotations
    for key in (labels.INSTANCE_TYPES, labels.ZONES, labels.CAPACITY_TYPES):
        if key not in given:
            continue
        found = [word.lower() for word in listed(subject.workspace, key)]
        what = f"{_field(key)} is {quote(given[key], 80)}"
        if not found:
            yield _invalid(_field(key), what, "it is an ordered list and names nothing", ("remove the annotation",))
        elif len(found) > LONGEST or len(set(found)) < len(found):
            why = f"it has {len(found)} entries, {len(set(found))} different; at most {LONGEST} are tried, each once"
            yield _invalid(_field(key), what, why, ("keep the best, each once",))


def capacity_types(subject: Subject) -> Iterator[Finding]:
    """Ways of paying that are known."""
    for word in listed(subject.workspace, labels.CAPACITY_TYPES):
        if word not in CAPACITY_TYPES:
            yield _unknown(_PAID, word, CAPACITY_TYPES)


def zones(subject: Subject) -> Iterator[Finding]:
    """Zones as the cloud labels its nodes: on Azure `<region>-<number>`, in the installation's own region."""
    region = subject.site.region
    for word in listed(subject.workspace, labels.ZONES)[:LONGEST]:
        azure = subject.catalog.cloud is Cloud.AZURE
        match = _AZURE_ZONE.fullmatch(word) if azure else None
        what = f"{_ZONES} names {quote(word)}"
        if azure and match is None:
            why = "zones of Azure are written as on their nodes, region and number: eastus-1"
            yield _invalid(_ZONES, what, why, (f"use {region or 'eastus'}-1",))
        elif match is not None and region and match["region"] != region:
            yield _invalid(_ZONES, what, f"nodes are made in {region}", (f"use {region}-{word[-1]}",))
        elif not is_label_value(word):
            why = "a zone is the value of a label: up to 63 letters, digits, -, _ and ."
            yield _invalid(_ZONES, what, why, ("correct the zone",))


def sizes(subject: Subject) -> Iterator[Finding]:
    """Sizes that exist, and on each of which the pod for the size of the manifest runs."""
    if not subject.auto_provision:
        return
    for word in listed(subject.workspace, labels.INSTANCE_TYPES)[:LONGEST]:
        sku, own = subject.catalog.sku(word), subject.sku
        if sku is None or sku.cloud is not subject.catalog.cloud or sku.alias_of or not sku.gpu_count:
            yield _no_size(subject, word, sku)
        elif own is not None and sku.name != own.name:
            misfits = tuple(_misfits(subject, own, sku))
            different = None if misfits else _different(subject, own, sku)
            yield from misfits if different is None else (different,)


def allowed(subject: Subject) -> Iterator[Finding]:
    """Sizes the installation makes nodes of."""
    for word in listed(subject.workspace, labels.INSTANCE_TYPES)[:LONGEST]:
        sku = subject.catalog.sku(word)
        if subject.auto_provision and sku is not None and not subject.site.allows(sku):
            why = f"this installation makes nodes of {count(len(subject.site.allowed), 'size')} and it is none of them"
            what, fixes = f"{_SIZES} names {sku.name}", ("remove it from the list",)
            yield Problem(Reason.INSTANCE_TYPE_NOT_ALLOWED, _SIZES, what, why, fixes)


def allowed_at_birth(subject: Subject) -> Iterator[Finding]:
    """Like `allowed`, but what is stored keeps what it was let in with."""
    if not metadata_of(subject.obj).get("resourceVersion"):
        yield from allowed(subject)


def _no_size(subject: Subject, word: str, sku: Sku | None) -> Problem:
    real = [each.name for each in subject.catalog.skus.values() if each.gpu_count and not each.alias_of]
    close = [sku.alias_of] if sku is not None and sku.alias_of else nearest(word, real, limit=2, cutoff=0.75)
    why = f"{len(real)} sizes of {subject.catalog.cloud} with GPUs can be deployed, and it is none of them"
    fixes = (*(f"use {name}" for name in close), "remove it from the list")
    return Problem(Reason.INSTANCE_TYPE_UNKNOWN, _SIZES, f"{_SIZES} names {quote(word)}", why, fixes)


def _on(subject: Subject, sku: Sku) -> Subject:
    """The Workspace as it would be if its manifest named the size."""
    resource = replace(subject.workspace.resource, instance_type=sku.name)
    return Subject(replace(subject.workspace, resource=resource), subject.obj, subject.site)


def _different(subject: Subject, own: Sku, other: Sku) -> Problem | None:
    """What of the pod would have to be another one on the other size."""
    pairs = zip(_pod(subject, own), _pod(_on(subject, other), other), strict=True)
    clash = next((pair for pair in pairs if pair[0] != pair[1]), None)
    if clash is None:
        return None
    why = f"pods are written once: {own.name} takes {clash[0]}, {other.name} takes {clash[1]}"
    fixes = (f"list sizes like {own.name} only", "set resource.instanceType to a size like the others")
    return _invalid(_SIZES, f"{_SIZES} names {other.name}", why, fixes)


def _pod(subject: Subject, sku: Sku) -> Iterator[str]:
    """What of a pod depends on the size, in words."""
    preset, wish = subject.preset, subject.workspace.runtime_wish
    yield f"{sku.gpu_count} {sku.gpu_resource}"
    yield f"{sku.arch} images"
    if preset is None:
        return
    if subject.workspace.tuning is not None:
        yield "training in bfloat16" if sku.bf16 else "training in float16"
        tight = preset.tuning is not None and fit(preset, sku, subject.use).checkpointing
        yield "activations computed anew" if tight else "activations kept"
        return
    served = preset.on(sku, wish)
    chosen = choose_runtime(wish, served, sku)
    nodes = nodes_wanted(subject.workspace, preset, sku, subject.use)
    layout = fit(served, sku, subject.use, nodes=nodes).layout
    yield f"{chosen.runtime} in {chosen.dtype}"
    yield count(nodes, "node")
    yield f"{layout.tensor} x {layout.pipeline} GPUs"
    yield "the user's image" if served.image is None else f"the image {served.image.reference}"


def _misfits(subject: Subject, own: Sku, other: Sku) -> Iterator[Finding]:
    """What the rules for the size of the manifest say of the other one."""
    there = _on(subject, other)
    for rule in (fit_rules.runtime, fit_rules.one_node, fit_rules.gpu_fit, fit_rules.toolkit):
        for finding in rule(there):
            if isinstance(finding, Problem):
                what = finding.what.replace("resource.instanceType", _SIZES)
                yield replace(finding, field=_SIZES, what=what, fixes=(f"remove it, {own.name} stays",))


def _unknown(field: str, value: str, known: tuple[str, ...]) -> Problem:
    why = f"it is 1 of {len(known)} words: {', '.join(known)}"
    return _invalid(field, f"{field} is {quote(value)}", why, tuple(f"use {word}" for word in known))


def _invalid(field: str, what: str, why: str, fixes: tuple[str, ...]) -> Problem:
    return Problem(Reason.ANNOTATION_INVALID, field, what, why, fixes)


def _values(subject: Subject) -> Iterator[Finding]:
    return chain(lists(subject), zones(subject), capacity_types(subject))


_ALLOWED: Final = "The listed sizes are ones the installation allows nodes to be made of."

RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "node-source",
        (_SOURCE,),
        "Nodes come from machine, nodeclaim or existing; a change applies to nodes that are made after it.",
        (Reason.ANNOTATION_INVALID,),
        source,
    ),
    Rule(
        "node-wishes",
        (_ZONES, _PAID, _SIZES),
        "Lists of sizes, zones and capacity types name 1 to 10 different things, the best first; zones are those of "
        "the installation's region, and nodes are paid as spot or on-demand.",
        (Reason.ANNOTATION_INVALID,),
        _values,
    ),
    Rule(
        "instance-types",
        (_SIZES,),
        "Each listed size exists, holds the model, and takes the same pods as resource.instanceType, which is tried "
        "first unless it is listed.",
        (
            Reason.INSTANCE_TYPE_UNKNOWN,
            Reason.ANNOTATION_INVALID,
            Reason.INSUFFICIENT_GPU_MEMORY,
            Reason.GPU_NOT_SUPPORTED,
            Reason.RUNTIME_NOT_SUPPORTED,
            Reason.NOT_SUPPORTED,
        ),
        sizes,
    ),
    Rule(
        "instance-types-allowed",
        (_SIZES,),
        _ALLOWED,
        (Reason.INSTANCE_TYPE_NOT_ALLOWED,),
        allowed_at_birth,
        Trigger.CREATE,
    ),
    Rule(
        "instance-types-allowed-change",
        (_SIZES,),
        _ALLOWED,
        (Reason.INSTANCE_TYPE_NOT_ALLOWED,),
        allowed,
        Trigger.UPDATE,
    ),
)
"""In the order in which their findings are shown."""
