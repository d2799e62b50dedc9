"""What may be removed when no claim is left, and above all what may not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from controller.api.claims import MACHINE, NODE_CLAIM
from controller.api.json import Json
from controller.api.resources import MACHINES, NODE_CLAIMS, NODES
from controller.runtime.cache import Informer
from controller.runtime.client import Client
from controller.runtime.errors import ApiError, NotFound
from provisioner import metrics
from provisioner.claims import Claims
from provisioner.errors import CloudError, ErrorKind, Fault
from provisioner.garbage import Collector
from provisioner.nodes import POOL_INDEX, pool_names
from provisioner.policy import Policy
from provisioner.pools import Pool
from provisioner.snapshot import Snapshot
from tests.unit.provisioner.builders import A_NODE_CLAIM, NAME, machine, node_claim, node_json, pool
from tests.unit.runtime.scripted_server import Reply, ScriptedServer, answer, page, scripted_server, status
from tests.unit.virtual_time import run_virtual

NO_CLAIM = status(404, "NotFound", f'machines.karpenter.sh "{NAME}" not found')
EMPTY = answer({"kind": "MachineList", "items": [], "metadata": {}})


class Cloud:
    """A cloud of some pools that notes what it was told to do."""

    def __init__(self, *pools: Pool) -> None:
        self.pools = {each.name: each for each in pools}
        self.told: list[str] = []
        self.error: CloudError | None = None

    async def list(self) -> "list[Pool]":
        return list(self.pools.values())

    async def get(self, name: str) -> Pool:
        if name not in self.pools:
            raise CloudError(Fault(ErrorKind.POOL_NOT_FOUND), status=404)
        return self.pools[name]

    async def create(self, name: str, body: Json) -> Pool:
        raise AssertionError(f"whoever collects garbage makes no pool: {name}, {body}")

    async def delete(self, name: str, *, etag: str = "", ignore_disruption_budgets: bool = False) -> None:
        self.told.append(f"delete {name}{' past budgets' if ignore_disruption_budgets else ''}")
        if self.error:
            raise self.error

    async def abort(self, name: str) -> None:
        self.told.append(f"abort {name}")


class Scene:
    """A collector whose pools have been read."""

    def __init__(self, client: Client, cloud: Cloud, grace: float) -> None:
        self.cloud = cloud
        self.snapshot = Snapshot(cloud, busy=4, idle=300, on_change=lambda names: None)
        self.claims = Informer(client, MACHINES)
        self.node_claims = Informer(client, NODE_CLAIMS)
        self.nodes = Informer(client, NODES, indexes={POOL_INDEX: pool_names})
        self.collector = Collector(
            client,
            cloud,
            self.snapshot,
            claims=Claims({MACHINE: self.claims, NODE_CLAIM: self.node_claims}),
            nodes=self.nodes,
            policy=Policy(orphan_grace=grace),
        )

    async def read(self) -> None:
        """Reads the pools once."""
        await self.snapshot._read(asyncio.get_running_loop().time())

    async def collect(self) -> float | None:
        """One look; the seconds until the next."""
        return (await self.collector.collect(NAME)).requeue_after


@asynccontextmanager
async def scene(
    folder: Path, *pools: Pool, replies: tuple[Reply, ...] = ()
) -> AsyncIterator[tuple[Scene, ScriptedServer]]:
    """A scene whose grace is over, before an API server that answers as written down."""
    async with scripted_server(folder) as server:
        server.script(*replies)
        async with await Client.connect(user_agent="test", kubeconfig=server.kubeconfig) as client:
            made = Scene(client, Cloud(*pools), grace=0.0)
            await made.read()
            yield made, server


async def test_a_pool_of_ours_without_a_claim_is_removed_past_all_budgets(tmp_path: Path) -> None:
    async with scene(tmp_path, pool(), replies=(NO_CLAIM,)) as (made, _):
        await made.collect()
        assert made.cloud.told == [f"delete {NAME} past budgets"]


@pytest.mark.parametrize(
    "labels",
    [
        {
            "kaito.sh/workspace": "phi",
            "kaito.sh/machine-type": "gpu",
            "kaito.sh/creation-timestamp": "2026-01-01T00-00-00Z",
        },
        {"kaito.sh/ragengine": "rag", "kaito.sh/machine-type": "gpu", "karpenter.sh/nodepool": "kaito"},
        {"team": "other"},
    ],
    ids=["gpu-provisioner's Machine", "gpu-provisioner's NodeClaim", "a user's"],
)
async def test_a_pool_that_does_not_carry_our_tag_is_never_touched(tmp_path: Path, labels: dict[str, str]) -> None:
    async with scene(tmp_path, pool(tags={}, labels=labels)) as (made, server):
        assert await made.collect() is None
        assert made.cloud.told == []
        assert server.seen == []


async def test_a_claim_the_cache_does_not_show_yet_protects_its_pool(tmp_path: Path) -> None:
    async with scene(tmp_path, pool(), replies=(answer(machine()),)) as (made, _):
        await made.collect()
        assert made.cloud.told == []


@pytest.mark.parametrize(
    "reply",
    [
        page(404),
        status(404, "NotFound", "the server could not find the requested resource"),
        status(404, "", f'"{NAME}" is not here'),
        status(403, "Forbidden", "no"),
    ],
    ids=["a load balancer's page", "kind not served", "no reason", "no right to look"],
)
async def test_no_other_answer_than_not_found_of_that_name_proves_the_claim_is_gone(
    tmp_path: Path, reply: Reply
) -> None:
    async with scene(tmp_path, pool(), replies=(reply,)) as (made, _):
        with pytest.raises(ApiError):
            await made.collect()
        assert made.cloud.told == []


OTHER = pool(name="ws2")


@pytest.mark.parametrize(
    ("listed", "told"),
    [
        (EMPTY, [f"delete {NAME} past budgets"]),
        (answer({"kind": "MachineList", "items": [machine(name="ws2")], "metadata": {}}), []),
    ],
    ids=["there is none indeed", "the cache is wrong"],
)
async def test_that_all_claims_are_gone_at_once_is_doubted(tmp_path: Path, listed: Reply, told: list[str]) -> None:
    async with scene(tmp_path, pool(), OTHER, replies=(NO_CLAIM, listed)) as (made, _):
        await made.collect()
        assert made.cloud.told == told


async def test_a_kind_that_is_not_served_is_no_proof_that_all_claims_are_gone(tmp_path: Path) -> None:
    async with scene(tmp_path, pool(), OTHER, replies=(NO_CLAIM, page(404))) as (made, _):
        with pytest.raises(NotFound):
            await made.collect()
        assert made.cloud.told == []


NO_NODE_CLAIM = status(404, "NotFound", f'nodeclaims.karpenter.sh "{NAME}" not found')
OTHER_CLASS = {"group": "karpenter.azure.com", "kind": "AKSNodeClass", "name": "default"}
OF_ANOTHER = node_claim(nodeClassRef=OTHER_CLASS, uid="another")
FOR_A_NODE_CLAIM = {"kaito-claim-uid": "u", "kaito-claim-kind": "NodeClaim"}


@pytest.mark.parametrize(
    ("replies", "told"),
    [
        ((NO_CLAIM, NO_NODE_CLAIM), [f"delete {NAME} past budgets"]),
        ((NO_CLAIM, answer(node_claim())), []),
        ((answer(machine()),), []),
        ((NO_CLAIM, answer(OF_ANOTHER)), [f"delete {NAME} past budgets"]),
        ((NO_CLAIM, answer(node_claim(nodeClassRef=OTHER_CLASS, uid="u"))), []),
    ],
    ids=[
        "no claim of either kind",
        "its NodeClaim stands",
        "a Machine of its name stands",
        "a namesake that asks another provisioner",
        "the very claim, whomever it asks now",
    ],
)
async def test_a_pool_goes_when_no_kind_of_claim_carries_its_name(
    tmp_path: Path, replies: tuple[Reply, ...], told: list[str]
) -> None:
    async with scene(tmp_path, pool(tags=FOR_A_NODE_CLAIM), replies=replies) as (made, _):
        made.claims._replace([])
        await made.collect()
        assert made.cloud.told == told


async def test_a_pool_made_for_a_kind_that_is_not_served_now_stays(tmp_path: Path) -> None:
    """As while a cluster is restored, CRD by CRD."""
    async with scene(tmp_path, pool(tags=FOR_A_NODE_CLAIM), replies=(NO_CLAIM, page(404))) as (made, _):
        made.claims._replace([])
        with pytest.raises(NotFound):
            await made.collect()
        assert made.cloud.told == []


async def test_a_pool_azure_itself_does_not_know_any_more_is_forgotten(tmp_path: Path) -> None:
    async with scene(tmp_path, pool(), replies=(NO_CLAIM,)) as (made, _):
        made.cloud.pools.clear()
        await made.collect()
        assert made.cloud.told == []
        assert made.snapshot.get(NAME) is None


async def test_a_pool_that_is_still_being_made_is_stopped_and_removed_once_it_has(tmp_path: Path) -> None:
    async with scene(tmp_path, pool("Creating"), replies=(NO_CLAIM, NO_CLAIM, NO_CLAIM)) as (made, _):
        await made.collect()
        await made.collect()
        assert made.cloud.told == [f"abort {NAME}"], "told once, although Azure still shows it as being made"
        made.cloud.pools = {NAME: pool("Canceled")}
        await made.read()
        await made.collect()
        assert made.cloud.told == [f"abort {NAME}", f"delete {NAME} past budgets"]


async def test_a_removal_the_cloud_refuses_is_not_repeated_before_its_time(tmp_path: Path) -> None:
    async with scene(tmp_path, pool(), replies=(NO_CLAIM,)) as (made, _):
        made.cloud.error = CloudError(Fault(ErrorKind.THROTTLED), status=429, retry_after=60)
        waits: list[Any] = [await made.collect() for _ in range(5)]
        assert made.cloud.told == [f"delete {NAME} past budgets"]
        assert min(waits) > 50


async def test_a_removal_that_was_taken_and_failed_is_asked_for_again_later_and_counts_once(tmp_path: Path) -> None:
    async with scene(tmp_path, pool(), replies=(NO_CLAIM, NO_CLAIM)) as (made, _):
        before = metrics.ORPHANS._value.get()
        await made.collect()
        made.cloud.pools = {NAME: pool("Failed")}
        await made.read()
        waits: list[Any] = [await made.collect() for _ in range(2)]
        assert (made.cloud.told, max(waits) <= 2) == ([f"delete {NAME} past budgets"], True)
        known = made.collector._removals._setbacks
        known[NAME] = replace(known[NAME], until=0.0)
        await made.collect()
        assert made.cloud.told == [f"delete {NAME} past budgets"] * 2
        assert metrics.ORPHANS._value.get() - before == 1, "one orphan, however often its removal fails"


def test_an_orphan_that_does_not_go_is_read_less_often_after_a_while() -> None:
    async def scenario() -> list[bool]:
        client: Any = None
        made, found = Scene(client, Cloud(pool("Deleting")), 0.0), []
        await made.read()
        for _ in range(3):
            await made.collect()
            found.append(made.snapshot._watched[NAME])
            await asyncio.sleep(Policy().termination_deadline / 2)
        return found

    assert run_virtual(scenario()) == [False, False, True]


def offline(grace: float) -> Scene:
    """A scene that must not ask the API server anything."""
    client: Any = None
    return Scene(client, Cloud(pool()), grace)


def test_the_grace_counts_from_the_moment_the_claim_was_missed_first() -> None:
    async def scenario() -> list[float | None]:
        made = offline(300)
        await made.read()
        first = await made.collect()
        await asyncio.sleep(200)
        second = await made.collect()
        made.collector.forget(NAME)  # the claim is back, for example from a backup
        await asyncio.sleep(200)
        return [first, second, await made.collect()]

    assert run_virtual(scenario()) == [300, 100, 300]


def test_nodes_left_at_the_start_are_looked_at_again_once_the_pools_are_known() -> None:
    async def scenario() -> set[str]:
        woken: set[str] = set()
        made = offline(300)
        made.cloud.pools.clear()
        made.snapshot._on_change = woken.update
        await made.collect()
        await made.read()
        return woken

    assert run_virtual(scenario()) == {NAME}


async def test_a_node_that_nothing_stands_behind_is_let_go(tmp_path: Path) -> None:
    leaving = node_json(deleting=True)
    async with scene(tmp_path, replies=(NO_CLAIM, answer({**leaving, "metadata": {"name": "n"}}))) as (made, server):
        made.nodes._replace([leaving])
        await made.collect()
        assert server.seen[-1].body["metadata"]["finalizers"] == []


async def test_a_node_that_another_provisioners_claim_registered_is_not_let_go(tmp_path: Path) -> None:
    """Its agent pool is not ours, and so none is known."""
    leaving = node_json(deleting=True, owner="another", owner_kind=A_NODE_CLAIM)
    async with scene(tmp_path, replies=(NO_CLAIM, answer(OF_ANOTHER))) as (made, server):
        made.claims._replace([])
        made.nodes._replace([leaving])
        await made.collect()
        assert [each.method for each in server.seen] == ["GET", "GET"]
