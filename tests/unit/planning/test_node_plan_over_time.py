"""Plans carried out one after the other, while nodes come, go bad and hang."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.claims import Claim
from controller.planning.moments import written
from controller.planning.node_plan import plan_nodes
from controller.planning.nodes import NodePlan
from controller.planning.observed import Node, Observed
from controller.planning.provisioning import Provisioning
from tests.unit.planning.builders import GPU, claim, demand, node
from tests.unit.planning.test_node_plan import BAD, NOW, OWNER, pod


@dataclass
class World:
    """A cluster that does what a plan says, and in which one pod lives on each usable node while it lasts."""

    nodes: dict[str, Node]
    claims: dict[str, Claim]
    homes: set[str] = field(default_factory=set)
    troubled: dict[str, str] = field(default_factory=dict)
    seconds: int = 0

    def look(self) -> Observed:
        now = NOW + timedelta(seconds=self.seconds)
        pods = tuple(map(pod, sorted(self.homes)))
        claims, nodes = tuple(self.claims.values()), tuple(self.nodes.values())
        return Observed(claims=claims, nodes=nodes, pods=pods, troubled=self.troubled, now=now)

    def carry_out(self, plan: NodePlan) -> None:
        for released in plan.release:
            assert released.name not in self.homes, f"{released.name} was given away under a pod"
            self.nodes[released.name] = replace(released, labels=node("").labels)
        for gone in plan.delete:
            del self.claims[gone.name]
            del self.nodes[gone.node_name]
        for taken in plan.take:
            self.nodes[taken.name] = replace(taken, labels=node("", of=OWNER).labels)
        for ordinal in plan.create:
            made = claim(OWNER, ordinal, ready=True, node_name=f"made-{ordinal}-{self.seconds}")
            self.nodes[made.node_name] = node(made.node_name, of=OWNER, made_for=ordinal)
            self.claims[made.name] = made
        self.troubled = dict(plan.troubled)

    def live(self, count: int, *, looks: int) -> None:
        """So many looks at it, each as late as it takes for a bad node to be replaced."""
        for _ in range(looks):
            self.carry_out(plan_nodes(OWNER, demand(count), self.look()))
            self.run_pods(count)
            self.seconds += 600

    def run_pods(self, count: int) -> None:
        """As a workload's controller does: what cannot stay ends, and as many run as are wanted where they can."""
        usable = [each.name for each in plan_nodes(OWNER, demand(count), self.look()).usable]
        ready = {name for name, each in self.nodes.items() if each.ready and each.gpus(GPU)}
        stay = sorted(self.homes & ready)[:count]
        rest = [name for name in usable if name not in stay][: max(count - len(stay), 0)]
        self.homes = {*stay, *rest}


@given(
    counts=st.lists(st.integers(min_value=1, max_value=3), min_size=1, max_size=3),
    existing=st.lists(st.sampled_from(["good", *BAD]), max_size=5),
    later=st.lists(st.tuples(st.integers(min_value=0, max_value=4), st.sampled_from(["good", *BAD])), max_size=4),
)
def test_whatever_happens_to_nodes_the_workspace_ends_with_as_many_as_it_wants(
    counts: list[int], existing: list[str], later: list[tuple[int, str]]
) -> None:
    looks = {**BAD, "good": {}}
    world = World({f"n{i}": node(f"n{i}", **looks[each]) for i, each in enumerate(existing)}, {})
    for count in counts:
        world.live(count, looks=3)
        for index, state in later:
            if (name := f"n{index}") in world.nodes:
                kept = {"labels": world.nodes[name].labels, "allocatable": {GPU: "1"}, "ready": True}
                world.nodes[name] = node(name, **{**kept, **looks[state]})
                world.run_pods(count)
        world.live(count, looks=6)
        plan = plan_nodes(OWNER, demand(count), world.look())
        assert plan.is_settled, f"it never comes to rest: {plan}"
        assert len(world.homes) == count, f"{len(world.homes)} of {count} pods have a place"
        assert len(plan.members) == count, f"{len(plan.members)} nodes are held for {count}"


def stuck(count: int, since: datetime = NOW - timedelta(hours=1)) -> tuple[Claim, ...]:
    """Claims whose deletion was asked for at that time."""
    return tuple(claim(OWNER, ordinal, deletion_time=written(since)) for ordinal in range(count))


def test_claims_that_cannot_be_deleted_are_not_followed_by_ever_more() -> None:
    plan = plan_nodes(OWNER, demand(1), Observed(claims=stuck(2), now=NOW))
    assert (plan.create, plan.held) == ((), 1)
    assert [each.name for each in plan.waits_for] == [claim(OWNER, 0).name, claim(OWNER, 1).name]


@pytest.mark.parametrize(
    "claims",
    [stuck(1), stuck(2, NOW - timedelta(minutes=10)), stuck(2, NOW + timedelta(hours=1))],
    ids=["one may be replaced", "draining takes its time", "by a clock that runs ahead"],
)
def test_a_deletion_that_takes_its_time_holds_nothing_up(claims: tuple[Claim, ...]) -> None:
    plan = plan_nodes(OWNER, demand(1), Observed(claims=claims, now=NOW))
    assert (plan.create, plan.held, plan.waits_for) == ((len(claims),), 0, ())


def test_a_deletion_that_may_yet_get_stuck_is_looked_at_again_when_it_does() -> None:
    leaving = stuck(2, NOW - timedelta(minutes=10))
    failed = Provisioning(9, written(NOW))
    waiting = plan_nodes(OWNER, demand(1), Observed(claims=leaving, provisioning=failed, now=NOW))
    assert (waiting.waits_for, waiting.recheck) == ((), 300.0), "the pause alone would be longer"
    then = Observed(claims=leaving, provisioning=failed, now=NOW + timedelta(minutes=5))
    assert plan_nodes(OWNER, demand(1), then).waits_for == leaving


def test_free_nodes_are_taken_while_claims_are_stuck() -> None:
    plan = plan_nodes(OWNER, demand(1), Observed(claims=stuck(5), nodes=(node("free"),), now=NOW))
    assert [each.name for each in plan.take] == ["free"]
    assert plan.waits_for == (), "nothing is waited for"
