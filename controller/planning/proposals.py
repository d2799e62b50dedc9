"""The sizes a refusal offers instead, in words."""

from typing import Final

from controller.catalog import Price, Sku
from controller.planning.findings import Subject
from controller.planning.sizing import Suggestion, is_offered, rank, suggest
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
    """
    preset = subject.preset
    if preset is None:
        return (f"set it to {_example(subject)}",)
    found = suggestions(subject)
    if found:
        return tuple(f"use {describe_suggestion(each)}" for each in found)
    beyond = subject.site.allowed and suggest(preset, subject.catalog, subject.use, limit=1, price=subject.site.price)
    if beyond:
        return _SMALLER, f"have {describe_suggestion(beyond[0])} allowed by your administrator"
    return (f"{_SMALLER}: no size holds this one",)


def single_node(subject: Subject) -> tuple[str, ...]:
    """Fixes for a model that must run on one node: the sizes that hold it alone."""
    found = tuple(f"use {describe_suggestion(each)}" for each in suggestions(subject) if each.nodes == 1)
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
