from controller.api import labels
from controller.api.json import Json
from hack.demo.phases import Scene, phases

WORKSPACE: Json = {"metadata": {"name": "phi"}}
READY = {"type": "Ready", "status": "True", "reason": "Ready"}


def shown(scene: Scene) -> dict[str, tuple[bool, str]]:
    return {phase.name: (phase.done, phase.detail) for phase in phases(scene)}


def test_before_anything_happened_every_phase_waits() -> None:
    found = shown(Scene(WORKSPACE))
    assert list(found) == ["Machine", "Agent pool", "Node", "GPU", "Pod", "Workspace"]
    assert not any(done for done, _ in found.values())


def test_every_phase_is_done_when_the_workspace_is_ready() -> None:
    node = {
        "metadata": {"name": "n"},
        "status": {"conditions": [READY], "allocatable": {labels.NVIDIA_GPU: "1"}},
    }
    scene = Scene(
        workspace={**WORKSPACE, "status": {"conditions": [{**READY, "type": "WorkspaceReady"}]}},
        machines=({"metadata": {"name": "m"}, "status": {"conditions": [READY]}},),
        pools=({"name": "m", "properties": {"provisioningState": "Succeeded"}},),
        nodes=(node,),
        pods=({"metadata": {"name": "p"}, "status": {"conditions": [READY], "phase": "Running"}},),
    )
    assert all(done for done, _ in shown(scene).values()), shown(scene)


def test_a_failed_pool_shows_its_state() -> None:
    pool = {"name": "m", "properties": {"provisioningState": "Failed"}}
    assert shown(Scene(WORKSPACE, pools=(pool,)))["Agent pool"] == (False, "m: Failed")


def test_a_waiting_container_is_told_before_the_pods_phase() -> None:
    waiting = {"state": {"waiting": {"reason": "ImagePullBackOff"}}}
    pod = {"metadata": {"name": "p"}, "status": {"phase": "Pending", "containerStatuses": [waiting]}}
    assert shown(Scene(WORKSPACE, pods=(pod,)))["Pod"] == (False, "p ImagePullBackOff, 0 of 1 ready")
