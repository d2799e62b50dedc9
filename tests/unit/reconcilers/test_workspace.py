"""What is said of a Workspace that cannot go on."""

import pytest

from controller.api.claims import CLAIM_KINDS, MACHINE, ClaimKind
from controller.api.messages import Problem
from controller.api.reasons import Reason
from controller.api.workspace import parse_workspace
from controller.planning.observed import Observed
from controller.reconcilers.workspace import _finished
from tests.unit.planning.rendering.kit import tuned


@pytest.mark.parametrize("kind", CLAIM_KINDS, ids=lambda kind: kind.resource.kind)
def test_a_run_that_is_over_is_told_of_in_the_words_of_the_claims_in_use(kind: ClaimKind) -> None:
    lost = Problem(Reason.CONFIG_MAP_NOT_FOUND, "tuning.config", "the ConfigMap c is not there")
    view = _finished(parse_workspace(tuned()), kind, Observed(trained=True), [lost])
    told = {each.type: each for each in view.conditions}
    of_nodes = "MachineReady" if kind == MACHINE else "NodeClaimReady"
    assert {"MachineReady", "NodeClaimReady"} & told.keys() == {of_nodes}
    assert told["WorkspaceSucceeded"].status == "True", "what is over stays over"
    assert (view.count, view.nodes) == (0, ())
