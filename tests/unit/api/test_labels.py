"""Which labels belong to the cloud."""

import pytest

from controller.api.labels import is_cloud_label


@pytest.mark.parametrize(
    ("key", "reserved"),
    [
        ("kubernetes.io/os", True),
        ("node.kubernetes.io/instance-type", True),
        ("k8s.io/a", True),
        ("a.b.k8s.io/c", True),
        ("kubernetes.azure.com/mode", True),
        ("x.kubernetes.azure.com/mode", True),
        ("mykubernetes.io/os", False),
        ("kubernetes.io.example.com/os", False),
        ("kubernetes.io", False),
        ("kaito.sh/machine-type", False),
        ("apps", False),
        ("", False),
    ],
)
def test_a_label_of_a_domain_of_kubernetes_or_aks_is_reserved(key: str, reserved: bool) -> None:
    assert is_cloud_label(key) is reserved
