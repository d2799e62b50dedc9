"""The sizes a refusal offers instead, in words."""

from itertools import islice
from typing import Final

from controller.api.workspace import Partition
from controller.catalog import Price, Sku
from controller.catalog.mig import slices_of
from controller.planning.admission.findings import Subject
from controller.planning.counts import nodes_least
from controller.planning.existing_nodes import MIG, part_of, whole_for
from controller.planning.sizing import SUGGESTIONS, Suggestion, fit, is_offered, rank, runs_on, suggest, trains_on
from controller.planning.sizing.verdict import count

_SMALLER: Final = "choose a smaller model"


def describe(sku: Sku, nodes: int = 1, price: Price | None = None) -> str:
    """A size in a few words, such as `Standard_NC4as_T4_v3 (1 GPU, 16 GiB, $0.53/h list price of 2026-06, eastus)`.

    Of several nodes the figures are those of all together: `2 x Standard_NC4as_T4_v3 (in all 2 GPUs, 32 GiB, 8 vCPU)`.

    Args:
        sku: the size.
        nodes: how many of it.
        price: list price of one; without it the vCPUs are told instead.
    """
    memory = sku.gpu_memory_total_gib
    facts = [count(sku.gpu_count * nodes, "GPU")]
    facts += [] if memory is None else [f"{memory * nodes:.0f} GiB"]
    facts.append(f"{(sku.vcpu or 0) * nodes} vCPU" if price is None else price.of(nodes))
    if nodes == 1:
        return f"{sku.name} ({', '.join(facts)})"
    return f"{nodes} x {sku.name} (in all {', '.join(facts)})"


def describe_suggestion(found: Suggestion) -> str:
    """A suggested size in a few words, with its number of nodes and its price."""
    return describe(found.sku, found.nodes, found.price)


def suggestions(subject: Subject) -> tuple[Suggestion, ...]:
    """The sizes that fit what the Workspace asks for, best first; none where it names no known model."""
    preset = subject.preset
    return subject.site.suggestions(preset, subject.use) if preset is not None else ()


def proposals(subject: Subject) -> tuple[str, ...]:
    """Fixes for a size that does not do: at most three that do, best first.

    Where no model is known the smallest size is the example. Where no allowed size does, the administrator can help.
    On existing nodes another size in the manifest would match none of them, and once nodes were made it cannot change.
    """
    preset = subject.preset
    if preset is None:
        return (f"set it to {_example(subject)}",)
    found = suggestions(subject)
    if found:
        return tuple(f"{_way(subject)} {describe_suggestion(each)}" for each in found)
    if retiring := _allowed_still(subject):
        return retiring
    beyond = subject.site.allowed and suggest(preset, subject.catalog, subject.use, limit=1, price=subject.site.price)
    if beyond:
        return _SMALLER, f"have {describe_suggestion(beyond[0])} allowed by your administrator"
    return (f"{_SMALLER}: no size holds this one",)


def shares(subject: Subject) -> tuple[str, ...]:
    """Fixes for a share of a node that is too small: the least share of it that does, then the node as a whole."""
    part, preset = subject.workspace.resource.partition, subject.preset
    whole = whole_for(subject.workspace, subject.site, subject.nodes)
    if part is None or preset is None or whole is None or not whole.gpu_count:
        return ()

    def holds(sku: Sku) -> bool:
        return fit(preset, sku, subject.use).fits

    if part.mode == MIG:
        cut = sorted(slices_of(whole.gpu_memory_gib), key=lambda each: each.memory_gib)
        least = (f"use profile {each.name}" for each in cut if holds(part_of(whole, Partition(part.mode, each.name))))
    else:
        numbers = range(1, whole.gpu_count + 1)
        least = (
            f"set resource.partition.count to {each}"
            for each in numbers
            if holds(part_of(whole, Partition(part.mode, count=each)))
        )
    entire = ("remove resource.partition to use all GPUs",) if holds(whole) else ()
    return (*islice(least, 1), *entire)


def _allowed_still(subject: Subject) -> tuple[str, ...]:
    """Fixes where the list of allowed sizes holds none that would be offered: those on it that do all the same."""
    site = subject.site
    if not site.allowed:
        return ()
    able = (sku for sku in subject.catalog.skus.values() if site.allows(sku) and holds_somehow(subject, sku))
    best = sorted(able, key=lambda sku: rank(sku, _nodes(subject, sku), site.price(sku)))[:SUGGESTIONS]
    return tuple(f"{_way(subject)} {describe(sku, _nodes(subject, sku), site.price(sku))}" for sku in best)


def _nodes(subject: Subject, sku: Sku) -> int:
    return nodes_least(subject.preset, sku, subject.use)


def holds_somehow(subject: Subject, sku: Sku) -> bool:
    """Whether a size does for what the Workspace asks for, on however many nodes; True where no model is known."""
    preset, use = subject.preset, subject.use
    if preset is None:
        return True
    code = runs_on(preset, sku, use.runtime) if use.tuning is None else trains_on(preset, sku)
    return code and fit(preset, sku, use).min_nodes is not None


def _way(subject: Subject) -> str:
    if not subject.auto_provision:
        return "select nodes such as"
    made = subject.old is not None and subject.old.resource.instance_type
    return "make a new Workspace with" if made else "use"


def single_node(subject: Subject) -> tuple[str, ...]:
    """Fixes for a model that must run on one node: the sizes that hold it alone."""
    way = _way(subject)
    found = tuple(f"{way} {describe_suggestion(each)}" for each in suggestions(subject) if each.nodes == 1)
    return found or (f"{_SMALLER}: no size holds this one on a single node",)


def need(subject: Subject) -> str:
    """Why a size without GPUs does not do: what the model needs on the best size there is."""
    preset, best = subject.preset, suggestions(subject)
    if preset is None or not best:
        return "models are served on GPUs"
    return f"{preset.name} needs {best[0].fit.need_text}"


def _example(subject: Subject) -> str:
    site = subject.site
    allowed = [sku for sku in subject.catalog.skus.values() if site.allows(sku)]
    offered = [sku for sku in allowed if is_offered(sku)]
    best = min(offered or allowed, key=lambda sku: rank(sku, 1, site.price(sku)), default=None)
    return f"a GPU size such as {best.name}" if best is not None else f"a GPU size of {subject.catalog.cloud}"
