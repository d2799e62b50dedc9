"""The claims of every kind the API server serves, by the name they share with agent pools.

A kind whose CRD is missing is waited for in the background: the provisioner serves what is there, and the claims of a
kind that arrives later as soon as it does.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from controller.api.claims import Claim, ClaimKind, parse_claim
from controller.api.json import Json, name_of
from controller.api.labels import RAG_ENGINE, TERMINATION_FINALIZER, WORKSPACE
from controller.runtime.cache import Handler, Informer
from controller.runtime.errors import ApiError, NotFound
from provisioner.pools import Pool, belongs, born_together, subject

NODE_CLASS_GROUP: Final = "kaito.sh"
NODE_CLASS_KIND: Final = "KaitoNodeClass"
"""The node class by which a NodeClaim asks this provisioner (kaito-project/kaito; no object of it exists)."""


class Claims:
    """Claims of several kinds under one roof.

    Args:
        informers: one for each kind of claim.
    """

    def __init__(self, informers: Mapping[ClaimKind, Informer]) -> None:
        self._informers = dict(informers)

    def named(self, name: str) -> list[tuple[ClaimKind, Json]]:
        """The cached claims of that name, at most one of each kind."""
        found = ((kind, informer.get(name)) for kind, informer in self._informers.items())
        return [(kind, obj) for kind, obj in found if obj is not None]

    def names(self) -> Iterable[str]:
        """The names of all cached claims."""
        return {name_of(obj) for informer in self._informers.values() for obj in informer.values()}

    def kinds(self, *needed: str) -> list[ClaimKind]:
        """The kinds whose claims may exist: those served, and those of the given names whether served or not."""
        return [
            kind
            for kind, informer in self._informers.items()
            if (informer.served and informer.synced) or kind.resource.kind in needed
        ]

    def on_change(self, handler: Handler) -> None:
        """Calls `handler` for every change of any claim."""
        for informer in self._informers.values():
            informer.on_change(handler)

    @property
    def unready(self) -> str:
        """Why the claims are not known yet, for a readiness probe; empty when they are.

        They are when those of at least one kind have been read and no other kind is still being read.
        """
        waiting = {kind.resource: informer for kind, informer in self._informers.items() if not informer.synced}
        if any(informer.served for informer in waiting.values()):
            return "reading " + ", ".join(resource.plural for resource in waiting)
        if len(waiting) < len(self._informers):
            return ""
        return "no CRD is installed for " + " or ".join(f"{each.plural} of {each.api_version}" for each in waiting)


def is_gone(error: ApiError, name: str) -> bool:
    """Whether the API server says that there is no object of that name.

    Load balancers, and API servers that do not know the kind at present, send other 404s.
    """
    return isinstance(error, NotFound) and error.reason == "NotFound" and f'"{name}"' in error.message


def claim_is_ours(claim: Claim, pool: Pool | None) -> bool:
    """Whether the claim asks this provisioner.

    A NodeClaim says so by its node class, whatever its labels. A Machine has none: it carries the label of a Workspace
    or a RAG engine. One that lost the label stays ours while our finalizer holds it and a pool or our own status tells
    that it was.
    """
    if claim.node_class is not None:
        asked = (claim.node_class.group, claim.node_class.kind) == (NODE_CLASS_GROUP, NODE_CLASS_KIND)
        return asked or _is_inherited(claim, pool)
    if _is_labelled(claim):
        return True
    if TERMINATION_FINALIZER not in claim.finalizers:
        return False
    tagged = pool is not None and pool.claim_uid == claim.uid
    return tagged or _tells_of_pool(claim)


def _is_inherited(claim: Claim, pool: Pool | None) -> bool:
    """Whether a NodeClaim of another class stands for an agent pool that Azure's gpu-provisioner made for it.

    gpu-provisioner goes by the Workspace's label whatever the class, and KAITO before v0.7 wrote AKSNodeClass. That is
    the class of Karpenter on AKS, which makes single machines: a claim that names one is Karpenter's.
    """
    if not _is_labelled(claim) or TERMINATION_FINALIZER not in claim.finalizers:
        return False
    named = f"/virtualmachinescalesets/aks-{claim.name}-" in claim.provider_id.lower()
    if claim.provider_id and not named:
        return False
    if pool is None:
        return named or _tells_of_pool(claim)
    return pool.by_kaito and belongs(pool, claim) and (named or born_together(pool, claim))


def _is_labelled(claim: Claim) -> bool:
    return WORKSPACE in claim.labels or RAG_ENGINE in claim.labels


def _tells_of_pool(claim: Claim) -> bool:
    """Whether a condition speaks of the claim's agent pool, as only ours do: in the launch as in the removal."""
    words = subject(claim).strip().lower()
    return any(words in condition.message.lower() for condition in claim.conditions.values())


def ours(found: Iterable[tuple[ClaimKind, Json]], pool: Pool | None) -> list[tuple[ClaimKind, Json]]:
    """Those of one name that ask this provisioner, the one the agent pool of that name is for first.

    That is the one the pool was made for; for a pool that does not say, or before there is one, the older.
    """

    def rank(entry: tuple[ClaimKind, Json]) -> tuple[bool, str, str]:
        claim = parse_claim(entry[1], entry[0])
        return (pool is None or pool.claim_uid != claim.uid, claim.creation_time, claim.kind.resource.kind)

    return sorted((entry for entry in found if claim_is_ours(parse_claim(entry[1], entry[0]), pool)), key=rank)
