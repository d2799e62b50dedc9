"""What the operator remembers of its own status writes: as long as the cache lags, and no longer."""

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from controller.api.json import Json
from controller.planning.site import Site
from controller.reconcilers.context import AVOIDED_SECONDS, Context
from tests.unit.planning.builders import demand
from tests.unit.virtual_time import run_virtual

KEY = ("team", "phi")


def stored(version: int) -> Json:
    return {"metadata": {"name": "phi", "namespace": "team", "resourceVersion": str(version)}}


class Cache:
    """Stands for the informer of Workspaces; tests say what it shows."""

    def __init__(self) -> None:
        self.shown: Json | None = stored(1)

    def get(self, name: str, namespace: str = "") -> Json | None:
        return self.shown if (namespace, name) == KEY else None


@pytest.fixture
def cache() -> Cache:
    return Cache()


@pytest.fixture
def context(cache: Cache) -> Context:
    unused = cast("Any", None)
    return Context(unused, unused, cast("Any", SimpleNamespace(workspaces=cache)), Site)


def test_our_own_newer_write_counts_while_the_cache_lags(context: Context) -> None:
    context.remember(KEY, stored(2))
    assert context.latest(KEY) == stored(2)


@pytest.mark.parametrize("shown", [stored(2), stored(3), None], ids=["our write", "a later one", "gone"])
def test_a_write_is_forgotten_once_the_cache_has_moved_on(context: Context, cache: Cache, shown: Json | None) -> None:
    context.remember(KEY, stored(2))
    cache.shown = shown
    assert context.latest(KEY) == shown
    assert not context.written, "a second copy of every Workspace would stay in memory for ever"


def test_a_change_that_reached_the_cache_before_our_answer_is_not_hidden_by_it(context: Context, cache: Cache) -> None:
    cache.shown = stored(3)
    context.remember(KEY, stored(2))
    assert context.latest(KEY) == stored(3), "the change would stay unseen until the next one"


def test_a_node_in_use_by_others_is_passed_over_for_a_while_and_then_looked_at_again(context: Context) -> None:
    few, many = demand(), replace(demand(), gpus=8)

    async def life() -> list[frozenset[str]]:
        context.avoid("n", many)
        seen = [context.occupied(many), context.occupied(few)]
        await asyncio.sleep(AVOIDED_SECONDS)
        return [*seen, context.occupied(many)]

    assert run_virtual(life()) == [{"n"}, frozenset(), frozenset()], "fewer GPUs may be left all the same"
    assert not context.avoided, "every node there ever was would stay in memory"
