"""Objects to try a definition with: its own copies under other groups, and anything its schema allows."""

import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from hypothesis import strategies as st

from controller.api.json import Json
from controller.api.resources import CUSTOM_RESOURCE_DEFINITIONS, WORKSPACES, Resource
from controller.runtime.client import Client
from hack.crds.definition import VERSIONS
from hack.devcluster.pki import Leaf, issue, load_authority
from hack.devcluster.ports import LOOPBACK, Ports
from tests.cluster.harness import Cluster, eventually

MANAGER: Final = "kaito-tests"
SHORT: Final = 3
"""Entries of the longest list and map that is tried."""

_WORDS: Final = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
_KEYS: Final = st.text("abcXYZ019-_./ ", min_size=1, max_size=8)
_SAFE: Final = 2**53
"""Whole numbers up to here are the same in every JSON library."""

_ANY_JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers(-_SAFE, _SAFE) | st.floats(-1e6, 1e6).filter(lambda x: x % 1 != 0) | _WORDS,
    lambda inner: st.lists(inner, max_size=SHORT) | st.dictionaries(_KEYS, inner, max_size=SHORT),
    max_leaves=8,
)


def copies(group: str) -> tuple[Resource, Resource]:
    """The resource under a group, the older version first."""
    older, newer = (replace(WORKSPACES, group=group, version=version) for version in VERSIONS)
    return older, newer


async def install(client: Client, definition: Json, group: str) -> None:
    """Serves a copy of a definition under another group, where no rule and no program but the test's looks."""
    name = f"{WORKSPACES.plural}.{group}"
    spec = {**definition["spec"], "group": group}
    spec["names"] = {key: spec["names"][key] for key in ("kind", "listKind", "plural", "singular")}
    await client.apply(CUSTOM_RESOURCE_DEFINITIONS, {"metadata": {"name": name}, "spec": spec}, manager=MANAGER)

    async def served() -> str:
        found = await client.get(CUSTOM_RESOURCE_DEFINITIONS, name)
        conditions = {each["type"]: each["status"] for each in (found.get("status") or {}).get("conditions") or ()}
        return "" if conditions.get("Established") == "True" else str(conditions)

    await eventually(served)


async def remove(client: Client, group: str) -> None:
    """Takes the copy away, with its objects."""
    await client.delete(CUSTOM_RESOURCE_DEFINITIONS, f"{WORKSPACES.plural}.{group}")


def without(schema: Any, *words: str) -> Any:
    """A schema that does not ask for some things: the words are left out wherever they stand."""
    match schema:
        case dict():
            return {key: without(value, *words) for key, value in schema.items() if key not in words}
        case list():
            return [without(each, *words) for each in schema]
        case _:
            return schema


def valid(schema: Json) -> st.SearchStrategy[Any]:
    """Any value a schema allows, most of its fields set."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    made: Mapping[str, Callable[[Json], st.SearchStrategy[Any]]] = {
        "string": _string,
        "integer": _integer,
        "array": _list,
        "object": _object,
    }
    return made[schema["type"]](schema)


def _string(schema: Json) -> st.SearchStrategy[str]:
    if schema.get("format") == "date-time":
        return st.integers(0, 2**32).map(lambda seconds: f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}")
    return st.text(
        st.characters(exclude_categories=["Cs", "Cc"]),
        min_size=schema.get("minLength", 0),
        max_size=min(12, schema.get("maxLength", 12)),
    )


def _integer(schema: Json) -> st.SearchStrategy[int]:
    most = 2**31 - 1 if schema.get("format") == "int32" else _SAFE
    return st.integers(schema.get("minimum", -most), schema.get("maximum", most))


def _list(schema: Json) -> st.SearchStrategy[list[Any]]:
    keys = schema.get("x-kubernetes-list-map-keys")
    unique = (lambda entry: tuple(entry[key] for key in keys)) if keys else None
    return st.lists(valid(schema["items"]), max_size=SHORT, unique_by=unique)


def _object(schema: Json) -> st.SearchStrategy[Json]:
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return st.dictionaries(_KEYS, _ANY_JSON, max_size=SHORT)
    if "additionalProperties" in schema:
        return st.dictionaries(_KEYS, valid(schema["additionalProperties"]), max_size=SHORT)
    fields = {name: valid(inner) for name, inner in schema.get("properties", {}).items()}
    required = schema.get("required", ())
    return st.fixed_dictionaries(
        {name: fields[name] for name in required},
        optional={name: strategy for name, strategy in fields.items() if name not in required},
    )


class Listener:
    """A webhook that admits everything and remembers what it was asked.

    Args:
        cluster: whose authority signs its certificate.
        folder: where certificate and key are put.
    """

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        certificate, key = issue(load_authority(cluster.layout), Leaf("listener", names=(LOOPBACK,), server=True))
        files = folder / "listener.crt", folder / "listener.key"
        for path, content in zip(files, (certificate, key), strict=True):
            path.write_bytes(content)
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._tls.load_cert_chain(*files)
        self.asked: list[tuple[str, Json]] = []
        self.url = ""

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Answers at `url` for the length of a block."""
        application = web.Application()
        application.router.add_post("/{path}", self._answer)
        runner = web.AppRunner(application)
        await runner.setup()
        with Ports() as ports:
            port = ports.take()
            await web.TCPSite(runner, LOOPBACK, port, ssl_context=self._tls).start()
            self.url = f"https://{LOOPBACK}:{port}"
            try:
                yield
            finally:
                await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        review = await request.json()
        self.asked.append((request.match_info["path"], review["request"]))
        response = {"uid": review["request"]["uid"], "allowed": True}
        return web.json_response({**{key: review[key] for key in ("apiVersion", "kind")}, "response": response})
