"""What one call brings to light, and how few are made in one run."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from controller.api.claims import MACHINE
from controller.api.json import Json
from controller.api.resources import MACHINES, NODES
from controller.runtime.cache import Informer
from controller.runtime.client import Client
from controller.runtime.errors import NotFound
from controller.runtime.events import Recorder
from provisioner.calls import Aborts, Pauses
from provisioner.claims import Claims
from provisioner.errors import CloudError, ErrorKind, Fault
from provisioner.history import Failure
from provisioner.holds import Unavailable
from provisioner.nodes import POOL_INDEX, pool_names
from provisioner.offerings import Offering, Place
from provisioner.performer import Performer
from provisioner.policy import Policy
from provisioner.pools import Pool
from provisioner.quota import Quotas, Usages
from provisioner.reconciler import Reconciler
from provisioner.snapshot import Snapshot
from provisioner.steps import CreatePool, DeletePool, Observed
from provisioner.times import rfc3339
from tests.unit.provisioner.builders import NAME, SIZE, at, machine, pool, seen
from tests.unit.runtime.scripted_server import answer, scripted_server, status
from tests.unit.virtual_time import run_virtual

NOBODY: Any = None
TAKEN = CloudError(Fault(ErrorKind.EXISTS, "PreconditionFailed"), status=412)
NO_QUOTA = CloudError(Fault(ErrorKind.QUOTA, "QuotaExceeded"), status=400)


class Cloud:
    """A cloud that answers every creation alike and notes what it was told to do."""

    def __init__(self, refusal: CloudError | None = None, found: Pool | None = None) -> None:
        self.refusal, self.found = refusal, found
        self.told: list[str] = []

    async def list(self) -> "list[Pool]":
        return [self.found] if self.found else []

    async def get(self, name: str) -> Pool:
        self.told.append("get")
        if self.found is None:
            raise CloudError(Fault(ErrorKind.POOL_NOT_FOUND, "NotFound", name), status=404)
        return self.found

    async def create(self, name: str, body: Json) -> Pool:
        self.told.append("create")
        if self.refusal:
            raise self.refusal
        return pool("Creating", name=name, offering=Offering(body["properties"]["vmSize"]))

    async def delete(self, name: str, *, ignore_disruption_budgets: bool = False) -> None:
        self.told.append(f"delete {name} {ignore_disruption_budgets}")

    async def abort(self, name: str) -> None:
        self.told.append(f"abort {name}")


async def unlimited() -> Usages:
    """No quota is known."""
    return {}


def snapshot(cloud: Cloud) -> Snapshot:
    """A picture nobody is told of."""
    return Snapshot(cloud, busy=4, idle=300, on_change=lambda names: None)


def after(cloud: Cloud, action: CreatePool | DeletePool) -> Observed | None:
    """What is seen after one action that needs the cloud alone."""

    async def scenario() -> Observed | None:
        picture = snapshot(cloud)
        picture.learn(NAME, cloud.found)
        performer = Performer(NOBODY, cloud, picture, NOBODY, Pauses(), Aborts(), Quotas(unlimited), Unavailable())
        return await performer.perform(seen(machine(), pool=cloud.found), action)

    return run_virtual(scenario())


def test_a_name_that_is_taken_by_nothing_is_tried_again_later_and_not_at_once() -> None:
    cloud = Cloud(TAKEN)
    view = after(cloud, CreatePool({"properties": {"vmSize": SIZE}}, 1, Offering(SIZE)))
    assert view is not None
    assert (view.fault and view.fault.kind, view.fault_wait) == (ErrorKind.CONFLICT, 2.0)
    assert cloud.told == ["create", "get"]


def test_a_pool_that_is_there_already_is_taken_for_what_it_is() -> None:
    view = after(Cloud(TAKEN, pool("Creating")), CreatePool({"properties": {"vmSize": SIZE}}, 1, Offering(SIZE)))
    assert view is not None
    assert (view.pool, view.fault) == (pool("Creating"), None)


def test_a_creation_that_was_told_to_stop_is_not_removed_in_the_same_breath() -> None:
    cloud = Cloud(found=pool("Creating"))
    view = after(cloud, DeletePool(abort=True))
    assert cloud.told == [f"abort {NAME}"]
    assert view is not None
    assert view.pool is not None
    assert view.pool.state == "Canceling"


def test_a_pool_is_removed_past_all_budgets_because_its_drain_was_ours() -> None:
    cloud = Cloud(found=pool())
    after(cloud, DeletePool())
    assert cloud.told == [f"delete {NAME} True"]


def reconciler_of(client: Client, cloud: Cloud) -> Reconciler:
    """A reconciler with nothing in its caches."""
    return Reconciler(
        client,
        cloud,
        snapshot(cloud),
        claims=Claims({MACHINE: Informer(client, MACHINES)}),
        nodes=Informer(client, NODES, indexes={POOL_INDEX: pool_names}),
        recorder=Recorder(client, controller="test", instance="one"),
        policy=Policy(),
        sizes={},
        place=Place(),
        quotas=Quotas(unlimited),
    )


@pytest.mark.parametrize("claim", [machine(finalizers=[]), machine()], ids=["its finalizer", "a failed launch"])
async def test_a_claim_that_goes_before_something_is_noted_on_it_is_no_failure(tmp_path: Path, claim: Json) -> None:
    async with scripted_server(tmp_path) as server:
        server.script(status(404, "NotFound", f'machines.karpenter.sh "{NAME}" not found'))
        async with await Client.connect(user_agent="test", kubeconfig=server.kubeconfig) as client:
            assert await reconciler_of(client, Cloud(NO_QUOTA))._advance(seen(claim)) is None


async def test_a_404_that_is_not_about_the_claim_is_not_taken_for_its_end(tmp_path: Path) -> None:
    """It would wait for news of a change that never comes."""
    async with scripted_server(tmp_path) as server:
        elsewhere = status(404, "NotFound", "the server could not find the requested resource")
        server.script(elsewhere, elsewhere)
        async with await Client.connect(user_agent="test", kubeconfig=server.kubeconfig) as client:
            reconciler = reconciler_of(client, Cloud())
            with pytest.raises(NotFound):
                await reconciler._advance(seen(machine(finalizers=[])))
            with pytest.raises(NotFound):
                await reconciler._act(MACHINE, NAME, "")


async def test_one_run_asks_for_one_pool_at_most(tmp_path: Path) -> None:
    sizes = (SIZE, "Standard_NC24ads_A100_v4", "Standard_ND96asr_v4")
    cloud, noted = Cloud(NO_QUOTA), Failure(1, rfc3339(at(0)), ErrorKind.QUOTA, Offering(SIZE))
    async with scripted_server(tmp_path) as server:
        server.script(answer(machine(sizes=sizes, failure=noted)))
        async with await Client.connect(user_agent="test", kubeconfig=server.kubeconfig) as client:
            done = await reconciler_of(client, cloud)._advance(seen(machine(sizes=sizes)))
    assert done is not None
    assert cloud.told == ["create"], "the next size is tried at once, but in a run of its own"
    assert done[1].requeue_after == 1.0


def test_the_last_free_pool_is_asked_for_once() -> None:
    """Azure would refuse the one too many; it is not even asked."""

    class Slow(Cloud):
        async def create(self, name: str, body: Json) -> Pool:
            await asyncio.sleep(1)
            return await super().create(name, body)

    async def scenario() -> list[Observed | None]:
        cloud = Slow()
        picture = snapshot(cloud)
        performer = Performer(NOBODY, cloud, picture, NOBODY, Pauses(), Aborts(), Quotas(unlimited), Unavailable())
        action = CreatePool({"properties": {"vmSize": SIZE}}, 1, Offering(SIZE))
        views = [seen(machine(name=name), policy=Policy(pool_limit=1)) for name in ("ws1", "ws2")]
        return list(await asyncio.gather(*(performer.perform(view, action) for view in views)))

    first, second = run_virtual(scenario())
    assert first is not None
    assert second is not None
    assert first.pool is not None
    assert second.pool is None
    assert second.fault is not None
    assert second.fault.kind is ErrorKind.CONFLICT
