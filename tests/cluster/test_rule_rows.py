"""One row per rule that only the webhook can ask: beside each refused manifest one that passes, told by kubectl.

Rules the API server asks itself have their rows in tests/unit/planning/cel_cases.py.
"""

from collections.abc import Iterator
from typing import Final

import pytest

from controller.api.json import Json
from controller.planning.admission.validation import RULES
from tests.cluster.harness import Cluster
from tests.cluster.webhook_kit import Webhook, running_webhook
from tests.unit.planning.manifests import changed, example

ALLOWED: Final = (
    "Standard_NC24ads_A100_v4",
    "Standard_NC40ads_H100_v5",
    "Standard_NV6ads_A10_v5",
    "Standard_ND96isr_H200_v5",
)
A100: Final = example(resource__instanceType="Standard_NC24ads_A100_v4")
SERVER: Final[Json] = {
    "name": "server",
    "image": "registry.example.com/server:1",
    "resources": {"limits": {"nvidia.com/gpu": "1"}},
}


def template(container: Json = SERVER, labels: Json | None = None, **spec: object) -> Json:
    pod = {"metadata": {"labels": labels or {}}, "spec": {"containers": [container], **spec}}
    return changed(A100, "inference", {"template": pod})


def annotated(key: str, value: str) -> Json:
    return changed(A100, "metadata.annotations", {f"kaito.sh/{key}": value})


def adapter(**source: object) -> Json:
    return changed(A100, "inference.adapters", [{"source": {"name": "style", **source}}])


ROWS: Final[tuple[tuple[str, Json, Json, str], ...]] = (
    ("template-fields", template(), template({**SERVER, "imagge": "x"}), "TemplateInvalid"),
    ("template-containers", template(), template({**SERVER, "image": "IMAGE_NAME_HERE"}), "ImageInvalid"),
    ("template-decided", template(), template(nodeName="gpu-1"), "FieldNotAllowed"),
    ("template-names", template(), template({**SERVER, "name": "My_Server"}), "TemplateInvalid"),
    ("template-labels", template(labels={"team": "a"}), template(labels={"team": "a b"}), "TemplateInvalid"),
    (
        "template-resources",
        template(),
        template({**SERVER, "resources": {"limits": {"nvidia.com/gpu": "2"}}}),
        "TemplateInvalid",
    ),
    (
        "data-volumes",
        adapter(volumeSource={"persistentVolumeClaim": {"claimName": "adapters"}}),
        adapter(volumeSource={"hostPath": {"path": "/"}}),
        "VolumeNotAllowed",
    ),
    ("node-source", annotated("node-source", "nodeclaim"), annotated("node-source", "crane"), "AnnotationInvalid"),
    ("node-wishes", annotated("capacity-types", "spot,on-demand"), annotated("zones", ","), "AnnotationInvalid"),
    (
        "instance-types",
        annotated("instance-types", "Standard_NC24ads_A100_v4,Standard_NC40ads_H100_v5"),
        annotated("instance-types", "Standard_D4s_v5"),
        "InstanceType",
    ),
    (
        "cuda-toolkit",
        A100,
        changed(example(resource__instanceType=None), "inference.preset.name", "deepseek-ai/DeepSeek-V3.2"),
        "NotSupported",
    ),
    (
        "annotation-closed-words",
        annotated("performance-mode", "balanced"),
        annotated("performance-mode", "fast"),
        "Anno",
    ),
    ("annotation-words", annotated("node-image-family", "ubuntu"), annotated("node-image-family", "windows"), "Anno"),
    ("count-range", changed(A100, "resource.count", 1), changed(A100, "resource.count", 0), "CountInvalid"),
    ("instance-type", A100, changed(A100, "resource.instanceType", "Standard_NC24ads"), "InstanceTypeUnknown"),
    (
        "preset-access",
        changed(A100, "inference.preset.accessMode", "public"),
        changed(A100, "inference.preset.accessMode", "private"),
        "FieldRequired",
    ),
    ("preset-known", A100, changed(A100, "inference.preset.name", "phi-9"), "PresetUnknown"),
    (
        "runtime",
        annotated("runtime", "transformers"),
        changed(annotated("runtime", "transformers"), "inference.preset.name", "google/gemma-4-12B-it"),
        "RuntimeNotSupported",
    ),
    (
        "runtime-one-node",
        annotated("runtime", "transformers"),
        changed(annotated("runtime", "transformers"), "inference.preset.name", "llama-3.3-70b-instruct"),
        "RuntimeNotSupported",
    ),
    ("allowed-size", A100, example(), "InstanceTypeNotAllowed"),
    (
        "instance-types-allowed",
        annotated("instance-types", "Standard_NC40ads_H100_v5"),
        annotated("instance-types", "Standard_NC48ads_A100_v4"),
        "InstanceTypeNotAllowed",
    ),
    (
        "adapter-runtime",
        adapter(image="registry.example.com/adapters/style:1"),
        changed(
            changed(adapter(image="registry.example.com/a/style:1"), "inference.preset.name", "falcon-7b"),
            "metadata.annotations",
            {"kaito.sh/runtime": "vllm"},
        ),
        "AdaptersNotSupported",
    ),
    (
        "count-enough",
        changed(A100, "resource.count", 1),
        changed(changed(A100, "inference.preset.name", "llama-3.3-70b-instruct"), "resource.count", 1),
        "CountTooSmall",
    ),
    ("gpu-fit", A100, changed(A100, "resource.instanceType", "Standard_NV6ads_A10_v5"), "InsufficientGpuMemory"),
)
"""The rule, what keeps it, what breaks it, and the reason code, or its beginning, the refusal must end with."""


ELSEWHERE: Final = frozenset(
    {
        "inference-preset-name-fixed",
        "tuning-preset-name-fixed",
        "allowed-size-change",
        "instance-types-allowed-change",
        "existing-nodes",
        "partition-nodes",
        "inference-config",
        "training-config",
    }
)
"""Rules about changes, nodes that exist and ConfigMaps, which test_reference_lists.py and others show."""


@pytest.fixture(scope="module")
def webhook(cluster: Cluster, crds: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webhook]:
    """The webhook of an installation that makes nodes of some sizes only."""
    options = {"allowed-instance-types": ",".join(ALLOWED)}
    with running_webhook(cluster, tmp_path_factory.mktemp("webhook") / "log", options) as running:
        yield running


@pytest.mark.parametrize(("rule", "kept", "broken", "reason"), ROWS, ids=[row[0] for row in ROWS])
async def test_what_keeps_a_rule_is_accepted_and_what_breaks_it_refused(
    webhook: Webhook, namespace: str, rule: str, kept: Json, broken: Json, reason: str
) -> None:
    code, text = await webhook.apply(namespace, kept, "--dry-run=server")
    assert code == 0, f"{rule}: what keeps it was refused: {text}"
    code, text = await webhook.apply(namespace, broken, "--dry-run=server")
    assert code == 1, f"{rule}: what breaks it was accepted: {text}"
    assert f"({reason}" in text, f"{rule}: kubectl said: {text}"


def test_every_rule_that_refuses_has_a_row_here_or_in_cel() -> None:
    asked = {rule.name for rule in RULES if rule.reasons and not rule.cel}
    shown = {row[0] for row in ROWS} | ELSEWHERE
    assert asked <= shown, f"no row shows {sorted(asked - shown)}"
