"""The webhook's certificates: one authority for all replicas, a leaf of its own for each, trust published by itself."""

from webhook.certificates.authority import Lifetimes
from webhook.certificates.issuing import Names
from webhook.certificates.keeper import Keeper

__all__ = ["Keeper", "Lifetimes", "Names"]
