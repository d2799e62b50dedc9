import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api import labels
from controller.api.claims import (
    CLAIM_KINDS,
    DEFAULT_NODE_CLASS,
    MACHINE,
    NODE_CLAIM,
    ClaimKind,
    NodeClass,
    parse_claim,
)
from controller.planning.claims import Order, claim_name, free_ordinals, render_claim
from provisioner.claims import claim_is_ours
from provisioner.offerings import Place
from provisioner.sizes import catalogue_sizes
from provisioner.wish import Wish, wish_of
from tests.unit.planning.builders import UID, V100, claim, workspace

ORDER = Order(MACHINE, (V100,), "amd64", 88)


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
    machine = render_claim(workspace(), 0, ORDER)
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
    machine = render_claim(workspace(metadata=named), 0, ORDER)
    assert machine["metadata"]["annotations"] == {labels.NODE_IMAGE_FAMILY: "azurelinux"}
    assert "annotations" not in render_claim(workspace(), 0, ORDER)["metadata"]


def test_the_selector_reaches_the_node_but_never_overrides_ownership() -> None:
    selector = {"matchLabels": {"apps": "phi-3", labels.WORKSPACE: "other", labels.WORKSPACE_UID: "other"}}
    owner = workspace(resource={"instanceType": V100, "labelSelector": selector})
    found = render_claim(owner, 3, ORDER)["metadata"]["labels"]
    assert found["apps"] == "phi-3"
    assert (found[labels.WORKSPACE], found[labels.WORKSPACE_UID]) == ("phi", UID)
    assert found[labels.CLAIM_ORDINAL] == "3"


def test_a_node_claim_asks_for_what_any_provisioner_of_karpenter_core_reads() -> None:
    node_class = NodeClass("karpenter.azure.com", "AKSNodeClass", "gpu")
    obj = render_claim(workspace(), 0, replace(ORDER, kind=NODE_CLAIM, node_class=node_class))
    read = parse_claim(obj, NODE_CLAIM)
    assert (obj["apiVersion"], obj["kind"]) == ("karpenter.sh/v1", "NodeClaim")
    assert read.node_class == node_class
    assert read.labels["karpenter.azure.com/aksnodeclass"] == "gpu"
    assert read.labels[labels.NODE_POOL] == "kaito"
    assert read.annotations == {labels.DO_NOT_DISRUPT: "true"}
    assert [taint.text for taint in read.taints] == ["sku=gpu:NoSchedule"]
    assert obj["spec"]["expireAfter"] == "Never", "by default Karpenter replaces a node after 30 days"


@pytest.mark.parametrize(
    ("node_class", "disk"),
    [
        (DEFAULT_NODE_CLASS, "storage"),
        (NodeClass("karpenter.azure.com", "AKSNodeClass", "default"), "ephemeral-storage"),
        (NodeClass("karpenter.k8s.aws", "EC2NodeClass", "default"), "ephemeral-storage"),
    ],
    ids=lambda each: each if isinstance(each, str) else each.group,
)
def test_the_spec_of_a_node_claim_speaks_to_the_provisioner_of_its_class(node_class: NodeClass, disk: str) -> None:
    order = replace(ORDER, kind=NODE_CLAIM, node_class=node_class)
    assert render_claim(workspace(), 0, order)["spec"] == {
        "nodeClassRef": {"group": node_class.group, "kind": node_class.kind, "name": "default"},
        "expireAfter": "Never",
        "requirements": [
            {"key": labels.INSTANCE_TYPE, "operator": "In", "values": [V100]},
            {"key": labels.NODE_POOL, "operator": "In", "values": ["kaito"]},
            {"key": labels.ARCH, "operator": "In", "values": ["amd64"]},
            {"key": labels.OS, "operator": "In", "values": ["linux"]},
        ],
        "resources": {"requests": {disk: "88Gi"}},
        "taints": [{"key": "sku", "value": "gpu", "effect": "NoSchedule"}],
    }, "Karpenter's core makes a node only of an instance type that has all that is asked for"


@pytest.mark.parametrize("kind", CLAIM_KINDS, ids=lambda kind: kind.resource.kind)
def test_wishes_become_requirements_in_the_order_they_were_written(kind: ClaimKind) -> None:
    sizes, zones, paid = ("Standard_B", "Standard_A"), ("eastus-2", "eastus-1"), ("spot", "on-demand")
    order = replace(ORDER, kind=kind, instance_types=sizes, zones=zones, capacity_types=paid)
    read = parse_claim(render_claim(workspace(), 0, order), kind)
    assert read.instance_types == sizes
    assert (read.required_values(labels.ZONE), read.required_values(labels.CAPACITY_TYPE)) == (zones, paid)


@pytest.mark.parametrize("kind", CLAIM_KINDS, ids=lambda kind: kind.resource.kind)
def test_without_wishes_zone_and_payment_are_the_provisioners_choice(kind: ClaimKind) -> None:
    keys = {
        each.key for each in parse_claim(render_claim(workspace(), 0, replace(ORDER, kind=kind)), kind).requirements
    }
    assert not keys & {labels.ZONE, labels.CAPACITY_TYPE}


@pytest.mark.parametrize("kind", CLAIM_KINDS, ids=lambda kind: kind.resource.kind)
def test_the_projects_own_provisioner_understands_every_claim(kind: ClaimKind) -> None:
    order = Order(kind, (V100, "Standard_NC12s_v3"), "amd64", 88, ("eastus-2", "eastus-1"), ("spot", "on-demand"))
    read = parse_claim(render_claim(workspace(), 0, order), kind)
    wish = wish_of(read, catalogue_sizes(), Place("eastus"))
    assert isinstance(wish, Wish), f"refused: {wish}"
    assert claim_is_ours(read, None)
    assert [(each.size, each.capacity_type, each.zone) for each in wish.offerings] == [
        (size, paid, zone) for size in order.instance_types for paid in order.capacity_types for zone in ("2", "1")
    ]
    assert wish.labels[labels.WORKSPACE_UID] == UID
