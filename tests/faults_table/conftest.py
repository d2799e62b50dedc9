"""One whole system for the table: control plane, cloud, and one replica of each program."""

import asyncio
from collections.abc import Iterator

import pytest

from hack.devcluster import binaries, lifecycle
from hack.devcluster.layout import Layout
from hack.devcluster.request import Request, Scope
from tests.faults_table.runs import Outcome, run_all

SPEED = 8.0
"""A machine boots in 1 s, and a failed launch is repeated after 4 s."""


@pytest.fixture(scope="package")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Outcome]]:
    """What came of every row; missing binaries are an error, never a skip."""
    layout = Layout(tmp_path_factory.mktemp("faults"))
    request = Request(binaries=str(binaries.find()), scope=Scope.ALL, replicas=1, speed=SPEED)
    asyncio.run(lifecycle.up(layout, request, print))
    try:
        yield asyncio.run(run_all(layout))
    finally:
        asyncio.run(lifecycle.down(layout))
