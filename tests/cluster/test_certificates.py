"""Certificates of several replicas against the real API server: agreement, healing, and a change of authority."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from controller.api.json import Json
from controller.api.resources import SECRETS, Resource
from controller.runtime.client import Client
from controller.runtime.errors import NotFound
from tests.cluster.harness import eventually
from webhook.certificates import Keeper, Lifetimes, Names
from webhook.certificates.issuing import SKEW
from webhook.certificates.keeper import TARGETS

HOST = "kaito-webhook.test.svc"
SECRET = "kaito-webhook-ca"
CLOCKS = (timedelta(minutes=5), timedelta(0), timedelta(minutes=-5))
"""How far the clocks of replicas may be off, each from the right time."""

LIFETIMES = Lifetimes(authority=timedelta(days=30), leaf=timedelta(days=1), settle=timedelta(minutes=20))


class Replica:
    """One replica's certificates and a listener that serves with them."""

    def __init__(self, keeper: Keeper, flags: ssl.VerifyFlags) -> None:
        self.keeper = keeper
        self._flags = flags
        self.port = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        self._server = await asyncio.start_server(hang_up, "127.0.0.1", 0, ssl=self.keeper.serving.context)
        self.port = self._server.sockets[0].getsockname()[1]
        runs = [informer.run for informer in self.keeper.informers] + [self.keeper.run]
        self._tasks = [asyncio.create_task(run()) for run in runs]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            self._server.close()

    async def is_trusted_by(self, bundle: bytes) -> bool:
        """Whether a caller that trusts the bundle can shake hands."""
        context = ssl.create_default_context(cadata=bundle.decode())
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | self._flags
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=context, server_hostname=HOST)
        except ssl.SSLError:
            return False
        writer.close()
        return True


NO_CHECK_TIME = ssl.VerifyFlags(0x200000)
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which the ssl module has no name for."""


class World:
    """Replicas in one namespace, the configurations they publish in, and a clock that can be moved."""

    def __init__(self, client: Client, namespace: str) -> None:
        self.client, self.namespace = client, namespace
        self.replicas: list[Replica] = []
        self._offset = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._offset

    async def add(self, count: int) -> None:
        await self.add_with_clocks(*[timedelta(0)] * count)

    async def add_with_clocks(self, *errors: timedelta, flags: ssl.VerifyFlags | None = None) -> None:
        """Replicas whose clocks are wrong; what is checked is who signed, since the test moves no clock of OpenSSL's.

        Args:
            errors: of each replica's clock.
            flags: what callers leave out when they check certificates, where that is not their dates.
        """
        flags = NO_CHECK_TIME if flags is None else flags
        fresh = [Replica(self._keeper(error), flags) for error in errors]
        self.replicas += fresh
        await asyncio.gather(*(replica.start() for replica in fresh))

    async def stop(self) -> None:
        """Nobody serves any more."""
        await asyncio.gather(*(replica.stop() for replica in self.replicas))
        self.replicas.clear()

    def _keeper(self, error: timedelta) -> Keeper:
        return Keeper(
            self.client,
            namespace=self.namespace,
            secret=SECRET,
            configuration=self.namespace,
            names=Names((HOST,), ("127.0.0.1",)),
            lifetimes=LIFETIMES,
            now=lambda: self.now() + error,
        )

    async def pass_time(self, interval: timedelta) -> None:
        """Moves the clock and wakes every replica, as its own timer would."""
        self._offset += interval
        await self.client.merge(
            SECRETS, SECRET, {"metadata": {"annotations": {"test/time": str(self._offset)}}}, namespace=self.namespace
        )

    async def secret(self) -> Json:
        return await self.client.get(SECRETS, SECRET, namespace=self.namespace)

    async def keys(self) -> set[str]:
        return set((await self.secret())["data"])

    async def bundles(self) -> list[bytes]:
        """What the API server trusts: the bundle of every webhook in both configurations."""
        found = [await self.client.get(resource, self.namespace) for resource in TARGETS]
        entries = [entry["clientConfig"] for configuration in found for entry in configuration["webhooks"]]
        return [base64.b64decode(entry.get("caBundle") or "") for entry in entries]

    async def problem(self) -> str:
        """Why not every replica is ready and trusted; empty when all are."""
        for number, replica in enumerate(self.replicas):
            why = replica.keeper.certificate_problem() or replica.keeper.trust_problem()
            if why:
                return f"replica {number}: {why}"
            for bundle in await self.bundles():
                if not await replica.is_trusted_by(bundle):
                    return f"replica {number} serves a certificate the published bundle does not trust"
        return ""


def configuration(resource: Resource, name: str) -> Json:
    """A configuration of two webhooks that match nothing."""
    webhooks = [
        {
            "name": f"{part}.test.example.com",
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "clientConfig": {"url": "https://127.0.0.1:1/"},
            "rules": [{"apiGroups": ["none.example.com"], "apiVersions": ["v1"], "resources": ["nothings"],
                       "operations": ["CREATE"]}],
        }
        for part in ("one", "two")
    ]  # fmt: skip
    body = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {"name": name}}
    return {**body, "webhooks": webhooks}


@pytest.fixture
async def world(client: Client, namespace: str) -> AsyncIterator[World]:
    for resource in TARGETS:
        await client.create(resource, configuration(resource, namespace))
    made = World(client, namespace)
    yield made
    await made.stop()
    for resource in TARGETS:
        await client.delete(resource, namespace)


async def test_replicas_that_start_at_once_agree_on_one_authority(world: World) -> None:
    await world.add(5)
    await eventually(world.problem)
    assert len({replica.keeper.serving.issuer for replica in world.replicas}) == 1
    assert len(set(await world.bundles())) == 1
    assert (await world.secret())["data"].keys() == {"ca.crt", "ca.key"}


async def test_a_replica_that_comes_later_takes_the_authority_that_is_there(world: World) -> None:
    await world.add(1)
    await eventually(world.problem)
    before = (await world.secret())["metadata"]["resourceVersion"]
    await world.add(1)
    await eventually(world.problem)
    assert (await world.secret())["metadata"]["resourceVersion"] == before


async def test_replicas_whose_clocks_differ_agree_and_callers_accept_their_certificates(world: World) -> None:
    """Here callers also check the dates, by the right time."""
    await world.add_with_clocks(*CLOCKS, flags=ssl.VerifyFlags(0))
    await eventually(world.problem)
    assert len({replica.keeper.serving.issuer for replica in world.replicas}) == 1


async def test_an_authority_that_expired_while_nobody_served_is_replaced_at_the_start(world: World) -> None:
    await world.add(1)
    await eventually(world.problem)
    old = (await world.bundles())[0]
    await world.stop()
    await world.pass_time(LIFETIMES.authority + timedelta(days=1))
    await world.add(3)
    await eventually(world.problem)
    assert set(await world.bundles()) == {world.replicas[0].keeper.serving.issuer} != {old}


async def test_replicas_that_slept_through_the_end_of_their_authority_heal_themselves(world: World) -> None:
    await world.add(3)
    await eventually(world.problem)
    old = (await world.bundles())[0]
    await world.pass_time(LIFETIMES.authority + timedelta(days=1))
    await eventually(issuer_differs_from(world, old))
    await eventually(world.problem)
    assert len({replica.keeper.serving.issuer for replica in world.replicas}) == 1


@pytest.mark.parametrize("resource", TARGETS, ids=lambda resource: resource.kind)
async def test_a_configuration_applied_anew_is_healed(world: World, resource: Resource) -> None:
    await world.add(2)
    await eventually(world.problem)
    found = await world.client.get(resource, world.namespace)
    generation = found["metadata"]["generation"]
    bare = {**configuration(resource, world.namespace), "metadata": found["metadata"]}
    replaced = await world.client.replace(resource, bare)
    assert replaced["metadata"]["generation"] == generation + 1, "the bundle must be gone for a moment"
    await eventually(world.problem)


async def test_a_configuration_that_comes_later_gets_the_bundle(world: World) -> None:
    await world.client.delete(TARGETS[0], world.namespace)
    await world.add(1)
    await eventually(says(world, "does not exist"))
    await world.client.create(TARGETS[0], configuration(TARGETS[0], world.namespace))
    await eventually(world.problem)


def says(world: World, part: str) -> Callable[[], Awaitable[str]]:
    async def check() -> str:
        found = world.replicas[0].keeper.trust_problem()
        return "" if part in found else f"expected {part!r}, got {found!r}"

    return check


@pytest.mark.parametrize("damage", [{"ca.key": "bm9uc2Vuc2U="}, {"ca.crt": None}, {"next.crt": "bm9uc2Vuc2U="}])
async def test_a_damaged_secret_is_written_back_and_nobody_changes(world: World, damage: Json) -> None:
    await world.add(3)
    await eventually(world.problem)
    before = (await world.secret())["data"]
    issuer = world.replicas[0].keeper.serving.issuer
    await world.client.merge(SECRETS, SECRET, {"data": damage}, namespace=world.namespace)
    await eventually(holds(world, before))
    await eventually(world.problem)
    assert {replica.keeper.serving.issuer for replica in world.replicas} == {issuer}


async def test_a_deleted_secret_is_written_back_and_nobody_changes(world: World) -> None:
    await world.add(2)
    await eventually(world.problem)
    before = (await world.secret())["data"]
    watching = asyncio.create_task(never_untrusted(world))
    await world.client.delete(SECRETS, SECRET, namespace=world.namespace)
    await eventually(holds(world, before))
    await eventually(world.problem)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert watching.cancelled(), f"a caller was turned away: {watching.exception()}"


def holds(world: World, data: Json) -> Callable[[], Awaitable[str]]:
    async def check() -> str:
        try:
            found = (await world.secret())["data"]
        except NotFound as error:
            return str(error)
        return "" if found == data else f"the Secret holds other data under {sorted(found)}"

    return check


@pytest.mark.parametrize("clocks", [[timedelta(0)] * 3, CLOCKS], ids=["right clocks", "wrong clocks"])
async def test_a_change_of_authority_leaves_no_moment_without_trust(world: World, clocks: Sequence[timedelta]) -> None:
    """Every replica can be called with the published bundle at every moment of the three steps."""
    await world.add_with_clocks(*clocks)
    await eventually(world.problem)
    old = (await world.bundles())[0]
    watching = asyncio.create_task(never_untrusted(world))

    # Whatever depends on a clock is due on the slowest one, too.
    await world.pass_time(LIFETIMES.authority * 2 / 3 + max(CLOCKS))
    await eventually(has_keys(world, {"ca.crt", "ca.key", "next.crt", "next.key", "published-at"}))
    await eventually(published(world, starting_with=old))

    await world.pass_time(LIFETIMES.settle + max(CLOCKS))
    await eventually(has_keys(world, {"ca.crt", "ca.key", "retired.crt", "promoted-at"}))
    await eventually(issuer_differs_from(world, old))

    await world.pass_time(LIFETIMES.leaf + SKEW + 2 * max(CLOCKS))
    await eventually(has_keys(world, {"ca.crt", "ca.key"}))
    await eventually(world.problem)
    assert old not in (await world.bundles())[0]

    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert watching.cancelled(), f"a caller was turned away: {watching.exception()}"


async def never_untrusted(world: World) -> None:
    while True:
        for replica in world.replicas:
            for bundle in await world.bundles():
                assert await replica.is_trusted_by(bundle), "the published bundle does not trust a replica"
        await asyncio.sleep(0.01)


def has_keys(world: World, keys: set[str]) -> Callable[[], Awaitable[str]]:
    async def check() -> str:
        found = await world.keys()
        return "" if found == keys else f"the Secret holds {sorted(found)}"

    return check


def published(world: World, *, starting_with: bytes) -> Callable[[], Awaitable[str]]:
    async def check() -> str:
        bundles = set(await world.bundles())
        longer = all(bundle.startswith(starting_with) and bundle != starting_with for bundle in bundles)
        return "" if longer and len(bundles) == 1 else "the new certificate is not published everywhere"

    return check


def issuer_differs_from(world: World, old: bytes) -> Callable[[], Awaitable[str]]:
    async def check() -> str:
        late = sum(replica.keeper.serving.issuer == old for replica in world.replicas)
        return f"{late} replicas still serve with the old authority" if late else ""

    return check
