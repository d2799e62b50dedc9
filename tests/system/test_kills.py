"""Whatever is killed, and whenever: the end is the one an undisturbed run reaches, and nothing is made twice."""

import asyncio
import secrets

import pytest

from controller.api.resources import NAMESPACES
from hack.devcluster.layout import Layout
from tests.system.conftest import LONG
from tests.system.harness import System, connected
from tests.system.portrait import differences
from tests.system.runs import NODES, Life, Strike, live, strikes

MOMENTS = 10 if LONG else 3


@pytest.fixture(scope="module")
def undisturbed(layout: Layout) -> Life:
    """A life in which nobody is killed."""

    async def run() -> Life:
        async with connected(layout) as system:
            await system.until_all_run()
            name = f"undisturbed-{secrets.token_hex(4)}"
            await system.client.create(
                NAMESPACES, {"metadata": {"name": name}, "kind": "Namespace", "apiVersion": "v1"}
            )
            return await live(system, name)

    return asyncio.run(run())


def test_an_undisturbed_run_makes_each_thing_once(undisturbed: Life) -> None:
    assert len(undisturbed.machines) == NODES, f"one Machine for each node, not {undisturbed.machines}"
    assert list(undisturbed.pools.values()) == [1] * NODES, f"one pool for each Machine, not {undisturbed.pools}"
    assert undisturbed.portrait["pods ready"] == undisturbed.portrait["nodes used"] == NODES


@pytest.mark.parametrize("strike", strikes(MOMENTS), ids=lambda strike: strike.text)
async def test_after_a_kill_the_end_is_the_same(
    system: System, namespace: str, undisturbed: Life, strike: Strike
) -> None:
    life = await live(system, namespace, strike, length=undisturbed.seconds, like=undisturbed.portrait)

    print(f"figure: {strike.text}: {life.seconds:.1f} s instead of {undisturbed.seconds:.1f} s")
    assert len(life.machines) == NODES, f"{NODES} nodes were missing, these Machines were created: {life.machines}"
    assert len(set(life.machines)) == NODES, f"a Machine was created twice: {life.machines}"
    assert set(life.pools.values()) == {1}, f"exactly one agent pool for each Machine, not {life.pools}"
    assert not (other := differences(undisturbed.portrait, life.portrait)), other
