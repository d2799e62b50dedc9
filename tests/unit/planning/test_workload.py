import pytest

from controller.api import labels
from controller.api.json import Json
from controller.api.workspace import Workspace
from controller.catalog import load_catalog
from controller.planning.runtimes import choose_runtime
from controller.planning.site import Site
from controller.planning.sizing import fit
from controller.planning.uses import use_for
from controller.planning.workload import APPLIED_HASH, render_deployment, render_service
from tests.unit.planning.builders import UID, V100, workspace

CATALOG = load_catalog()
A100 = "Standard_NC24ads_A100_v4"


def deployment(owner: Workspace | None = None, sku: str = V100, count: int = 1) -> Json:
    owner = owner or workspace()
    wish = owner.inference.preset if owner.inference else None
    preset, size = CATALOG.preset(wish.name if wish else ""), CATALOG.sku(sku)
    assert preset is not None
    assert size is not None
    served = preset.on(size, owner.runtime_wish)
    choice = choose_runtime(owner.runtime_wish, served, size)
    return render_deployment(
        owner, served, size, choice, fit(served, size, use_for(owner, Site(CATALOG))).layout, count
    )


def container(obj: Json) -> Json:
    (found,) = obj["spec"]["template"]["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def service(**annotations: str) -> Json:
    preset = CATALOG.preset("phi-3-mini-4k-instruct")
    assert preset is not None
    named = {"name": "phi", "namespace": "default", "uid": UID, "annotations": annotations}
    return render_service(workspace(metadata=named), preset)


def test_a_v100_gets_transformers_in_float16_from_the_image_that_carries_the_weights() -> None:
    found = container(deployment())
    assert found["image"] == "mcr.microsoft.com/aks/kaito/kaito-phi-3-mini-4k-instruct:0.1.1"
    assert "/workspace/tfs/inference_api.py" in found["command"]
    assert "--torch_dtype=float16" in found["command"]


def test_a_gpu_that_computes_bfloat16_gets_vllm() -> None:
    found = container(deployment(sku=A100))
    assert "/workspace/vllm/inference_api.py" in found["command"]
    assert "--dtype=bfloat16" in found["command"]


def served(name: str, sku: str = A100, **options: str) -> Json:
    preset = {"name": name, **({"presetOptions": options} if options else {})}
    return deployment(workspace(inference={"preset": preset}), sku=sku)


def test_weights_that_are_downloaded_get_a_place_and_the_users_token() -> None:
    found = served("llama-3.1-8b-instruct", modelAccessSecret="hf")
    assert {"name": "model-weights", "emptyDir": {}} in found["spec"]["template"]["spec"]["volumes"]
    assert {"name": "model-weights", "mountPath": "/workspace/weights"} in container(found)["volumeMounts"]
    token = {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hf", "key": "HF_TOKEN"}}}
    assert token in container(found)["env"]
    assert "--download-dir=/workspace/weights" in container(found)["command"]


def test_weights_in_the_image_need_no_place() -> None:
    assert [volume["name"] for volume in deployment()["spec"]["template"]["spec"]["volumes"]] == ["dshm"]
    assert "env" not in container(deployment()), "an empty list is not stored and would look like a difference for ever"


def test_every_gpu_of_the_node_is_put_to_use() -> None:
    split = container(served("llama-3.3-70b-instruct", sku="Standard_NC96ads_A100_v4"))["command"]
    assert "--tensor-parallel-size=4" in split
    copies = container(served("phi-4-mini-instruct", sku="Standard_NC96ads_A100_v4"))["command"]
    assert "--data-parallel-size=4" in copies


@pytest.mark.parametrize("name", CATALOG.preset_names)
def test_every_preset_that_runs_renders_without_empty_values(name: str) -> None:
    preset = CATALOG.preset(name)
    assert preset is not None
    if preset.runnable and preset.image is not None:
        found = container(served(name, sku="Standard_ND96isr_H200_v5"))
        assert all(value not in ([], {}, "", None) for value in found.values()), found


def test_pods_run_on_the_workspaces_own_nodes_only() -> None:
    spec = deployment()["spec"]["template"]["spec"]
    terms = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert terms == [{"matchExpressions": [{"key": labels.WORKSPACE_UID, "operator": "In", "values": [UID]}]}]
    assert {"key": "sku", "operator": "Exists", "effect": "NoSchedule"} in spec["tolerations"]


def test_each_pod_takes_every_gpu_of_its_node() -> None:
    found = container(deployment(sku="Standard_NC96ads_A100_v4", count=2))
    assert found["resources"] == {"requests": {"nvidia.com/gpu": "4"}, "limits": {"nvidia.com/gpu": "4"}}
    assert deployment(count=2)["spec"]["replicas"] == 2


def test_the_old_pod_goes_first_because_it_holds_the_gpu() -> None:
    assert deployment()["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}


def test_model_servers_get_no_credentials_and_no_privileges() -> None:
    spec = deployment()["spec"]["template"]["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert container(deployment())["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }


def test_a_private_preset_uses_the_users_image_and_secrets() -> None:
    options = {"image": "registry.example.com/phi:1", "imagePullSecrets": ["key", "key"]}
    preset = {"name": "phi-3-mini-4k-instruct", "accessMode": "private", "presetOptions": options}
    found = deployment(workspace(inference={"preset": preset}))
    assert container(found)["image"] == "registry.example.com/phi:1"
    assert found["spec"]["template"]["spec"]["imagePullSecrets"] == [{"name": "key"}]


def test_the_service_has_the_ports_clients_of_kaito_know() -> None:
    ports = [(port["port"], port["targetPort"]) for port in service()["spec"]["ports"]]
    assert ports == [(80, 5000), (29500, 29500)]


def test_the_rendezvous_port_never_leaves_the_cluster() -> None:
    found = service(**{labels.ENABLE_LOAD_BALANCER: "True"})["spec"]
    assert (found["type"], [port["port"] for port in found["ports"]]) == ("LoadBalancer", [80])


@pytest.mark.parametrize("word", ["true", "yes", "", "False"])
def test_only_the_exact_word_asks_for_a_load_balancer(word: str) -> None:
    assert service(**{labels.ENABLE_LOAD_BALANCER: word})["spec"]["type"] == "ClusterIP"


def test_everything_is_owned_by_the_workspace() -> None:
    for obj in (deployment(), service()):
        (owner,) = obj["metadata"]["ownerReferences"]
        assert (owner["uid"], owner["controller"]) == (UID, True)


def test_the_digest_tells_every_change_of_what_is_applied() -> None:
    digests = {
        deployment(count=count, sku=sku)["metadata"]["annotations"][APPLIED_HASH]
        for count in (1, 2)
        for sku in (V100, A100)
    }
    assert len(digests) == 4
    assert deployment() == deployment()
