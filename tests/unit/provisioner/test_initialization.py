"""A node counts as complete only with all it promised."""

from dataclasses import replace
from typing import Any

import pytest

from controller.api.claims import Taint
from controller.api.conditions import Condition
from controller.api.reasons import Reason
from provisioner.initialization import initialize
from provisioner.steps import PatchNode
from tests.unit.provisioner.builders import machine, node, pool, seen

REGISTERED = Condition("MachineRegistered", "True", Reason.REGISTERED)
DONE = ["Launched", "Registered"]
BOOT = Taint("boot", "", "NoSchedule")


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        ([], Reason.NODE_NOT_FOUND),
        ([node(ready=False)], Reason.NODE_NOT_READY),
        ([node(taints=[BOOT])], Reason.STARTUP_TAINTS_EXIST),
        ([node(taints=[Taint("node.kubernetes.io/not-ready", "", "NoExecute")])], Reason.EPHEMERAL_TAINTS_EXIST),
        ([node(taints=[Taint("readiness.k8s.io/network", "pending", "NoSchedule")])], Reason.EPHEMERAL_TAINTS_EXIST),
        ([node(gpus=0)], Reason.GPUS_NOT_ADVERTISED),
    ],
)
def test_each_thing_missing_is_named(nodes: list[Any], reason: Reason) -> None:
    stored = machine(done=DONE, startupTaints=[BOOT.as_json()])
    (condition,) = initialize(seen(stored, pool=pool(), nodes=nodes), REGISTERED).conditions
    assert (condition.status, condition.reason) == ("Unknown", reason)


def test_a_requested_resource_must_show_except_storage_which_no_node_has() -> None:
    stored = machine(done=DONE, resources={"requests": {"storage": "87G", "example.com/fpga": "1"}})
    (condition,) = initialize(seen(stored, pool=pool(), nodes=[node()]), REGISTERED).conditions
    assert condition.reason == Reason.RESOURCE_NOT_REGISTERED
    assert "example.com/fpga" in condition.message


SLICES = {"nvidia.com/gpu": "0", "nvidia.com/mig-1g.12gb": "7"}
SLICED = {"annotations": {"kaito.sh/gpu-instance-profile": "MIG1g"}}
A_GPU = {"resources": {"requests": {"nvidia.com/gpu": "1"}}}


@pytest.mark.parametrize(
    ("options", "shown", "reason"),
    [
        (SLICED, SLICES, Reason.INITIALIZED),
        ({**SLICED, **A_GPU}, SLICES, Reason.INITIALIZED),
        (SLICED, {"nvidia.com/gpu": "7"}, Reason.INITIALIZED),
        (SLICED, {"nvidia.com/gpu": "0", "nvidia.com/mig-1g.12gb": "0"}, Reason.GPUS_NOT_ADVERTISED),
        ({}, SLICES, Reason.GPUS_NOT_ADVERTISED),
        (A_GPU, SLICES, Reason.RESOURCE_NOT_REGISTERED),
    ],
    ids=["slices", "slices for a request of GPUs", "slices that are called GPUs", "none yet", "unasked", "unrequested"],
)
def test_slices_stand_for_the_gpus_of_a_claim_that_asks_for_them(
    options: dict[str, Any], shown: dict[str, str], reason: Reason
) -> None:
    sliced = replace(node(gpus=0), allocatable=shown)
    (condition,) = initialize(seen(machine(done=DONE, **options), pool=pool(), nodes=[sliced]), REGISTERED).conditions
    assert condition.reason == reason


def test_after_the_deadline_the_condition_names_what_was_waited_for_and_how_long() -> None:
    step = initialize(seen(machine(done=DONE), pool=pool(), nodes=[node(gpus=0)], after=1300), REGISTERED)
    (condition,) = step.conditions
    assert (condition.status, condition.reason) == ("False", Reason.INITIALIZATION_TIMEOUT)
    assert "20 min" in condition.message
    assert "0 of 1 nvidia.com/gpu" in condition.message
    assert len(condition.message) <= 600


def test_a_complete_node_is_labelled_and_the_claim_initialized() -> None:
    step = initialize(seen(machine(done=DONE), pool=pool(), nodes=[node(initialized=False)]), REGISTERED)
    assert step.conditions[0].status == "True"
    assert isinstance(step.action, PatchNode)
    assert step.action.patch["metadata"]["labels"] == {"karpenter.sh/initialized": "true"}


def test_once_initialized_a_fading_gpu_does_not_undo_it() -> None:
    step = initialize(seen(machine(done=[*DONE, "Initialized"]), pool=pool(), nodes=[node(gpus=0)]), REGISTERED)
    assert (step.conditions[0].status, step.action) == ("True", None)


def test_a_node_that_came_back_without_its_label_gets_it_again() -> None:
    stored = machine(done=[*DONE, "Initialized"])
    step = initialize(seen(stored, pool=pool(), nodes=[node(initialized=False)]), REGISTERED)
    assert step.conditions[0].status == "True"
    assert isinstance(step.action, PatchNode)
    assert step.action.patch["metadata"]["labels"] == {"karpenter.sh/initialized": "true"}


def test_a_node_that_came_back_is_not_labelled_before_it_is_complete() -> None:
    stored = machine(done=[*DONE, "Initialized"])
    step = initialize(seen(stored, pool=pool(), nodes=[node(initialized=False, ready=False)]), REGISTERED)
    assert (step.conditions[0].status, step.action) == ("True", None)
