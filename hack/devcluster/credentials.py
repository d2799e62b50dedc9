"""Tokens of the programs' service accounts, replaced long before they expire, as a kubelet does it."""

import asyncio
from collections.abc import Sequence

from hack.devcluster import kubeconfig
from hack.devcluster.api import Api
from hack.devcluster.layout import Layout, write_private

TOKEN_SECONDS = 3600
"""Lifetime of a token, about that of a Pod's projected token."""

_RENEW_SECONDS = 1200
_RETRY_SECONDS = 10


async def write_credentials(layout: Layout, api: Api, server: str, namespace: str, names: Sequence[str]) -> None:
    """Write kubeconfig and token of each service account.

    Raises:
        RuntimeError: the API server refused a token.
    """
    for name in names:
        token = await api.create_token(namespace, name, TOKEN_SECONDS)
        write_private(layout.token(name), token)
        kubeconfig.write(layout.client_kubeconfig(name), kubeconfig.with_token_file(layout, server, name, namespace))


async def renew_credentials(layout: Layout, api: Api, namespace: str, names: Sequence[str]) -> None:
    """Replace the tokens from time to time, until cancelled."""
    while True:
        await asyncio.sleep(_RENEW_SECONDS)
        for name in names:
            while True:
                try:
                    write_private(layout.token(name), await api.create_token(namespace, name, TOKEN_SECONDS))
                    break
                except RuntimeError as error:
                    print(f"{error}: next try in {_RETRY_SECONDS} s", flush=True)
                    await asyncio.sleep(_RETRY_SECONDS)
