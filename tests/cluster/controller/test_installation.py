"""The operator and the ConfigMap kaito-catalog: what users add heals Workspaces that waited for it."""

from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from controller.api.json import Json
from controller.api.resources import CONFIG_MAPS, EVENTS
from controller.runtime.client import Client
from controller.runtime.errors import NotFound
from tests.cluster.controller.stage import Stage

NAMESPACE, NAME = "kaito-system", "kaito-catalog"
PRESETS = """presets:
- name: phi-3-mini-4k-instruct
  aliases: [house-model]
- {name: phi-4, disk_gib: big}
"""


@pytest.fixture
async def catalog(client: Client) -> AsyncIterator[Json]:
    """The ConfigMap as it is to be made; whatever is there at the end is removed."""
    yield {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "data": {"presets.yaml": PRESETS},
    }
    with suppress(NotFound):
        await client.delete(CONFIG_MAPS, NAME, namespace=NAMESPACE)


async def test_a_name_that_comes_later_heals_the_workspace_that_uses_it(stage: Stage, catalog: Json) -> None:
    await stage.workspace(preset="house-model")
    await stage.until_reason("Ready", "PresetUnknown")
    await stage.client.create(CONFIG_MAPS, catalog)
    await stage.until_machines(1)
    condition = await stage.until_condition("Ready", lambda found: found.reason != "PresetUnknown")
    assert condition.reason == "MachinesPending"


async def test_an_entry_that_is_left_out_is_an_event_on_the_config_map(stage: Stage, catalog: Json) -> None:
    made = await stage.client.create(CONFIG_MAPS, catalog)

    async def notes() -> list[str]:
        found = await stage.client.list(EVENTS, namespace=NAMESPACE)
        uid = made["metadata"]["uid"]
        return [event["note"] for event in found.items if event["regarding"].get("uid") == uid]

    async def look() -> str:
        return "" if await notes() else "no event yet"

    await stage.until(look)
    assert await notes() == [
        "left out, the rest is used: presets.yaml:4: disk_gib: 'big' is not of type 'integer'",
    ]
