import re

from hypothesis import given
from hypothesis import strategies as st

from controller.api import labels
from controller.api.claims import parse_claim
from controller.planning.machines import claim_name, free_ordinals, render_machine
from tests.unit.planning.builders import UID, V100, claim, workspace


@given(st.uuids(), st.integers(min_value=0, max_value=1000))
def test_a_name_is_stable_and_valid_for_an_agent_pool(uid: object, ordinal: int) -> None:
    name = claim_name(str(uid), ordinal)
    assert name == claim_name(str(uid), ordinal)
    assert re.fullmatch(r"ws[0-9a-f]{9}", name), f"{name} is not 11 characters of [a-z0-9]"


def test_workspaces_and_ordinals_never_share_a_name() -> None:
    names = {claim_name(uid, ordinal) for uid in ("a", "b", "a/1") for ordinal in range(200)}
    assert len(names) == 600


@given(st.sets(st.integers(min_value=0, max_value=20), max_size=10), st.integers(min_value=0, max_value=5))
def test_the_lowest_ordinals_nobody_holds_are_used(held: set[int], count: int) -> None:
    owner = workspace()
    claims = [claim(owner, ordinal, deletion_time="2026-01-01T00:00:00Z") for ordinal in held]
    expected = [ordinal for ordinal in range(30) if ordinal not in held][:count]
    assert free_ordinals(UID, claims, count) == expected


def test_a_machine_asks_for_what_gpu_provisioner_reads() -> None:
    machine = render_machine(workspace(), 0, instance_type=V100, arch="amd64", disk_gib=88)
    read = parse_claim(machine)
    assert read.instance_types == (V100,)
    assert read.requests == {"storage": "88Gi"}
    assert [taint.text for taint in read.taints] == ["sku=gpu:NoSchedule"]
    assert machine["spec"]["machineTemplateRef"] == {"name": read.name}


def test_the_image_family_reaches_the_provisioner() -> None:
    named = {
        "name": "phi",
        "namespace": "default",
        "uid": UID,
        "annotations": {labels.NODE_IMAGE_FAMILY: " AzureLinux "},
    }
    machine = render_machine(workspace(metadata=named), 0, instance_type=V100, arch="amd64", disk_gib=88)
    assert machine["metadata"]["annotations"] == {labels.NODE_IMAGE_FAMILY: "azurelinux"}
    assert (
        "annotations" not in render_machine(workspace(), 0, instance_type=V100, arch="amd64", disk_gib=88)["metadata"]
    )


def test_the_selector_reaches_the_node_but_never_overrides_ownership() -> None:
    selector = {"matchLabels": {"apps": "phi-3", labels.WORKSPACE: "other", labels.WORKSPACE_UID: "other"}}
    owner = workspace(resource={"instanceType": V100, "labelSelector": selector})
    found = render_machine(owner, 3, instance_type=V100, arch="amd64", disk_gib=88)["metadata"]["labels"]
    assert found["apps"] == "phi-3"
    assert (found[labels.WORKSPACE], found[labels.WORKSPACE_UID]) == ("phi", UID)
    assert found[labels.CLAIM_ORDINAL] == "3"
