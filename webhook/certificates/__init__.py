"""The webhook's certificates: one authority for all replicas, a leaf of its own for each, trust published by itself.

Or, where an installation has somebody for that, files that are read.
"""

from webhook.certificates.authority import Lifetimes
from webhook.certificates.issuing import Names
from webhook.certificates.keeper import Keeper
from webhook.certificates.mounted import Mounted

__all__ = ["Keeper", "Lifetimes", "Mounted", "Names"]
