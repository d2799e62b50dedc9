"""The administrator's few plain requests to the API server of a cluster."""

import json
import ssl
from typing import Any

import aiohttp

from hack.devcluster.layout import Layout

Json = dict[str, Any]

_TIMEOUT = aiohttp.ClientTimeout(total=10)


class Api:
    """JSON requests with the administrator's certificate."""

    def __init__(self, layout: Layout, server: str) -> None:
        self._layout = layout
        self._server = server
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "Api":
        tls = ssl.create_default_context(cafile=self._layout.certificate("ca"))
        tls.load_cert_chain(self._layout.certificate("admin"), self._layout.key("admin"))
        connector = aiohttp.TCPConnector(ssl=tls)
        self._session = aiohttp.ClientSession(self._server, connector=connector, timeout=_TIMEOUT)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session:
            await self._session.close()

    async def create_token(self, namespace: str, service_account: str, seconds: int) -> str:
        """A token of a service account (TokenRequest).

        Raises:
            RuntimeError: the API server refused; the message holds its answer.
        """
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": seconds},
        }
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{service_account}/token"
        status, text = await self.request("POST", path, body)
        if status != 201:
            raise RuntimeError(f"no token for service account {namespace}/{service_account}: {status} {text[:500]}")
        token = json.loads(text)["status"]["token"]
        return str(token)

    async def request(self, method: str, path: str, body: Json | None = None) -> tuple[int, str]:
        """Status and body of any request; status 0 and the cause when there was no reply."""
        if not self._session:
            raise RuntimeError("Api is used outside of its context")
        try:
            async with self._session.request(method, path, json=body) as response:
                return response.status, await response.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            return 0, f"{type(error).__name__}: {error}"
