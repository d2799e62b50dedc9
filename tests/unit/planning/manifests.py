"""Manifests to be judged, and strategies for those nobody should have written."""

import copy
from typing import Any

from hypothesis import strategies as st

from controller.api.json import Json

JSON_SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20)
)
ANY_JSON = st.recursive(
    JSON_SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)

PATHS = (
    "metadata", "metadata.name", "metadata.generateName", "metadata.namespace", "metadata.uid", "metadata.generation",
    "metadata.labels", "metadata.annotations", "metadata.finalizers", "metadata.deletionTimestamp",
    "resource", "resource.count", "resource.instanceType", "resource.labelSelector", "resource.preferredNodes",
    "resource.labelSelector.matchLabels", "resource.labelSelector.matchExpressions",
    "inference", "inference.preset", "inference.preset.name", "inference.preset.accessMode",
    "inference.preset.presetOptions", "inference.preset.presetOptions.image",
    "inference.preset.presetOptions.imagePullSecrets", "inference.template", "inference.config", "inference.adapters",
    "tuning", "tuning.preset", "tuning.method", "tuning.input", "tuning.input.urls", "tuning.input.volumeSource",
    "tuning.output", "tuning.output.image",
)  # fmt: skip

PLAUSIBLE: dict[str, list[Any]] = {
    "metadata.name": ["phi", "Base_Inf", "a.b", "x" * 64, ""],
    "metadata.annotations": [{"kaito.sh/bypass-resource-checks": ""}, {"kaito.sh/runtime": "vllm"}, {"a": 1}],
    "resource.count": [0, 1, 3, -1, 10**9],
    "resource.instanceType": [
        "Standard_NC6",
        "Standard_NV6ads_A10_v5",
        "Standard_D4s_v5",
        "x",
        "",
        "Standard_ND46s_H100_v5",
    ],
    "resource.labelSelector": [{}, {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}],
    "resource.labelSelector.matchLabels": [{"kaito.sh/workspace": "x"}, {"a b": "c"}, {"": ""}],
    "inference.preset.name": ["phi-3-mini-128k-instruct", "phi-3", ""],
    "inference.preset.accessMode": ["private", "public", "secret"],
    "inference.template": [{}, {"spec": {"containers": [{"name": "a", "image": "b"}]}}, {"spec": {"containres": []}}],
    "inference.adapters": [[{"source": {"name": "a", "image": "b"}, "strength": "0.5"}], [{}], [{"source": {}}] * 11],
    "tuning": [
        {},
        {
            "preset": {"name": "phi-3-mini-4k-instruct"},
            "method": "qlora",
            "input": {"urls": ["https://example.com/data"]},
            "output": {"image": "r.io/a:1", "imagePushSecret": "key"},
        },
    ],
    "tuning.preset": [{"name": "phi-4"}, {"name": "llama-3.3-70b-instruct"}],
    "tuning.method": ["LoRA", "full", ""],
    "tuning.input": [{"image": "r.io/data"}, {"volumeSource": {"emptyDir": {}}}, {}],
    "tuning.input.urls": [["http://127.1/"], ["ftp://a", "http://[::1"]],
    "tuning.input.volumeSource": [{"persistentVolumeClaim": {"claimName": "a"}}, {"hostPath": {"path": "/"}}, {}],
    "tuning.output": [{"volumeSource": {"configMap": {"name": "a"}}}, {}],
    "tuning.output.image": ["IMAGE_HERE", "a@sha256:0", ""],
}


def example(**changes: Any) -> Json:
    """The mission's example; `resource__count=2` changes a field, None removes it."""
    obj: Json = {
        "apiVersion": "kaito.sh/v1alpha1",
        "kind": "Workspace",
        "metadata": {"name": "workspace-phi-3-mini", "namespace": "default"},
        "resource": {"instanceType": "Standard_NC6s_v3", "labelSelector": {"matchLabels": {"apps": "phi-3"}}},
        "inference": {"preset": {"name": "phi-3-mini-4k-instruct"}},
    }
    for path, value in changes.items():
        obj = changed(obj, path.replace("__", "."), value)
    return obj


def changed(obj: Json, path: str, value: Any) -> Json:
    """A copy with one field set, or removed for None; parents that are missing are made."""
    result = copy.deepcopy(obj)
    *parents, last = path.split(".")
    at = result
    for key in parents:
        if not isinstance(at.get(key), dict):
            at[key] = {}
        at = at[key]
    at[last] = value
    if value is None:
        del at[last]
    return result


@st.composite
def manifests(draw: st.DrawFn) -> Json:
    """The example with up to four fields replaced, by something plausible or by any JSON at all."""
    obj = example()
    for path in draw(st.lists(st.sampled_from(PATHS), max_size=4)):
        obj = changed(obj, path, draw(st.sampled_from(PLAUSIBLE.get(path, [None])) | ANY_JSON))
    return obj
