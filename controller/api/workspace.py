"""The Workspace as a typed value.

Workspaces have no `spec`: `resource`, `inference` and `tuning` stand at the top level. Parsing is strict about types
and silent about meaning; what a Workspace means and whether it can run is planning's business.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from controller.api import labels
from controller.api.json import (
    Json,
    annotations_of,
    finalizers_of,
    generation_of,
    is_deleting,
    name_of,
    namespace_of,
    uid_of,
)
from controller.api.node_source import NodeSource, wished_source


class ConditionType(StrEnum):
    """Condition types of a Workspace, in the order they are shown."""

    MACHINE_READY = "MachineReady"
    NODE_CLAIM_READY = "NodeClaimReady"
    NODES_READY = "NodesReady"
    RESOURCE_READY = "ResourceReady"
    INFERENCE_READY = "InferenceReady"
    JOB_STARTED = "JobStarted"
    WORKSPACE_SUCCEEDED = "WorkspaceSucceeded"
    WORKSPACE_READY = "WorkspaceReady"
    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    PAUSED = "Paused"
    DELETING = "WorkspaceDeleting"


class Runtime(StrEnum):
    """Model servers a preset can run on."""

    TRANSFORMERS = "transformers"
    VLLM = "vllm"


_RUNTIMES: Final = {runtime.value: runtime for runtime in Runtime}

DEFAULT_COUNT: Final = 1
"""Nodes of a Workspace that names no count and whose preset needs no more."""


class ParseError(ValueError):
    """A field has a JSON type the API does not allow.

    Attributes:
        path: JSON path of the field.
        expected: the type that belongs there, in words.
        actual: the value found.
    """

    def __init__(self, path: str, expected: str, actual: object) -> None:
        super().__init__(f"{path}: expected {expected}, got {type(actual).__name__}")
        self.path, self.expected, self.actual = path, expected, actual


@dataclass(frozen=True, slots=True)
class MatchExpression:
    """One requirement of a label selector."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Partition:
    """`resource.partition`: the share of a node's GPUs a Workspace uses. Zero and empty stand for what is not set."""

    mode: str = ""
    profile: str = ""
    count: int | None = None


@dataclass(frozen=True, slots=True)
class ResourceSpec:
    """`resource`: which nodes, and how many."""

    count: int | None = None
    instance_type: str = ""
    match_labels: Mapping[str, str] = field(default_factory=dict)
    match_expressions: tuple[MatchExpression, ...] = ()
    preferred_nodes: tuple[str, ...] = ()
    partition: Partition | None = None


@dataclass(frozen=True, slots=True)
class PresetSpec:
    """`preset`: a model of the catalogue, or the user's own image of it."""

    name: str
    access_mode: str = ""
    image: str = ""
    image_pull_secrets: tuple[str, ...] = ()
    model_access_secret: str = ""


@dataclass(frozen=True, slots=True)
class DataSource:
    """Where data of an adapter or of a training run come from. `volume` is a Kubernetes volume source as JSON."""

    name: str = ""
    urls: tuple[str, ...] = ()
    volume: Json | None = None
    image: str = ""
    image_pull_secrets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DataDestination:
    """Where the result of a training run goes to. `volume` is a Kubernetes volume source as JSON."""

    volume: Json | None = None
    image: str = ""
    image_push_secret: str = ""


@dataclass(frozen=True, slots=True)
class AdapterSpec:
    """One entry of `inference.adapters`. `strength` is the text the user wrote; empty where nothing was written."""

    source: DataSource | None = None
    strength: str = ""


@dataclass(frozen=True, slots=True)
class InferenceSpec:
    """`inference`: what to serve. `template` is a pod template as plain JSON."""

    preset: PresetSpec | None = None
    template: Json | None = None
    config: str = ""
    adapters: tuple[AdapterSpec, ...] = ()


@dataclass(frozen=True, slots=True)
class TuningSpec:
    """`tuning`: which model to tune, how, with what, and where the result goes."""

    preset: PresetSpec | None = None
    method: str = ""
    config: str = ""
    input: DataSource | None = None
    output: DataDestination | None = None


@dataclass(frozen=True, slots=True)
class Workspace:
    """A Workspace as the API server stores it."""

    name: str
    namespace: str
    uid: str = ""
    generation: int = 0
    deleting: bool = False
    finalizers: tuple[str, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)
    resource: ResourceSpec = ResourceSpec()
    inference: InferenceSpec | None = None
    tuning: TuningSpec | None = None
    version: str = ""

    @property
    def preset(self) -> PresetSpec | None:
        """The preset of whichever of inference and tuning is set; inference goes first where both are."""
        for block in (self.inference, self.tuning):
            if block is not None and block.preset is not None:
                return block.preset
        return None

    @property
    def runtime_wish(self) -> Runtime | None:
        """The runtime the user asked for by annotation; None without a wish, or with a word that is no runtime."""
        wish = self.annotations.get(labels.RUNTIME, "")
        return _RUNTIMES.get(wish)

    @property
    def node_source(self) -> NodeSource | None:
        """Where its nodes come from if it says so itself; None where the installation decides."""
        return wished_source(self.annotations)

    @property
    def wants_load_balancer(self) -> bool:
        """Whether the Service is to be reachable from outside; only the exact word `True` asks for it."""
        return self.annotations.get(labels.ENABLE_LOAD_BALANCER) == "True"

    @property
    def paused(self) -> bool:
        """Whether nothing is to be done for it but its deletion; only the exact word `true` asks for it."""
        return self.annotations.get(labels.PAUSED) == "true"

    @property
    def releases_nodes(self) -> bool:
        """Whether the nodes of a training run are given back once it is over."""
        return self.annotations.get(labels.RELEASE_NODES) == labels.WHEN_DONE


def parse_workspace(obj: Json) -> Workspace:
    """The typed view of a stored or submitted Workspace.

    Raises:
        ParseError: a field has the wrong JSON type; the first such field is named.
    """
    inference = _optional_object(obj, "inference", "inference")
    tuning = _optional_object(obj, "tuning", "tuning")
    return Workspace(
        name=name_of(obj),
        namespace=namespace_of(obj),
        uid=uid_of(obj),
        generation=generation_of(obj),
        deleting=is_deleting(obj),
        finalizers=tuple(finalizers_of(obj)),
        annotations=annotations_of(obj),
        resource=_parse_resource(_optional_object(obj, "resource", "resource") or {}),
        inference=None if inference is None else _parse_inference(inference),
        tuning=None if tuning is None else _parse_tuning(tuning),
        version=_string(obj, "apiVersion", "apiVersion").rpartition("/")[2],
    )


def _parse_resource(spec: Json) -> ResourceSpec:
    partition = _optional_object(spec, "partition", "resource.partition")
    selector = _optional_object(spec, "labelSelector", "resource.labelSelector") or {}
    return ResourceSpec(
        count=_whole(spec, "count", "resource.count"),
        instance_type=_string(spec, "instanceType", "resource.instanceType"),
        match_labels=_string_map(selector, "matchLabels", "resource.labelSelector.matchLabels"),
        match_expressions=tuple(
            _parse_expression(entry, f"resource.labelSelector.matchExpressions[{index}]")
            for index, entry in enumerate(
                _objects(selector, "matchExpressions", "resource.labelSelector.matchExpressions")
            )
        ),
        preferred_nodes=_strings(spec, "preferredNodes", "resource.preferredNodes"),
        partition=None if partition is None else _parse_partition(partition),
    )


def _parse_partition(spec: Json) -> Partition:
    return Partition(
        mode=_string(spec, "mode", "resource.partition.mode"),
        profile=_string(spec, "profile", "resource.partition.profile"),
        count=_whole(spec, "count", "resource.partition.count"),
    )


def _parse_expression(entry: Json, path: str) -> MatchExpression:
    return MatchExpression(
        key=_string(entry, "key", f"{path}.key"),
        operator=_string(entry, "operator", f"{path}.operator"),
        values=_strings(entry, "values", f"{path}.values"),
    )


def _parse_inference(spec: Json) -> InferenceSpec:
    preset = _optional_object(spec, "preset", "inference.preset")
    return InferenceSpec(
        preset=None if preset is None else parse_preset(preset, "inference.preset"),
        template=_optional_object(spec, "template", "inference.template"),
        config=_string(spec, "config", "inference.config"),
        adapters=tuple(
            _parse_adapter(entry, f"inference.adapters[{index}]")
            for index, entry in enumerate(_objects(spec, "adapters", "inference.adapters"))
        ),
    )


def _parse_adapter(entry: Json, path: str) -> AdapterSpec:
    source = _optional_object(entry, "source", f"{path}.source")
    return AdapterSpec(
        source=None if source is None else _parse_source(source, f"{path}.source"),
        strength=_string(entry, "strength", f"{path}.strength"),
    )


def _parse_tuning(spec: Json) -> TuningSpec:
    preset = _optional_object(spec, "preset", "tuning.preset")
    source = _optional_object(spec, "input", "tuning.input")
    output = _optional_object(spec, "output", "tuning.output")
    return TuningSpec(
        preset=None if preset is None else parse_preset(preset, "tuning.preset"),
        method=_string(spec, "method", "tuning.method"),
        config=_string(spec, "config", "tuning.config"),
        input=None if source is None else _parse_source(source, "tuning.input"),
        output=None if output is None else _parse_destination(output, "tuning.output"),
    )


def _parse_source(spec: Json, path: str) -> DataSource:
    return DataSource(
        name=_string(spec, "name", f"{path}.name"),
        urls=_strings(spec, "urls", f"{path}.urls"),
        volume=_optional_object(spec, "volumeSource", f"{path}.volumeSource"),
        image=_string(spec, "image", f"{path}.image"),
        image_pull_secrets=_strings(spec, "imagePullSecrets", f"{path}.imagePullSecrets"),
    )


def _parse_destination(spec: Json, path: str) -> DataDestination:
    return DataDestination(
        volume=_optional_object(spec, "volumeSource", f"{path}.volumeSource"),
        image=_string(spec, "image", f"{path}.image"),
        image_push_secret=_string(spec, "imagePushSecret", f"{path}.imagePushSecret"),
    )


def parse_preset(spec: Json, path: str) -> PresetSpec:
    """The preset of an inference or tuning block.

    Raises:
        ParseError: a field has the wrong JSON type.
    """
    options = _optional_object(spec, "presetOptions", f"{path}.presetOptions") or {}
    return PresetSpec(
        name=_string(spec, "name", f"{path}.name"),
        access_mode=_string(spec, "accessMode", f"{path}.accessMode"),
        image=_string(options, "image", f"{path}.presetOptions.image"),
        image_pull_secrets=_strings(options, "imagePullSecrets", f"{path}.presetOptions.imagePullSecrets"),
        model_access_secret=_string(options, "modelAccessSecret", f"{path}.presetOptions.modelAccessSecret"),
    )


def _optional_object(parent: Json, key: str, path: str) -> Json | None:
    value = parent.get(key)
    if value is not None and not isinstance(value, dict):
        raise ParseError(path, "an object", value)
    return value


def _objects(parent: Json, key: str, path: str) -> list[Json]:
    entries = _list(parent, key, path)
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise ParseError(f"{path}[{index}]", "an object", entry)
    return entries


def _strings(parent: Json, key: str, path: str) -> tuple[str, ...]:
    entries = _list(parent, key, path)
    for index, entry in enumerate(entries):
        if not isinstance(entry, str):
            raise ParseError(f"{path}[{index}]", "a string", entry)
    return tuple(entries)


def _list(parent: Json, key: str, path: str) -> list[Any]:
    value = parent.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise ParseError(path, "a list", value)
    return value


def _string(parent: Json, key: str, path: str) -> str:
    value = parent.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ParseError(path, "a string", value)
    return value


def _whole(parent: Json, key: str, path: str) -> int | None:
    value = parent.get(key)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise ParseError(path, "a whole number", value)
    return value


def _string_map(parent: Json, key: str, path: str) -> dict[str, str]:
    value = _optional_object(parent, key, path) or {}
    for name, entry in value.items():
        if not isinstance(entry, str):
            raise ParseError(f"{path}[{name}]", "a string", entry)
    return value
