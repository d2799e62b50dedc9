from typing import Any

import pytest

from controller.api import labels
from controller.api.claims import Taint
from controller.planning.nodes import tolerated_keys
from tests.unit.planning.builders import GPU, V100, demand, node

CORDONED = Taint("node.kubernetes.io/unschedulable", "", "NoSchedule")


@pytest.mark.parametrize(
    ("found", "healthy", "opened"),
    [
        ({}, True, True),
        ({"ready": False}, False, True),
        ({"deleting": True}, False, True),
        ({"allocatable": {GPU: "0"}}, False, True),
        ({"unschedulable": True, "taints": (CORDONED,)}, True, False),
        ({"taints": (Taint("dedicated", "team-a", "NoSchedule"),)}, True, False),
        ({"labels": {labels.INSTANCE_TYPE: "Standard_ND40rs_v2"}}, True, True),
    ],
)
def test_what_a_node_lacks_is_told_from_a_barrier(found: dict[str, Any], healthy: bool, opened: bool) -> None:
    judged, wanted = node("n", **found), demand()
    assert (wanted.healthy(judged), wanted.open(judged)) == (healthy, opened)
    assert wanted.usable(judged) == (healthy and opened and wanted.accepts(judged))


def test_the_size_is_compared_without_regard_to_case_and_only_where_both_say_it() -> None:
    assert demand().accepts(node("n", labels={labels.INSTANCE_TYPE: V100.upper()}))
    assert demand().accepts(node("n", labels={}))
    assert not demand().accepts(node("n", labels={labels.INSTANCE_TYPE: "Standard_ND40rs_v2"}))


def test_pods_tolerate_the_taint_of_their_gpus_vendor() -> None:
    assert labels.AMD_GPU in tolerated_keys(labels.AMD_GPU)
