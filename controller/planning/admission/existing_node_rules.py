"""Rules about existing nodes, asked when a Workspace is created: later the nodes that match come and go."""

from collections.abc import Iterator, Sequence
from typing import Final

from controller.api import labels
from controller.api.messages import Problem, quote
from controller.api.reasons import Reason
from controller.catalog import Sku
from controller.planning.admission.findings import Finding, Rule, Subject, Trigger
from controller.planning.admission.fit_rules import place, sliced, too_small
from controller.planning.counts import nodes_wanted
from controller.planning.node_facts import NodeFacts, Unknown, kind_of, sizes_of
from controller.planning.sizing import fit
from controller.planning.sizing.verdict import count as counted

_SELECTOR: Final = "resource.labelSelector"
_NAME_LENGTH: Final = 63


def nodes(subject: Subject) -> Iterator[Finding]:
    """There are nodes that match, they say which GPUs they have, all the same, and together hold the model."""
    preset_named = subject.workspace.preset is not None
    if subject.auto_provision or not preset_named:
        return
    found = subject.nodes
    if found is None and subject.sku is None:
        yield "the nodes of the cluster are not known here: whether the model fits them is not checked"
    if found is None:
        return
    if not found:
        yield _none(subject)
        return
    sizes: list[tuple[NodeFacts, Sku]] = []
    for node, size in sizes_of(found, subject.catalog):
        if isinstance(size, Unknown):
            yield _unknown(node, size)
            return
        sizes.append((node, size))
    different = _different(sizes)
    if different is not None:
        yield different
    else:
        yield from _together(subject, len(found))


def _none(subject: Subject) -> Problem:
    asked = "".join((_labels(subject), _size(subject)))
    known = len(subject.site.nodes() or ())
    why = f"of {counted(known, 'node')} in the cluster none has {asked}" if asked else "the cluster has no node"
    fixes = ("label the GPU nodes to use", f"correct {_SELECTOR}")
    return Problem(Reason.NO_NODES_MATCH, _SELECTOR, f"{_SELECTOR} matches no node", why, fixes)


def _labels(subject: Subject) -> str:
    resource = subject.workspace.resource
    asked = {**resource.match_labels, **{each.key: ",".join(each.values) for each in resource.match_expressions}}
    return quote(" ".join(f"{key}={value}" for key, value in asked.items()), 120) if asked else ""


def _size(subject: Subject) -> str:
    size, named = subject.workspace.resource.instance_type, bool(_labels(subject))
    return f"{' and ' if named else ''}{labels.INSTANCE_TYPE} {quote(size)}" if size else ""


def _unknown(node: NodeFacts, missing: Unknown) -> Problem:
    what = f"{_SELECTOR} selects node {quote(node.name, _NAME_LENGTH)}, whose GPUs are not known"
    fixes = (
        "select GPU nodes only",
        "install NVIDIA's GPU feature discovery, which labels them",
        f"label the node with {labels.GPU_PRODUCT}, {labels.GPU_COUNT} and {labels.GPU_MEMORY_MIB} (MiB per GPU)",
    )
    return Problem(Reason.NODE_GPU_UNKNOWN, _SELECTOR, what, missing.text, fixes)


def _different(sizes: Sequence[tuple[NodeFacts, Sku]]) -> Problem | None:
    first, reference = sizes[0]
    for node, size in sizes[1:]:
        if kind_of(size) != kind_of(reference):
            what = f"{_SELECTOR} selects nodes with different GPUs"
            one, other = (
                f"{quote(each.name, _NAME_LENGTH)} has {_gpus(of)}" for each, of in ((first, reference), (node, size))
            )
            fixes = ("select nodes of one kind, for example by a label of their pool", "set resource.instanceType")
            return Problem(Reason.NODES_DIFFER, _SELECTOR, what, f"{one}, {other}", fixes)
    return None


def _gpus(size: Sku) -> str:
    memory = "" if size.gpu_memory_gib is None else f" of {size.gpu_memory_gib:.0f} GiB"
    return f"{counted(size.gpu_count, 'GPU')} {size.gpu_model}{memory}"


def _together(subject: Subject, count: int) -> Iterator[Finding]:
    preset, sku = subject.preset, subject.sku
    if preset is None or sku is None:
        return
    verdict = fit(preset, sku, subject.use, nodes=count)
    wanted = nodes_wanted(subject.workspace, preset, sku, subject.use)
    if verdict.min_nodes is not None and not verdict.fits and not sliced(subject):
        what = f"{place(subject, sku)} takes {verdict.min_nodes} nodes for {preset.name}, {_match(count)}"
        missing = verdict.min_nodes - count
        yield too_small(subject, verdict, what, f"label {counted(missing, 'more node')} of this kind to match")
    elif wanted > count and (verdict.fits or not sliced(subject)):
        yield f"{wanted} nodes are asked for and {_match(count)}: the model starts when there are enough"


def _match(count: int) -> str:
    return f"{count} node matches" if count == 1 else f"{count} nodes match"


RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "existing-nodes",
        (_SELECTOR,),
        "Where existing nodes are used and a preset is named, some match the selector, all of them say which GPUs they "
        "have, the same, and together they hold the model.",
        (
            Reason.NO_NODES_MATCH,
            Reason.NODE_GPU_UNKNOWN,
            Reason.NODES_DIFFER,
            Reason.INSUFFICIENT_GPU_MEMORY,
        ),
        nodes,
        Trigger.CREATE,
    ),
)
"""In the order in which their findings are shown."""
