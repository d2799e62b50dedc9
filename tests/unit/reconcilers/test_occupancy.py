"""A free node is taken only if the GPUs on it are free, too."""

from pathlib import Path
from typing import Any

import pytest

from controller.api import labels
from controller.api.json import Json
from controller.reconcilers.occupancy import devices_of, find_occupied
from tests.unit.planning.builders import GPU, demand, node, workspace
from tests.unit.reconcilers.kit import stand
from tests.unit.runtime.scripted_server import answer

OWN = {labels.WORKSPACE: "phi"}


def asking(gpus: int, **more: Any) -> Json:
    return {"resources": {"requests": {GPU: str(gpus)}}, **more}


def pod(*containers: Json, phase: str = "Running", namespace: str = "default", **found: str) -> Json:
    metadata = {"name": "p", "namespace": namespace, "labels": found}
    return {"metadata": metadata, "spec": {"containers": list(containers)}, "status": {"phase": phase}}


@pytest.mark.parametrize(
    ("pods", "occupied", "remembered"),
    [
        ([], False, False),
        ([pod(asking(1))], True, True),
        ([pod(asking(1), phase="Pending")], True, True),
        ([pod(asking(1), phase="Succeeded")], False, False),
        ([pod({"name": "device-plugin"})], False, False),
        ([pod(asking(1), **OWN)], False, False),
        ([pod(asking(1), namespace="elsewhere", **OWN)], True, False),
    ],
    ids=["empty", "running", "just bound", "ended", "asks for none", "our own", "a namesake's, whose end is watched"],
)
async def test_a_node_is_occupied_while_pods_of_others_hold_its_gpus(
    tmp_path: Path, pods: list[Json], occupied: bool, remembered: bool
) -> None:
    async with stand(tmp_path, answer({"metadata": {"resourceVersion": "9"}, "items": pods})) as place:
        found = await find_occupied(place.context, workspace(), demand(), [node("n")])
        assert (bool(found), bool(place.context.occupied(demand()))) == (occupied, remembered)
        assert [(seen.path, seen.query["fieldSelector"]) for seen in place.server.seen] == [
            ("/api/v1/pods", "spec.nodeName=n")
        ]


async def test_gpus_that_are_left_may_be_enough(tmp_path: Path) -> None:
    one_used = answer({"metadata": {"resourceVersion": "9"}, "items": [pod(asking(1))]})
    async with stand(tmp_path, one_used) as place:
        assert not await find_occupied(place.context, workspace(), demand(), [node("n", allocatable={GPU: "2"})])


@pytest.mark.parametrize(
    ("spec", "devices"),
    [
        ({}, 0),
        ({"containers": [asking(2), asking(1)]}, 3),
        ({"containers": [asking(1)], "initContainers": [asking(4)]}, 4),
        ({"containers": [asking(1)], "initContainers": [asking(1, restartPolicy="Always")]}, 2),
        ({"containers": [{"resources": {"requests": {GPU: "nonsense"}}}]}, 0),
    ],
)
def test_devices_are_counted_as_the_scheduler_counts_them(spec: Json, devices: int) -> None:
    assert devices_of({"spec": spec}, GPU) == devices
