"""What a claim shows while it is being removed."""

from typing import Any

import pytest

from controller.api.claims import NODE_CLAIM, parse_claim
from controller.api.json import Json
from controller.api.reasons import Reason
from provisioner.departure import Stage, departing, stage_shown
from tests.unit.provisioner.builders import claim, condition, node_claim

DONE = ("Launched", "Registered", "Initialized")
EMPTIED = {"Drained": ("True", "Drained"), "VolumesDetached": ("True", "VolumesDetached")}
GONE_SO_FAR = [condition("Drained", "True", "Drained")]


def shown(stage: Stage, reason: Reason, **options: Any) -> dict[str, tuple[str, str]]:
    """Status and reason by type, of a NodeClaim."""
    found = departing(parse_claim(node_claim(**options), NODE_CLAIM), stage, reason, "words")
    return {each.type: (each.status, each.reason) for each in found}


@pytest.mark.parametrize(
    ("stage", "reason", "expected"),
    [
        (Stage.UNSEEN, Reason.INSTANCE_TERMINATING, {"InstanceTerminating": ("Unknown", "InstanceTerminating")}),
        (Stage.DRAINING, Reason.DRAINING, {"Drained": ("Unknown", "Draining")}),
        (Stage.DRAINING, Reason.OBJECT_REFUSED, {"Drained": ("Unknown", "ObjectRefused")}),
        (
            Stage.DETACHING,
            Reason.AWAITING_VOLUME_DETACHMENT,
            {"Drained": ("True", "Drained"), "VolumesDetached": ("Unknown", "AwaitingVolumeDetachment")},
        ),
        (
            Stage.REMOVING,
            Reason.INSTANCE_TERMINATING,
            {**EMPTIED, "InstanceTerminating": ("True", "InstanceTerminating")},
        ),
        (
            Stage.REMOVING,
            Reason.THROTTLED,
            {**EMPTIED, "InstanceTerminating": ("Unknown", "Throttled")},
        ),
    ],
)
def test_a_node_claim_tells_how_far_it_has_gone(
    stage: Stage, reason: Reason, expected: dict[str, tuple[str, str]]
) -> None:
    found = shown(stage, reason, done=DONE)
    assert {type_: each for type_, each in found.items() if type_ not in (*DONE, "Ready")} == expected
    assert found["Ready"] == ("True", "Ready"), "Ready goes on to say how it came to be"


def test_a_node_claim_that_never_had_a_node_drained_none() -> None:
    found = shown(Stage.REMOVING, Reason.INSTANCE_TERMINATING)
    assert "Drained" not in found
    assert found["Launched"] == ("Unknown", "AwaitingReconciliation")
    assert found["Ready"][0] == "Unknown"


def test_what_was_drained_stays_drained_while_the_cloud_is_silent() -> None:
    found = shown(Stage.UNSEEN, Reason.CLOUD_UNAVAILABLE, done=DONE, conditions=GONE_SO_FAR)
    assert found["Drained"] == ("True", "Drained")


ATTACHED = [condition("VolumesDetached", "Unknown", "AwaitingVolumeDetachment", message="disk")]
TOO_LATE = [condition("VolumesDetached", "False", "TerminationGracePeriodElapsed", message="disk")]


@pytest.mark.parametrize(
    ("before", "late", "status"),
    [(ATTACHED, False, "True"), (ATTACHED, True, "False"), (TOO_LATE, True, "False"), ([], True, "True")],
    ids=["detached in time", "time over", "over for a while", "none was attached"],
)
def test_a_volume_that_was_not_detached_in_time_stays_on_record(before: list[Json], late: bool, status: str) -> None:
    claim = parse_claim(node_claim(done=DONE, conditions=before), NODE_CLAIM)
    found = departing(claim, Stage.REMOVING, Reason.INSTANCE_TERMINATING, "words", late=late)
    (told,) = (each for each in found if each.type == "VolumesDetached")
    assert told.status == status
    assert (status == "False") is (told.reason == Reason.TERMINATION_GRACE_PERIOD_ELAPSED)


def test_a_machine_tells_it_in_ready() -> None:
    last = departing(claim(done=DONE), Stage.DRAINING, Reason.DRAINING, "words")[-1]
    assert (last.type, last.status, last.reason) == ("Ready", "False", Reason.DRAINING)


@pytest.mark.parametrize("stage", [Stage.DRAINING, Stage.DETACHING, Stage.REMOVING])
def test_the_stage_can_be_read_back(stage: Stage) -> None:
    conditions = departing(parse_claim(node_claim(done=DONE), NODE_CLAIM), stage, Reason.DRAINING, "words")
    assert stage_shown(conditions) is stage
