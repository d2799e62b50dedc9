"""What the programs know of the users' ConfigMaps."""

import asyncio

import pytest

from controller.api.json import Json
from controller.config_maps import PATIENCE, ConfigMaps, slim_config_map
from controller.planning.configs import INFERENCE_KEY, TRAINING_KEY, parse_inference
from controller.planning.configs.document import MAX_CHARACTERS
from tests.unit.runtime.model_server import ModelServer
from tests.unit.virtual_time import run_virtual


def config_map(**data: str) -> Json:
    metadata = {
        "name": "mine",
        "namespace": "ns",
        "uid": "u",
        "resourceVersion": "7",
        "annotations": {"secret": "of a tenant"},
        "managedFields": [{}],
    }
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data, "binaryData": {"x": "AA=="}}


KEPT = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "mine", "namespace": "ns", "uid": "u", "resourceVersion": "7"},
}


def test_of_a_config_map_only_the_configuration_of_workspaces_is_kept() -> None:
    documents = {INFERENCE_KEY: "vllm: {}", TRAINING_KEY: "training_config: {}"}
    assert slim_config_map(config_map(**documents, other="x")) == {**KEPT, "data": documents}


@pytest.mark.parametrize("data", [{}, {"other": "x" * 1000}])
def test_of_others_only_the_name_is_kept(data: dict[str, str]) -> None:
    assert slim_config_map(config_map(**data)) == KEPT


def test_of_a_document_too_long_to_be_read_not_all_is_kept_and_it_still_is_too_long() -> None:
    kept = slim_config_map(config_map(**{INFERENCE_KEY: "#" * 1_000_000}))["data"][INFERENCE_KEY]
    assert len(kept) == MAX_CHARACTERS + 1
    assert parse_inference(kept).faults != ()


def test_what_is_unknown_is_told_from_what_holds_nothing() -> None:
    async def scenario() -> None:
        server = ModelServer()
        known = ConfigMaps(server)
        assert known.data("ns", "a") is None
        assert known.problem() == "waiting for the first list"
        server.put("a")
        running = asyncio.create_task(known.informer.run())
        await known.informer.wait_synced()
        assert known.data("ns", "a") == {}
        assert known.data("other", "a") is None, "a ConfigMap of another namespace is none of this one's business"
        assert known.problem() == ""
        running.cancel()

    run_virtual(scenario())


def test_after_a_while_users_are_answered_without() -> None:
    async def scenario() -> None:
        known = ConfigMaps(ModelServer())
        await asyncio.sleep(PATIENCE - 1)
        assert known.problem() != ""
        await asyncio.sleep(1)
        assert known.problem() == ""

    run_virtual(scenario())
