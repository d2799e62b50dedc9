"""What is remembered of the nodes' health, on a virtual clock."""

import asyncio
from dataclasses import replace
from typing import Any

from controller.api.json import Json
from controller.api.reasons import Reason
from controller.api.resources import NODES
from controller.runtime.cache import Informer
from provisioner.health import Health
from provisioner.nodes import parse_node
from provisioner.steps import Fleet
from provisioner.times import rfc3339
from tests.unit.provisioner.builders import NAME, at, claim, node, node_json
from tests.unit.virtual_time import run_virtual

NOBODY: Any = None
DOWN, UP = node(ready=False), node()


def health(*nodes: Json) -> Health:
    """A memory beside a cache with these nodes."""
    informer = Informer(NOBODY, NODES)
    informer._store.replace(nodes)
    return Health(informer)


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
        for end in (lambda: made.forget("one"), lambda: made.unready("two", [UP], expected=True)):
            for name in ("one", "two"):
                made.deletes(claim(name=name), Reason.NODE_UNHEALTHY)
            end()
            found.append(made.fleet().repairing)
        return found

    assert run_virtual(scenario()) == [("two",), ("one",)]


def test_nodes_without_gpus_are_counted_by_owner_until_one_is_good() -> None:
    made, elsewhere = health(), {"kaito.sh/workspace": "phi", "kaito.sh/workspacenamespace": "other"}
    for uid in ("one", "two"):
        made.deletes(claim(uid=uid), Reason.GPUS_NOT_ADVERTISED)
    assert made.replaced(claim(uid="three")) == 2, "the next claim of the same Workspace"
    assert made.replaced(claim(uid="elsewhere", labels=elsewhere)) == 0
    good = replace(claim(uid="three", done=["Initialized"]), creation_time=rfc3339(at(60)))
    assert made.replaced(good) == 0
    assert made.replaced(claim(uid="four")) == 0


def test_a_good_node_that_stood_beside_the_bad_one_all_the_time_does_not_end_the_row() -> None:
    """Else a Workspace of several nodes would have its bad one replaced for ever."""
    made = health()
    made.deletes(claim(uid="bad"), Reason.GPUS_NOT_ADVERTISED)
    made.replaced(claim(uid="sibling", done=["Initialized"]))
    assert made.replaced(claim(uid="next")) == 1


def test_a_deletion_that_has_to_be_repeated_counts_once_and_not_against_itself() -> None:
    made = health()
    for _ in range(3):
        assert made.replaced(claim(uid="bad")) == 0
        made.deletes(claim(uid="bad"), Reason.GPUS_NOT_ADVERTISED)
    assert made.replaced(claim(uid="next")) == 1


def test_the_count_of_a_claim_without_owner_is_its_own() -> None:
    made = health()
    made.deletes(claim(name="one", labels={}), Reason.GPUS_NOT_ADVERTISED)
    assert [made.replaced(claim(name=name, uid="next", labels={})) for name in ("one", "two")] == [1, 0]


def test_owners_are_remembered_within_bounds() -> None:
    made = health()
    for number in range(1100):
        made.deletes(claim(name=f"ws{number}", labels={}), Reason.GPUS_NOT_ADVERTISED)
    assert [made.replaced(claim(name=name, uid="next", labels={})) for name in ("ws0", "ws1099")] == [0, 1]
