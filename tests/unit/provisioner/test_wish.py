"""What is read from a claim, and what is refused because no agent pool can give it."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.json import Json
from provisioner.errors import ErrorKind, Fault
from provisioner.offerings import Place
from provisioner.wish import Wish, disk_gib, parse_tags, wish_of
from tests.unit.provisioner.builders import SIZE, SIZES, claim

NETWORK = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks"
SUBNET = f"{NETWORK}/v/subnets/gpu"
OTHER_SUBNET = f"{NETWORK}/v/subnets/all"
RESERVATION = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/capacityReservationGroups/r"


EASTUS = Place("eastus")


def wish(place: Place = EASTUS, **options: Any) -> Wish:
    """What a claim wishes for."""
    found = wish_of(claim(**options), SIZES, place)
    assert isinstance(found, Wish), found
    return found


def refusal(place: Place = EASTUS, **options: Any) -> str:
    """Why a claim's wish cannot be fulfilled."""
    found = wish_of(claim(**options), SIZES, place)
    assert isinstance(found, Fault), found
    assert found.kind is ErrorKind.INVALID
    return found.text


@pytest.mark.parametrize(
    ("annotations", "properties"),
    [
        ({}, {"osSKU": "Ubuntu"}),
        ({"kaito.sh/node-image-family": "AzureLinux"}, {"osSKU": "AzureLinux"}),
        ({"kaito.sh/node-image-family": "ubuntu2404"}, {"osSKU": "Ubuntu2404"}),
        ({"kaito.sh/vnet-subnet-id": SUBNET}, {"vnetSubnetID": SUBNET}),
        ({"kaito.sh/gpu-driver": "none"}, {"gpuProfile": {"driver": "None"}}),
        ({"kaito.sh/gpu-instance-profile": "mig3g"}, {"gpuInstanceProfile": "MIG3g"}),
    ],
)
def test_annotations_become_properties(annotations: dict[str, str], properties: Json) -> None:
    assert properties.items() <= wish(annotations=annotations).properties.items()


@pytest.mark.parametrize(
    ("annotations", "words"),
    [
        ({"kaito.sh/node-image-family": "odd"}, 'kaito.sh/node-image-family "odd" is none of Ubuntu'),
        ({"kaito.sh/vnet-subnet-id": "gpu"}, 'kaito.sh/vnet-subnet-id "gpu"'),
        ({"kaito.sh/gpu-driver": "maybe"}, '"maybe" is none of Install, None'),
        ({"kaito.sh/gpu-instance-profile": "MIG9g"}, '"MIG9g" is none of MIG1g'),
        ({"kaito.sh/capacity-reservation-group-id": "r"}, "capacity-reservation-group-id"),
        ({"kaito.sh/azure-tags": "team"}, '"team" is no tag'),
        ({"kaito.sh/azure-tags": "kaito-claim-uid=x"}, "the provisioner's own"),
        ({"kaito.sh/azure-tags": ",".join(f"t{i}=1" for i in range(41))}, "41 tags"),
    ],
)
def test_an_annotation_that_cannot_be_followed_is_refused_not_passed_over(
    annotations: dict[str, str], words: str
) -> None:
    assert words in refusal(annotations=annotations)


def test_the_installations_subnet_and_tags_hold_unless_the_claim_says_otherwise() -> None:
    place = Place("eastus", OTHER_SUBNET, {"cost": "ai", "team": "a"})
    assert wish(place).properties["vnetSubnetID"] == OTHER_SUBNET
    own = wish(place, annotations={"kaito.sh/vnet-subnet-id": SUBNET, "kaito.sh/azure-tags": "team=b, env=x"})
    assert own.properties["vnetSubnetID"] == SUBNET
    assert own.tags == {"cost": "ai", "team": "b", "env": "x"}


def test_a_reservation_is_what_its_claim_is_paid_from() -> None:
    reserved = wish(annotations={"kaito.sh/capacity-reservation-group-id": RESERVATION})
    assert (reserved.offerings[0].capacity_type, reserved.reservation) == ("reserved", RESERVATION)


@pytest.mark.parametrize(
    ("requests", "gib"),
    [
        ({"storage": "100G"}, 94),
        ({"storage": "1Gi"}, 30),
        ({"storage": "10Ti"}, 2048),
        ({"ephemeral-storage": "200Gi"}, 200),
        ({"storage": "50Gi", "ephemeral-storage": "60Gi"}, 60),
        ({}, 0),
    ],
)
def test_the_disk_is_rounded_up_and_kept_within_what_aks_takes(requests: dict[str, str], gib: int) -> None:
    assert disk_gib(claim(resources={"requests": requests})) == gib


def test_without_a_request_the_disk_is_left_to_aks() -> None:
    assert "osDiskSizeGB" not in wish(resources={}).properties


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"name": "UPPER"}, "metadata.name"),
        ({"name": "ws-with-dash"}, "metadata.name"),
        ({"name": "w" * 13}, "metadata.name"),
        ({"sizes": ()}, "instance-type"),
        ({"sizes": (SIZE, "Standard NC6")}, "Standard NC6"),
        ({"sizes": ("x" * 64,)}, "instance-type"),
        ({"resources": {"requests": {"storage": "many"}}}, "storage"),
        ({"resources": {"requests": {"nvidia.com/gpu": "2"}}}, f"nvidia.com/gpu=2 is more than a {SIZE} has"),
        ({"resources": {"requests": {"memory": "200Gi"}}}, "memory=200Gi"),
    ],
)
def test_a_claim_no_pool_can_be_made_for_says_which_field_is_at_fault(options: dict[str, Any], word: str) -> None:
    assert word in refusal(**options)


def requirement(key: str, operator: str, *values: str) -> list[Json]:
    """A claim's requirements: our size, and one more."""
    sizes = {"key": "node.kubernetes.io/instance-type", "operator": "In", "values": [SIZE]}
    return [sizes, {"key": key, "operator": operator, "values": list(values)}]


def test_a_requirement_on_a_label_of_the_users_own_becomes_the_nodes_label() -> None:
    assert wish(requirements=requirement("example.com/team", "In", "a", "b")).labels["example.com/team"] == "a"
    assert "example.com/team" not in wish(requirements=requirement("example.com/team", "NotIn", "a")).labels


@pytest.mark.parametrize("operator", ["Exists", "Gt"])
def test_a_label_nobody_gives_a_value_to_is_refused(operator: str) -> None:
    assert f"example.com/team {operator}" in refusal(requirements=requirement("example.com/team", operator, "1"))


@given(st.text(max_size=40))
def test_tags_are_read_or_refused_never_guessed(text: str) -> None:
    tags: dict[str, str] = {}
    with suppress(ValueError):
        tags = parse_tags(text)
    assert parse_tags(",".join(f"{name}={value}" for name, value in tags.items())) == tags
