import asyncio
from typing import Any

from controller.api.json import Json, Key
from controller.api.resources import CONFIG_MAPS
from controller.reconcilers.claim_kinds import LOOK_SECONDS, follow_kinds
from controller.reconcilers.informers import Informers, build_informers
from controller.runtime.cache import Informer
from tests.unit.virtual_time import run_virtual


def informers_with(*workspaces: Json) -> Informers:
    client: Any = None
    informers = build_informers(client, Informer(client, CONFIG_MAPS))
    informers.workspaces._replace(workspaces)
    return informers


def workspace(name: str, status: str) -> Json:
    conditions = [{"type": "ResourceReady", "status": status}]
    return {"metadata": {"namespace": "a", "name": name}, "status": {"conditions": conditions}}


def enqueued(*served: bool) -> list[list[Key]]:
    """What is looked at again at each look, by whether Machines are served then."""

    async def scenario() -> list[list[Key]]:
        informers = informers_with(workspace("waits", "False"), workspace("runs", "True"))
        keys: list[Key] = []
        told: list[list[Key]] = []
        informers.machines._reflector.served = served[0]
        task = asyncio.create_task(follow_kinds(informers, keys.append))
        for each in served:
            informers.machines._reflector.served = each
            keys.clear()
            await asyncio.sleep(LOOK_SECONDS)
            told.append(list(keys))
        task.cancel()
        return told

    return run_virtual(scenario())


def test_a_kind_that_arrives_wakes_those_that_lack_nodes_once() -> None:
    assert enqueued(False, True, True, True) == [[], [("a", "waits")], [], []]


def test_a_kind_that_was_always_there_wakes_nobody() -> None:
    assert enqueued(True, True, False) == [[], [], []]
