"""Admission as users meet it: kubectl, a real API server, and the webhook as a process with its shipped rights."""

from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from controller.api.json import Json
from hack.devcluster import manifests
from tests.cluster.harness import eventually
from tests.cluster.webhook_kit import CONFIGURATIONS, NAME, Webhook, remove_configurations
from tests.unit.planning.manifests import changed, example

TUNING = {"preset": {"name": "phi-3-mini-4k-instruct"}, "input": {"image": "a"}, "output": {"image": "b"}}
REFUSED: list[tuple[str, Json, list[str]]] = [
    (
        "unknown preset",
        example(inference__preset__name="phi-3-mini"),
        [
            (
                'inference.preset.name: "phi-3-mini" is not in the catalogue: 73 presets are known. '
                "Fix: use phi-3-mini-4k-instruct; or use phi-3-mini-128k-instruct; "
                "or use phi-3.5-mini-instruct (PresetUnknown)"
            )
        ],
    ),
    (
        "size without GPU",
        example(resource__instanceType="Standard_D4s_v5"),
        [
            'resource.instanceType: "Standard_D4s_v5" has no GPU: phi-3-mini-4k-instruct needs 10.31 GiB of GPU memory',
            "Fix: use Standard_NC4as_T4_v3 (1 GPU, 16 GiB, $0.53/h list price of 2026-06, eastus)",
            "(InstanceTypeHasNoGpu)",
        ],
    ),
    (
        "misspelt size",
        example(resource__instanceType="Standard_NC6_v3"),
        ['"Standard_NC6_v3" is in no table of GPU sizes', "Fix: use Standard_NC6s_v3;", "(InstanceTypeUnknown)"],
    ),
    (
        "size too small",
        example(resource__instanceType="Standard_NV6ads_A10_v5"),
        ["Standard_NV6ads_A10_v5 is too small for phi-3-mini-4k-instruct", "gets 3.06 GiB", "(InsufficientGpuMemory)"],
    ),
    (
        "inference and tuning together",
        example(tuning=TUNING),
        ["inference: both inference and tuning are set", "Fix: remove tuning", "(ExactlyOneOf)"],
    ),
    ("neither", example(inference=None), ["inference: neither inference nor tuning is set", "(ExactlyOneOf)"]),
    (
        "wrong types",
        example(resource__count="two", resource__instanceType=7),
        [
            '* resource.count: is "two": a whole number belongs there',
            "* resource.instanceType: is 7: a string belongs there",
        ],
    ),
    (
        "count 0",
        example(resource__count=0),
        [
            "resource.count: is 0: a Workspace has 1 to 1000 nodes. Fix: leave it out to have it computed",
            "(CountInvalid)",
        ],
    ),
    ("negative count", example(resource__count=-2), ["resource.count: is -2", "(CountInvalid)"]),
    (
        "a name no Service can have",
        example(metadata__name="a.b"),
        ['metadata.name: "a.b" cannot be used', "(NameInvalid)"],
    ),
    (
        "a list that is too long",
        example(resource__labelSelector={"matchExpressions": [{}] * 5000}),
        ["resource.labelSelector.matchExpressions: has 5000 entries: 64 are the most it can have"],
    ),
    (
        "a size nobody knows the GPUs of",
        example(resource__instanceType="Standard_ND46s_H100_v5"),
        ["its number of GPUs is not known", "Fix: use Standard_NC4as_T4_v3", "(InstanceTypeUnknown)"],
    ),
    (
        "a reserved label",
        example(resource__labelSelector__matchLabels={"kaito.sh/workspace": "x"}),
        ["(LabelReserved)"],
    ),
    (
        "several errors",
        example(resource__count=0, inference__preset__name="x"),
        ["* inference.preset.name:", "(PresetUnknown)", "* resource.count:", "(CountInvalid)"],
    ),
]


@pytest.mark.parametrize(("title", "obj", "says"), REFUSED, ids=[row[0] for row in REFUSED])
@pytest.mark.parametrize("arguments", [(), ("--dry-run=server",)], ids=["apply", "dry run"])
async def test_refused_with_a_message_to_act_on_and_nothing_stored(
    webhook: Webhook, namespace: str, title: str, obj: Json, says: list[str], arguments: tuple[str, ...]
) -> None:
    code, text = await webhook.apply(namespace, obj, *arguments)
    assert code == 1, f"{title} was accepted: {text}"
    assert f'The Workspace "{obj["metadata"]["name"]}" is invalid: ' in text
    for part in says:
        assert part in text, f"{title}: kubectl said: {text}"
    _, listed = await webhook.kubectl("get", "workspaces", "-n", namespace, "-o", "name")
    assert "workspace.kaito.sh" not in listed


async def test_the_missions_example_is_accepted_with_a_warning(webhook: Webhook, namespace: str) -> None:
    file = Path(__file__).parents[2] / "examples" / "inference" / "kaito_workspace_phi_3.yaml"
    code, text = await webhook.kubectl("apply", "-n", namespace, "-f", str(file))
    assert code == 0, text
    assert "Warning: Standard_NC6s_v3 was retired by Azure on 2025-09-30" in text


async def test_what_was_left_out_is_filled_in_and_told(webhook: Webhook, namespace: str) -> None:
    code, text = await webhook.apply(namespace, example(resource__instanceType=None))
    assert code == 0, text
    assert "Warning: resource.instanceType set to Standard_NC4as_T4_v3 (1 GPU, 16 GiB, $0.53/h list price" in text
    stored = await webhook.cluster.get("workspace", "workspace-phi-3-mini", "-n", namespace)
    assert stored["resource"]["instanceType"] == "Standard_NC4as_T4_v3"
    assert stored["resource"]["count"] == 1


async def test_replacing_by_the_same_manifest_changes_nothing(webhook: Webhook, namespace: str) -> None:
    manifest = changed(example(resource__instanceType=None), "metadata.namespace", namespace)
    assert (await webhook.kubectl("create", "-f", "-", obj=manifest))[0] == 0
    before = await webhook.cluster.get("workspace", "workspace-phi-3-mini", "-n", namespace)
    code, text = await webhook.kubectl("replace", "-f", "-", obj=manifest)
    assert code == 0, text
    after = await webhook.cluster.get("workspace", "workspace-phi-3-mini", "-n", namespace)
    assert after["resource"] == before["resource"]
    assert after["metadata"]["generation"] == before["metadata"]["generation"]


async def test_a_name_only_new_clusters_take_for_a_service_is_accepted_with_a_warning(
    webhook: Webhook, namespace: str
) -> None:
    code, text = await webhook.apply(namespace, example(metadata__name="3-phi"))
    assert code == 0, text
    assert (
        'Warning: metadata.name "3-phi" begins with a digit: before Kubernetes 1.36 no Service can be named so' in text
    )
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "3-phi"}, "spec": {"ports": [{"port": 80}]}}
    code, text = await webhook.apply(namespace, service, "--dry-run=server")
    assert code == 0, f"this cluster should take the name for a Service: {text}"


async def test_a_generated_name_is_accepted(webhook: Webhook, namespace: str) -> None:
    manifest = changed(example(metadata={"generateName": "phi-"}), "metadata.namespace", namespace)
    code, text = await webhook.kubectl("create", "-f", "-", obj=manifest)
    assert code == 0, text


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("resource.instanceType", "Standard_NC24ads_A100_v4", 'changes from "Standard_NC6s_v3"'),
        ("resource.labelSelector.matchLabels", {"apps": "other"}, "nodes were chosen and labelled by it"),
        ("inference.preset.name", "phi-3-mini-128k-instruct", "nodes were sized for that model"),
    ],
)
async def test_what_cannot_change_is_refused(
    webhook: Webhook, namespace: str, path: str, value: Any, says: str
) -> None:
    assert (await webhook.apply(namespace, example()))[0] == 0
    code, text = await webhook.apply(namespace, changed(example(), path, value))
    assert code == 1, text
    assert says in text
    assert "(FieldImmutable)" in text


async def test_an_invalid_object_from_before_can_be_labelled_and_deleted(webhook: Webhook, namespace: str) -> None:
    """What got in while nobody judged it must not become a prisoner of its own invalidity."""
    invalid = changed(example(resource__instanceType="Standard_D4s_v5"), "metadata.finalizers", ["example.com/hold"])
    assert (await webhook.apply(namespace, example()))[0] == 0
    async with _nobody_judges(webhook):
        await webhook.kubectl("delete", "workspace", "workspace-phi-3-mini", "-n", namespace)
        code, text = await webhook.apply(namespace, invalid)
        assert code == 0, text
    name = ("workspace", "workspace-phi-3-mini", "-n", namespace)
    code, text = await webhook.kubectl("label", *name, "team=a")
    assert code == 0, text
    assert (await webhook.kubectl("delete", *name, "--wait=false"))[0] == 0
    free = '{"metadata":{"finalizers":null}}'
    code, text = await webhook.kubectl("patch", *name, "--type=merge", "-p", free)
    assert code == 0, text


class _nobody_judges:  # noqa: N801 - reads as what it does
    """No webhook configuration for the length of a block."""

    def __init__(self, webhook: Webhook) -> None:
        self._webhook = webhook
        self._removed: list[Json] = []

    async def __aenter__(self) -> None:
        for kind in CONFIGURATIONS:
            found = await self._webhook.cluster.get(kind, NAME)
            found["metadata"] = {"name": NAME}
            self._removed.append(found)
        await remove_configurations(self._webhook.cluster)
        await eventually(self._unjudged)

    async def __aexit__(self, *_: object) -> None:
        await manifests.apply(self._webhook.cluster.layout, self._removed)
        await eventually(self._judged)

    async def _unjudged(self) -> str:
        code, text = await self._try()
        return "" if code == 0 else text

    async def _judged(self) -> str:
        code, text = await self._try()
        return "" if code == 1 and "InstanceTypeHasNoGpu" in text else f"still accepted: {text}"

    async def _try(self) -> tuple[int, str]:
        bad = example(metadata__name="probe", resource__instanceType="Standard_D4s_v5")
        return await self._webhook.apply("default", bad, "--dry-run=server")


async def test_a_configuration_applied_anew_is_trusted_again_by_itself(webhook: Webhook, namespace: str) -> None:
    async with _nobody_judges(webhook):
        pass
    assert "ok" in webhook.page(webhook.health_port, "/readyz")


async def test_the_metrics_can_be_parsed_and_tell_of_admission(webhook: Webhook, namespace: str) -> None:
    await webhook.apply(namespace, example(resource__count=0))
    families = {
        family.name: family for family in text_string_to_metric_families(webhook.page(webhook.metrics_port, "/metrics"))
    }
    expected = {
        "controller_runtime_webhook_requests",
        "controller_runtime_webhook_latency_seconds",
        "controller_runtime_webhook_requests_in_flight",
        "kaito_admission_verdicts",
        "kaito_webhook_certificate_expiry_timestamp_seconds",
        "rest_client_requests",
        "workqueue_adds",
        "controller_runtime_reconcile",
        "process_cpu_seconds",
    }
    assert expected <= families.keys()
    refused = {"operation": "CREATE", "verdict": "refused", "reason": "CountInvalid"}
    samples = families["kaito_admission_verdicts"].samples
    assert any(sample.labels == refused and sample.value >= 1 for sample in samples)


async def test_the_log_holds_nothing_of_the_manifests(webhook: Webhook, namespace: str) -> None:
    await webhook.apply(namespace, changed(example(), "metadata.annotations", {"note": "a-secret-word"}))
    assert "a-secret-word" not in webhook.log.read_text()
