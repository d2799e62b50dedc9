"""What a Machine may ask of its kubelet."""

from typing import Any

import pytest

from controller.api.json import Json
from provisioner.errors import ErrorKind, Fault
from provisioner.kubelet import WishError, kubelet_properties
from provisioner.offerings import Place
from provisioner.wish import wish_of
from tests.unit.provisioner.builders import SIZES, claim


@pytest.mark.parametrize(
    ("asked", "properties"),
    [
        ({}, {}),
        ({"containerRuntime": "containerd"}, {}),
        ({"maxPods": 30}, {"maxPods": 30}),
        (
            {"imageGCHighThresholdPercent": 85, "imageGCLowThresholdPercent": 80, "cpuCFSQuota": False},
            {"kubeletConfig": {"imageGcHighThreshold": 85, "imageGcLowThreshold": 80, "cpuCfsQuota": False}},
        ),
    ],
)
def test_what_aks_can_set_becomes_a_property_of_the_pool(asked: Json, properties: Json) -> None:
    assert kubelet_properties(claim(kubelet=asked)) == properties


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("clusterDNS", ["10.0.0.10"]),
        ("containerRuntime", "docker"),
        ("podsPerCore", 10),
        ("systemReserved", {"cpu": "1"}),
        ("kubeReserved", {"cpu": "1"}),
        ("evictionHard", {"memory.available": "5%"}),
        ("evictionMaxPodGracePeriod", 30),
        ("maxPods", 5),
        ("maxPods", 251),
        ("imageGCHighThresholdPercent", 101),
    ],
)
def test_what_it_cannot_is_refused_with_field_and_value(name: str, value: Any) -> None:
    with pytest.raises(WishError, match=f"spec.kubelet.{name}"):
        kubelet_properties(claim(kubelet={name: value}))


def test_the_refusal_is_the_claims() -> None:
    wish = wish_of(claim(kubelet={"podsPerCore": 10}), SIZES, Place("eastus"))
    assert isinstance(wish, Fault)
    assert (wish.kind, "podsPerCore" in wish.text) == (ErrorKind.INVALID, True)
