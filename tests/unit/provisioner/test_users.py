"""Which pods work with the devices of a node."""

from pathlib import Path
from typing import Any

import pytest

from controller.api.json import Json
from controller.runtime.client import Client
from provisioner.users import users_of, works_with_devices
from tests.unit.runtime.scripted_server import answer, scripted_server


def pod(name: str = "model", *, ready: bool = True, limits: Json | None = None, **spec: Any) -> Json:
    """A pod of two containers, of which the second has limits."""
    return {
        "metadata": {"namespace": "default", "name": name},
        "spec": {"containers": [{"name": "side"}, {"name": "main", "resources": {"limits": limits or {}}}], **spec},
        "status": {"conditions": [{"type": "Ready", "status": str(ready)}]},
    }


GPU = {"nvidia.com/gpu": "1"}


@pytest.mark.parametrize(
    ("obj", "works"),
    [
        (pod(limits=GPU), True),
        (pod(limits={"nvidia.com/mig-1g.5gb": "1"}), True),
        (pod(resourceClaims=[{"name": "gpu"}]), True),
        (pod(limits=GPU, ready=False), False),
        (pod(limits={"cpu": "1", "memory": "1Gi", "hugepages-2Mi": "2Mi"}), False),
        ({"metadata": {}, "spec": {"containers": [{"resources": {"limits": GPU}}]}}, False),
    ],
    ids=["a GPU", "a slice of one", "a resource claim", "not Ready", "no device", "no status yet"],
)
def test_only_a_ready_pod_with_devices_works_with_them(obj: Json, *, works: bool) -> None:
    assert works_with_devices(obj) is works


async def test_the_pods_of_the_node_are_asked_for_and_named_in_order(tmp_path: Path) -> None:
    pods = [pod("b", limits=GPU), pod("a", limits=GPU), pod("idle")]
    async with scripted_server(tmp_path) as server:
        server.script(answer({"kind": "PodList", "items": pods, "metadata": {}}))
        async with await Client.connect(user_agent="test", kubeconfig=server.kubeconfig) as client:
            assert await users_of(client, "node1") == ("default/a", "default/b")
        assert "spec.nodeName" in str(server.seen[0])
