"""A control plane of their own for the tests of this folder: they install and remove everything."""

import asyncio
from collections.abc import Iterator

import pytest

from hack.devcluster import binaries, lifecycle
from hack.devcluster.layout import Layout
from hack.devcluster.request import Request, Scope
from tests.cluster.harness import Cluster

SPEED = 8.0
"""A VM boots in 1 s."""


@pytest.fixture(scope="package")
def request_of_site() -> Request:
    """What the control plane was asked for."""
    return Request(str(binaries.find()), scope=Scope.CONTROL_PLANE, speed=SPEED)


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory, request_of_site: Request) -> Iterator[Cluster]:
    """An empty control plane; every test leaves it empty."""
    layout = Layout(tmp_path_factory.mktemp("manifests"))
    result = asyncio.run(lifecycle.up(layout, request_of_site, print))
    yield Cluster(layout, result.state.endpoints["kube-apiserver"])
    asyncio.run(lifecycle.down(layout))
