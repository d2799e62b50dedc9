"""Which pods leave, and in which order."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.json import Json
from provisioner.drain import Pod, parse_pod, plan_drain
from provisioner.times import rfc3339
from tests.unit.provisioner.builders import at


def pod(name: str = "p", *, owner: str = "ReplicaSet", phase: str = "Running", **options: Any) -> Json:
    """A pod on the node."""
    metadata: Json = {"name": name, "namespace": "a", "uid": name, "ownerReferences": [{"kind": owner}]}
    metadata.update(options.pop("metadata", {}))
    return {"metadata": metadata, "spec": options, "status": {"phase": phase}}


def read(obj: Json) -> Pod:
    """The pod as seen at the start."""
    return parse_pod(obj, at(0))


@pytest.mark.parametrize(
    ("obj", "stays"),
    [
        (pod(), False),
        (pod(phase="Succeeded"), True),
        (pod(phase="Failed"), True),
        (pod(owner="Node"), True),
        (pod(owner="DaemonSet"), False),
        (pod(tolerations=[{"operator": "Exists"}]), True),
        (pod(tolerations=[{"key": "karpenter.sh/disrupted", "operator": "Exists"}]), True),
        (pod(tolerations=[{"key": "karpenter.sh/disrupted", "effect": "NoSchedule"}]), True),
        (pod(tolerations=[{"operator": "Exists", "effect": "NoExecute"}]), False),
        (pod(tolerations=[{"key": "sku", "operator": "Exists"}]), False),
        (pod(tolerations=[{"key": "karpenter.sh/disrupted", "value": "x"}]), False),
        (pod(metadata={"deletionTimestamp": rfc3339(at(-30))}), False),
        (pod(metadata={"deletionTimestamp": rfc3339(at(-90))}), True),
    ],
)
def test_which_pods_are_not_waited_for(obj: Json, stays: bool) -> None:
    assert read(obj).stays is stays


def test_critical_pods_leave_last_and_daemons_after_the_others_of_their_class() -> None:
    critical = "system-node-critical"
    pods = [
        pod("critical-daemon", owner="DaemonSet", priorityClassName=critical),
        pod("critical", priorityClassName=critical),
        pod("daemon", owner="DaemonSet"),
        pod("plain"),
    ]
    order = []
    while pods:
        plan = plan_drain(read(obj) for obj in pods)
        order.append([leaving.name for leaving in plan.evict])
        gone = {leaving.name for leaving in plan.evict}
        pods = [obj for obj in pods if obj["metadata"]["name"] not in gone]
    assert order == [["plain"], ["daemon"], ["critical"], ["critical-daemon"]]


@pytest.mark.parametrize("mark", ["karpenter.sh/do-not-disrupt", "karpenter.sh/do-not-evict"])
def test_a_marked_pod_is_waited_for_and_not_evicted(mark: str) -> None:
    plan = plan_drain([read(pod(metadata={"annotations": {mark: "true"}}))])
    assert (plan.evict, len(plan.waiting)) == ((), 1)


def test_a_pod_on_its_way_out_is_not_evicted_again() -> None:
    plan = plan_drain([read(pod(metadata={"deletionTimestamp": rfc3339(at(10))}))])
    assert (plan.evict, len(plan.waiting)) == ((), 1)


pods = st.builds(
    Pod,
    namespace=st.just("a"),
    name=st.text(max_size=3),
    uid=st.text(max_size=3),
    leaving=st.booleans(),
    held=st.booleans(),
    stays=st.booleans(),
    rank=st.integers(min_value=0, max_value=3),
)


@given(st.lists(pods, max_size=8))
def test_only_the_lowest_rank_leaves_and_nobody_who_stays_is_touched(found: list[Pod]) -> None:
    plan = plan_drain(found)
    assert all(not leaving.stays and not leaving.held for leaving in plan.evict)
    assert len({leaving.rank for leaving in plan.evict}) <= 1
    assert {id(leaving) for leaving in plan.evict} <= {id(waiting) for waiting in plan.waiting}
