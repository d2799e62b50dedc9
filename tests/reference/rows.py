"""What a row is, and the manifests that rows are changes of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from controller.api.json import Json
from tests.unit.planning.manifests import changed

A100: Final = "Standard_NC24ads_A100_v4"
NAMESPACE: Final = "reference"


class Where(StrEnum):
    """The installation a manifest is applied to."""

    MACHINE = "machine"
    EXISTING = "existing"
    AWS = "aws"


@dataclass(frozen=True, slots=True)
class Row:
    """One manifest and both answers.

    Attributes:
        id: letter and number; KAITO accepts the rows of letter A and refuses those of letter D.
        does: what the manifest does, in words that follow on the row's number.
        obj: the manifest.
        accepted: what is answered here.
        says: what the answer tells: the message of a refusal, the warnings of an acceptance.
        differs: why the answer is not KAITO's; empty where it is.
        old: what is stored when the manifest replaces it; None where it is created.
        stored_by_kaito: whether what is stored is nothing that could be made here.
        where: the installation.
        config_maps: data of the ConfigMaps there are, by name.
        nodes: labels of the Nodes there are, by name.
    """

    id: str
    does: str
    obj: Json
    accepted: bool
    says: tuple[str, ...] = ()
    differs: str = ""
    old: Json | None = None
    stored_by_kaito: bool = False
    where: Where = Where.MACHINE
    config_maps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    nodes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def by_kaito(self) -> bool:
        """Whether KAITO accepts it."""
        return self.id.startswith("A")


def yes(number: str, does: str, obj: Json, *says: str, **more: Any) -> Row:
    """A manifest that is accepted; `says` are parts of the warnings."""
    return Row(number, does, obj, accepted=True, says=says, **more)


def no(number: str, does: str, obj: Json, *says: str, **more: Any) -> Row:
    """A manifest that is refused; `says` are parts of the message."""
    return Row(number, does, obj, accepted=False, says=says, **more)


def workspace(name: str, size: str, **blocks: Any) -> Json:
    """A Workspace of version v1beta1 whose selector is its name."""
    resource: Json = {"labelSelector": {"matchLabels": {"apps": name}}}
    if size:
        resource["instanceType"] = size
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "metadata": metadata, "resource": resource, **blocks}


BASE: Final = workspace("base-inf", A100, inference={"preset": {"name": "phi-4-mini-instruct"}})
TEMPLATED: Final = workspace(
    "base-tmpl",
    A100,
    inference={"template": {"spec": {"containers": [{"name": "main", "image": "example.io/serve:1"}]}}},
)
TUNED: Final = workspace(
    "base-tune",
    A100,
    tuning={
        "preset": {"name": "phi-3-mini-128k-instruct"},
        "method": "qlora",
        "input": {"urls": ["https://example.com/data.parquet"]},
        "output": {"image": "registry.example.com/out/adapter:1", "imagePushSecret": "push-secret"},
    },
)


def inf(**changes: Any) -> Json:
    """The base that serves a preset, changed."""
    return _with(BASE, changes)


def served(preset: str, **changes: Any) -> Json:
    """The base with another preset."""
    return inf(**{"inference.preset.name": preset, **changes})


def tmpl(**changes: Any) -> Json:
    """The base with a pod template of the user's own, changed."""
    return _with(TEMPLATED, changes)


def tune(**changes: Any) -> Json:
    """The base that tunes, changed."""
    return _with(TUNED, changes)


def annotated(obj: Json, **values: str) -> Json:
    """The same with annotations of the prefix kaito.sh; dashes are written as underscores."""
    annotations = {f"kaito.sh/{key.replace('_', '-')}": value for key, value in values.items()}
    return changed(obj, "metadata.annotations", annotations)


def alpha(obj: Json) -> Json:
    """The same in version v1alpha1."""
    return {**obj, "apiVersion": "kaito.sh/v1alpha1"}


def _with(base: Json, changes: Mapping[str, Any]) -> Json:
    obj = base
    for path, value in changes.items():
        obj = changed(obj, path.replace("__", "."), value)
    return obj
