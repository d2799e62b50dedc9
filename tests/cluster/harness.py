"""What tests on the real API server share: the cluster's handle and an assertion that waits."""

import asyncio
import copy
import json
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hack.devcluster import commands, kubeconfig
from hack.devcluster.api import Api
from hack.devcluster.layout import Layout, write_private

Json = dict[str, Any]

NODE_OF_TEST = "devcluster.kaito.sh/test"
"""The label by which a test's Nodes are found when it is over; its value is the test's namespace."""

NODE: Json = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "", "annotations": {"kwok.x-k8s.io/node": "fake"}, "labels": {}},
    "status": {
        "capacity": {"cpu": "96", "memory": "112Gi", "pods": "110"},
        "allocatable": {"cpu": "96", "memory": "112Gi", "pods": "110"},
        "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "made by hand"}],
        "addresses": [{"type": "InternalIP", "address": "10.1.0.4"}],
    },
}


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running control plane."""

    layout: Layout
    server: str

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.layout.kubeconfig

    async def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """Run kubectl as administrator and return what it printed; CommandError when it failed."""
        return await commands.kubectl(self.layout, *arguments, stdin=stdin)

    async def get(self, *arguments: str) -> Json:
        """One object, or a list, by `kubectl get -o json`."""
        document: Json = json.loads(await self.kubectl("get", "-o", "json", *arguments))
        return document

    async def apply(self, *objects: Json) -> None:
        """Apply objects with kubectl."""
        await self.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))

    def api(self) -> Api:
        """Plain requests as administrator; use it with `async with`."""
        return Api(self.layout, self.server)

    async def token_kubeconfig(self, namespace: str, service_account: str, server: str = "") -> Path:
        """A kubeconfig with a fresh token of a service account; `server` may be that of a proxy."""
        name = f"{namespace}-{service_account}-{secrets.token_hex(3)}"
        async with self.api() as api:
            write_private(self.layout.token(name), await api.create_token(namespace, service_account, 3600))
        path = self.layout.client_kubeconfig(name)
        content = kubeconfig.with_token_file(self.layout, server or self.server, name, namespace)
        kubeconfig.write(path, content)
        return path


def ready_node(namespace: str, suffix: str = "", *, gpus: int = 0, labels: dict[str, str] | None = None) -> Json:
    """A Node that is Ready from the start and adopted by kwok, as a kubelet would register it.

    It is named after the test's namespace and goes when the namespace goes, so that no other test's Pods land on it.
    """
    name = namespace + suffix
    node: Json = copy.deepcopy(NODE)
    node["metadata"] |= {
        "name": name,
        "labels": {"kubernetes.io/hostname": name, NODE_OF_TEST: namespace, **(labels or {})},
    }
    for field in ("capacity", "allocatable"):
        node["status"][field] |= {"nvidia.com/gpu": str(gpus)} if gpus else {}
    return node


async def eventually(check: Callable[[], Awaitable[str]], seconds: float = 60.0) -> None:
    """Wait until `check` returns the empty string; fails with every different answer it gave and when."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    timeline: list[str] = []
    last = None
    while (answer := await check()) != "":
        now = loop.time() - begin
        if answer != last:
            last = answer
            timeline.append(f"{now:6.2f} s  {answer}")
        if now > seconds:
            raise AssertionError(f"not so within {seconds:g} s:\n" + "\n".join(timeline[-30:]))
        await asyncio.sleep(0.1)
