"""What is said of a Workspace that cannot go on, and which free nodes it does not count on."""

from pathlib import Path

import pytest

from controller.api.claims import CLAIM_KINDS, MACHINE, ClaimKind
from controller.api.messages import Problem
from controller.api.reasons import Reason
from controller.api.workspace import Workspace, parse_workspace
from controller.planning.observed import Observed
from controller.planning.plan import Plan, make_plan
from controller.planning.revisions import Wish
from controller.planning.target import Target
from controller.reconcilers.occupancy import MOST_LOOKED_AT
from controller.reconcilers.workspace import Work, _finished, _without_occupied, _work
from tests.unit.planning.builders import GPU, node, workspace_object
from tests.unit.planning.rendering.kit import target_of, tuned
from tests.unit.reconcilers.kit import Stand, stand
from tests.unit.runtime.scripted_server import Reply, answer


@pytest.mark.parametrize("kind", CLAIM_KINDS, ids=lambda kind: kind.resource.kind)
def test_a_run_that_is_over_is_told_of_in_the_words_of_the_claims_in_use(kind: ClaimKind) -> None:
    lost = Problem(Reason.CONFIG_MAP_NOT_FOUND, "tuning.config", "the ConfigMap c is not there")
    view = _finished(parse_workspace(tuned()), kind, Observed(trained=True), [lost])
    told = {each.type: each for each in view.conditions}
    of_nodes = "MachineReady" if kind == MACHINE else "NodeClaimReady"
    assert {"MachineReady", "NodeClaimReady"} & told.keys() == {of_nodes}
    assert told["WorkspaceSucceeded"].status == "True", "what is over stays over"
    assert (view.count, view.nodes) == (0, ())


def pods(*gpus: str) -> Reply:
    """Pods of somebody else that ask for so many GPUs."""
    items = [
        {"metadata": {"name": f"p{n}"}, "spec": {"containers": [{"resources": {"requests": {GPU: each}}}]}}
        for n, each in enumerate(gpus)
    ]
    return answer({"metadata": {"resourceVersion": "9"}, "items": items})


async def looked_at(place: Stand, free: int) -> Work:
    """The example's work once the free nodes it would take have been looked at."""
    obj, nodes = workspace_object(), tuple(node(f"n{number:02}") for number in range(free))
    work = _work(parse_workspace(obj), obj, target_of(obj), Observed(nodes=nodes), Wish("pods", "whole"))
    return await _without_occupied(place.context, work)


async def test_the_next_free_node_is_looked_at_in_the_place_of_one_in_use(tmp_path: Path) -> None:
    async with stand(tmp_path, pods("1"), pods()) as place:
        plan = (await looked_at(place, 3)).plan.nodes
        assert ([each.name for each in plan.take], plan.create, len(place.requests)) == (["n01"], (), 2)


async def test_no_more_than_so_many_nodes_are_looked_at_before_one_is_made(tmp_path: Path) -> None:
    async with stand(tmp_path, *(pods("1") for _ in range(MOST_LOOKED_AT))) as place:
        plan = (await looked_at(place, MOST_LOOKED_AT + 5)).plan.nodes
        assert (plan.take, plan.create, len(place.requests)) == ((), (0,), MOST_LOOKED_AT)


async def test_nodes_beyond_those_looked_at_are_ruled_out_in_one_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans: list[Observed] = []

    def counted(workspace: Workspace, target: Target, observed: Observed, *rest: str, certain: bool) -> Plan:
        plans.append(observed)
        return make_plan(workspace, target, observed, *rest, certain=certain)

    monkeypatch.setattr("controller.reconcilers.workspace.make_plan", counted)
    async with stand(tmp_path, *(pods("1") for _ in range(MOST_LOOKED_AT))) as place:
        plan = (await looked_at(place, 10 * MOST_LOOKED_AT)).plan.nodes
    assert (plan.take, plan.create) == ((), (0,))
    assert len(plans) == 1 + MOST_LOOKED_AT + 1, "the first, one for each node in use, and one without all the rest"
