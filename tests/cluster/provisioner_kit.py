"""The provisioner as a process between a real API server and a simulated AKS, for tests."""

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from controller.api.claims import MACHINE, NODE_CLAIM, Claim, ClaimKind, parse_claim
from controller.api.json import Json, name_of
from controller.api.resources import EVENTS, LEASES, NODES, Resource
from controller.runtime.client import Client
from controller.runtime.errors import Invalid, NotFound
from hack.aks_simulator.node_loop import NodeLoop
from hack.aks_simulator.node_writer import ClientNodeWriter
from hack.aks_simulator.nodes import CLUSTER_LABEL
from hack.aks_simulator.scenario import parse_scenario
from hack.aks_simulator.settings import Settings
from hack.aks_simulator.simulator import Simulator
from hack.aks_simulator.sizes import offered_sizes
from hack.devcluster.ports import LOOPBACK, Ports
from tests.cluster.harness import Cluster, eventually
from tests.cluster.provisioner_parts import ROOT, account, claim_body
from tests.unit.hack.aks_simulator_kit import serving

SIZE = "Standard_NC6s_v3"
SIZES = offered_sizes()
SPEED = 8.0
ADMISSION = "admissionregistration.k8s.io"
POLICIES = Resource(ADMISSION, "v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy", namespaced=False)
POLICY_BINDINGS = Resource(
    ADMISSION, "v1", "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding", namespaced=False
)
SYSTEM_POOL = "nodepool1"
FLAGS = {
    "--log-format": "console",
    "--arm-poll-interval": "300ms",
    "--arm-idle-interval": "1s",
    "--launch-retry-initial": "1s",
    "--launch-retry-max": "2s",
    "--orphan-grace": "2s",
    "--request-deadline": "8s",
    "--gpu-replacements": "0",
    "--azure-credential": "none",
    "--azure-location": "eastus",
}


@dataclass(slots=True)
class Process:
    """One running provisioner."""

    process: asyncio.subprocess.Process
    metrics: str
    health: str
    release: Callable[[], Awaitable[None]]
    log: list[str] = field(default_factory=list)

    async def is_ready(self) -> str:
        """Empty when it is ready."""
        if self.process.returncode is not None:
            return "it ended:\n" + "\n".join(self.log[-20:])
        try:
            async with aiohttp.ClientSession() as session, session.get(f"{self.health}/readyz") as answer:
                return "" if answer.status == 200 else await answer.text()
        except aiohttp.ClientError as error:
            return repr(error)

    async def scrape(self) -> str:
        """The text of /metrics."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.metrics}/metrics") as answer:
            return await answer.text()

    async def kill(self) -> None:
        """SIGKILL, and wait for the end; nobody has to wait for its Lease to expire."""
        with suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()
        await self.release()

    async def follow(self) -> None:
        """Collects the log."""
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.log.append(line.decode().rstrip())


@dataclass(slots=True)
class Bench:
    """One API server, one simulated AKS cluster, and what a test needs of both."""

    client: Client
    simulator: Simulator
    url: str
    kubeconfig: Path
    namespace: str
    stack: AsyncExitStack
    kind: ClaimKind = MACHINE
    running: list[Process] = field(default_factory=list)

    async def start(self, identity: str = "one", **flags: str) -> Process:
        """A provisioner, ready; killed at the end of the test if it still runs."""
        settings = self.simulator.settings
        with Ports() as ports:
            metrics, health = (f"{LOOPBACK}:{ports.take()}" for _ in range(2))
            given = {
                **FLAGS,
                "--kubeconfig": str(self.kubeconfig),
                "--namespace": self.namespace,
                "--identity": identity,
                "--metrics-bind-address": metrics,
                "--health-probe-bind-address": health,
                "--azure-endpoint": self.url,
                "--azure-subscription-id": settings.subscription,
                "--azure-resource-group": settings.resource_group,
                "--azure-cluster-name": settings.cluster,
                **{f"--{name.replace('_', '-')}": value for name, value in flags.items()},
            }
            arguments = [part for flag in given.items() for part in flag]
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "provisioner", *arguments), stderr=asyncio.subprocess.PIPE, cwd=ROOT
            )
            made = Process(process, f"http://{metrics}", f"http://{health}", self._release)
            following = asyncio.create_task(made.follow())
            self.stack.push_async_callback(lambda: asyncio.wait([following]))
            self.stack.push_async_callback(made.kill)
            self.running.append(made)
            await eventually(made.is_ready)
        return made

    async def _release(self) -> None:
        """Takes away the Lease of whoever led."""
        with suppress(NotFound):
            await self.client.delete(LEASES, "kaito-provisioner", namespace=self.namespace)

    def scenario(self, **document: Any) -> None:
        """Makes this the cloud's scenario from now on; no document heals everything."""
        self.simulator.replace_scenario(patient(document))

    async def ask(
        self, *, sizes: Iterable[str] = (SIZE,), name: str = "", annotations: dict[str, str] | None = None, **spec: Any
    ) -> str:
        """Creates a claim as the workspace controller does; its name."""
        name = name or f"ws{secrets.token_hex(4)}"
        body = claim_body(self.kind, name, self.namespace, sizes, spec)
        body["metadata"]["annotations"] = annotations or {}
        await self.client.create(self.kind.resource, body)
        return name

    async def delete(self, name: str) -> None:
        """Asks for a claim's deletion."""
        await self.client.delete(self.kind.resource, name)

    async def strip(self, name: str) -> None:
        """Takes a claim away by force, as if it had never been."""
        await self.client.merge(self.kind.resource, name, {"metadata": {"finalizers": None}})
        with suppress(NotFound):
            await self.client.delete(self.kind.resource, name)

    async def add_node(self, pool: str) -> str:
        """One more Ready node of a pool, as an upgrade brings it for a while; its name."""
        (node,) = await self.nodes(pool)
        stated = node["metadata"]["labels"].items()
        kept = {key: value for key, value in stated if not key.startswith("karpenter.sh/") and key != CLUSTER_LABEL}
        name = f"{name_of(node)[:-1]}9"
        body = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": kept, "annotations": {"kwok.x-k8s.io/node": "fake"}},
            "spec": {"providerID": f"{node['spec']['providerID'][:-1]}9"},
        }
        await self.client.create(NODES, body)
        return name

    async def owns(self, pool: str, uid: str, *, nodes: int = 1) -> None:
        """Waits until every node of a pool belongs to the claim of that UID."""

        async def check() -> str:
            found = [node["metadata"].get("ownerReferences") or [] for node in await self.nodes(pool)]
            owners = [[owner["uid"] for owner in owners] for owners in found]
            return "" if owners == [[uid]] * nodes else f"owned by {owners}"

        await self._eventually(check)

    async def node_count(self, pool: str, count: int) -> None:
        """Waits until a pool has so many nodes."""

        async def check() -> str:
            found = [name_of(node) for node in await self.nodes(pool)]
            return "" if len(found) == count else f"nodes {found}"

        await self._eventually(check)

    async def forbid_marking_nodes(self) -> None:
        """Installs an admission policy that refuses every change the provisioner makes to a node."""
        account = f"system:serviceaccount:{self.namespace}:provisioner"
        rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["nodes"]}
        spec = {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [rule]},
            "validations": [
                {"expression": f"request.userInfo.username != '{account}'", "message": "nodes are not to be marked"}
            ],
        }
        binding = {"policyName": self.namespace, "validationActions": ["Deny"]}
        for resource, body in ((POLICIES, spec), (POLICY_BINDINGS, binding)):
            await self.client.create(
                resource,
                {
                    "apiVersion": resource.api_version,
                    "kind": resource.kind,
                    "metadata": {"name": self.namespace},
                    "spec": body,
                },
            )
        self.stack.push_async_callback(self.allow_marking_nodes)
        await self._wait_until_forbidden()

    async def _wait_until_forbidden(self) -> None:
        """Policies take effect a moment after their creation; a node nobody cares about shows when."""
        probe = f"probe-{self.namespace}"
        await self.client.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": probe}})
        try:
            async with await Client.connect(user_agent="probe", kubeconfig=self.kubeconfig) as restricted:
                await self._eventually(lambda: _is_refused(restricted, probe))
        finally:
            await self.client.delete(NODES, probe)

    async def allow_marking_nodes(self) -> None:
        """Removes that policy."""
        for resource in (POLICY_BINDINGS, POLICIES):
            with suppress(NotFound):
                await self.client.delete(resource, self.namespace)

    async def claim(self, name: str) -> Claim | None:
        """The claim; None when it is gone."""
        try:
            return parse_claim(await self.client.get(self.kind.resource, name), self.kind)
        except NotFound:
            return None

    async def ready(self, name: str) -> Claim:
        """Waits for a claim to be Ready."""
        return await self.shows(name, "Ready", "True")

    async def shows(self, name: str, type_: str, status: str, reason: str = "") -> Claim:
        """Waits for a condition of a claim."""
        found: Claim | None = None

        async def check() -> str:
            nonlocal found
            found = await self.claim(name)
            if found is None:
                return "the claim is gone"
            condition = found.conditions.get(type_)
            wanted = condition is not None and condition.status == status and reason in ("", condition.reason)
            shown = "; ".join(f"{each.type}={each.status} {each.reason}" for each in found.conditions.values())
            return "" if wanted else shown or "no conditions yet"

        await self._eventually(check)
        assert found is not None
        return found

    async def gone(self, name: str) -> None:
        """Waits until nothing of a claim is left: object, pool, node."""

        async def check() -> str:
            left = [] if await self.claim(name) is None else ["claim"]
            left += [f"pool {self.pool_state(name)}"] if self.pool_state(name) else []
            left += [f"node {name_of(node)}" for node in await self.nodes(name)]
            return ", ".join(left)

        await self._eventually(check)

    async def nodes(self, pool: str) -> list[Json]:
        """Nodes of a pool."""
        return (await self.client.list(NODES, labels=f"agentpool={pool}")).items

    def pool_state(self, name: str) -> str:
        """A pool's provisioning state; empty when there is none."""
        pools = {entry["name"]: entry for entry in self.simulator.report()["pools"]}
        return str(pools[name]["properties"]["provisioningState"]) if name in pools else ""

    def pools(self) -> set[str]:
        """Names of all pools but the system pool."""
        return {entry["name"] for entry in self.simulator.report()["pools"]} - {SYSTEM_POOL}

    def requests(self, name: str, operation: str) -> dict[str, int]:
        """How often an operation on a pool was asked for, by outcome."""
        counts: dict[str, int] = self.simulator.report()["requests_by_pool"].get(name, {}).get(operation, {})
        return counts

    async def pool_is(self, name: str, *states: str) -> None:
        """Waits for a pool's state; the empty word means no pool."""

        async def check() -> str:
            return "" if self.pool_state(name) in states else f"pool {name} is {self.pool_state(name) or 'absent'}"

        await self._eventually(check)

    async def reasons(self, name: str) -> set[str]:
        """Reasons of the events about a claim."""
        events = await self.client.list(EVENTS, namespace="default", fields=f"regarding.name={name}")
        return {str(event["reason"]) for event in events.items}

    async def tells(self, name: str, *reasons: str) -> None:
        """Waits for events about a claim."""

        async def check() -> str:
            missing = set(reasons) - await self.reasons(name)
            return f"no event yet: {sorted(missing)}" if missing else ""

        await self._eventually(check)

    async def _eventually(self, check: Any) -> None:
        try:
            await eventually(check)
        except AssertionError as error:
            logs = "\n".join(line for process in self.running for line in process.log[-25:])
            raise AssertionError(f"{error}\nlog of the provisioner:\n{logs}") from error

    async def clean(self) -> None:
        """Takes away claims and Nodes by force, whatever state a failed test left them in."""
        for resource in (MACHINE.resource, NODE_CLAIM.resource, NODES):
            for obj in await self._all(resource):
                if resource is NODES and not (obj["metadata"].get("labels") or {}).get("agentpool"):
                    continue
                with suppress(NotFound):
                    await self.client.merge(resource, name_of(obj), {"metadata": {"finalizers": None}})
                    await self.client.delete(resource, name_of(obj))

    async def _all(self, resource: Resource) -> list[Json]:
        """All objects of a kind; none when it is not served."""
        try:
            return (await self.client.list(resource)).items
        except NotFound:
            return []


def patient(document: Json) -> Json:
    """A scenario whose drains take as long as they need: a busy machine's would fail removals nobody wants to fail."""
    return {**document, "timing": {"drain_timeout_seconds": 86400, **document.get("timing", {})}}


async def _is_refused(client: Client, node: str) -> str:
    """Empty when the API server refuses the client's changes of the node."""
    try:
        await client.merge(NODES, node, {"metadata": {"annotations": {"probe": secrets.token_hex(4)}}})
    except Invalid:
        return ""
    return "the policy is not in force yet"


@asynccontextmanager
async def bench(cluster: Cluster, client: Client, namespace: str, **scenario: Any) -> AsyncIterator[Bench]:
    """Everything but the provisioner, which a test starts itself."""
    settings = Settings(cluster=namespace, speed=SPEED, nodes_attached=True)
    simulator = Simulator(settings, SIZES, parse_scenario(patient(scenario)))
    kubeconfig = await account(cluster, namespace)
    async with AsyncExitStack() as stack, serving(simulator) as url:
        loop = asyncio.create_task(NodeLoop(simulator, ClientNodeWriter(client, settings.node_resource_group)).run())
        made = Bench(client, simulator, url, kubeconfig, namespace, stack)
        try:
            yield made
        finally:
            await stack.aclose()
            loop.cancel()
            with suppress(asyncio.CancelledError):
                await loop
            await made.clean()
