"""A cluster for as long as a block lasts: what the rooms with a control plane of their own begin with."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hack.devcluster import binaries, lifecycle
from hack.devcluster.layout import Layout
from hack.devcluster.request import Request, Scope


@contextmanager
def whole_system(folder: Path, *, replicas: int, speed: float) -> Iterator[Layout]:
    """Control plane, cloud and the three programs, running; missing binaries are an error, never a skip.

    Args:
        folder: where data and logs are kept.
        replicas: processes of each program.
        speed: divides the times clouds and pods take.
    """
    layout = Layout(folder)
    request = Request(binaries=str(binaries.find()), scope=Scope.ALL, replicas=replicas, speed=speed)
    asyncio.run(lifecycle.up(layout, request, print))
    try:
        yield layout
    finally:
        asyncio.run(lifecycle.down(layout))
