import pytest

from controller.api.resources import DEPLOYMENTS, MACHINES, NODES, PODS, WORKSPACES, Resource


@pytest.mark.parametrize(
    ("resource", "arguments", "path"),
    [
        (PODS, {}, "/api/v1/pods"),
        (PODS, {"namespace": "a"}, "/api/v1/namespaces/a/pods"),
        (PODS, {"namespace": "a", "name": "p", "subresource": "eviction"}, "/api/v1/namespaces/a/pods/p/eviction"),
        (NODES, {"name": "n/../x"}, "/api/v1/nodes/n%2F..%2Fx"),
        (DEPLOYMENTS, {"namespace": "a", "name": "d"}, "/apis/apps/v1/namespaces/a/deployments/d"),
        (MACHINES, {"name": "m", "subresource": "status"}, "/apis/karpenter.sh/v1alpha5/machines/m/status"),
    ],
)
def test_paths(resource: Resource, arguments: dict[str, str], path: str) -> None:
    assert resource.path(**arguments) == path


@pytest.mark.parametrize(
    ("resource", "arguments"),
    [(NODES, {"namespace": "a"}), (WORKSPACES, {"name": "w"}), (NODES, {"subresource": "status"})],
)
def test_a_path_that_cannot_be_meant_is_refused(resource: Resource, arguments: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=resource.plural):
        resource.path(**arguments)
