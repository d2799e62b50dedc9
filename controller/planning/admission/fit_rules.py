"""Rules that do the sums: can the GPUs run the model at all, and do they hold it.

They do so on every path: nodes made or found, inference or tuning, either model server, adapters and configuration.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from controller.api import labels
from controller.api.messages import Problem, quote
from controller.api.reasons import Reason
from controller.api.workspace import DEFAULT_COUNT, Runtime
from controller.catalog import Preset, RuntimeSpec, Sku
from controller.planning.admission.easing import eased
from controller.planning.admission.findings import Finding, Rule, Subject
from controller.planning.admission.preset_rules import PRIVATE, preset_field
from controller.planning.admission.proposals import describe_suggestion, proposals, shares, single_node, suggestions
from controller.planning.existing_nodes import MIG
from controller.planning.runtimes import choose_runtime
from controller.planning.sizing import Fit, fit, nodes_needed
from controller.planning.sizing.verdict import count as counted

_TYPE: Final = "resource.instanceType"
_SELECTOR: Final = "resource.labelSelector"
_PARTITION: Final = "resource.partition"
_RUNTIME: Final = f"metadata.annotations[{labels.RUNTIME}]"


def runtime(subject: Subject) -> Iterator[Finding]:
    """The model server asked for can be started with the model, on GPUs of the size where that is known."""
    preset, wish, sku = subject.preset, subject.workspace.runtime_wish, subject.sku
    if preset is None or wish is None or subject.workspace.inference is None:
        return
    editions = (preset.runtimes, *(edition.runtimes for edition in preset.alternatives))
    able = dict.fromkeys(name for runtimes in editions for name in runtimes)
    served = preset if sku is None else preset.on(sku, wish)
    if wish in (able if sku is None else served.runtimes):
        return
    where = "" if wish not in able or sku is None else f" on {sku.gpu_model}"
    others = [name for name in (able if sku is None else served.runtimes) if name is not wish]
    what = f"{_RUNTIME} is {quote(wish)}, which does not serve {preset.name}{where}"
    why = f"{counted(len(others), 'model server')} can: {', '.join(others)}"
    fixes = ("remove the annotation", *(f"use {name}" for name in others))
    yield Problem(Reason.RUNTIME_NOT_SUPPORTED, _RUNTIME, what, why, fixes)


def one_node(subject: Subject) -> Iterator[Finding]:
    """Transformers serves a model on one node; no annotation makes weights fit that are larger than all its GPUs."""
    spread = _only_spread(subject)
    preset, sku = subject.preset, subject.sku
    if spread is None or preset is None or sku is None:
        return
    if Runtime.TRANSFORMERS not in preset.on(sku, Runtime.TRANSFORMERS).runtimes:
        return
    what = f"{_RUNTIME} is {quote(Runtime.TRANSFORMERS)}, which serves a model on 1 node"
    why = (
        f"the weights of {preset.name} are {preset.weights_gib:.2f} GiB, {sku.name} has {sku.gpu_memory_total_gib:.0f}"
    )
    fixes = (*_spread_out(subject, preset, sku, spread), *single_node(subject))
    yield Problem(Reason.RUNTIME_NOT_SUPPORTED, _RUNTIME, what, why, fixes)


def _spread_out(subject: Subject, preset: Preset, sku: Sku, nodes: int) -> Iterator[str]:
    spec = preset.on(sku, Runtime.VLLM).runtimes.get(Runtime.VLLM)
    if spec is None or not spec.supports(sku.compute_capability):
        return
    written = subject.workspace.resource.count
    if written is None or written >= nodes:
        yield f"remove the annotation, vLLM takes {nodes} nodes"
    else:
        yield f"remove the annotation and set resource.count to {nodes}, the nodes vLLM takes"


def gpu_fit(subject: Subject) -> Iterator[Finding]:
    """The model must run on the GPUs of the nodes and fit them, on however many nodes it can be spread over."""
    preset, sku = subject.preset, subject.sku
    if preset is None or sku is None or not sku.gpu_count:
        return
    if subject.workspace.tuning is not None and preset.tuning is None:
        return
    yield from _gpu_supported(subject, preset, sku)
    if _only_spread(subject) is not None:
        return
    asked = subject.workspace.resource.count
    verdict = fit(preset, sku, subject.use, nodes=max(asked or DEFAULT_COUNT, DEFAULT_COUNT))
    if not verdict.known:
        yield f"the GPU memory of {sku.name} is not known: whether {preset.name} fits is not checked"
    elif verdict.min_nodes is None and not verdict.certain:
        yield f"{sku.name} may be too small for {preset.name}: {verdict.doubt}"
    elif verdict.min_nodes is None or (verdict.min_nodes > 1 and sliced(subject)):
        yield too_small(subject, verdict, f"{place(subject, sku)} is too small for {preset.name}")
    elif verdict.min_nodes > 1 and subject.auto_provision:
        # Nodes that work on one request wait for the network between them; one that holds the model does not.
        alone = next((each for each in suggestions(subject) if each.nodes == 1), None)
        instead = f"; {describe_suggestion(alone)} holds it on one" if alone else ""
        yield f"{preset.name} takes {verdict.min_nodes} nodes of {sku.name}{instead}"


def toolkit(subject: Subject) -> Iterator[Finding]:
    """Models that compile their kernels at start need the CUDA toolkit in their container, which nobody puts there.

    That it lies on an existing node changes nothing, since pods are given no folders of the node; and it is no
    question of size, so no annotation overrules it.
    """
    preset, sku = subject.preset, subject.sku
    if preset is None or subject.workspace.tuning is not None or _brings_own_image(subject):
        return
    if _needs_toolkit(preset, sku, subject.workspace.runtime_wish):
        field = f"{preset_field(subject)}.name"
        what = f"{field} {quote(preset.name)} is not run by this release"
        why = "it compiles its kernels at start and needs the CUDA toolkit, which is in none of the published images"
        fixes = ("use accessMode private with an image that brings the toolkit", "choose another preset")
        yield Problem(Reason.NOT_SUPPORTED, field, what, why, fixes)


def _needs_toolkit(preset: Preset, sku: Sku | None, wish: Runtime | None) -> bool:
    """Whether the program that would be chosen needs it; without a size, whether every one of its programs does."""
    if sku is None:
        editions = (preset.runtimes, *(edition.runtimes for edition in preset.alternatives))
        return all(spec.cuda_toolkit for runtimes in editions for spec in runtimes.values())
    served = preset.on(sku, wish)
    return served.runtimes[choose_runtime(wish, served, sku).runtime].cuda_toolkit


def too_small(subject: Subject, verdict: Fit, what: str, *more: str) -> Problem:
    """The refusal of GPUs that do not hold the model, with the sum and what would hold it; `more` fixes go first."""
    why = f"it needs {verdict.need_text} and gets {verdict.offer_text}"
    field = field_of_size(subject)
    first = shares(subject) if field == _PARTITION else ()
    fixes = (*more, *eased(subject, nodes=verdict.nodes), *first, *proposals(subject))
    return Problem(Reason.INSUFFICIENT_GPU_MEMORY, field, what, why, fixes)


def field_of_size(subject: Subject) -> str:
    """The field that decides which GPUs there are: the partition, the size, or the selector where neither is set."""
    if subject.workspace.resource.partition is not None and not subject.auto_provision:
        return _PARTITION
    return _TYPE if subject.workspace.resource.instance_type else _SELECTOR


def place(subject: Subject, sku: Sku) -> str:
    """That field and the GPUs it leads to, as the subject of a sentence."""
    field, part = field_of_size(subject), subject.workspace.resource.partition
    if part is not None and field == _PARTITION:
        share = f"a slice {part.profile}" if sliced(subject) else counted(sku.gpu_count, "GPU")
        return f"{field} leaves {share} of {sku.gpu_model}, which"
    if field == _TYPE:
        return f"{field} {sku.name}"
    return f"{field} selects nodes with {counted(sku.gpu_count, 'GPU')} {sku.gpu_model}, which"


def sliced(subject: Subject) -> bool:
    """Whether slices of GPUs are used, between which no model is spread. Source: NVIDIA, no peer-to-peer under MIG."""
    part = subject.workspace.resource.partition
    return part is not None and part.mode == MIG


def _only_spread(subject: Subject) -> int | None:
    """Nodes vLLM would take for a model whose weights exceed a node and that Transformers is asked to serve."""
    preset, sku = subject.preset, subject.sku
    asked = subject.use.tuning is None and subject.workspace.runtime_wish is Runtime.TRANSFORMERS
    if not asked or preset is None or sku is None:
        return None
    memory = sku.gpu_memory_total_gib
    if memory is None or preset.weights_gib <= memory:
        return None
    return nodes_needed(preset, sku, replace(subject.use, runtime=Runtime.VLLM))


def _gpu_supported(subject: Subject, preset: Preset, sku: Sku) -> Iterator[Finding]:
    why = _no_code(subject, preset, sku)
    if why is None:
        return
    named = field_of_size(subject) == _TYPE
    what = f"{place(subject, sku)}{f' ({sku.gpu_model})' if named else ''} cannot run {preset.name}"
    yield Problem(Reason.GPU_NOT_SUPPORTED, field_of_size(subject), what, why, proposals(subject))


def able(subject: Subject) -> bool:
    """Whether nodes of the size can do it if there are enough of them; otherwise no number helps."""
    preset, sku = subject.preset, subject.sku
    if preset is None or sku is None:
        return True
    return _only_spread(subject) is None and _no_code(subject, preset, sku) is None


def _no_code(subject: Subject, preset: Preset, sku: Sku) -> str | None:
    """Why the image cannot run on the size's machines; None where it can, or where the user brings another."""
    program, spec = _program(subject, preset, sku)
    if _brings_own_image(subject):
        return None
    if sku.vendor != preset.gpu_vendor:
        return f"the image of {preset.name} is built for {preset.gpu_vendor} GPUs"
    if sku.arch != preset.arch:
        return f"the image of {preset.name} is built for {preset.arch}, the size has {sku.arch} CPUs"
    if not spec.supports(sku.compute_capability):
        span = f"{spec.min_capability} to {spec.max_capability}"
        return f"{program} in its image has code for CUDA capability {span}, this GPU has {sku.compute_capability}"
    return None


def _program(subject: Subject, preset: Preset, sku: Sku) -> tuple[str, RuntimeSpec]:
    if subject.workspace.tuning is not None and preset.tuning is not None:
        return "the training program", preset.tuning.spec
    wish = subject.workspace.runtime_wish
    served = preset.on(sku, wish)
    chosen = choose_runtime(wish, served, sku).runtime
    return chosen, served.runtimes[chosen]


def _brings_own_image(subject: Subject) -> bool:
    spec = subject.workspace.preset
    return spec is not None and spec.access_mode == PRIVATE and bool(spec.image)


RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "runtime",
        (_RUNTIME,),
        "The model server asked for can serve the model on these GPUs.",
        (Reason.RUNTIME_NOT_SUPPORTED,),
        runtime,
    ),
    Rule(
        "runtime-one-node",
        (_RUNTIME,),
        "Transformers, which serves a model on one node, is not asked for where the weights exceed a node's GPUs; "
        "kaito.sh/bypass-resource-checks does not overrule this.",
        (Reason.RUNTIME_NOT_SUPPORTED,),
        one_node,
    ),
    Rule(
        "gpu-fit",
        (_TYPE, _SELECTOR, _PARTITION),
        "The model runs on the GPUs of the nodes and fits their memory, on one node or, with vLLM, on several.",
        (Reason.GPU_NOT_SUPPORTED, Reason.INSUFFICIENT_GPU_MEMORY),
        gpu_fit,
    ),
    Rule(
        "cuda-toolkit",
        ("inference.preset.name",),
        "Models that compile their kernels at start find the CUDA toolkit in their image; neither existing nodes that "
        "hold it nor kaito.sh/bypass-resource-checks change that.",
        (Reason.NOT_SUPPORTED,),
        toolkit,
    ),
)
"""In the order in which their findings are shown."""
