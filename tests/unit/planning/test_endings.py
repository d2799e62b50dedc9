"""A pod that does not end is told once it keeps another from taking its place."""

from datetime import timedelta
from typing import Any

import pytest

from controller.api.json import Json
from controller.api.messages import TEXT_LIMIT
from controller.api.reasons import Reason, needs_people
from controller.planning.endings import BEYOND_SECONDS, patience, unended
from controller.planning.moments import read
from controller.planning.pods import first_trouble

UNTIL = "2026-01-05T10:00:00Z"
MOMENT = read(UNTIL) or pytest.fail("unreadable")
LATE = MOMENT + timedelta(seconds=BEYOND_SECONDS)
TWO: Json = {"spec": {"replicas": 2}}


def pod(name: str, host: str = "gone", phase: str = "Running", **metadata: Any) -> Json:
    spec = {"nodeName": host} if host else {}
    return {"metadata": {"name": name, "namespace": "team", **metadata}, "spec": spec, "status": {"phase": phase}}


HANGS = pod("phi-1", deletionTimestamp=UNTIL)


def test_it_is_told_with_what_to_do_once_its_node_had_time_enough() -> None:
    for seconds in (-7200.0, 0.0, BEYOND_SECONDS - 1):
        assert unended([HANGS], {}, MOMENT + timedelta(seconds=seconds)) is None
    assert patience(HANGS, MOMENT) == BEYOND_SECONDS
    trouble = unended([HANGS], {}, LATE)
    assert trouble is not None
    assert (trouble.reason, needs_people(trouble.reason)) == (Reason.POD_DELETION_STUCK, True)
    for word in ("pod phi-1", UNTIL, "kubectl delete node gone", "kubectl -n team delete pod phi-1 --force"):
        assert word in trouble.message
    assert len(trouble.message) < TEXT_LIMIT
    assert patience(HANGS, LATE) == 0


@pytest.mark.parametrize(
    ("others", "workload", "told"),
    [
        ([], {}, True),
        ([pod("phi-0", "well")], TWO, True),
        ([pod("phi-2", "")], {}, True),
        ([pod("phi-2", "well", "Failed")], {}, True),
        ([pod("phi-2", "well")], {}, False),
        ([pod("phi-0", "well"), pod("phi-2", "well")], TWO, False),
    ],
    ids=["none follows", "of two one is left", "no place", "failed", "it is replaced", "both are there"],
)
def test_it_matters_only_while_nothing_has_taken_its_place(others: list[Json], workload: Json, told: bool) -> None:
    assert (unended([HANGS, *others], workload, LATE) is not None) is told


def test_what_ended_is_no_pod_that_hangs() -> None:
    assert unended([{**HANGS, "status": {"phase": "Succeeded"}}], {}, LATE) is None


def test_it_is_told_before_what_its_fellows_suffer_from_that() -> None:
    crashed = {"waiting": {"reason": "CrashLoopBackOff"}}
    leader = pod("phi-0", "well")
    leader["status"]["containerStatuses"] = [{"name": "phi", "restartCount": 3, "state": crashed}]
    trouble = first_trouble([leader, HANGS], TWO, now=LATE)
    assert trouble is not None
    assert trouble.reason is Reason.POD_DELETION_STUCK
