"""One whole system for all lives: control plane, cloud, and one replica of each program."""

import asyncio
from collections.abc import Iterator

import pytest

from hack.devcluster.layout import Layout
from tests.lifecycles.cases import CASES
from tests.lifecycles.lives import Life, live_all
from tests.stand import whole_system
from tests.system.harness import connected

SPEED = 10.0
"""A VM boots in 0.8 s, an image is pulled in 0.6 s and a training run takes 1 s."""


@pytest.fixture(scope="package")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Layout]:
    """The whole system, running."""
    with whole_system(tmp_path_factory.mktemp("lifecycles"), replicas=1, speed=SPEED) as made:
        yield made


@pytest.fixture(scope="package")
def lives(layout: Layout) -> dict[str, Life]:
    """Every life, all of them lived at the same time."""

    async def run() -> dict[str, Life]:
        async with connected(layout) as system:
            await system.until_all_run()
            return await live_all(system, CASES)

    return asyncio.run(run())
