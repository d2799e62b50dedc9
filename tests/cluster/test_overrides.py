"""What the ConfigMap kaito-catalog adds is accepted by a webhook that was never restarted, and goes with it."""

from collections.abc import AsyncIterator

import pytest

from controller.api.json import Json
from tests.cluster.harness import eventually
from tests.cluster.webhook_kit import Webhook
from tests.docs.snippets import yaml_blocks
from tests.unit.planning.manifests import changed, example

PAGE = "docs/how-to/catalog-overrides.md"
SIZE = "Standard_NC99ads_L4_v9"
NEW = example(inference__preset__name="acme/tiny-7b", resource__instanceType=SIZE)

(CATALOG,) = yaml_blocks(PAGE)


@pytest.fixture(autouse=True)
async def no_catalog_left(webhook: Webhook) -> AsyncIterator[None]:
    yield
    await webhook.kubectl("delete", "configmap", "kaito-catalog", "-n", "kaito-system", "--ignore-not-found")


async def apply(webhook: Webhook, catalog: Json) -> None:
    code, text = await webhook.kubectl("apply", "-f", "-", obj=catalog)
    assert code == 0, text


async def until(webhook: Webhook, namespace: str, obj: Json, says: str, *, accepted: bool) -> None:
    """Waits until the webhook answers a dry run as it should."""

    async def look() -> str:
        code, text = await webhook.apply(namespace, obj, "--dry-run=server")
        return "" if (code == 0) is accepted and says in text else text

    await eventually(look)


async def test_a_new_preset_and_size_are_accepted_while_the_config_map_is_there(
    webhook: Webhook, namespace: str
) -> None:
    await until(webhook, namespace, NEW, "(PresetUnknown)", accepted=False)
    await apply(webhook, CATALOG)
    await until(webhook, namespace, NEW, "created", accepted=True)
    await webhook.kubectl("delete", "configmap", "kaito-catalog", "-n", "kaito-system")
    await until(webhook, namespace, NEW, "(PresetUnknown)", accepted=False)


async def test_a_new_size_with_a_price_is_chosen_where_it_is_the_cheapest(webhook: Webhook, namespace: str) -> None:
    await apply(webhook, CATALOG)
    says = f"resource.instanceType set to {SIZE} (1 GPU, 24 GiB, $0.40/h list price of 2026-11, eastus): the cheapest"
    await until(webhook, namespace, example(resource__instanceType=None), says, accepted=True)


async def test_a_bad_entry_is_left_out_and_counted_and_the_rest_works(webhook: Webhook, namespace: str) -> None:
    presets = CATALOG["data"]["presets.yaml"] + "- {name: phi-2, disk_gib: big}\n"
    await apply(webhook, changed(CATALOG, "data", {**CATALOG["data"], "presets.yaml": presets}))
    await until(webhook, namespace, NEW, "created", accepted=True)
    metrics = webhook.page(webhook.metrics_port, "/metrics")
    assert 'kaito_catalog_override_problems{document="presets.yaml"} 1.0' in metrics
    assert 'kaito_catalog_override_problems{document="prices.yaml"} 0.0' in metrics
    line = presets.count("\n")
    assert f"presets.yaml:{line} is left out: disk_gib: 'big' is not of type 'integer'" in webhook.log.read_text()
