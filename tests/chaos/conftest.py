"""One whole system for the chaos: control plane, cloud, and two replicas of each program."""

import asyncio
import os
from collections.abc import Iterator

import pytest

from hack.devcluster.layout import Layout
from tests.chaos.plan import Plan, Size, plan_of
from tests.chaos.run import Outcome, run
from tests.stand import whole_system
from tests.system.conftest import LONG
from tests.system.harness import connected

SEED = int(os.environ.get("KAITO_SEED", "1"))
SEEDS = range(SEED, SEED + (3 if LONG else 1))

SPEED = 2.0 if LONG else 10.0
LOAD_SECONDS = 600.0 / SPEED if LONG else 15.0
"""The long form has ten minutes of simulated load. It is no faster, since weather and killers keep to real time: where
half of all requests are spoilt and a leader lives for seconds, nothing ever comes to an end."""

SIZE = Size(200, 20, LOAD_SECONDS, 400.0) if LONG else Size(20, 3, LOAD_SECONDS, 150.0)


@pytest.fixture(scope="package")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Layout]:
    """The whole system, running."""
    with whole_system(tmp_path_factory.mktemp("chaos"), replicas=2, speed=SPEED) as made:
        yield made


@pytest.fixture(scope="package", params=SEEDS, ids=lambda seed: f"seed {seed}")
def plan(request: pytest.FixtureRequest) -> Plan:
    """What is done in a run."""
    return plan_of(request.param, SIZE.workspaces, SIZE.strikes)


@pytest.fixture(scope="package")
def outcome(layout: Layout, plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """What came of the run."""

    async def whole() -> Outcome:
        async with connected(layout) as system:
            return await run(system, plan, SIZE, tmp_path_factory.mktemp("proxy"))

    return asyncio.run(whole())
