"""Prometheus and promtool for the tests of this folder; that they cannot be had is a failure, never a skip."""

import asyncio

import pytest

from hack.prometheus.binaries import Tools, find_or_fetch


@pytest.fixture(scope="session")
def tools() -> Tools:
    """The real programs."""
    return asyncio.run(find_or_fetch())
