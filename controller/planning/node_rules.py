"""Rules about a Workspace's nodes: how many, of which size, chosen by which labels, and does the model fit."""

import re
from collections.abc import Iterator
from typing import Final

from controller.api import labels
from controller.api.messages import Problem, quote
from controller.api.reasons import Reason
from controller.api.workspace import DEFAULT_COUNT
from controller.catalog import Lifecycle, Preset, Sku
from controller.planning.findings import Finding, Rule, Subject
from controller.planning.names import is_label_key, is_label_value, nearest
from controller.planning.rules import PRIVATE
from controller.planning.runtimes import choose_runtime
from controller.planning.sizing import SUGGESTIONS, Suggestion, fit, suggest

MAX_COUNT: Final = 1000
"""The largest resource.count; the same limit stands in the CRD."""

SIZE_REASONS: Final = frozenset(
    {Reason.INSUFFICIENT_GPU_MEMORY, Reason.GPU_NOT_SUPPORTED},
)
"""Refusals that the annotation kaito.sh/bypass-resource-checks turns into warnings."""

_PRESET_NAME: Final = "inference.preset.name"
_TYPE: Final = "resource.instanceType"
_COUNT: Final = "resource.count"
_SELECTOR: Final = "resource.labelSelector"
_LABEL_FIX: Final = f"use {_SELECTOR}.matchLabels, for example {{apps: phi-3}}"
_SIZE_FORM: Final = re.compile(r"(?:standard|basic)_(?P<letters>[a-z]{1,4})\d", re.IGNORECASE | re.ASCII)
_ACCELERATORS: Final = {"NP": "an FPGA", "PB": "an FPGA", "NM": "a media accelerator"}
_CPU_FAMILIES: Final = frozenset(
    ("A", "B", "D", "DC", "DS", "E", "EC", "F", "FX", "G", "GS", "H", "HB", "HC", "HX", "L", "M"),
)
"""Letters that open the names of Azure sizes without any accelerator. Source: Azure, sizes for virtual machines."""


def count(subject: Subject) -> Iterator[Finding]:
    """resource.count is a number of nodes."""
    wanted = subject.workspace.resource.count
    if wanted is not None and not 1 <= wanted <= MAX_COUNT:
        yield Problem(
            Reason.COUNT_INVALID,
            _COUNT,
            f"{_COUNT} is {wanted}",
            f"a Workspace has 1 to {MAX_COUNT} nodes",
            ("leave it out to have it computed", "set it to 1"),
        )


def selector(subject: Subject) -> Iterator[Finding]:
    """The selector must be readable as labels, since provisioned nodes are given exactly those."""
    resource = subject.obj.get("resource")
    if not isinstance(resource, dict) or not isinstance(resource.get("labelSelector"), dict):
        why = "it says which nodes may be used, and provisioned nodes are given its labels"
        yield Problem(Reason.FIELD_REQUIRED, _SELECTOR, f"{_SELECTOR} is missing", why, (_LABEL_FIX,))
        return
    seen = dict(subject.workspace.resource.match_labels)
    for index, expression in enumerate(subject.workspace.resource.match_expressions):
        field = f"{_SELECTOR}.matchExpressions[{index}]"
        if expression.operator != "In" or len(expression.values) != 1:
            what = f"{field} is {quote(expression.operator)} with {len(expression.values)} values"
            why = "only In with exactly 1 value can be turned into a node label"
            yield Problem(Reason.SELECTOR_INVALID, field, what, why, (_LABEL_FIX,))
        elif seen.setdefault(expression.key, expression.values[0]) != expression.values[0]:
            what = f"{field} asks for a second value of {quote(expression.key)}"
            why = "a node has 1 value per label, so no node could match"
            yield Problem(Reason.SELECTOR_INVALID, field, what, why, ("keep one of the values",))
    for key, value in seen.items():
        yield from _label(subject, key, value)
    if not seen and not subject.workspace.resource.match_expressions and not subject.auto_provision:
        yield f"{_SELECTOR} is empty: every node of the cluster may be used"


def _label(subject: Subject, key: str, value: str) -> Iterator[Finding]:
    field = f"{_SELECTOR}.matchLabels[{quote(key)}]"
    if key in labels.RESERVED_SELECTOR_KEYS:
        why = "the label states which Workspace owns a node and is set by the controller"
        yield Problem(Reason.LABEL_RESERVED, field, f"{field} is reserved", why, ("remove it", _LABEL_FIX))
    elif subject.auto_provision and labels.is_cloud_label(key):
        why = "AKS refuses labels of the domains kubernetes.io, k8s.io and kubernetes.azure.com on new nodes"
        yield Problem(Reason.LABEL_RESERVED, field, f"{field} is reserved", why, ("use a prefix of your own",))
    elif not (is_label_key(key) and is_label_value(value)):
        what = f"{field} with value {quote(value)} is no node label"
        why = "key and value are up to 63 letters, digits, -, _ and ., the key may have a DNS prefix before a /"
        yield Problem(Reason.SELECTOR_INVALID, field, what, why, ("correct the label",))


def instance_type(subject: Subject) -> Iterator[Finding]:
    """Where nodes are to be made, the size must exist and have a GPU."""
    wanted = subject.workspace.resource.instance_type
    known = subject.catalog.skus.get(wanted.strip().lower())
    if not wanted:
        yield _missing(subject)
    elif known is not None and known.alias_of:
        what = f"{_TYPE} {quote(wanted)} cannot be deployed"
        why = f"Azure calls the size {known.alias_of}"
        yield Problem(Reason.INSTANCE_TYPE_UNKNOWN, _TYPE, what, why, (f"use {known.alias_of}",))
    elif (size := known if subject.auto_provision else subject.catalog.sku(wanted)) is None:
        yield _no_gpu(subject, wanted) or _unknown(subject, wanted)
    elif not size.gpu_count:
        what, why = (
            f"{_TYPE} {size.name} cannot be used",
            "its number of GPUs is not known, and a pod asks for all of them",
        )
        yield Problem(Reason.INSTANCE_TYPE_UNKNOWN, _TYPE, what, why, _proposals(subject))
    elif known is None:
        yield f"{_TYPE} {quote(wanted)} is a size of {size.cloud}: whether the model fits is not checked"
    else:
        yield from _cautions(subject, known)


def gpu_fit(subject: Subject) -> Iterator[Finding]:
    """The model must run on the GPUs of the size and fit them, on as many nodes as are asked for."""
    preset, sku = subject.preset, subject.sku
    if preset is None or sku is None or not sku.gpu_count:
        return
    asked = subject.workspace.resource.count
    verdict = fit(preset, sku, subject.use, nodes=max(asked or DEFAULT_COUNT, DEFAULT_COUNT))
    if not _brings_own_image(subject):
        yield from _gpu_supported(subject, preset, sku)
    if not verdict.known:
        yield f"the GPU memory of {sku.name} is not known: whether {preset.name} fits is not checked"
        return
    if verdict.min_nodes is None and not verdict.certain:
        yield f"{sku.name} may be too small for {preset.name}: the size of its KV cache is an upper bound"
    elif verdict.min_nodes is None:
        what = f"{_TYPE} {sku.name} is too small for {preset.name}"
        why = f"it needs {verdict.need_text} and gets {verdict.offer_text}"
        yield Problem(Reason.INSUFFICIENT_GPU_MEMORY, _TYPE, what, why, _proposals(subject))
    elif verdict.min_nodes > 1:
        what = f"{preset.name} needs {verdict.min_nodes} nodes of {sku.name}"
        why = f"each model is served on one node, it needs {verdict.need_text} and gets {verdict.offer_text}"
        yield Problem(Reason.NOT_SUPPORTED, _TYPE, what, why, _single_node(subject))


def toolkit(subject: Subject) -> Iterator[Finding]:
    """Models that compile their kernels at start need the CUDA toolkit on the node, which nobody puts there."""
    preset, sku = subject.preset, subject.sku
    if preset is None or sku is None or _brings_own_image(subject):
        return
    served = preset.on(sku, subject.workspace.runtime_wish)
    if served.runtimes[choose_runtime(subject.workspace.runtime_wish, served, sku).runtime].cuda_toolkit:
        what = f"{_PRESET_NAME} {quote(preset.name)} is not run by this release"
        why = "it compiles its kernels at start and needs the CUDA toolkit on the node"
        fix = "use accessMode private with an image that brings the toolkit"
        yield Problem(Reason.NOT_SUPPORTED, _PRESET_NAME, what, why, (fix, "choose another preset"))


RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "count-range",
        (_COUNT,),
        f"The number of nodes is 1 to {MAX_COUNT}.",
        (Reason.COUNT_INVALID,),
        count,
    ),
    Rule(
        "instance-type",
        (_TYPE,),
        "The size exists, can be deployed and has GPUs.",
        (Reason.INSTANCE_TYPE_REQUIRED, Reason.INSTANCE_TYPE_UNKNOWN, Reason.INSTANCE_TYPE_HAS_NO_GPU),
        instance_type,
    ),
    Rule(
        "label-selector",
        (_SELECTOR,),
        "The selector is readable as labels of nodes, none of them reserved.",
        (Reason.FIELD_REQUIRED, Reason.SELECTOR_INVALID, Reason.LABEL_RESERVED),
        selector,
    ),
    Rule(
        "gpu-fit",
        (_TYPE, _COUNT),
        "The model runs on the size's GPUs and fits their memory, on as many nodes as are asked for.",
        (Reason.GPU_NOT_SUPPORTED, Reason.INSUFFICIENT_GPU_MEMORY, Reason.NOT_SUPPORTED),
        gpu_fit,
    ),
    Rule(
        "cuda-toolkit",
        (_TYPE,),
        "Models that compile their kernels at start find the CUDA toolkit on the node.",
        (Reason.NOT_SUPPORTED,),
        toolkit,
    ),
)
"""In the order in which their findings are shown."""


def describe(sku: Sku, nodes: int = 1) -> str:
    """A size in a few words, such as `2 x Standard_NC4as_T4_v3 (1 GPU, 16 GiB, 4 vCPU)`; one node without number."""
    gpus = f"{sku.gpu_count} GPU{'' if sku.gpu_count == 1 else 's'}"
    machines = sku.name if nodes == 1 else f"{nodes} x {sku.name}"
    return f"{machines} ({gpus}, {sku.gpu_memory_total_gib or 0:.0f} GiB, {sku.vcpu or 0} vCPU)"


def _gpu_supported(subject: Subject, preset: Preset, sku: Sku) -> Iterator[Finding]:
    wish = subject.workspace.runtime_wish
    served = preset.on(sku, wish)
    choice = choose_runtime(wish, served, sku)
    spec = served.runtimes[choice.runtime]
    capability = sku.compute_capability
    if sku.vendor != preset.gpu_vendor:
        why = f"the image of {preset.name} is built for {preset.gpu_vendor} GPUs"
    elif sku.arch != preset.arch:
        why = f"the image of {preset.name} is built for {preset.arch}, the size has {sku.arch} CPUs"
    elif not spec.supports(capability):
        span = f"{spec.min_capability} to {spec.max_capability}"
        why = f"{choice.runtime} in its image has code for CUDA capability {span}, this GPU has {capability}"
    else:
        return
    what = f"{_TYPE} {sku.name} ({sku.gpu_model}) cannot run {preset.name}"
    yield Problem(Reason.GPU_NOT_SUPPORTED, _TYPE, what, why, _proposals(subject))


def _missing(subject: Subject) -> Problem:
    what = f"{_TYPE} is missing"
    if subject.auto_provision:
        why = "nodes are to be made and their size cannot be derived"
        return Problem(Reason.INSTANCE_TYPE_REQUIRED, _TYPE, what, why, _proposals(subject))
    why = "the size of the nodes decides how the model is started"
    fix = f"set {_TYPE} to the value of the label {labels.INSTANCE_TYPE} on the nodes"
    return Problem(Reason.INSTANCE_TYPE_REQUIRED, _TYPE, what, why, (fix,))


def _no_gpu(subject: Subject, wanted: str) -> Problem | None:
    form = _SIZE_FORM.match(wanted)
    if form is None:
        return None
    letters = form["letters"].upper()
    has = _ACCELERATORS.get(letters[:2])
    if has is None and letters not in _CPU_FAMILIES:
        return None
    what = f"{_TYPE} {quote(wanted)} has {f'{has} but ' if has else ''}no GPU"
    return Problem(Reason.INSTANCE_TYPE_HAS_NO_GPU, _TYPE, what, _need(subject), _proposals(subject))


def _unknown(subject: Subject, wanted: str) -> Problem:
    elsewhere = subject.catalog.sku(wanted)
    if elsewhere is not None:
        what = f"{_TYPE} {quote(wanted)} is a size of {elsewhere.cloud}"
        return Problem(
            Reason.INSTANCE_TYPE_UNKNOWN, _TYPE, what, f"nodes are made in {subject.catalog.cloud}", _proposals(subject)
        )
    full = wanted if wanted.lower().startswith("stand") else f"Standard_{wanted}"
    usable = [sku.name for sku in subject.catalog.skus.values() if not sku.alias_of and _is_documented(sku)]
    close = nearest(full, usable, limit=SUGGESTIONS, cutoff=0.75)
    what = f"{_TYPE} {quote(wanted)} is in no table of GPU sizes"
    why = f"{len(usable)} Azure sizes with a GPU are known"
    meant = tuple(f"use {name}" for name in close[:1])
    others = tuple(f"use {describe(found.sku, found.nodes)}" for found in _suggestions(subject))
    fresh = tuple(each for each in others if not each.startswith(tuple(f"{one} " for one in meant)))
    return Problem(Reason.INSTANCE_TYPE_UNKNOWN, _TYPE, what, why, (*meant, *fresh) or _proposals(subject))


def _cautions(subject: Subject, sku: Sku) -> Iterator[str]:
    if not subject.auto_provision:
        return
    if sku.retiring:
        verb = "was retired by Azure" if sku.lifecycle is Lifecycle.RETIRED else "retires at Azure"
        others = [other.sku.name for other in _suggestions(subject) if other.sku.name != sku.name]
        instead = f"; {others[0]} fits too" if others else ""
        yield f"{sku.name} {verb} on {sku.retirement_date}, new nodes may be refused{instead}"
    elif sku.lifecycle in (Lifecycle.PREVIEW_NAME, Lifecycle.UNDOCUMENTED):
        yield f"{sku.name} is not a documented size: Azure may not offer it"
    if not sku.driver_installed:
        yield f"AKS installs no GPU driver on {sku.name}: its GPUs stay invisible until you install one"


def _need(subject: Subject) -> str:
    preset, best = subject.preset, _suggestions(subject)
    if preset is None or not best:
        return "models are served on GPUs"
    return f"{preset.name} needs {best[0].fit.need_text}"


def _proposals(subject: Subject) -> tuple[str, ...]:
    found = tuple(f"use {describe(found.sku, found.nodes)}" for found in _suggestions(subject))
    return found or ("set it to a GPU size such as Standard_NC4as_T4_v3",)


def _single_node(subject: Subject) -> tuple[str, ...]:
    found = tuple(f"use {describe(found.sku)}" for found in _suggestions(subject) if found.nodes == 1)
    return found or ("choose a smaller model: no size holds this one on a single node",)


def _suggestions(subject: Subject) -> tuple[Suggestion, ...]:
    preset = subject.preset
    return suggest(preset, subject.catalog, subject.use) if preset is not None else ()


def _brings_own_image(subject: Subject) -> bool:
    inference = subject.workspace.inference
    return bool(inference and inference.preset and inference.preset.access_mode == PRIVATE and inference.preset.image)


def _is_documented(sku: Sku) -> bool:
    return sku.lifecycle not in (Lifecycle.UNDOCUMENTED, Lifecycle.PREVIEW_NAME)
