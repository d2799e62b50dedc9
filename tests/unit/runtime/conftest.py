"""A client and the scripted server it talks to."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controller.runtime.client import Client
from tests.unit.runtime.scripted_server import ScriptedServer, scripted_server


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ScriptedServer]:
    async with scripted_server(tmp_path) as running:
        yield running


@pytest.fixture
async def client(server: ScriptedServer) -> AsyncIterator[Client]:
    async with await Client.connect(user_agent="kaito-test/1", kubeconfig=server.kubeconfig) as connected:
        yield connected
