"""The table of faults: what can go wrong around a Workspace, and what people then read.

A suite makes each of them happen on a real control plane with a simulated cloud (`tests/faults_table`), so that the
table cannot promise what the programs do not do.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hack.docs.fault import Fault
from hack.docs.faults_of_clusters import FAULTS_OF_CLUSTERS
from hack.docs.faults_of_pods import FAULTS_OF_PODS

FAULTS: Final[Mapping[str, Fault]] = MappingProxyType({**FAULTS_OF_PODS, **FAULTS_OF_CLUSTERS})
"""Every fault the suite makes happen, by a short name."""
