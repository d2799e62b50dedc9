"""Pods of StatefulSets and Jobs that never come to run are told, which nothing else would do."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from controller.api.json import Json
from controller.planning.lateness import COME_SECONDS, FETCH_SECONDS, overdue, waits
from controller.planning.moments import read
from controller.planning.observed import Observed

BORN, PLACED_AT, FETCHED_AT = "2026-01-05T10:00:00Z", "2026-01-05T11:00:00Z", "2026-01-05T13:00:00Z"
PLACED = {"type": "PodScheduled", "status": "True", "lastTransitionTime": PLACED_AT}
PREPARED = {"type": "PodReadyToStartContainers", "status": "True"}
MAKES: Json = {"name": "phi", "state": {"waiting": {"reason": "ContainerCreating"}}}
RUNS: Json = {"name": "phi", "state": {"running": {"startedAt": FETCHED_AT}}}
FETCHES: Json = {"name": "fetch", "started": True, "state": {"running": {"startedAt": PLACED_AT}}}
FETCHED: Json = {"name": "fetch", "state": {"terminated": {"exitCode": 0, "finishedAt": FETCHED_AT}}}
STAYS: Json = {"name": "push", "started": True, "state": {"running": {"startedAt": PLACED_AT}}}
JOB: Json = {
    "metadata": {"name": "phi"},
    "spec": {
        "template": {"spec": {"initContainers": [{"name": "push", "restartPolicy": "Always"}, {"name": "fetch"}]}}
    },
}


def after(since: str, seconds: float) -> datetime:
    moment = read(since)
    assert moment is not None
    return moment + timedelta(seconds=seconds)


def pod(container: Json, *initial: Json, conditions: tuple[Json, ...] = (PLACED, PREPARED), **metadata: Any) -> Json:
    status = {"containerStatuses": [container], "initContainerStatuses": list(initial), "conditions": list(conditions)}
    return {"metadata": {"name": "phi-0", "creationTimestamp": BORN, **metadata}, "status": status}


def seen(found: Json, since: str, seconds: float, kind: str = "Job") -> Observed:
    return Observed(objects={(kind, "phi"): JOB}, pods=(found,), now=after(since, seconds))


@pytest.mark.parametrize("kind", ["Job", "StatefulSet"])
@pytest.mark.parametrize(
    ("found", "since", "limit", "at"),
    [
        (pod(MAKES), PLACED_AT, COME_SECONDS, "pulls its image"),
        (pod(MAKES, STAYS), PLACED_AT, COME_SECONDS, "pulls its image"),
        (pod(MAKES, STAYS, FETCHES), PLACED_AT, FETCH_SECONDS, "is prepared by its container fetch"),
        (pod(MAKES, STAYS, FETCHED), FETCHED_AT, COME_SECONDS, "pulls its image"),
        (pod(MAKES, conditions=()), BORN, COME_SECONDS, "pulls its image"),
    ],
    ids=["image", "image beside a sidecar", "data", "image after the data", "nobody places it"],
)
def test_each_step_of_a_start_has_its_time(kind: str, found: Json, since: str, limit: int, at: str) -> None:
    early, late = seen(found, since, limit - 1, kind), seen(found, since, limit, kind)
    assert (overdue(early), waits(early)) == ("", [1.0])
    assert overdue(late) == f"pod phi-0 {at}, for more than {limit // 60} min: since {since}"
    assert waits(late) == [], "a look at it again brings nothing new"


@pytest.mark.parametrize(
    "fine",
    [
        pod(RUNS),
        pod({**MAKES, "restartCount": 1}),
        pod({"name": "phi", "state": {"terminated": {"exitCode": 1}}}),
        pod(MAKES, deletionTimestamp=BORN),
        pod(MAKES, conditions=({"type": "Ready", "status": "True"},)),
    ],
    ids=["runs", "has run", "ended", "leaves", "ready"],
)
def test_a_pod_that_ran_once_or_goes_is_not_late(fine: Json) -> None:
    found = seen(fine, FETCHED_AT, 1e6)
    assert (overdue(found), waits(found)) == ("", [])


def test_a_deployment_has_a_deadline_of_its_own() -> None:
    found = seen(pod(MAKES), FETCHED_AT, 1e6, "Deployment")
    assert (overdue(found), waits(found)) == ("", [])
