"""Cells: many small worlds on one API server, each with its own cloud, claims and provisioners, blind to the others."""

import asyncio
import json
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from controller.api.claims import MACHINE, NODE_CLAIM, ClaimKind
from controller.api.conditions import conditions_of, is_true
from controller.api.json import (
    Json,
    annotations_of,
    finalizers_of,
    is_deleting,
    labels_of,
    metadata_of,
    name_of,
    uid_of,
)
from controller.api.resources import NODES
from controller.runtime.cache import Informer
from controller.runtime.client import Client
from controller.runtime.errors import AlreadyExists, NotFound, Throttled, Unavailable
from controller.runtime.lease import LeaseTiming
from controller.runtime.options import CommonOptions
from hack.aks_simulator.node_loop import NodeLoop
from hack.aks_simulator.node_writer import ClientNodeWriter
from hack.aks_simulator.nodes import CLUSTER_LABEL
from hack.aks_simulator.settings import Settings as CloudSettings
from hack.aks_simulator.sizes import offered_sizes
from provisioner.nodes import POOL_INDEX, pool_names
from provisioner.offerings import Place
from provisioner.policy import Policy
from provisioner.settings import AzureSettings, CredentialKind, Settings
from tests.cluster.harness import eventually
from tests.cluster.provisioner_parts import claim_body
from tests.faults.cloud import AccountingSimulator
from tests.faults.gate import Boundary, Gate, Weather
from tests.faults.lives import live, tear_down
from tests.unit.hack.aks_simulator_kit import serving

SIZE: Final = "Standard_NC6s_v3"
CELL_LABEL: Final = "tests.kaito.sh/cell"
SPEED: Final = 20.0
"""A pool is there after 0.4 s, its node Ready after 0.1 s more."""

REQUEST_DEADLINE: Final = 12.0
"""Longer than the cloud's longest delay and a slow machine's longest pause together."""

POLICY: Final = Policy(retry_initial=0.3, retry_max=1.0, orphan_grace=1.0, request_deadline=REQUEST_DEADLINE)
LEASE: Final = LeaseTiming(4.0, 3.2, 0.4)
"""A machine with more to do than it can still renews in time."""

PATIENCE: Final = 120.0

_SIZES: Final = offered_sizes()
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d[:-]\d\d[:-]\d\d(\.\d+)?Z")
_PASSING: Final = ("eTag", "currentOrchestratorVersion")


@dataclass(frozen=True, slots=True)
class Stage:
    """One API server for many cells, and what all of them see of it.

    Attributes:
        client: an administrator's.
        kubeconfig: with the provisioner's own rights.
        namespace: of Leases.
        claims: informers of an observer, by kind.
        nodes: the same for nodes, by agent pool.
        mourners: by name of a claim, who is told when it is gone.
    """

    client: Client
    kubeconfig: Path
    namespace: str
    claims: dict[ClaimKind, Informer]
    nodes: Informer
    mourners: dict[str, Callable[[str], None]] = field(default_factory=dict)

    def gone(self, old: Json | None, new: Json | None) -> None:
        """Takes in a change of a claim; its end is told to whom it concerns."""
        if old is not None and new is None and (told := self.mourners.get(name_of(old))) is not None:
            told(name_of(old))

    def claim(self, name: str) -> tuple[ClaimKind, Json] | None:
        """The claim of that name."""
        found = ((kind, informer.get(name)) for kind, informer in self.claims.items())
        return next(((kind, obj) for kind, obj in found if obj is not None), None)


@asynccontextmanager
async def staged(client: Client, kubeconfig: Path, namespace: str) -> AsyncIterator[Stage]:
    """An observer of everything, for as long as the cells are at work."""
    claims = {kind: Informer(client, kind.resource) for kind in (MACHINE, NODE_CLAIM)}
    nodes = Informer(client, NODES, indexes={POOL_INDEX: pool_names})
    watching = [asyncio.create_task(informer.run()) for informer in (*claims.values(), nodes)]
    try:
        for informer in (*claims.values(), nodes):
            await informer.wait_synced()
        stage = Stage(client, kubeconfig, namespace, claims, nodes)
        for informer in claims.values():
            informer.on_change(stage.gone)
        yield stage
    finally:
        await tear_down(watching)


async def insist(call: Callable[[], Awaitable[None]]) -> None:
    """Makes a call, again and again while the API server of a busy machine has no answer in time."""

    async def answered() -> str:
        try:
            await call()
        except (Unavailable, Throttled) as error:
            return str(error)
        return ""

    await eventually(answered, PATIENCE)


@dataclass(slots=True)
class Cell:
    """One small world.

    Attributes:
        asked: name and kind of every claim made here.
        given_up: those whose deletion was asked for.
        lives: the gates of all processes there were.
    """

    stage: Stage
    id: str
    cloud: AccountingSimulator
    url: str
    asked: dict[str, ClaimKind] = field(default_factory=dict)
    given_up: set[str] = field(default_factory=set)
    lives: list[Gate] = field(default_factory=list)
    ended: bool = False

    async def ask(self, kind: ClaimKind, sizes: Iterable[str] = (SIZE,)) -> str:
        """Creates a claim; its name."""
        name = f"f{secrets.token_hex(5)}"
        body = claim_body(kind, name, self.stage.namespace, sizes, {})
        body["metadata"]["labels"][CELL_LABEL] = self.id
        self.asked[name] = kind
        self.stage.mourners[name] = self._let_go

        async def made() -> None:
            with suppress(AlreadyExists):
                await self.stage.client.create(kind.resource, body)

        await insist(made)
        return name

    def _let_go(self, name: str) -> None:
        """Notes a claim's end that came too soon."""
        wrongs, state = self.cloud.accounts[name].wrongs, self.cloud.state(name)
        if name not in self.given_up:
            wrongs.append("the claim is gone although nobody gave it up")
        if state:
            wrongs.append(f"the claim was let go while its pool was {state}")

    async def give_up(self, name: str) -> None:
        """Asks for a claim's deletion."""
        self.given_up.add(name)

        async def deleted() -> None:
            with suppress(NotFound):
                await self.stage.client.delete(self.asked[name].resource, name)

        await insist(deleted)

    async def run(
        self,
        ends: Iterable[Boundary] = (),
        *,
        weather: Callable[[], Weather] = Weather,
        elect: bool = False,
        identity: str = "one",
    ) -> None:
        """One replica: a process that is started anew whenever it dies, until the cell ends.

        Args:
            ends: where the first processes die, one after the other; later ones live on.
            weather: of each process.
            elect: whether it works only while it holds the Lease.
            identity: of the replica.
        """
        left = iter(ends)
        while not self.ended:
            gate = Gate(next(left, None), weather())
            self.lives.append(gate)
            settings = self._settings(f"{identity}-{len(self.lives)}", elect=elect)
            await live(gate, settings, name=f"provisioner-{self.id}", selectors=self._selectors, state=self.state)

    def end(self) -> None:
        """No process lives on."""
        self.ended = True
        for gate in self.lives:
            gate.shut.set()

    def state(self) -> str:
        """States of the claims' pools."""
        return " ".join(self.cloud.state(name) or "none" for name in self.asked)

    @property
    def _selectors(self) -> dict[str, str]:
        own = f"{CELL_LABEL}={self.id}"
        nodes = f"{CLUSTER_LABEL}={self.cloud.settings.node_resource_group}"
        return {"machines": own, "nodeclaims": own, "nodes": nodes}

    def _settings(self, identity: str, *, elect: bool) -> Settings:
        cloud = self.cloud.settings
        return Settings(
            CommonOptions(
                kubeconfig=self.stage.kubeconfig,
                namespace=self.stage.namespace,
                identity=identity,
                leader_elect=elect,
                lease=LEASE,
            ),
            AzureSettings(
                cloud.subscription,
                cloud.resource_group,
                cloud.cluster,
                endpoint=self.url,
                credential=CredentialKind.NONE,
            ),
            POLICY,
            place=Place("eastus"),
            poll_interval=0.1,
            idle_interval=1.0,
            workers=4,
        )

    async def until(self, check: Callable[[], str], what: str, seconds: float = PATIENCE) -> None:
        """Waits until a check gives the empty string."""

        async def asked() -> str:
            return check()

        try:
            await eventually(asked, seconds)
        except AssertionError as error:
            raise AssertionError(f"{what}: {error}\nlast calls: {self.last_calls()}") from None

    def last_calls(self) -> str:
        """What the processes said last, for messages."""
        return " | ".join(", ".join(gate.calls[-12:]) for gate in self.lives[-3:])

    def unready(self, name: str) -> str:
        """Why a claim is not Ready; empty when it is."""
        found = self.stage.claim(name)
        if found is None:
            return "there is no such claim"
        shown = [f"{each.type}={each.status} {each.reason}" for each in conditions_of(found[1]).values()]
        return "" if is_true(found[1], "Ready") else "; ".join(shown) or "no conditions yet"

    def left(self) -> str:
        """Everything there is of the claims given up: objects, pools, nodes."""
        found = [f"claim {name}" for name in self.given_up if self.stage.claim(name) is not None]
        kept = self.asked.keys() - self.given_up
        found += [f"pool {name} {self.cloud.state(name)}" for name in self.cloud.pools() - kept]
        found += [f"node {name_of(node)}" for name in self.given_up for node in self._nodes(name)]
        found += ["a call under way"] if self.cloud.under_way else []
        return ", ".join(found)

    def unread(self) -> str:
        """Empty once a process that lives has looked at claims and cloud."""
        living = [gate for gate in self.lives if not gate.shut.is_set()]
        looked = any(call.startswith("ARM list") for gate in living for call in gate.calls)
        return "" if looked else "no reading of the cloud yet"

    def _nodes(self, name: str) -> list[Json]:
        return self.stage.nodes.by_index(POOL_INDEX, name)

    def portrait(self, name: str) -> Json:
        """How claim, pool and node look, without what differs between two good runs."""
        found = self.stage.claim(name)
        if found is None:
            return {}
        claim, pool = found[1], self.cloud.world.pools.get(name)
        owned = {"given": self.cloud.settings.cluster, "claim": name, "uid": uid_of(claim), "cell": self.id}
        drawn = {
            "claim": {**_drawn(claim), "conditions": _conditions(claim), "status": sorted(claim.get("status") or {})},
            "pool": _without(pool.properties, _PASSING) if pool else None,
            "nodes": [
                {**_drawn(node), "taints": node["spec"].get("taints"), "offers": node["status"]["allocatable"]}
                for node in self._nodes(name)
            ],
        }
        text = _TIME.sub("<time>", json.dumps(drawn, sort_keys=True)).replace(self.cloud.settings.digits, "<digits>")
        for word, value in owned.items():
            text = text.replace(value, f"<{word}>")
        portrait: Json = json.loads(text)
        return portrait


def _drawn(obj: Json) -> Json:
    return {
        "labels": labels_of(obj),
        "annotations": sorted(annotations_of(obj)),
        "finalizers": finalizers_of(obj),
        "owners": [_without(owner, ()) for owner in metadata_of(obj).get("ownerReferences") or ()],
        "deleting": is_deleting(obj),
    }


def _conditions(obj: Json) -> list[str]:
    return [f"{each.type}={each.status} {each.reason}" for each in conditions_of(obj).values()]


def _without(fields: Json, left_out: tuple[str, ...]) -> Json:
    return {key: value for key, value in fields.items() if key not in left_out}


@asynccontextmanager
async def cell(stage: Stage) -> AsyncIterator[Cell]:
    """A cell without claims and provisioners; whatever is left in it at the end is taken away."""
    id_ = secrets.token_hex(4)
    settings = CloudSettings(cluster=f"c{id_}", speed=SPEED, nodes_attached=True)
    made: list[Cell] = []

    def wanted(name: str) -> bool:
        return name in made[0].asked and name not in made[0].given_up

    cloud = AccountingSimulator(settings, _SIZES, wanted)
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(serving(cloud))
        made.append(Cell(stage, id_, cloud, url))
        loop = NodeLoop(cloud, ClientNodeWriter(stage.client, settings.node_resource_group))
        following = asyncio.create_task(loop.run())
        try:
            yield made[0]
        finally:
            made[0].end()
            await tear_down([following])
            await _clean(made[0])


async def _clean(made: Cell) -> None:
    """Takes away claims and nodes by force, those of the cell's system pool among them."""
    found = (made.stage.claim(name) for name in made.asked)
    objects = [(kind.resource, name_of(obj)) for kind, obj in filter(None, found)]

    async def cleaned() -> None:
        nodes = await made.stage.client.list(NODES, labels=made._selectors["nodes"])
        for resource, name in (*objects, *((NODES, name_of(node)) for node in nodes.items)):
            with suppress(NotFound):
                await made.stage.client.merge(resource, name, {"metadata": {"finalizers": None}})
                await made.stage.client.delete(resource, name)

    await insist(cleaned)
    for name in made.asked:
        made.stage.mourners.pop(name, None)
