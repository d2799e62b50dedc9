"""Models that can be served by name: what they need and how they are started.

All memory figures are GiB (2**30 bytes) unless the name says otherwise. None means that nobody knows.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from controller.api.workspace import Runtime
from controller.catalog.sku import Sku

_KV_ELEMENT_BYTES: Final = 2


class PresetStatus(StrEnum):
    """Where a preset stands with KAITO, whose names this catalogue keeps."""

    ACTIVE = "active"
    DEPRECATED = "deprecated"
    REMOVED = "removed"
    UNRELEASED = "unreleased"


class KvQuality(StrEnum):
    """How much the figure of KV cache per token can be trusted.

    An upper bound counts layers as full attention that keep less (sliding window, linear attention, Mamba). Unknown
    is a figure whose true layout is not published; it is used as an upper bound too.
    """

    EXACT = "exact"
    UPPER_BOUND = "upper-bound"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Architecture:
    """The facts of a transformer that decide what it needs.

    Attributes:
        model_class: class name in the model's configuration.
        attention: MHA, GQA, MQA or MLA.
        layers, hidden_size, attention_heads, kv_heads, head_dim: as in the model's configuration.
        kv_lora_rank, qk_rope_head_dim: widths of the one latent vector MLA keeps per token; None without MLA.
        full_attention_layers: layers that keep the whole context where the others keep less; None where all layers
            keep it, or where it is not known how many do.
        sliding_window: tokens the other layers keep; None where there are no others, or they keep no tokens at all
            (Mamba, linear attention).
        vocabulary: words of the vocabulary; None when unknown.
        feed_forward: width of the feed-forward layers; None when unknown.
    """

    model_class: str
    attention: str
    layers: int
    hidden_size: int
    attention_heads: int
    kv_heads: int
    head_dim: int
    kv_lora_rank: int | None = None
    qk_rope_head_dim: int | None = None
    full_attention_layers: int | None = None
    sliding_window: int | None = None
    vocabulary: int | None = None
    feed_forward: int | None = None

    @property
    def kv_bytes_per_layer(self) -> int:
        """Bytes one layer keeps per token at two bytes an element: the latent vector of MLA, else keys and values."""
        if self.attention == "MLA":
            return ((self.kv_lora_rank or 0) + (self.qk_rope_head_dim or 0)) * _KV_ELEMENT_BYTES
        return 2 * self.kv_heads * self.head_dim * _KV_ELEMENT_BYTES

    @property
    def kv_bytes_per_token(self) -> int:
        """Bytes all layers keep per token when every one keeps the whole context."""
        return self.kv_bytes_per_layer * self.layers

    @property
    def kv_derivation(self) -> str:
        """How that figure comes about, such as `2 x 32 KV heads x 96 x 32 layers x 2 bytes`."""
        if self.attention == "MLA":
            return f"({self.kv_lora_rank} latent + {self.qk_rope_head_dim} rope) x {self.layers} layers x 2 bytes"
        return f"2 x {self.kv_heads} KV heads x {self.head_dim} x {self.layers} layers x 2 bytes"


@dataclass(frozen=True, slots=True)
class Image:
    """A container image of the catalogue."""

    registry: str
    repository: str
    tag: str

    @property
    def reference(self) -> str:
        """`registry/repository:tag`."""
        return f"{self.registry}/{self.repository}:{self.tag}"


@dataclass(frozen=True, slots=True)
class RuntimeSpec:
    """How one program of an image is started.

    Attributes:
        base_command: the launcher, words separated by blanks.
        launch_params: flags of the launcher itself.
        main_file: the program's path inside the image.
        run_params: flags of the program; empty text means a flag without value.
        dtype_param: the flag that names the number format.
        min_capability, max_capability: CUDA compute capabilities the image holds code for, both included.
        working_dir: the folder to start it in; empty for the image's own.
        lora: whether it can serve LoRA adapters.
        env: environment variables it needs.
        cuda_toolkit: whether it compiles kernels at start and needs the CUDA toolkit on the node.
        version: release of the engine the image holds, such as vLLM's; empty where nobody knows.
    """

    base_command: str
    launch_params: Mapping[str, str]
    main_file: str
    run_params: Mapping[str, str]
    dtype_param: str
    min_capability: float
    max_capability: float
    working_dir: str = ""
    lora: bool = True
    env: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    cuda_toolkit: bool = False
    version: str = ""

    def argv(self, overrides: Mapping[str, str] = MappingProxyType({})) -> tuple[str, ...]:
        """The command line, `overrides` replacing or adding flags of the program. Flags stand in alphabetical order."""
        return (
            *self.base_command.split(),
            *_flags(self.launch_params),
            self.main_file,
            *_flags({**self.run_params, **overrides}),
        )

    def supports(self, capability: float | None) -> bool:
        """Whether there is code for GPUs of that CUDA capability; True where the capability is unknown."""
        return capability is None or self.min_capability <= capability <= self.max_capability

    @property
    def tool_call_parser(self) -> str:
        """The parser of tool calls; empty when tools are not served."""
        return self.run_params.get("tool-call-parser", "")

    @property
    def reasoning_parser(self) -> str:
        """The parser of reasoning; empty when it is not told apart."""
        return self.run_params.get("reasoning-parser", "")

    @property
    def chat_template(self) -> str:
        """Path of the chat template inside the image; empty for the one that comes with the weights."""
        return self.run_params.get("chat-template") or self.run_params.get("chat_template", "")


@dataclass(frozen=True, slots=True)
class Edition:
    """One way to run a preset: an image and how its model servers are started.

    Attributes:
        image: the image; None where the user has to bring it.
        download: whether the weights are fetched from Hugging Face at start, instead of being in the image.
        distributed: whether its model server can be split over several nodes.
        runtimes: how to start each model server the image holds.
    """

    image: Image | None
    download: bool
    distributed: bool
    runtimes: Mapping[Runtime, RuntimeSpec]

    def supports(self, capability: float | None) -> bool:
        """Whether any model server of the image has code for GPUs of that CUDA capability."""
        return any(spec.supports(capability) for spec in self.runtimes.values())


@dataclass(frozen=True, slots=True)
class Tuning:
    """How a preset is tuned.

    Attributes:
        image: the image that holds the training program and the weights.
        methods: what the program can do: `lora`, `qlora`.
        stated_memory_gib: GPU memory KAITO states per method; None where it states none. Its figures for whole
            presets are not carried: they fill a field of another meaning and are far above what qlora needs.
        spec: how the training program is started.
    """

    image: Image
    methods: tuple[str, ...]
    stated_memory_gib: Mapping[str, float | None]
    spec: RuntimeSpec


@dataclass(frozen=True, slots=True)
class Preset:
    """A model that can be served by name.

    Attributes:
        name: the short name where it ever had one, else the Hugging Face repository.
        aliases: other accepted spellings; letter case does not matter.
        family: model family.
        hf_repo: Hugging Face repository of the weights.
        hf_revision: the pinned commit of that repository; empty for its main branch.
        license: SPDX-like identifier.
        gated: whether the weights need an access approval; None when unknown.
        parameters_b: parameters in billions; None when unknown.
        weights_gib: size of the weight files that are loaded.
        kv_bytes_per_token: bytes of KV cache per token over all layers, each counted as full attention.
        max_context: longest context in tokens.
        architecture: facts of the network.
        dtype: number format the model computes in where the GPU can; `auto` for quantised weights.
        disk_gib: disk a node needs for image, weights and scratch.
        readiness_timeout_minutes: how long loading may take before it counts as failed.
        tensor_parallel: whether the model can be split over the GPUs of one node.
        distributed: whether it can be split over several nodes.
        image: the image it is served from; None where the user has to bring it.
        gpu_vendor: whose GPUs the image has code for.
        arch: CPU architecture the image is built for.
        port: HTTP port of the server in the image.
        health_path: its health endpoint.
        runtimes: how to start each model server the image holds.
        status: where the preset stands.
        runnable: whether anything is left to run: an image, or weights to download.
        successor: the preset to use instead of a removed or unreleased one; empty for active ones.
        kv_quality: how much `kv_bytes_per_token` can be trusted.
        active_parameters_b: parameters used per token, in billions; None when unknown or all of them.
        quantization: `fp8`, `mxfp4`, `gptq` and such; empty for plain weights.
        download: whether the weights are fetched from Hugging Face at start, instead of being in the image.
        fixed_gpus: the number of GPUs where weights come in that many pieces; None where it is free.
        alternatives: other ways to run it, in order of preference, for GPUs the first image has no code for.
        tuning: how it is tuned; None where it cannot be.
        notes: what is wrong or disputed elsewhere, and the derivation of what stands here.
    """

    name: str
    aliases: tuple[str, ...]
    family: str
    hf_repo: str
    hf_revision: str
    license: str
    gated: bool | None
    parameters_b: float | None
    weights_gib: float
    kv_bytes_per_token: int
    max_context: int
    architecture: Architecture
    dtype: str
    disk_gib: int
    readiness_timeout_minutes: int
    tensor_parallel: bool
    distributed: bool
    image: Image | None
    gpu_vendor: str
    arch: str
    port: int
    health_path: str
    runtimes: Mapping[Runtime, RuntimeSpec]
    status: PresetStatus = PresetStatus.ACTIVE
    runnable: bool = True
    successor: str = ""
    kv_quality: KvQuality = KvQuality.EXACT
    active_parameters_b: float | None = None
    quantization: str = ""
    download: bool = False
    fixed_gpus: int | None = None
    alternatives: tuple[Edition, ...] = ()
    tuning: Tuning | None = None
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Every accepted spelling, the short name first."""
        return (self.name, *self.aliases)

    @property
    def image_reference(self) -> str:
        """The image to pull; empty where the user has to bring it."""
        return self.image.reference if self.image is not None else ""

    def on(self, sku: Sku, runtime: Runtime | None = None) -> "Preset":
        """The preset as it is served on a size: by the first of its images that has code for the GPU.

        Itself where that is its own image, and where none has code for the GPU.

        Args:
            sku: the size.
            runtime: the model server wished for; images that hold it go first.
        """
        capability = sku.compute_capability
        own = Edition(self.image, self.download, self.distributed, self.runtimes)
        usable = [edition for edition in (own, *self.alternatives) if edition.supports(capability)]
        wished = (
            edition
            for edition in usable
            for name, spec in edition.runtimes.items()
            if name is runtime and spec.supports(capability)
        )
        chosen = next(wished, usable[0] if usable else own)
        if chosen is own:
            return self
        return replace(
            self,
            image=chosen.image,
            download=chosen.download,
            distributed=chosen.distributed,
            runtimes=chosen.runtimes,
        )


def _flags(params: Mapping[str, str]) -> Iterable[str]:
    return (f"--{name}={value}" if value else f"--{name}" for name, value in sorted(params.items()))
