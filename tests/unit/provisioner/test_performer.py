"""What one call brings to light, and how few are made in one run."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from controller.api.claims import MACHINE, NODE_CLAIM, ClaimKind
from controller.api.json import Json
from controller.api.labels import LAUNCH_REQUESTED
from controller.api.reasons import Reason
from controller.api.resources import NODES
from controller.runtime.cache import Informer
from controller.runtime.client import Client
from controller.runtime.errors import Conflict, NotFound
from controller.runtime.events import Recorder
from provisioner.calls import Pauses
from provisioner.claims import Claims
from provisioner.errors import CloudError, ErrorKind, Fault
from provisioner.history import Failure, failure_of
from provisioner.holds import Unavailable
from provisioner.nodes import POOL_INDEX, pool_names
from provisioner.offerings import Offering, Place
from provisioner.performer import Performer
from provisioner.policy import Policy
from provisioner.pools import Pool
from provisioner.quota import Quotas, Usage, Usages
from provisioner.reconciler import Reconciler
from provisioner.requested import Answers
from provisioner.setbacks import Removals
from provisioner.snapshot import Snapshot
from provisioner.steps import CreatePool, DeletePool, Fleet, Observed
from provisioner.times import rfc3339
from tests.unit.provisioner.builders import (
    A_NODE_CLAIM,
    NAME,
    SIZE,
    SIZES,
    V100,
    at,
    machine,
    node_claim,
    node_json,
    pool,
    seen,
)
from tests.unit.runtime.scripted_server import Reply, ScriptedServer, answer, scripted_server, status

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

    async def delete(self, name: str, *, etag: str = "", ignore_disruption_budgets: bool = False) -> None:
        self.told.append(f"delete {name} {ignore_disruption_budgets} {etag}".rstrip())
        if etag and self.found is not None and etag != self.found.etag:
            raise CloudError(Fault(ErrorKind.EXISTS, "PreconditionFailed"), status=412)

    async def abort(self, name: str) -> None:
        self.told.append(f"abort {name}")


class Restless(Cloud):
    """One whose pool has another eTag whenever it is to go."""

    async def delete(self, name: str, *, etag: str = "", ignore_disruption_budgets: bool = False) -> None:
        await super().delete(name, etag="", ignore_disruption_budgets=ignore_disruption_budgets)
        self.told[-1] += f" {etag}"
        raise CloudError(Fault(ErrorKind.EXISTS, "PreconditionFailed"), status=412)


async def unlimited() -> Usages:
    """No quota is known."""
    return {}


def snapshot(cloud: Cloud) -> Snapshot:
    """A picture nobody is told of."""
    return Snapshot(cloud, busy=4, idle=300, on_change=lambda names: None)


ASKED = CreatePool({"properties": {"vmSize": SIZE}}, 1, Offering(SIZE))
MOMENT = rfc3339(at(0))
WRITTEN = machine(annotations={LAUNCH_REQUESTED: MOMENT})
Doing = Callable[[Performer, Answers], Awaitable[Observed | None]]


async def performed(folder: Path, cloud: Cloud, doing: Doing, *replies: Reply) -> tuple[Observed, ScriptedServer]:
    """What is seen after something was done, with the API server's replies as written down."""
    async with scripted_server(folder) as server:
        server.script(*replies)
        async with await Client.connect(user_agent="test", kubeconfig=server.kubeconfig) as client:
            picture, answers = snapshot(cloud), Answers()
            picture.learn(NAME, cloud.found)
            recorder = Recorder(client, controller="test", instance="one")
            performer = Performer(
                client, cloud, picture, recorder, Pauses(), Removals(), Quotas(unlimited), Unavailable(), answers
            )
            view = await doing(performer, answers)
    assert view is not None
    return view, server


async def asked(folder: Path, cloud: Cloud) -> Observed:
    """What is seen after a pool was asked for."""
    view, _ = await performed(folder, cloud, lambda does, _: does.perform(seen(machine()), ASKED), answer(WRITTEN))
    return view


async def deleted(folder: Path, cloud: Cloud, known: Pool, *, abort: bool = False) -> Observed:
    """What is seen after a pool, as it was known, was to go."""
    view, _ = await performed(
        folder, cloud, lambda does, _: does.perform(seen(machine(), pool=known), DeletePool(abort=abort))
    )
    return view


async def test_a_name_that_is_taken_by_nothing_is_tried_again_later_and_not_at_once(tmp_path: Path) -> None:
    cloud = Cloud(TAKEN)
    view = await asked(tmp_path, cloud)
    assert (view.fault and view.fault.kind, view.fault_wait) == (ErrorKind.CONFLICT, 2.0)
    assert cloud.told == ["create", "get"]


async def test_a_pool_that_is_there_already_is_taken_for_what_it_is(tmp_path: Path) -> None:
    view = await asked(tmp_path, Cloud(TAKEN, pool("Creating")))
    assert (view.pool, view.fault) == (pool("Creating"), None)


async def test_a_request_is_written_on_the_claim_before_it_leaves_and_only_on_the_claim_that_was_seen(
    tmp_path: Path,
) -> None:
    cloud = Cloud()
    conflict = status(409, "Conflict", "the object has been modified")
    with pytest.raises(Conflict):
        await performed(tmp_path, cloud, lambda does, _: does.perform(seen(machine()), ASKED), conflict)
    assert cloud.told == [], "a claim that has changed, perhaps deleted meanwhile, is asked nothing for"
    view, server = await performed(
        tmp_path, cloud, lambda does, _: does.perform(seen(machine()), ASKED), answer(WRITTEN)
    )
    (patch,) = (each.body["metadata"] for each in server.seen)
    assert patch == {"annotations": {LAUNCH_REQUESTED: MOMENT}, "resourceVersion": "7"}
    assert view.claim.annotations[LAUNCH_REQUESTED] == MOMENT
    assert cloud.told == ["create"]


@pytest.mark.parametrize(
    ("refusal", "over"),
    [
        (None, True),
        (TAKEN, True),
        (CloudError(Fault(ErrorKind.THROTTLED), status=429), True),
        (CloudError(Fault(ErrorKind.UNAVAILABLE), status=408), False),
        (CloudError(Fault(ErrorKind.UNAVAILABLE), status=503), False),
        (CloudError(Fault(ErrorKind.UNAVAILABLE)), False),
    ],
    ids=["made", "taken", "throttled", "timed out there", "broken there", "no reply"],
)
async def test_a_request_is_over_once_the_cloud_has_said_what_became_of_it(
    tmp_path: Path, refusal: CloudError | None, *, over: bool
) -> None:
    known: list[frozenset[str]] = []

    async def doing(does: Performer, answers: Answers) -> Observed | None:
        view = await does.perform(seen(machine()), ASKED)
        known.append(answers.of(NAME))
        return view

    await performed(tmp_path, Cloud(refusal), doing, answer(WRITTEN))
    assert known == [frozenset({MOMENT}) if over else frozenset()]


async def test_a_request_that_was_held_up_for_long_is_not_sent_any_more(tmp_path: Path) -> None:
    """Whoever slept meanwhile cannot know that the claim is still there."""
    cloud, late = Cloud(), seen(machine(), policy=Policy(request_deadline=-1.0))
    view, _ = await performed(tmp_path, cloud, lambda does, _: does.perform(late, ASKED), answer(WRITTEN))
    assert cloud.told == []
    assert view.fault is not None
    assert view.fault.transient


async def test_a_creation_that_was_told_to_stop_is_not_removed_in_the_same_breath(tmp_path: Path) -> None:
    cloud = Cloud(found=pool("Creating"))
    view = await deleted(tmp_path, cloud, pool("Creating"), abort=True)
    assert cloud.told == ["get", f"abort {NAME}"]
    assert view.pool is not None
    assert view.pool.state == "Canceling"


@pytest.mark.parametrize("state", ["Deleting", "Succeeded"])
async def test_only_a_creation_is_ever_stopped(tmp_path: Path, state: str) -> None:
    """Another replica may have begun to remove the pool since it was read; to stop that would keep it."""
    cloud = Cloud(found=pool(state))
    view = await deleted(tmp_path, cloud, pool("Creating"), abort=True)
    assert cloud.told == ["get"]
    assert view.pool == pool(state)


async def test_a_pool_is_removed_past_all_budgets_because_its_drain_was_ours(tmp_path: Path) -> None:
    cloud = Cloud(found=pool())
    await deleted(tmp_path, cloud, pool())
    assert cloud.told == [f"delete {NAME} True"]


async def test_a_pool_that_was_made_anew_since_it_was_read_is_not_the_one_to_be_removed(tmp_path: Path) -> None:
    cloud = Cloud(found=pool("Creating", attempt=2, etag="second"))
    view = await deleted(tmp_path, cloud, pool("Failed", etag="first"))
    assert cloud.told == [f"delete {NAME} True first", "get"]
    assert (view.pool, view.fault) == (pool("Creating", attempt=2), None)


async def test_a_pool_that_changed_in_nothing_that_matters_is_removed_all_the_same(tmp_path: Path) -> None:
    cloud = Cloud(found=pool(etag="second"))
    view = await deleted(tmp_path, cloud, pool(etag="first"))
    assert cloud.told == [f"delete {NAME} True first", "get", f"delete {NAME} True second"]
    assert view.fault is None


async def test_a_pool_that_goes_on_changing_is_left_alone_for_a_while(tmp_path: Path) -> None:
    cloud = Restless(found=pool(etag="second"))
    view = await deleted(tmp_path, cloud, pool(etag="first"))
    assert cloud.told == [f"delete {NAME} True first", "get", f"delete {NAME} True second"]
    assert view.fault is not None
    assert (view.fault.kind, view.fault_wait) == (ErrorKind.CONFLICT, 2.0)


async def test_a_quota_that_is_used_up_is_no_attempt_and_asks_azure_for_nothing(tmp_path: Path) -> None:
    async def used_up() -> Usages:
        return {V100.family.lower(): Usage(6, 6)}

    before = Failure(2, rfc3339(at(-900)), ErrorKind.UNKNOWN, Offering(SIZE), spent=2, generation=1)
    cloud, stored = Cloud(), machine(failure=before)
    async with scripted_server(tmp_path) as server:
        server.script(answer(stored))
        async with await Client.connect(user_agent="test", kubeconfig=server.kubeconfig) as client:
            recorder = Recorder(client, controller="test", instance="one")
            pauses: Pauses[Fault] = Pauses()
            unavailable, quotas = Unavailable(), Quotas(used_up)
            removals, answers = Removals(), Answers()
            does = Performer(client, cloud, snapshot(cloud), recorder, pauses, removals, quotas, unavailable, answers)
            await does.perform(seen(stored), ASKED)
    (patch,) = (each.body["metadata"]["annotations"] for each in server.seen)
    noted = failure_of(replace(seen(stored).claim, annotations=patch))
    assert noted is not None
    assert (noted.attempts, noted.spent, noted.asked, noted.kind) == (2, 2, False, ErrorKind.QUOTA)
    assert cloud.told == []


def reconciler_of(client: Client, cloud: Cloud, policy: Policy | None = None, kind: ClaimKind = MACHINE) -> Reconciler:
    """A reconciler of claims of one kind, with nothing in its caches."""
    return Reconciler(
        client,
        cloud,
        snapshot(cloud),
        claims=Claims({kind: Informer(client, kind.resource)}),
        nodes=Informer(client, NODES, indexes={POOL_INDEX: pool_names}),
        recorder=Recorder(client, controller="test", instance="one"),
        policy=policy or Policy(),
        sizes=SIZES,
        place=Place(),
        quotas=Quotas(unlimited),
    )


@pytest.mark.parametrize("claim", [machine(finalizers=[]), machine()], ids=["its finalizer", "its request"])
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
        server.script(answer(machine(sizes=sizes)), answer(machine(sizes=sizes, failure=noted)))
        async with await Client.connect(user_agent="test", kubeconfig=server.kubeconfig) as client:
            done = await reconciler_of(client, cloud)._advance(seen(machine(sizes=sizes)))
    assert done is not None
    assert cloud.told == ["create"], "the next size is tried at once, but in a run of its own"
    assert done[1].requeue_after == 1.0


async def test_the_last_free_pool_is_asked_for_once(tmp_path: Path) -> None:
    """Azure would refuse the one too many; it is not even asked."""
    cloud = Cloud()
    views: list[Observed | None] = []

    async def doing(does: Performer, _: Answers) -> Observed | None:
        one, other = (seen(machine(name=name), policy=Policy(pool_limit=1)) for name in ("ws1", "ws2"))
        views.extend(await asyncio.gather(does.perform(one, ASKED), does.perform(other, ASKED)))
        return views[0]

    await performed(tmp_path, cloud, doing, answer(WRITTEN))
    first, second = views
    assert first is not None
    assert second is not None
    assert first.pool is not None
    assert second.pool is None
    assert second.fault is not None
    assert second.fault.kind is ErrorKind.CONFLICT
    assert cloud.told == ["create"]


async def test_a_removal_that_was_taken_and_failed_is_shown_and_not_asked_for_at_once(tmp_path: Path) -> None:
    failed = pool("Failed", fault=Fault(ErrorKind.UNKNOWN, "NicInUse", "NicInUse: still in use"))
    cloud, stored = Cloud(found=pool()), node_claim(deleted_at=0)
    async with (
        scripted_server(tmp_path) as server,
        await Client.connect(user_agent="test", kubeconfig=server.kubeconfig) as client,
    ):
        reconciler = reconciler_of(client, cloud, kind=NODE_CLAIM)
        reconciler._snapshot.synced = True
        reconciler._snapshot.learn(NAME, cloud.found)
        await reconciler._advance(reconciler._observe(NODE_CLAIM, stored, ""))
        reconciler._snapshot.learn(NAME, failed)
        done = await reconciler._advance(reconciler._observe(NODE_CLAIM, stored, ""))
    assert done is not None
    (shown,) = (each for each in done[1].conditions if each.type == "InstanceTerminating")
    assert (shown.status, shown.reason, "still in use" in shown.message) == ("Unknown", Reason.REMOVAL_FAILED, True)
    assert cloud.told == [f"delete {NAME} True"]
    assert 0 < (done[1].requeue_after or 0) <= 2


async def test_a_claim_that_a_policy_lets_nobody_write_to_is_left_in_peace(tmp_path: Path) -> None:
    cloud = Cloud()
    async with scripted_server(tmp_path) as server:
        server.script(status(403, "Forbidden", "annotations are not to be touched"))
        async with await Client.connect(user_agent="test", kubeconfig=server.kubeconfig) as client:
            reconciler = reconciler_of(client, cloud)
            for _ in range(2):
                done = await reconciler._advance(seen(machine()))
                assert done is not None
                assert done[1].conditions[0].reason == Reason.OBJECT_REFUSED
        assert len(server.seen) == 1, "it is not tried again before its pause is over"
    assert cloud.told == []


@pytest.mark.parametrize(
    ("refusal", "told"),
    [
        (status(403, "Forbidden", "claims that go are not to be touched"), True),
        (status(500, "InternalError", "webhook is gone"), False),
    ],
    ids=["by a policy", "for now, by a webhook that is broken"],
)
async def test_a_removal_goes_on_when_the_end_of_its_grace_cannot_be_written_down(
    tmp_path: Path, refusal: Reply, *, told: bool
) -> None:
    cloud, stored = Cloud(found=pool()), node_claim(deleted_at=0, terminationGracePeriod="10m")
    async with scripted_server(tmp_path) as server:
        server.script(*[refusal] * 9)
        async with await Client.connect(user_agent="test", kubeconfig=server.kubeconfig) as client:
            reconciler = reconciler_of(client, cloud)
            reconciler._snapshot.learn(NAME, cloud.found)
            done = await reconciler._advance(seen(stored, pool=cloud.found))
            assert done is not None
            assert cloud.told == [f"delete {NAME} True"]
            assert done[1].action is None
            reasons = {reason for _, _, reason, *_ in reconciler._recorder._series}
            assert (Reason.OBJECT_REFUSED in reasons) is told, "somebody is to hear of what will not pass by itself"


OTHER_CLASS = {"group": "karpenter.azure.com", "kind": "AKSNodeClass", "name": "default"}


async def test_a_namesake_that_asks_another_provisioner_keeps_no_pool_of_ours(tmp_path: Path) -> None:
    namesake = node_claim(nodeClassRef=OTHER_CLASS, uid="another", finalizers=[])
    cloud = Cloud(found=pool())
    async with scripted_server(tmp_path) as server:
        server.script(answer(namesake))
        async with await Client.connect(user_agent="test", kubeconfig=server.kubeconfig) as client:
            reconciler = reconciler_of(client, cloud, Policy(orphan_grace=0), NODE_CLAIM)
            reconciler._claims._informers[NODE_CLAIM]._replace([namesake])
            await reconciler._snapshot.fresh(NAME)
            await reconciler.reconcile(NAME)
    assert cloud.told == ["get", f"delete {NAME} True"]


async def test_nor_does_it_keep_the_node_that_such_a_pool_left_behind(tmp_path: Path) -> None:
    namesake = node_claim(nodeClassRef=OTHER_CLASS, uid="another", finalizers=[])
    cloud = Cloud()
    async with scripted_server(tmp_path) as server:
        server.script(answer(namesake), answer({}))
        async with await Client.connect(user_agent="test", kubeconfig=server.kubeconfig) as client:
            reconciler = reconciler_of(client, cloud, kind=NODE_CLAIM)
            reconciler._claims._informers[NODE_CLAIM]._replace([namesake])
            reconciler._nodes._replace([node_json(deleting=True, owner_kind=A_NODE_CLAIM)])
            await reconciler._snapshot.fresh(NAME)
            await reconciler.reconcile(NAME)
    assert [each.method for each in server.seen] == ["GET", "PATCH"]
    assert server.seen[-1].body["metadata"]["finalizers"] == []
    assert cloud.told == ["get"], "Azure itself was asked whether a pool stands behind the node"


@pytest.mark.parametrize(("users", "kept"), [([], False), (["model"], True)], ids=["nobody", "a pod"])
async def test_who_works_with_lost_gpus_is_looked_up_before_their_node_is_replaced(
    tmp_path: Path, users: list[str], *, kept: bool
) -> None:
    marked = {"node.kubernetes.io/instance-type": SIZE, "karpenter.sh/capacity-type": "on-demand"}
    stored = machine(done=("Launched", "Registered", "Initialized"), labels=marked)
    stored["status"]["allocatable"] = {V100.gpu_resource: "1"}
    pods = [
        {
            "metadata": {"namespace": "default", "name": name},
            "spec": {"containers": [{"resources": {"limits": {V100.gpu_resource: "1"}}}]},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        }
        for name in users
    ]
    cloud = Cloud(found=pool())
    async with scripted_server(tmp_path) as server:
        found = answer({"kind": "PodList", "items": pods, "metadata": {}})
        server.script(found, answer(stored), status(404, "NotFound", f'machines.karpenter.sh "{NAME}" not found'))
        async with await Client.connect(user_agent="test", kubeconfig=server.kubeconfig) as client:
            reconciler = reconciler_of(client, cloud)
            reconciler._nodes._replace([node_json(gpus=0)])
            await reconciler._snapshot.fresh(NAME)
            view = reconciler._observe(MACHINE, stored, "")
            assert view.fleet == Fleet(), "what was seen for the first time is not minded yet"
            reconciler._health._gpuless_since[NAME] -= Policy().repair_deadline
            done = await reconciler._advance(reconciler._observe(MACHINE, stored, ""))
            if done is not None:
                reconciler._settle(*done)
        blocked = Reason.NODE_REPAIR_BLOCKED in {reason for _, _, reason, *_ in reconciler._recorder._series}
    deleted = any(each.method == "DELETE" for each in server.seen)
    assert (server.seen[0].method, deleted, blocked) == ("GET", not kept, kept)
