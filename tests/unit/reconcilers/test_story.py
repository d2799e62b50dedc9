from typing import Any

import pytest

from controller.api.conditions import Condition
from controller.api.json import Json
from controller.reconcilers.story import NORMAL, WARNING, severity, tell


class Heard:
    """Keeps what would be recorded."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, str]] = []

    def event(self, regarding: Json, *, type: str, reason: str, note: str, **more: Any) -> None:  # noqa: A002
        del regarding, more
        self.events.append((type, reason, note))


def held(**conditions: tuple[str, str, str]) -> Json:
    """A Workspace with conditions: status, reason and message by type."""
    listed = [{"type": t, "status": s, "reason": r, "message": m} for t, (s, r, m) in conditions.items()]
    return {"metadata": {"name": "phi"}, "status": {"conditions": listed}}


def told(before: Json, after: Json) -> list[tuple[str, str, str]]:
    heard: Any = Heard()
    tell(heard, before, after["status"])
    events: list[tuple[str, str, str]] = heard.events
    return events


WAITS = held(
    ResourceReady=("True", "ResourcesReady", "1 of 1 node ready"),
    InferenceReady=("False", "PodsPending", "0 of 1 pod ready"),
    WorkspaceReady=("False", "PodsPending", "InferenceReady: 0 of 1 pod ready"),
    Ready=("False", "PodsPending", "InferenceReady: 0 of 1 pod ready"),
)
CRASHES = held(
    ResourceReady=("True", "ResourcesReady", "1 of 1 node ready"),
    InferenceReady=("False", "ContainerCrashing", "exit code 1, 1 restart"),
    WorkspaceReady=("False", "ContainerCrashing", "InferenceReady: exit code 1, 1 restart"),
    Ready=("False", "ContainerCrashing", "InferenceReady: exit code 1, 1 restart"),
)


def test_a_cause_that_several_conditions_share_is_told_once_and_by_the_first_of_them() -> None:
    assert told(WAITS, CRASHES) == [(WARNING, "ContainerCrashing", "InferenceReady: exit code 1, 1 restart")]


def test_a_training_run_that_begins_is_told_once_and_one_that_fails_is_warned_of() -> None:
    starts = held(
        JobStarted=("False", "PodsPending", "the pod is being made"),
        WorkspaceSucceeded=("False", "PodsPending", "the pod is being made"),
    )
    runs = held(
        JobStarted=("True", "TrainingRunning", "the training run is under way"),
        WorkspaceSucceeded=("False", "TrainingRunning", "the training run is under way"),
    )
    failed = held(
        JobStarted=("True", "TrainingFailed", "no data"), WorkspaceSucceeded=("False", "TrainingFailed", "no data")
    )
    assert told(starts, runs) == [(NORMAL, "TrainingRunning", "JobStarted: the training run is under way")]
    assert (WARNING, "TrainingFailed", "WorkspaceSucceeded: no data") in told(runs, failed)


def test_what_changes_in_words_alone_is_no_event() -> None:
    again = held(
        InferenceReady=("False", "ContainerCrashing", "exit code 1, 2 restarts"),
        WorkspaceReady=("False", "ContainerCrashing", "InferenceReady: exit code 1, 2 restarts"),
    )
    assert told(CRASHES, again) == []


def test_what_is_well_again_is_told_in_the_order_of_the_start() -> None:
    serves = held(
        ResourceReady=("True", "ResourcesReady", ""),
        WorkspaceReady=("True", "WorkspaceReady", ""),
        InferenceReady=("True", "InferenceReady", "1 of 1 pod ready"),
    )
    assert [reason for _, reason, _ in told(CRASHES, serves)] == ["InferenceReady", "WorkspaceReady"]


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
