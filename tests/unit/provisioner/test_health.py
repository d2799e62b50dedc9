"""What is remembered of the nodes' health, on a virtual clock."""

import asyncio
from typing import Any

from controller.api.json import Json
from controller.api.reasons import Reason
from controller.api.resources import NODES
from controller.runtime.cache import Informer
from provisioner.health import Health
from provisioner.nodes import parse_node
from provisioner.steps import Fleet
from tests.unit.provisioner.builders import NAME, claim, node, node_json
from tests.unit.virtual_time import run_virtual

NOBODY: Any = None
DOWN, UP = node(ready=False), node()
PATIENCE = 1800.0


def health(*nodes: Json) -> Health:
    """A memory beside a cache with these nodes."""
    informer = Informer(NOBODY, NODES)
    informer._store.replace(nodes)
    return Health(informer, PATIENCE)


def test_silence_is_counted_from_the_first_look_and_anew_after_every_sign_of_life() -> None:
    async def scenario() -> list[float]:
        made, found = health(), []
        for nodes, expected in (([DOWN], True), ([DOWN], True), ([UP], True), ([DOWN], True), ([DOWN], False)):
            found.append(made.unready(NAME, nodes, expected=expected))
            await asyncio.sleep(60)
        found.append(made.unready(NAME, [DOWN], expected=True))
        return found

    assert run_virtual(scenario()) == [0, 60, 0, 0, 0, 0]


def test_a_pool_without_any_node_is_another_matter() -> None:
    async def scenario() -> tuple[float, float]:
        made = health()
        made.unready(NAME, [], expected=True)
        made.nodeless(NAME, missed=True)
        await asyncio.sleep(60)
        return made.unready(NAME, [], expected=True), made.nodeless(NAME, missed=True)

    assert run_virtual(scenario()) == (0, 60)


def test_all_nodes_are_counted_those_of_claims_apart() -> None:
    system = node_json(name="system", registered=False)
    down = node_json(name="down", ready=False)
    going = node_json(name="going", ready=False, deleting=True)

    async def scenario() -> Fleet:
        made = health(system, down, going, node_json(name="up"))
        made.deletes(claim(name="other"), Reason.NODE_UNHEALTHY)
        return made.fleet()

    assert run_virtual(scenario()) == Fleet(3, 2, 4, 2, tuple(sorted([parse_node(going).pool, "other"])))


def test_who_is_being_replaced_is_forgotten_with_the_claim_or_when_its_node_answers() -> None:
    async def scenario() -> list[tuple[str, ...]]:
        made = health()
        found = []
        for end in (lambda: made.forget("one"), lambda: made.gpuless("two", lost=False, deleting=False)):
            for name in ("one", "two"):
                made.deletes(claim(name=name), Reason.NODE_UNHEALTHY)
            end()
            found.append(made.fleet().repairing)
        return found

    assert run_virtual(scenario()) == [("two",), ("one",)]


def test_a_replacement_that_is_stuck_holds_up_no_other_and_is_no_outage() -> None:
    going = node_json(name="going", ready=False, deleting=True)
    refused = node_json(name="refused", ready=False, labels={"agentpool": "refused"})

    async def scenario() -> tuple[Fleet, Fleet]:
        made = health(going, refused, node_json(name="up", labels={"agentpool": "up"}))
        made.deletes(claim(name="refused"), Reason.NODE_UNHEALTHY)
        before = made.fleet()
        await asyncio.sleep(PATIENCE)
        made.deletes(claim(name="refused"), Reason.NODE_UNHEALTHY)
        return before, made.fleet()

    before, after = run_virtual(scenario())
    assert before == Fleet(3, 2, 3, 2, tuple(sorted([NAME, "refused"])))
    assert after == Fleet(1, 0, 1, 0), "what did not end in time is left out of the count"


def test_a_removal_that_ends_in_time_leaves_the_next_one_all_of_it() -> None:
    going = node_json(name="going", ready=False, deleting=True)

    async def scenario() -> tuple[str, ...]:
        made = health(going)
        made.fleet()
        await asyncio.sleep(PATIENCE)
        made._nodes._store.replace([])
        made.fleet()
        await asyncio.sleep(60)
        made._nodes._store.replace([going])
        return made.fleet().repairing

    assert run_virtual(scenario()) == (NAME,)


def test_lost_gpus_are_counted_like_silence_and_stay_counted_while_the_node_goes() -> None:
    async def scenario() -> list[tuple[float, int, tuple[str, ...]]]:
        made, found = health(), []
        looks = ((True, False), (True, False), (False, True), (False, False))
        for lost, deleting in looks:
            seconds = made.gpuless("one", lost=lost, deleting=deleting)
            if seconds:
                made.deletes(claim(name="one"), Reason.GPUS_NOT_ADVERTISED)
            found.append((seconds, made.fleet().gpuless, made.fleet().repairing))
            await asyncio.sleep(60)
        return found

    assert run_virtual(scenario()) == [(0, 1, ()), (60, 1, ("one",)), (120, 1, ("one",)), (0, 0, ())]


def test_a_stuck_replacement_of_a_node_without_gpus_holds_up_no_other() -> None:
    async def scenario() -> tuple[Fleet, Fleet]:
        made = health()
        made.gpuless("one", lost=True, deleting=False)
        made.deletes(claim(name="one"), Reason.GPUS_NOT_ADVERTISED)
        before = made.fleet()
        await asyncio.sleep(PATIENCE)
        return before, made.fleet()

    assert run_virtual(scenario()) == (Fleet(repairing=("one",), gpuless=1), Fleet())
