"""One whole system for all lives: control plane, cloud, and one replica of each program."""

import asyncio
from collections.abc import Iterator

import pytest

from hack.devcluster import binaries, lifecycle
from hack.devcluster.layout import Layout
from hack.devcluster.request import Request, Scope
from tests.lifecycles.cases import CASES
from tests.lifecycles.lives import Life, live_all
from tests.system.harness import connected

SPEED = 10.0
"""A VM boots in 0.8 s, an image is pulled in 0.6 s and a training run takes 1 s."""


@pytest.fixture(scope="package")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Layout]:
    """The whole system, running; missing binaries are an error, never a skip."""
    made = Layout(tmp_path_factory.mktemp("lifecycles"))
    request = Request(binaries=str(binaries.find()), scope=Scope.ALL, replicas=1, speed=SPEED)
    asyncio.run(lifecycle.up(made, request, print))
    yield made
    asyncio.run(lifecycle.down(made))


@pytest.fixture(scope="package")
def lives(layout: Layout) -> dict[str, Life]:
    """Every life, all of them lived at the same time."""

    async def run() -> dict[str, Life]:
        async with connected(layout) as system:
            await system.until_all_run()
            return await live_all(system, CASES)

    return asyncio.run(run())
