"""Every fault is told where people look, as the table says, and the Workspace goes on when its cause is gone."""

import pytest

from hack.docs.faults import FAULTS
from tests.faults_table.runs import INJECTIONS, Outcome


def test_every_row_is_made_to_happen() -> None:
    assert INJECTIONS.keys() == FAULTS.keys()


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_and_its_end_heals_the_workspace(outcomes: dict[str, Outcome], name: str) -> None:
    outcome = outcomes[name]
    if outcome.seconds is not None:
        print(f"figure: {name}: {FAULTS[name].reason} on the Workspace {outcome.seconds:.1f} s after it could be read")
    assert not outcome.problem, outcome.problem
