"""Plain-JSON requests to the API server: verbs, paging, and repetition inside the caller's deadline."""

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self, TypeAlias

from controller.api.json import Json, metadata_of, name_of, namespace_of
from controller.api.resources import Resource
from controller.runtime import retry, watch
from controller.runtime.collector import paused_collector
from controller.runtime.errors import (
    BROKEN,
    AlreadyExists,
    ApiError,
    Forbidden,
    Gone,
    Unauthorized,
    Unavailable,
    from_status,
)
from controller.runtime.retry import ALWAYS, NEVER, Repeat
from controller.runtime.transport import Request, RequestObserver, Transport, ignore_requests
from controller.runtime.watch import WatchEvent

Operations: TypeAlias = list[Json]
"""The operations of a JSON patch (RFC 6902), in order."""

_APPLY: Final = "application/apply-patch+yaml"
_MERGE: Final = "application/merge-patch+json"
_JSON_PATCH: Final = "application/json-patch+json"
_WATCH_SECONDS: Final = (180.0, 300.0)  # random, so that replicas do not reconnect together
_EXCERPT: Final = 80


@dataclass(frozen=True, slots=True)
class ObjectList:
    """A complete list: its objects, each with apiVersion and kind, and the version a watch may start from."""

    items: list[Json]
    resource_version: str


class Client:
    """Plain-JSON requests on the official asyncio client; one per process.

    Every method raises `ApiError` (or a subclass) and ends within its `timeout` seconds, repeated attempts included.
    What is repeated, and when: `controller.runtime.retry`.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @classmethod
    async def connect(
        cls,
        *,
        user_agent: str,
        kubeconfig: Path | None = None,
        observer: RequestObserver | None = None,
        pool_size: int = 64,
    ) -> Self:
        """Reads the configuration and prepares the pool; the first request opens the first connection.

        Args:
            user_agent: program and version, as audit logs and flow control will show it.
            kubeconfig: None takes the pod's service account, else KUBECONFIG, else ~/.kube/config.
            observer: told of every attempt.
            pool_size: connections at once; every watch holds one.

        Raises:
            SetupError: no usable configuration.
        """
        transport = await Transport.connect(
            user_agent=user_agent, kubeconfig=kubeconfig, observer=observer or ignore_requests, pool_size=pool_size
        )
        return cls(transport)

    async def get(self, resource: Resource, name: str, *, namespace: str = "", timeout: float = 10.0) -> Json:  # noqa: ASYNC109
        """The object as the server has it now."""
        return await self._call(Request("GET", resource.path(namespace, name)), ALWAYS, timeout)

    async def list(
        self,
        resource: Resource,
        *,
        namespace: str = "",
        labels: str = "",
        fields: str = "",
        page_size: int = 500,
        timeout: float = 60.0,  # noqa: ASYNC109
        transform: Callable[[Json], Json] | None = None,
    ) -> ObjectList:
        """All objects at one version, read in pages.

        Args:
            resource: the kind.
            namespace: empty for all.
            labels: label selector in query form.
            fields: field selector in query form.
            page_size: objects per request; 0 for everything at once.
            timeout: seconds for all pages together.
            transform: applied page by page, so that no more than one page is ever held in full.
        """
        deadline = asyncio.get_running_loop().time() + timeout
        selection = _query(labelSelector=labels, fieldSelector=fields)
        path = resource.path(namespace)
        try:
            return await self._pages(resource, path, selection, page_size, deadline, transform)
        except Gone:
            # The continue token outlived the history it points into: one answer without paging cannot.
            return await self._pages(resource, path, selection, 0, deadline, transform)

    async def create(
        self,
        resource: Resource,
        body: Json,
        *,
        subresource: str = "",
        name: str = "",
        timeout: float = 10.0,  # noqa: ASYNC109
    ) -> Json:
        """POSTs the object, in the namespace of its metadata; with a subresource (`eviction`) an action on `name`.

        A POST whose reply was lost is sent again if the name is fixed; AlreadyExists then counts as success when the
        object found states everything `body` does. Where we may not read, it is raised with `repeated` set.
        """
        deadline = asyncio.get_running_loop().time() + timeout
        namespace = namespace_of(body)
        if resource.namespaced and not namespace:
            raise ValueError(f"a {resource.kind} to be created needs metadata.namespace")
        path = resource.path(namespace, name if subresource else "", subresource)
        try:
            return await self._call(Request("POST", path, body=body), retry.for_create(body, subresource), timeout)
        except AlreadyExists as error:
            if not error.repeated:
                raise
            remaining = deadline - asyncio.get_running_loop().time()
            with contextlib.suppress(Forbidden):
                found = await self.get(resource, name_of(body), namespace=namespace, timeout=remaining)
                if retry.covers(found, body):
                    return found
            raise

    async def apply(
        self,
        resource: Resource,
        body: Json,
        *,
        manager: str,
        subresource: str = "",
        force: bool = True,
        dry_run: bool = False,
        timeout: float = 10.0,  # noqa: ASYNC109
    ) -> Json:
        """Server-side apply of exactly the fields `manager` is to own; a field left out since the last apply goes.

        With `dry_run` every check is made, admission included, and nothing is stored.
        """
        typed = {"apiVersion": resource.api_version, "kind": resource.kind, **body}
        path = resource.path(namespace_of(body), name_of(body), subresource)
        query = _query(fieldManager=manager, force="true" if force else "", dryRun="All" if dry_run else "")
        return await self._call(Request("PATCH", path, query, typed, _APPLY), retry.for_patch(body), timeout)

    async def merge(
        self,
        resource: Resource,
        name: str,
        patch: Json,
        *,
        namespace: str = "",
        subresource: str = "",
        timeout: float = 10.0,  # noqa: ASYNC109
    ) -> Json:
        """JSON merge patch: None deletes a field, a list replaces the list."""
        request = Request("PATCH", resource.path(namespace, name, subresource), (), patch, _MERGE)
        return await self._call(request, retry.for_patch(patch), timeout)

    async def json_patch(
        self,
        resource: Resource,
        name: str,
        operations: Operations,
        *,
        namespace: str = "",
        subresource: str = "",
        timeout: float = 10.0,  # noqa: ASYNC109
    ) -> Json:
        """JSON patch; a failed `test` is Invalid. Never repeated: a test may fail on our own first attempt."""
        request = Request("PATCH", resource.path(namespace, name, subresource), (), operations, _JSON_PATCH)
        return await self._call(request, NEVER, timeout)

    async def replace(
        self,
        resource: Resource,
        body: Json,
        *,
        subresource: str = "",
        timeout: float = 10.0,  # noqa: ASYNC109
    ) -> Json:
        """PUT of the whole object; with metadata.resourceVersion a compare-and-set (Conflict when stale)."""
        path = resource.path(namespace_of(body), name_of(body), subresource)
        return await self._call(Request("PUT", path, body=body), NEVER, timeout)

    async def delete(
        self,
        resource: Resource,
        name: str,
        *,
        namespace: str = "",
        uid: str = "",
        propagation: str = "Background",
        grace_seconds: int | None = None,
        timeout: float = 10.0,  # noqa: ASYNC109
    ) -> None:
        """Deletes the object, with `uid` only if it still is that one (Conflict when not). NotFound is raised."""
        options: Json = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        if uid:
            options["preconditions"] = {"uid": uid}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        request = Request("DELETE", resource.path(namespace, name), body=options)
        await self._call(request, retry.for_delete(uid), timeout)

    def watch(
        self,
        resource: Resource,
        *,
        namespace: str = "",
        labels: str = "",
        fields: str = "",
        resource_version: str = "",
        initial_events: bool = False,
        timeout_seconds: float | None = None,
    ) -> AsyncGenerator[WatchEvent, None]:
        """The events of one watch request, bookmarks included, until the server ends it; the caller reconnects.

        Close it (`contextlib.aclosing`) when leaving early.

        Args:
            resource: the kind.
            namespace: empty for all.
            labels: label selector in query form.
            fields: field selector in query form.
            resource_version: events after this version; empty starts with the present objects as ADDED.
            initial_events: the present objects as ADDED, then a BOOKMARK annotated `k8s.io/initial-events-end`.
            timeout_seconds: when the server is to end it; None for a random 180 to 300.
        """
        seconds = timeout_seconds or random.uniform(*_WATCH_SECONDS)  # noqa: S311 - spreads load, guards nothing
        query = _query(
            watch="true",
            allowWatchBookmarks="true",
            timeoutSeconds=str(max(1, round(seconds))),
            labelSelector=labels,
            fieldSelector=fields,
            resourceVersion=resource_version,
            sendInitialEvents="true" if initial_events else "",
            resourceVersionMatch="NotOlderThan" if initial_events else "",
        )
        return watch.events(self._transport, Request("GET", resource.path(namespace), query), seconds=seconds)

    async def close(self) -> None:
        """Closes every connection, open watches included."""
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _pages(
        self,
        resource: Resource,
        path: str,
        selection: tuple[tuple[str, str], ...],
        page_size: int,
        deadline: float,
        transform: Callable[[Json], Json] | None,
    ) -> ObjectList:
        items: list[Json] = []
        token = ""
        while True:
            query = selection + _query(limit=str(page_size or ""), **{"continue": token})
            remaining = deadline - asyncio.get_running_loop().time()
            page = await self._call(Request("GET", path, query), ALWAYS, remaining)
            with paused_collector():
                for item in page.get("items") or []:
                    typed = {"apiVersion": resource.api_version, "kind": resource.kind, **item}
                    items.append(transform(typed) if transform else typed)
            metadata = metadata_of(page)
            token = str(metadata.get("continue") or "")
            if not token:
                return ObjectList(items, str(metadata.get("resourceVersion") or ""))

    async def _call(self, request: Request, repeat: Repeat, seconds: float) -> Json:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        attempt, repeated = 0, False
        while True:
            used = self._transport.token
            allowed = retry.seconds_of_attempt(deadline - loop.time(), seconds, repeat)
            try:
                body = await self._transport.exchange(request, seconds=allowed, attempt=attempt)
                return _decode(body, request)
            except ApiError as error:
                error.repeated = repeated
                renewed = isinstance(error, Unauthorized) and await self._transport.renew(used)
                delay = retry.delay_before_repeat(error, repeat, attempt, renewed=renewed)
                if delay is None or loop.time() + delay >= deadline:
                    raise
                repeated = repeated or retry.maybe_executed(error)
            attempt += 1
            await asyncio.sleep(delay)


def _query(**parameters: str) -> tuple[tuple[str, str], ...]:
    return tuple((key, value) for key, value in parameters.items() if value)


def _decode(body: bytes, request: Request) -> Json:
    """The object in a successful reply; a proxy's page with status 200 is as good as no reply.

    Some handlers send a failure under a status of success: `pods/eviction` does for a pod with two budgets.
    """
    try:
        with paused_collector():
            decoded: Any = json.loads(body)
    except (ValueError, RecursionError):
        decoded = None
    if not isinstance(decoded, Mapping):
        excerpt = " ".join(body[:_EXCERPT].decode("utf-8", "replace").split())
        raise Unavailable(f"not a Kubernetes object: {excerpt}", reason=BROKEN, request=str(request))
    if decoded.get("kind") == "Status" and decoded.get("status") == "Failure":
        raise from_status(dict(decoded), request=str(request))
    return dict(decoded)
