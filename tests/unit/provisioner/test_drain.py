"""Which pods leave, and in which order."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.json import Json
from provisioner.drain import Pod, parse_pod, plan_drain, seconds_left
from provisioner.times import rfc3339
from tests.unit.provisioner.builders import at

END = at(3600)


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


def test_a_pod_that_wants_for_ever_gets_what_is_left() -> None:
    greedy = read(pod(terminationGracePeriodSeconds=2**63 - 1))
    assert plan_drain([greedy], at(0), END).overdue == (greedy,)
    assert seconds_left(greedy, at(600), END) == 3000


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
        plan = plan_drain((read(obj) for obj in pods), at(0), END)
        order.append([leaving.name for leaving in plan.evict])
        gone = {leaving.name for leaving in plan.evict}
        pods = [obj for obj in pods if obj["metadata"]["name"] not in gone]
    assert order == [["plain"], ["daemon"], ["critical"], ["critical-daemon"]]


@pytest.mark.parametrize("mark", ["karpenter.sh/do-not-disrupt", "karpenter.sh/do-not-evict"])
def test_a_marked_pod_is_waited_for_and_not_evicted(mark: str) -> None:
    plan = plan_drain([read(pod(metadata={"annotations": {mark: "true"}}))], at(0), END)
    assert (plan.evict, len(plan.waiting)) == ((), 1)


def test_a_pod_on_its_way_out_is_not_evicted_again() -> None:
    plan = plan_drain([read(pod(metadata={"deletionTimestamp": rfc3339(at(10))}))], at(0), END)
    assert (plan.evict, len(plan.waiting)) == ((), 1)


HELD: Json = {"metadata": {"annotations": {"karpenter.sh/do-not-disrupt": "true"}}}


@pytest.mark.parametrize("options", [{}, HELD], ids=["a budget may hold it", "a mark holds it"])
@pytest.mark.parametrize(("left", "deleted"), [(61, False), (60, True), (1, True)])
def test_a_pod_that_could_not_end_in_time_any_later_is_deleted(options: Json, left: float, *, deleted: bool) -> None:
    late = pod(terminationGracePeriodSeconds=60, **options)
    plan = plan_drain([read(late)], at(3600 - left), END)
    assert ([each.name for each in plan.overdue], len(plan.waiting)) == (["p"] if deleted else [], 1)
    assert not (deleted and plan.evict)


def test_the_next_pod_that_will_have_to_be_deleted_is_looked_forward_to() -> None:
    slow, slower = (read(pod(terminationGracePeriodSeconds=seconds)) for seconds in (60, 90))
    assert plan_drain([slow, slower], at(0), END).due == at(3600 - 90)
    assert plan_drain([slow, slower], at(3600 - 80), END).due == at(3600 - 60)


@pytest.mark.parametrize(("ends", "deleted"), [(3599, False), (3601, True)])
def test_a_pod_that_takes_its_time_is_told_when_the_node_goes(ends: float, *, deleted: bool) -> None:
    leaving = pod(metadata={"deletionTimestamp": rfc3339(at(ends))}, terminationGracePeriodSeconds=9000)
    assert bool(plan_drain([read(leaving)], at(0), END).overdue) is deleted


@pytest.mark.parametrize(("grace", "left", "seconds"), [(60, 100, 60), (60, 20, 20), (60, 0.2, 1), (0, 100, 1)])
def test_a_deleted_pod_gets_its_own_grace_or_what_is_left(grace: int, left: float, seconds: int) -> None:
    assert seconds_left(read(pod(terminationGracePeriodSeconds=grace)), at(3600 - left), END) == seconds


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
    plan = plan_drain(found, at(0), END)
    assert all(not leaving.stays and not leaving.held for leaving in plan.evict)
    assert len({leaving.rank for leaving in plan.evict}) <= 1
    assert {id(leaving) for leaving in plan.evict} <= {id(waiting) for waiting in plan.waiting}
