"""What is wrong after a run; nothing, when all is well."""

import asyncio
from collections import Counter
from typing import Final

from controller.api import labels
from controller.api.claims import CLAIM_KINDS
from controller.api.conditions import conditions_of
from controller.api.json import Json, labels_of, name_of, uid_of
from controller.api.reasons import Reason
from controller.api.resources import DEPLOYMENTS, JOBS, NODES, SERVICES, WORKSPACES
from controller.planning.claims import claim_name
from controller.runtime.errors import NotFound
from tests.chaos.deeds import Log
from tests.chaos.foreign import TAKEN
from tests.chaos.plan import Act, Kind, Plan
from tests.system import audit
from tests.system.harness import System
from tests.system.planned import Eyes, unfinished

_TURN_SECONDS: Final = 0.02
_CLAIMS: Final = frozenset(kind.resource.plural for kind in CLAIM_KINDS)
_MOST_ORDINALS: Final = {Kind.COPIES: 2, Kind.RELEASING: 4}
"""Ordinals a Workspace can come to use, where they are more than one: by its nodes, or by giving back and asking again
while the old claim still goes away."""


async def restless(eyes: Eyes, namespace: str, plan: Plan) -> str:
    """What is not yet as the planner says for the Workspaces there are.

    The operators speak to the API server through a proxy in this very process: between two plans it gets its turn.
    """
    wrong = []
    for name in sorted({deed.name for deed in plan.deeds if deed.act is Act.CREATE}):
        await asyncio.sleep(_TURN_SECONDS)
        seen = eyes.view((namespace, name))
        if name not in plan.surviving:
            wrong += [f"{name} left {each}" for each in eyes.leftovers((namespace, name))]
        elif seen is None:
            wrong.append(f"{name} is missing")
        elif text := unfinished(seen):
            wrong.append(f"{name}: {text}")
    return "\n".join([*wrong, *_not_told(eyes, namespace)])


def _not_told(eyes: Eyes, namespace: str) -> list[str]:
    """The Workspace whose name is somebody's says so, and no node is bought for it."""
    seen = eyes.view((namespace, TAKEN))
    if seen is None:
        return [f"{TAKEN} is missing"]
    told = [held.reason for held in conditions_of(seen.workspace).values()]
    wrong = [] if Reason.FOREIGN_OBJECT in told else [f"{TAKEN} does not say whose the name is: {seen.conditions}"]
    return wrong + [f"claim {name_of(each)} for {TAKEN}" for each in seen.claims]


async def orphans(system: System) -> str:
    """What serves a Workspace that is gone, and agent pools and nodes without their claim."""
    alive = {uid_of(each) for each in await system.everything(WORKSPACES)}
    claims: list[Json] = []
    for kind in CLAIM_KINDS:
        try:
            claims += await system.everything(kind.resource, labels=labels.WORKSPACE)
        except NotFound:
            continue
    names = {name_of(each) for each in claims}
    found = [f"claim {name_of(each)}" for each in claims if labels_of(each).get(labels.WORKSPACE_UID) not in alive]
    pools: list[Json] = (await system.cloud())["pools"]
    own = {str(pool["name"]) for pool in pools if pool["properties"]["mode"] == "System"}
    found += [f"agent pool {pool['name']}" for pool in pools if pool["name"] not in names | own]
    for node in await system.everything(NODES):
        owner, pool = labels_of(node).get(labels.WORKSPACE_UID), labels_of(node).get(labels.AKS_AGENT_POOL)
        if (owner is not None and owner not in alive) or (pool is not None and pool not in names | own):
            found.append(f"node {name_of(node)}")
    for resource in (DEPLOYMENTS, JOBS, SERVICES):
        owned = await system.everything(resource, labels=labels.WORKSPACE)
        found += [f"{resource.kind} {name_of(each)}" for each in owned if not _owners(each) & alive]
    return ", ".join(found)


def _owners(obj: Json) -> set[str]:
    return {str(owner["uid"]) for owner in obj["metadata"].get("ownerReferences") or ()}


def _made(calls: list[audit.Call], verb: str, codes: tuple[int, ...]) -> Counter[str]:
    return Counter(call.name for call in calls if call.resource in _CLAIMS and call.verb == verb and call.code in codes)


def doubled(calls: list[audit.Call]) -> list[str]:
    made, given_up = _made(calls, "create", (201,)), _made(calls, "delete", (200, 202))
    return [
        f"claim {name}: made {number} times, given up {given_up[name]} times"
        for name, number in made.items()
        if number > given_up[name] + 1
    ]


async def doubled_pools(system: System, calls: list[audit.Call]) -> list[str]:
    """Agent pools the cloud agreed to make more often than there was a claim of the name."""
    made = _made(calls, "create", (201,))
    requests: Json = (await system.cloud())["requests_by_pool"]
    agreed = {name: audit.agreed(requests.get(name, {}).get("put_pool", {})) for name in made}
    return [f"agent pool {name}: made {number} times" for name, number in agreed.items() if number > made[name]]


def beyond(calls: list[audit.Call], log: Log) -> list[str]:
    """Claims for a Workspace nobody made, or for more nodes than it wants."""
    allowed = {claim_name(uid, ordinal) for uid, kind in log.kinds.items() for ordinal in range(_most(kind))}
    return [f"claim {name}" for name in _made(calls, "create", (201,)) if name not in allowed]


def _most(kind: Kind) -> int:
    return _MOST_ORDINALS.get(kind, 1)
