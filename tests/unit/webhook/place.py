"""The HTTPS server on a free port, with a certificate and a client that trusts it."""

import asyncio
import io
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

import aiohttp

from controller.catalog import load_catalog
from controller.planning.site import Site
from controller.runtime.options import Address
from webhook.admission import Judge
from webhook.certificates.issuing import Names, new_authority, new_leaf
from webhook.certificates.serving import Serving
from webhook.review import Review, Verdict
from webhook.server import Limits, WebhookServer

MUTATE: Final = "/mutate-workspace"
VALIDATE: Final = "/validate-workspace"
BROKEN: Final = "/broken"
JSON_TYPE: Final = {"Content-Type": "application/json"}


def fail(_review: Review) -> Verdict:
    raise RuntimeError("a defect")


class Place:
    """A running server and a client that trusts it."""

    def __init__(self, server: WebhookServer, session: aiohttp.ClientSession, context: ssl.SSLContext) -> None:
        self.server, self.session, self.context = server, session, context

    async def post(self, path: str, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
        url = f"https://127.0.0.1:{self.server.address.port}{path}"
        async with self.session.post(url, data=io.BytesIO(body), headers=headers or JSON_TYPE) as answer:
            return answer.status, await answer.read()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.server.address.port, ssl=self.context)


@asynccontextmanager
async def running(limits: Limits | None = None) -> AsyncIterator[Place]:
    now = datetime.now(UTC)
    authority = new_authority(now, timedelta(days=1))
    serving = Serving()
    leaf = new_leaf(authority, Names(("localhost",), ("127.0.0.1",)), now, timedelta(hours=1))
    serving.install(leaf, authority.certificate)
    context = ssl.create_default_context(cadata=authority.certificate.decode())
    judge = Judge(lambda: Site(load_catalog()))
    webhooks = {MUTATE: judge.mutate, VALIDATE: judge.validate, BROKEN: fail}
    server = WebhookServer(Address("127.0.0.1", 0), serving.context, webhooks, limits)
    await server.start()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        yield Place(server, session, context)
    await server.stop()
