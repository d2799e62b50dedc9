"""Whatever people, networks and killers do: in the end there is what the plan says, once, and nothing else."""

import pytest

from tests.chaos.plan import Plan, plan_of
from tests.chaos.run import Outcome


@pytest.mark.timeout(1500)
def test_in_the_end_the_cluster_is_what_the_planner_says(outcome: Outcome, plan: Plan) -> None:
    print(f"figure: seed {plan.seed}: {outcome.figures}")
    assert not outcome.unfinished, f"of {len(plan.surviving)} Workspaces that are to be there:\n{outcome.unfinished}"


def test_no_node_was_bought_twice(outcome: Outcome) -> None:
    assert not outcome.doubled, f"made more often than given up: {outcome.doubled}"
    assert not outcome.beyond, f"no plan can have asked for these: {outcome.beyond}"


def test_nothing_is_left_of_what_is_gone(outcome: Outcome) -> None:
    assert not outcome.orphans, f"orphans: {outcome.orphans}"


def test_what_is_not_ours_was_not_touched(outcome: Outcome) -> None:
    assert not outcome.foreign, f"touched: {outcome.foreign}"


def test_a_seed_gives_the_same_run() -> None:
    assert plan_of(5, 20, 3) == plan_of(5, 20, 3)
    assert plan_of(5, 20, 3) != plan_of(6, 20, 3)
