import pytest

from controller.api.conditions import Condition
from controller.reconcilers.story import NORMAL, WARNING, severity


@pytest.mark.parametrize(
    ("status", "reason", "type_"),
    [
        ("True", "WorkspaceReady", NORMAL),
        ("False", "AgentPoolCreating", NORMAL),
        ("False", "PodsPending", NORMAL),
        ("False", "SubscriptionQuotaReached", WARNING),
        ("False", "ImagePullFailed", WARNING),
        ("False", "ForeignObject", WARNING),
        ("False", "WordsOfAnotherProvisioner", NORMAL),
    ],
)
def test_only_what_people_must_act_on_is_a_warning(status: str, reason: str, type_: str) -> None:
    assert severity(Condition("Ready", status, reason)) == type_
