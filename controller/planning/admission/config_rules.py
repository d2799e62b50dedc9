"""Rules about the configuration a Workspace names: is it there, can it be read, and does it go with the rest."""

from collections.abc import Iterable, Iterator
from typing import Final

from controller.api.messages import Problem, quote
from controller.api.reasons import Reason
from controller.api.workspace import Runtime, Workspace
from controller.catalog import Preset, RuntimeSpec
from controller.planning.admission.findings import Cel, Finding, Rule, Subject
from controller.planning.admission.preset_rules import PRIVATE
from controller.planning.configs.flags import dropped_flags
from controller.planning.configs.inference import InferenceConfig, parse_inference
from controller.planning.configs.lookup import Named, named_config, tuning_method
from controller.planning.configs.remarks import Parsed, Remark
from controller.planning.configs.training import ARGUMENTS, MODEL, QUANTIZATION, TrainingConfig, parse_training
from controller.planning.names import SUBDOMAIN_LENGTH, SUBDOMAIN_PATTERN, is_subdomain
from controller.planning.runtimes import choose_runtime
from controller.planning.site import Site
from controller.planning.sizing import TuningMethod, fit
from controller.planning.sizing.machine import tensor_sizes
from controller.planning.uses import EIGHT_BITS, FOUR_BITS

_FIELDS: Final = ("inference.config", "tuning.config")
_REMOVE: Final = "remove it"
_ONLINE: Final = FOUR_BITS | EIGHT_BITS | {"torchao", "online", "humming", "ipex"}
"""Ways of vLLM to quantise weights that are plain."""

_FAMILIES: Final = ("gptq", "awq", "mxfp4", "fp8")
_PACKED: Final = ("compressed-tensors", "modelopt")


def missing_config(workspace: Workspace, site: Site) -> Problem | None:
    """What keeps a Workspace waiting for its configuration; None where it is there, or none is needed.

    Admission only warns of it, since a ConfigMap may be applied after the Workspace; nothing is started without it.
    """
    named = named_config(workspace, site)
    if named is None or named.known:
        return None
    what = f"{named.field} names ConfigMap {quote(named.name)}, which is not in the namespace"
    fixes = (f"create it with the key {named.key}", f"remove {named.field} to use the defaults")
    return Problem(Reason.CONFIG_MAP_NOT_FOUND, named.field, what, "nothing is started before it is there", fixes)


def config_name(subject: Subject) -> Iterator[Finding]:
    """A configuration is named by the name of a ConfigMap of the Workspace's own namespace."""
    inference, tuning = subject.workspace.inference, subject.workspace.tuning
    for field, block in zip(_FIELDS, (inference, tuning), strict=True):
        if block is not None and block.config and not is_subdomain(block.config):
            what = f"{field} {quote(block.config)} is no name of a ConfigMap"
            why = f"names are 1 to {SUBDOMAIN_LENGTH} characters of a-z, 0-9, - and ."
            fix = "name a ConfigMap of the Workspace's namespace, without the namespace"
            yield Problem(Reason.NAME_INVALID, field, what, why, (fix,))


def inference_file(subject: Subject) -> Iterator[Finding]:
    """What the user asks of the model server can be understood, and goes with model and GPUs."""
    inference = subject.workspace.inference
    if inference is None or not is_subdomain(inference.config):
        return
    named = named_config(subject.workspace, subject.site)
    if named is None:
        by = "a pod template brings its own" if inference.template is not None else "only vLLM reads one"
        yield f"inference.config is not used: {by}"
        return
    yield from _there(named)
    if named.text is None:
        return
    parsed = parse_inference(named.text)
    spec = _server(subject)
    yield from _told(named, parsed, lenient=_brings_own_image(subject))
    if spec is not None and (dropped := sorted(dropped_flags(parsed.config, spec))):
        yield f"{', '.join(dropped)} of ConfigMap {named.name}: not passed on, vLLM {spec.version} has no such flag"
    if not parsed.faults:
        for flag, what, why, fixes in _disagreements(subject, parsed.config):
            line = parsed.config.lines.get(flag, 1)
            yield _problem(named, Remark(line, f"vllm.{flag}", what, why, fixes))


def training_file(subject: Subject) -> Iterator[Finding]:
    """What the user asks of the training program can be understood, and goes with the method and the GPUs."""
    tuning = subject.workspace.tuning
    if tuning is None or not is_subdomain(tuning.config):
        return
    named = named_config(subject.workspace, subject.site)
    if named is None:
        return
    yield from _there(named)
    if named.text is None:
        return
    parsed = parse_training(named.text)
    yield from _told(named, parsed)
    if not parsed.faults:
        yield from (_problem(named, remark) for remark in _against_method(subject, parsed.config))
        yield from _half_precision(subject, named, parsed.config)
        yield from _keeps_activations(subject, named, parsed.config)


def _there(named: Named) -> Iterator[Finding]:
    if not named.known:
        yield (
            f"{named.field}: ConfigMap {quote(named.name)} is not known yet; "
            f"it is read once it is there, and nothing is started before ({Reason.CONFIG_MAP_NOT_FOUND})"
        )
    elif named.text is None:
        what = f"{named.field}: ConfigMap {quote(named.name)} has no key {named.key}"
        fix = f"put the configuration under the key {named.key}"
        yield Problem(Reason.CONFIG_INVALID, named.field, what, "the configuration is read from there", (fix,))


def _told(
    named: Named, parsed: Parsed[InferenceConfig] | Parsed[TrainingConfig], *, lenient: bool = False
) -> Iterator[Finding]:
    """What was found in a document. An image of the user's own may know more flags than those of the catalogue."""
    for fault in parsed.faults:
        if lenient and fault.release:
            yield _warning(named, fault)
        else:
            yield _problem(named, fault)
    yield from (_warning(named, caution) for caution in parsed.cautions)


def _problem(named: Named, remark: Remark) -> Problem:
    where = f"{named.field}: ConfigMap {quote(named.name)}, {named.key}, line {remark.line}"
    what = " ".join(part for part in (f"{where}:", remark.path, remark.what) if part)
    return Problem(Reason.CONFIG_INVALID, named.field, what, remark.why, remark.fixes)


def _warning(named: Named, remark: Remark) -> str:
    why = f": {remark.why}" if remark.why else ""
    return f"{named.field}: ConfigMap {named.name}, line {remark.line}: {remark.path} {remark.what}{why}"


def _server(subject: Subject) -> RuntimeSpec | None:
    """How vLLM will be started; None while that is not known, and for an image of the user's own."""
    preset, sku, wish = subject.preset, subject.sku, subject.workspace.runtime_wish
    if preset is None or sku is None or _brings_own_image(subject):
        return None
    served = preset.on(sku, wish)
    runtime = choose_runtime(wish, served, sku).runtime
    return served.runtimes[runtime] if runtime is Runtime.VLLM else None


_Disagreement = tuple[str, str, str, tuple[str, ...]]


def _disagreements(subject: Subject, config: InferenceConfig) -> Iterator[_Disagreement]:
    """Flags that cannot be had of this model or on these GPUs: flag, what, why, fixes."""
    preset = subject.preset
    if preset is None:
        return
    tokens = config.max_model_len
    if tokens is not None and tokens > preset.max_context:
        why = f"{preset.name} was made for {preset.max_context} tokens"
        yield "max-model-len", f"is {tokens}", why, (f"write {preset.max_context} or less", "write auto")
    yield from _quantized(preset, config.word("quantization"))
    yield from _on_gpus(subject, preset, config)
    inference = subject.workspace.inference
    if config.flags.get("enable-lora") is False and inference is not None and inference.adapters:
        why = f"inference.adapters lists {len(inference.adapters)}"
        yield "enable-lora", "is false", why, (_REMOVE, "remove inference.adapters")


def _quantized(preset: Preset, way: str) -> Iterator[_Disagreement]:
    if not way or _goes_with(preset.quantization, way):
        return
    if preset.quantization:
        why = f"the weights of {preset.name} are quantised already, as {preset.quantization}"
        yield "quantization", f"is {quote(way)}", why, (_REMOVE,)
    else:
        why = f"it reads weights that were quantised beforehand, those of {preset.name} are plain"
        yield "quantization", f"is {quote(way)}", why, (_REMOVE, "write fp8 or bitsandbytes")


def _goes_with(own: str, way: str) -> bool:
    if not own:
        return way in _ONLINE
    if own in ("pack-quantized", "float-quantized", "nvfp4-pack-quantized", "mixed_precision"):
        return way in _PACKED or way.startswith("modelopt")
    return any(family in own and family in way for family in _FAMILIES)


def _on_gpus(subject: Subject, preset: Preset, config: InferenceConfig) -> Iterator[_Disagreement]:
    sku, tensor = subject.sku, config.tensor_parallel_size
    if sku is None:
        return
    if config.word("dtype") == "bfloat16" and not sku.bf16:
        why = f"{sku.gpu_model} has CUDA capability {sku.compute_capability}, bfloat16 begins with 8.0"
        yield "dtype", 'is "bfloat16"', why, ("write float16", _REMOVE)
    if tensor is None or not sku.gpu_count:
        return
    served = preset.on(sku, subject.workspace.runtime_wish)
    possible = tensor_sizes(served, sku.gpu_count if served.tensor_parallel else 1)
    if tensor in possible:
        return
    choices = " or ".join(map(str, sorted(possible)[-3:]))
    if tensor > sku.gpu_count:
        why = f"a node of {sku.name} has {sku.gpu_count} GPU{'s' if sku.gpu_count > 1 else ''}"
    elif not served.tensor_parallel:
        why = f"the layers of {preset.name} cannot be shared by GPUs"
    else:
        why = f"its {preset.architecture.attention_heads} attention heads cannot be shared evenly by {tensor} GPUs"
    yield "tensor-parallel-size", f"is {tensor}", why, ("remove it, the operator sets it", f"write {choices}")


def _against_method(subject: Subject, config: TrainingConfig) -> Iterator[Remark]:
    method, quantizes = tuning_method(subject.workspace), config.quantizes
    line = config.lines.get(QUANTIZATION, 1)
    path = f"training_config.{QUANTIZATION}"
    if method is TuningMethod.LORA and quantizes:
        line = config.lines.get(f"{QUANTIZATION}.{quantizes[0]}", line)
        why = "tuning.method is lora, which trains beside weights in two bytes"
        yield Remark(line, f"{path}.{quantizes[0]}", "is true", why, ("write false", "set tuning.method to qlora"))
    elif method is TuningMethod.QLORA and not quantizes:
        why = "tuning.method is qlora, which trains beside weights in four or eight bits"
        fixes = (f"write load_in_4bit: true in {QUANTIZATION}", "set tuning.method to lora")
        yield Remark(line, path, "switches on neither load_in_4bit nor load_in_8bit", why, fixes)


def _half_precision(subject: Subject, named: Named, config: TrainingConfig) -> Iterator[Finding]:
    sku = subject.sku
    if sku is None or sku.bf16:
        return
    why = f"{sku.gpu_model} has CUDA capability {sku.compute_capability}, bfloat16 begins with 8.0"
    if config.value(ARGUMENTS, "bf16"):
        line = config.lines.get(f"{ARGUMENTS}.bf16", 1)
        yield _problem(named, Remark(line, f"training_config.{ARGUMENTS}.bf16", "is true", why, ("use fp16: true",)))
    for section, key in ((MODEL, "torch_dtype"), (QUANTIZATION, "bnb_4bit_compute_dtype")):
        if config.value(section, key) == "bfloat16":
            line = config.lines.get(f"{section}.{key}", 1)
            yield _warning(named, Remark(line, key, "is bfloat16, which is slow there", f"{why}; use float16"))


def _keeps_activations(subject: Subject, named: Named, config: TrainingConfig) -> Iterator[Finding]:
    """LoRA fits some GPUs only where activations are computed again; QLoRA always does so."""
    preset, sku, key = subject.preset, subject.sku, "gradient_checkpointing"
    if tuning_method(subject.workspace) is not TuningMethod.LORA or config.value(ARGUMENTS, key) is not False:
        return
    verdict = None if preset is None or sku is None else fit(preset, sku, subject.use)
    if preset is not None and sku is not None and verdict is not None and verdict.fits and verdict.checkpointing:
        line = config.lines.get(f"{ARGUMENTS}.{key}", 1)
        why = f"the activations of {preset.name} fit the {verdict.offer_text} of {sku.name} only when computed again"
        yield _problem(named, Remark(line, f"training_config.{ARGUMENTS}.{key}", "is false", why, (_REMOVE,)))


def _brings_own_image(subject: Subject) -> bool:
    preset = subject.workspace.preset
    return preset is not None and preset.access_mode == PRIVATE and bool(preset.image)


def _names(blocks: Iterable[str]) -> tuple[Cel, ...]:
    return tuple(
        Cel(
            block,
            f"!has(self.config) || self.config == '' || self.config.matches('^{SUBDOMAIN_PATTERN}$')",
            f"config must be the name of a ConfigMap ({Reason.NAME_INVALID})",
            ".config",
        )
        for block in blocks
    )


RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "config-name",
        _FIELDS,
        "A configuration is named by the name of a ConfigMap of the Workspace's own namespace.",
        (Reason.NAME_INVALID,),
        config_name,
        cel=_names(("inference", "tuning")),
    ),
    Rule(
        "inference-config",
        ("inference.config",),
        "The ConfigMap, once it is there, holds flags vLLM knows, and they go with the model and the GPUs.",
        (Reason.CONFIG_INVALID,),
        inference_file,
    ),
    Rule(
        "training-config",
        ("tuning.config",),
        "The ConfigMap, once it is there, holds keys the training program knows, and they go with the method.",
        (Reason.CONFIG_INVALID,),
        training_file,
    ),
)
"""In the order in which their findings are shown."""
