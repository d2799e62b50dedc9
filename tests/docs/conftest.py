"""An empty control plane, on which documents are tried."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.devcluster import binaries, lifecycle
from hack.devcluster.layout import Layout
from hack.devcluster.request import Request, Scope


@pytest.fixture
def empty_cluster(tmp_path: Path) -> Iterator[Layout]:
    """A control plane with nothing of ours in it."""
    layout = Layout(tmp_path / "cluster")
    asyncio.run(lifecycle.up(layout, Request(str(binaries.find()), scope=Scope.CONTROL_PLANE), print))
    yield layout
    asyncio.run(lifecycle.down(layout))
