"""One whole system for all tests of this folder: control plane, cloud, and two replicas of each program."""

import os
import secrets
from collections.abc import AsyncIterator, Iterator

import pytest

from controller.api.resources import NAMESPACES
from hack.devcluster.layout import Layout
from tests.cluster.harness import eventually
from tests.stand import whole_system
from tests.system.harness import PATIENCE_SECONDS, System, connected, nothing_of

LONG = os.environ.get("KAITO_LONG_TESTS", "") not in ("", "0")
"""Whether the runs are as long as promised to users; without it they are as long as a change can wait for."""

SPEED = 8.0
"""A VM boots in 1 s and a failed launch is repeated after 4 s."""


@pytest.fixture(scope="package")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Layout]:
    """The whole system, running."""
    with whole_system(tmp_path_factory.mktemp("system"), replicas=2, speed=SPEED) as made:
        yield made


@pytest.fixture
async def system(layout: Layout) -> AsyncIterator[System]:
    """The system with every process ready, and a healthy cloud before and after."""
    async with connected(layout) as made:
        await made.until_all_run()
        await made.play({})
        yield made
        await made.play({})


@pytest.fixture
async def namespace(system: System) -> AsyncIterator[str]:
    """A namespace for one test; whatever lives in it is gone from cluster and cloud before the next test begins."""
    name = f"system-{secrets.token_hex(4)}"
    await system.client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    await system.play({})
    await system.kubectl("delete", "workspaces", "--all", "-n", name, "--wait=false")
    await eventually(lambda: nothing_of(system, name), PATIENCE_SECONDS)
    await system.client.delete(NAMESPACES, name)
