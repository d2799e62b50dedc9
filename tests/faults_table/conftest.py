"""One whole system for the table: control plane, cloud, and one replica of each program."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.faults_table.runs import Outcome, run_all
from tests.stand import whole_system

SPEED = 8.0
"""A machine boots in 1 s, and a failed launch is repeated after 4 s."""


@pytest.fixture(scope="package")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Outcome]]:
    """What came of every row."""
    with whole_system(tmp_path_factory.mktemp("faults"), replicas=1, speed=SPEED) as layout:
        yield asyncio.run(run_all(layout))
