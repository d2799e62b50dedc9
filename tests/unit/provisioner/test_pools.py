"""What a pool tells, and whose it is."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.json import Json
from provisioner.nodes import Node
from provisioner.offerings import Offering
from provisioner.pools import Pool, belongs, born_together, parse_pool
from tests.unit.provisioner.builders import BORN, FOREIGN, NAME, PROVIDER_ID, SIZE, UID, claim, node, pool


@pytest.mark.parametrize(
    ("changes", "ours"),
    [
        ({}, True),
        ({"labels": {}}, True),
        ({"tags": {}}, True),
        (FOREIGN, False),
        ({"tags": {}, "labels": {"kaito.sh/workspace": "phi", "kaito.sh/workspacenamespace": "default"}}, True),
        ({"tags": {}, "labels": {"kaito.sh/workspace": "phi", "kaito.sh/workspacenamespace": "elsewhere"}}, False),
        (
            {
                "tags": {},
                "labels": {
                    "kaito.sh/workspace": "phi",
                    "kaito.sh/workspacenamespace": "default",
                    "kaito.sh/workspace-uid": "another",
                },
            },
            False,
        ),
    ],
    ids=["made by us", "tag only", "labels only", "foreign", "gpu-provisioner's", "other namespace", "other workspace"],
)
def test_a_pool_belongs_to_a_claim_by_tag_or_by_workspace(changes: dict[str, Any], ours: bool) -> None:
    assert belongs(pool(**changes), claim()) is ours


@pytest.mark.parametrize(
    ("made", "nodes", "ours"),
    [
        (pool(tags={"cost": "x"}, labels=BORN), [], True),
        (pool(tags={"cost": "x"}, labels={"kaito.sh/creation-timestamp": "2026-08-21T10-00-01Z"}), [], False),
        (pool(tags={"kaito-claim-uid": "another"}, labels=BORN), [node()], False),
        (pool(tags={"cost": "x"}, labels={"team": "x"}), [node()], True),
        (pool(tags={"cost": "x"}, labels={"team": "x"}), [node(owner="another")], False),
        (pool(tags={"cost": "x"}, labels={"team": "x"}), [node(provider_id="another")], False),
        (pool(tags={"cost": "x"}, labels={"team": "x"}), [], False),
        (pool(name="another", labels=BORN), [node()], False),
    ],
    ids=[
        "born with the claim",
        "born with another",
        "another's tag",
        "its node",
        "another's node",
        "another instance",
        "no mark left",
        "another name",
    ],
)
def test_a_pool_whose_tags_or_labels_were_replaced_is_known_by_any_mark_that_is_left(
    made: Pool, nodes: list[Node], ours: bool
) -> None:
    assert belongs(made, claim(labels={}, provider_id=PROVIDER_ID), nodes) is ours


def test_the_moment_of_creation_does_not_outweigh_another_owner() -> None:
    assert not born_together(pool(labels={**BORN, "kaito.sh/workspace": "another"}), claim())
    assert not born_together(pool(labels={"kaito.sh/creation-timestamp": ""}), replace(claim(), creation_time=""))


def test_a_pool_tells_who_made_it() -> None:
    assert (pool().claim_uid, pool().by_kaito) == (UID, True)
    gpu_provisioner = {"kaito.sh/workspace": "phi", "kaito.sh/machine-type": "gpu", "karpenter.sh/nodepool": "kaito"}
    made = pool(labels=gpu_provisioner, tags={})
    assert (made.claim_uid, made.by_kaito) == ("", True), "it may serve a NodeClaim that lives"
    assert not pool(labels={"kaito.sh/workspace": "phi"}).by_kaito, "a pool of the user's own may carry the label"
    plain = pool(labels={**BORN, "kaito.sh/machine-type": "gpu"}, tags={"cost": "x"})
    assert plain.by_kaito, "made for a claim of no Workspace, its tags replaced"


def test_a_pools_json_is_read_with_the_reason_of_its_failure() -> None:
    read = parse_pool(
        {
            "name": NAME,
            "properties": {
                "provisioningState": "Failed",
                "vmSize": SIZE,
                "nodeLabels": None,
                "status": {"provisioningError": {"code": "AllocationFailed", "message": "no room"}},
            },
        }
    )
    assert (read.name, read.failed, read.labels) == (NAME, True, {})
    assert read.fault is not None
    assert read.fault.code == "AllocationFailed"


def test_a_pool_without_a_state_counts_as_succeeded() -> None:
    assert parse_pool({"name": NAME, "properties": {}}).succeeded


def test_the_attempt_comes_from_the_tag() -> None:
    assert pool(attempt=3).attempt == 3
    assert pool(tags={"kaito-launch-attempt": "many"}).attempt == 0


@pytest.mark.parametrize(
    ("properties", "offering"),
    [
        ({"vmSize": SIZE}, Offering(SIZE)),
        ({"vmSize": SIZE, "availabilityZones": ["2"], "scaleSetPriority": "Spot"}, Offering(SIZE, "2", "spot")),
        ({"vmSize": SIZE, "availabilityZones": ["1", "2"]}, Offering(SIZE)),
        ({"vmSize": SIZE, "capacityReservationGroupID": "/x"}, Offering(SIZE, "", "reserved")),
    ],
    ids=["plain", "spot in a zone", "over several zones", "reserved"],
)
def test_a_pool_tells_which_offering_it_is_of(properties: Json, offering: Offering) -> None:
    assert parse_pool({"name": NAME, "properties": properties}).offering == offering


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = (
    "provisioningState",
    "vmSize",
    "nodeLabels",
    "tags",
    "status",
    "nodeImageVersion",
    "powerState",
    "count",
    "eTag",
    "availabilityZones",
    "scaleSetPriority",
    "capacityReservationGroupID",
)


@given(st.dictionaries(st.sampled_from(FIELDS), ANYTHING) | ANYTHING)
def test_whatever_stands_in_a_pools_properties_the_pool_is_read(properties: object) -> None:
    read = parse_pool({"name": NAME, "properties": properties})
    assert (read.name, read.attempt >= 0) == (NAME, True)
    assert isinstance(belongs(read, claim()), bool)
    assert isinstance(read.by_kaito or read.settled or read.paused, bool)


@given(ANYTHING)
def test_only_what_has_no_name_is_no_pool(obj: object) -> None:
    with pytest.raises(ValueError, match="no agent pool with a name"):
        parse_pool(obj)


def test_a_pool_without_a_name_is_named_by_its_id() -> None:
    assert parse_pool({"id": f"/subscriptions/s/agentPools/{NAME}"}).name == NAME
    assert parse_pool({"name": None, "id": f"/subscriptions/s/agentPools/{NAME}"}).name == NAME


def test_one_odd_tag_hides_not_the_others() -> None:
    assert parse_pool({"name": NAME, "properties": {"tags": {"odd": None, "kaito-claim-uid": UID}}}).claim_uid == UID
