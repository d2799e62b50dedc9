"""What the leader does when the CRD of a kind of claim arrives: Workspaces that lack nodes are looked at again."""

import asyncio
from typing import Final, NoReturn

from controller.api.claims import CLAIM_KINDS, ClaimKind
from controller.api.json import key_of
from controller.reconcilers.informers import WAITING, Informers
from controller.reconcilers.wiring import Enqueue

LOOK_SECONDS: Final = 0.5
"""How often it is looked whether a kind is served; asking the API server is the cache's affair, every 5 s at most."""


async def follow_kinds(informers: Informers, enqueue: Enqueue) -> NoReturn:
    """Runs on the leader until cancelled; that a kind is served is no event any watch reports.

    Args:
        informers: whose claims are followed.
        enqueue: takes the Workspaces that may have waited for the kind.
    """
    before = frozenset(CLAIM_KINDS)
    while True:
        served = _served(informers)
        if served - before:
            for workspace in informers.workspaces.by_index(WAITING, WAITING):
                enqueue(key_of(workspace))
        before = served
        await asyncio.sleep(LOOK_SECONDS)


def _served(informers: Informers) -> frozenset[ClaimKind]:
    return frozenset(kind for kind, informer in informers.claims if informer.served)
