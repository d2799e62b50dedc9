"""What an API server asks an admission webhook in a working day: mostly good manifests, some changes, some mistakes.

A request that is accepted costs two reviews, one per webhook; a refused one ends with the first.
"""

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from controller.api.json import Json

MUTATE: Final = "/mutate-workspace"
VALIDATE: Final = "/validate-workspace"
NAMESPACE: Final = "default"
CONFIG_MAP: Final = "bench-config"
CONFIG_DATA: Final = {"inference_config.yaml": "vllm:\n  max-model-len: 8192\n  gpu-memory-utilization: 0.9\n"}
UID: Final = "705ab4f5-6393-11e8-b7cc-42010a800002"


@dataclass(frozen=True, slots=True)
class Question:
    """One review of the mix.

    Attributes:
        name: what is asked, for people.
        path: the webhook that is asked.
        body: the AdmissionReview.
        allowed: the answer it must get; a bench of wrong answers measures nothing.
    """

    name: str
    path: str
    body: bytes
    allowed: bool


@dataclass(frozen=True, slots=True)
class Request:
    """What a user sends.

    Attributes:
        name: what it is about, for people.
        weight: how often it stands in the mix.
        obj: the manifest.
        allowed: whether it is accepted.
        old: what it replaces; None where it is new.
        completed: what the mutating webhook makes of it; None where that is nothing.
    """

    name: str
    weight: int
    obj: Json
    allowed: bool = True
    old: Json | None = None
    completed: Json | None = None

    def questions(self) -> Iterator[Question]:
        """The reviews it leads to."""
        yield Question(self.name, MUTATE, admission_review(self.obj, self.old), self.allowed)
        if self.allowed:
            yield Question(self.name, VALIDATE, admission_review(self.completed or self.obj, self.old), self.allowed)


def mix() -> tuple[Question, ...]:
    """Every review of one round, in an order that spreads each kind over it."""
    requests = [(index / each.weight, each) for each in REQUESTS for index in range(each.weight)]
    ordered = sorted(requests, key=lambda pair: (pair[0], pair[1].name))
    return tuple(question for _, request in ordered for question in request.questions())


def admission_review(obj: Json, old: Json | None = None) -> bytes:
    """The body that asks about a create, or about an update where `old` is given."""
    version = obj["apiVersion"].rpartition("/")[2]
    review = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": UID,
            "kind": {"group": "kaito.sh", "version": version, "kind": "Workspace"},
            "resource": {"group": "kaito.sh", "version": version, "resource": "workspaces"},
            "requestKind": {"group": "kaito.sh", "version": version, "kind": "Workspace"},
            "name": obj["metadata"]["name"],
            "namespace": NAMESPACE,
            "operation": "CREATE" if old is None else "UPDATE",
            "userInfo": {"username": "kubernetes-admin", "groups": ["kubeadm:cluster-admins", "system:authenticated"]},
            "object": obj,
            "oldObject": old,
            "dryRun": False,
        },
    }
    return json.dumps(review, separators=(",", ":")).encode()


def workspace(name: str, size: str, *, version: str = "v1beta1", **blocks: Any) -> Json:
    """A Workspace as it reaches a webhook: with its managed fields, which are half of it."""
    resource: Json = {"labelSelector": {"matchLabels": {"apps": name}}}
    if size:
        resource["instanceType"] = size
    spec = {"resource": resource, **blocks}
    managed = {
        "manager": "kubectl-client-side-apply",
        "operation": "Update",
        "apiVersion": f"kaito.sh/{version}",
        "time": "2026-06-01T08:00:00Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:metadata": {"f:annotations": {".": {}, "f:team": {}}}, **_owned(spec)},
    }
    metadata = {
        "name": name,
        "namespace": NAMESPACE,
        "uid": UID,
        "generation": 1,
        "creationTimestamp": "2026-06-01T08:00:00Z",
        "annotations": {"team": "search"},
        "managedFields": [managed],
    }
    return {"apiVersion": f"kaito.sh/{version}", "kind": "Workspace", "metadata": metadata, **spec}


def preset(name: str, **more: Any) -> Json:
    """An inference block that serves a preset."""
    return {"preset": {"name": name}, **more}


def _owned(value: Any) -> Json:
    return {f"f:{key}": _owned(inner) for key, inner in value.items()} if isinstance(value, dict) else {}


def _changed(obj: Json, block: str, **fields: Any) -> Json:
    result = copy.deepcopy(obj)
    result[block] |= fields
    return result


_PHI = workspace("phi-3", "Standard_NC6s_v3", version="v1alpha1", inference=preset("phi-3-mini-4k-instruct"))
_STORED = _changed(_PHI, "resource", count=1)
_TUNING: Final = {
    "preset": {"name": "phi-3-mini-128k-instruct"},
    "method": "qlora",
    "input": {"urls": ["https://example.com/data.parquet"]},
    "output": {"image": "registry.example.com/adapters/phi-3:1", "imagePushSecret": "push"},
}
_ADAPTERS: Final = [{"source": {"name": "phi-3-adapter", "image": "registry.example.com/a:1"}, "strength": "1.0"}]
_MODERN, _T4 = "Standard_NC24ads_A100_v4", "Standard_NC4as_T4_v3"

_UNSIZED: Final = workspace("choose", "", inference=preset("phi-4-mini-instruct"))

REQUESTS: Final = (
    Request("a change of labels", 8, _changed(_STORED, "metadata", labels={"team": "a"}), old=_STORED),
    Request("a good manifest", 4, _PHI),
    Request("a size to be chosen", 3, _UNSIZED, completed=_changed(_UNSIZED, "resource", instanceType=_T4, count=1)),
    Request("a model on large GPUs", 2, workspace("large", _MODERN, inference=preset("phi-4"))),
    Request("adapters", 1, workspace("adapters", _MODERN, inference=preset("phi-4", adapters=_ADAPTERS))),
    Request("a tuning run", 1, workspace("tune", _MODERN, tuning=_TUNING)),
    Request("a configuration", 2, workspace("config", _MODERN, inference=preset("phi-4", config=CONFIG_MAP))),
    Request("a misspelt preset", 1, workspace("typo", _MODERN, inference=preset("phi-3-mini")), allowed=False),
    Request("a size too small", 1, workspace("small", _T4, inference=preset("phi-4")), allowed=False),
    Request("a size without GPU", 1, workspace("cpu", "Standard_D4s_v5", inference=preset("phi-4")), allowed=False),
    Request("a forbidden change", 1, _changed(_STORED, "resource", instanceType=_T4), allowed=False, old=_STORED),
)  # fmt: skip
"""What is sent in one round."""
