"""The page of conditions leaves none out."""

import re

import pytest

from controller.api.claims import MACHINE, NODE_CLAIM, READY
from controller.api.workspace import ConditionType
from hack.docs.conditions_page import MACHINES, NODE_CLAIMS, WORKSPACE
from hack.docs.pages import REPOSITORY

DEPARTURE = REPOSITORY / "provisioner" / "departure.py"


def test_every_condition_of_a_workspace_is_explained_in_the_order_it_is_shown() -> None:
    assert list(WORKSPACE) == list(ConditionType)


@pytest.mark.parametrize(("kind", "explained"), [(MACHINE, MACHINES), (NODE_CLAIM, NODE_CLAIMS)])
def test_what_makes_a_claim_ready_is_explained_first(kind: object, explained: dict[str, object]) -> None:
    assert isinstance(kind, type(MACHINE))
    assert list(explained)[:4] == [*kind.dependents, READY]


def test_every_condition_of_a_removal_is_explained() -> None:
    named = set(re.findall(r'^[A-Z_]+: Final = "(\w+)"$', DEPARTURE.read_text(encoding="utf-8"), re.MULTILINE))
    assert named, "the provisioner names its conditions of a removal somewhere else now"
    assert named == set(NODE_CLAIMS) - {*NODE_CLAIM.dependents, READY}
