"""What KAITO v0.12 accepts and refuses, asked of the real API server: accepted and refused here as well.

Where the answer differs the row says why; the differences are listed in docs/reference/differences-from-kaito.md.
"""

import asyncio
import json
import re
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from controller.api.json import Json
from hack.devcluster import manifests
from tests.cluster.harness import NODE_OF_TEST, Cluster, eventually, ready_node
from tests.cluster.webhook_kit import running_webhook
from tests.reference import ROWS
from tests.reference.rows import NAMESPACE, Row, Where
from tests.unit.planning.manifests import changed

OPTIONS: Final = {
    Where.MACHINE: {},
    Where.EXISTING: {"node-source": "existing"},
    Where.AWS: {"cloud": "aws"},
}
_DRY: Final = "?dryRun=All&fieldValidation=Strict"
OTHER_KINDS: Final = {f"A-{number:02}" for number in range(5, 9)}
"""Rows of KAITO's other kinds, which this project does not have."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API server answered: its message where it refused, else its warnings."""

    accepted: bool
    text: str


class Judge:
    """Asks the API server without storing anything."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def ask(self, row: Row) -> Answer:
        """Creates the manifest of a row, or puts it in place of what is stored, as a dry run."""
        if row.old is None:
            return await self.send("POST", row.obj, _DRY)
        if not row.stored_by_kaito:
            stored = await self.send("POST", row.old)
            assert stored.accepted, f"what is to be replaced was not accepted: {stored.text}"
        try:
            return await self.send("PUT", row.obj, _DRY)
        finally:
            deleted = await self.send("DELETE", row.old)
            assert deleted.accepted, deleted.text

    async def send(self, method: str, obj: Json, query: str = "") -> Answer:
        """One request about an object."""
        name = "" if method == "POST" else f"/{obj['metadata']['name']}"
        path = f"/apis/{obj['apiVersion']}/namespaces/{NAMESPACE}/workspaces{name}{query}"
        body: Json | None = None if method == "DELETE" else obj
        if method == "PUT":
            async with self._session.get(path) as answer:
                version = (await answer.json())["metadata"]["resourceVersion"]
            body = {**obj, "metadata": {**obj["metadata"], "resourceVersion": version}}
        async with self._session.request(method, path, json=body) as answer:
            content = await answer.json()
            if answer.status < 300:
                warnings = (re.sub(r'^299 \S+ "(.*)"$', r"\1", each) for each in answer.headers.getall("Warning", ()))
                return Answer(accepted=True, text="\n".join(each.replace('\\"', '"') for each in warnings))
            assert answer.status in (400, 409, 422), f"{answer.status}: {content}"
            return Answer(accepted=False, text=_message(content))


def _message(status: Json) -> str:
    causes = status.get("details", {}).get("causes", ())
    return "\n".join([status["message"], *(f"{each.get('field')}: {each.get('message')}" for each in causes)])


@asynccontextmanager
async def connected(cluster: Cluster) -> AsyncIterator[Judge]:
    """Asks as administrator."""
    tls = ssl.create_default_context(cafile=cluster.layout.certificate("ca"))
    tls.load_cert_chain(cluster.layout.certificate("admin"), cluster.layout.key("admin"))
    connector = aiohttp.TCPConnector(ssl=tls)
    async with aiohttp.ClientSession(cluster.server, connector=connector) as session:
        yield Judge(session)


@contextmanager
def surroundings(cluster: Cluster) -> Iterator[None]:
    """The ConfigMaps and Nodes of all rows, and what KAITO stored, there before the webhook starts."""
    nodes = [
        {**ready_node(NAMESPACE), "metadata": {"name": name, "labels": {**labels, NODE_OF_TEST: NAMESPACE}}}
        for row in ROWS
        for name, labels in row.nodes.items()
    ]
    config_maps = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": NAMESPACE}, "data": data}
        for row in ROWS
        for name, data in row.config_maps.items()
    ]
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    asyncio.run(cluster.apply(namespace, *config_maps, *nodes))
    asyncio.run(store_as_kaito_did(cluster))
    yield
    asyncio.run(cluster.kubectl("delete", "nodes", "-l", f"{NODE_OF_TEST}={NAMESPACE}"))
    asyncio.run(cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false"))


async def store_as_kaito_did(cluster: Cluster) -> None:
    """Stores what only KAITO's CustomResourceDefinition lets in, which knows none of our rules."""
    definitions = [each for each in await manifests.render() if each["metadata"]["name"] == "workspaces.kaito.sh"]
    left = [row.old for row in ROWS if row.stored_by_kaito and row.old is not None]
    async with connected(cluster) as judge:

        async def everything_stored() -> str:
            answers = [await judge.send("POST", each) for each in left]
            return "\n".join(each.text for each in answers if not each.accepted and "already exists" not in each.text)

        async def nothing_more_accepted() -> str:
            answers = [await judge.send("POST", changed(each, "metadata.name", "probe"), _DRY) for each in left]
            return "still accepted" if any(each.accepted for each in answers) else ""

        await manifests.apply(cluster.layout, [_without_rules(each) for each in definitions])
        await eventually(everything_stored)
        await manifests.apply(cluster.layout, definitions)
        await eventually(nothing_more_accepted)


def _without_rules(node: Any) -> Any:
    if isinstance(node, list):
        return [_without_rules(each) for each in node]
    if isinstance(node, dict):
        return {key: _without_rules(value) for key, value in node.items() if key != "x-kubernetes-validations"}
    return node


class Installations:
    """One webhook at a time: that of the installation asked for last."""

    def __init__(self, cluster: Cluster, logs: Path) -> None:
        self._cluster, self._logs = cluster, logs
        self._now: Where | None = None
        self._running = ExitStack()

    def use(self, where: Where) -> None:
        """From now on the webhook of that installation is asked."""
        if where is not self._now:
            self.close()
            self._running.enter_context(running_webhook(self._cluster, self._logs / where, OPTIONS[where]))
            self._now = where

    def close(self) -> None:
        """Stops the webhook."""
        self._running.close()


@pytest.fixture(scope="module")
def installations(cluster: Cluster, crds: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installations]:
    made = Installations(cluster, tmp_path_factory.mktemp("webhook"))
    with surroundings(cluster), closing(made):
        yield made


@pytest.fixture
def installation(row: Row, installations: Installations) -> None:
    """The webhook of the installation a row is about."""
    installations.use(row.where)


@pytest.fixture
async def judge(cluster: Cluster, installation: None) -> AsyncIterator[Judge]:
    async with connected(cluster) as connection:
        yield connection


SORTED: Final = sorted(ROWS, key=lambda row: row.where)
"""Rows of one installation together, so that its webhook starts once."""


@pytest.mark.parametrize("row", SORTED, ids=[f"{row.id} {row.does}" for row in SORTED])
async def test_the_answer_is_kaitos_or_a_named_difference(judge: Judge, row: Row) -> None:
    answer = await judge.ask(row)
    verb = "accepted" if row.accepted else "refused"
    assert answer.accepted is row.accepted, f"{row.id} {row.does}: not {verb}: {answer.text}\n{json.dumps(row.obj)}"
    for part in row.says:
        assert part in answer.text, f"{row.id} {row.does}: nothing of {part!r} in: {answer.text}"


def test_the_lists_are_whole() -> None:
    accepted = {f"A-{number:02}" for number in range(1, 54)}
    refused = {f"D-{number:02}" for number in range(1, 97)}
    assert {row.id for row in ROWS} == (accepted | refused) - OTHER_KINDS


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.id} {row.does}")
def test_a_difference_has_a_reason_and_nothing_else_has(row: Row) -> None:
    assert bool(row.differs) is (row.accepted is not row.by_kaito), f"{row.id} {row.does}: {row.differs!r}"
