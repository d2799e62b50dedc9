"""What a pool tells, and whose it is."""

from typing import Any

import pytest

from controller.api.json import Json
from provisioner.offerings import Offering
from provisioner.pools import belongs, parse_pool
from tests.unit.provisioner.builders import FOREIGN, NAME, SIZE, UID, claim, pool


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


def test_a_pool_tells_who_made_it() -> None:
    assert (pool().claim_uid, pool().by_kaito) == (UID, True)
    gpu_provisioner = {"kaito.sh/workspace": "phi", "kaito.sh/machine-type": "gpu", "karpenter.sh/nodepool": "kaito"}
    made = pool(labels=gpu_provisioner, tags={})
    assert (made.claim_uid, made.by_kaito) == ("", True), "it may serve a NodeClaim that lives"
    assert not pool(labels={"kaito.sh/workspace": "phi"}).by_kaito, "a pool of the user's own may carry the label"


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
