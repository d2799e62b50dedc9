from dataclasses import replace

import pytest

from controller.api import labels
from controller.api.json import Json
from controller.planning.rendering import APPLIED_HASH
from controller.planning.rendering.command import server_command
from controller.planning.target import Serving
from tests.unit.planning.builders import UID, V100
from tests.unit.planning.rendering.kit import A100, A100_4, CATALOG, manifest, pod, rendered, served, server, target_of


def test_a_v100_gets_transformers_in_float16_from_the_image_that_carries_the_weights() -> None:
    found = server(rendered(manifest()))
    assert found["image"] == "mcr.microsoft.com/aks/kaito/kaito-phi-3-mini-4k-instruct:0.1.1"
    assert "/workspace/tfs/inference_api.py" in found["command"]
    assert "--torch_dtype=float16" in found["command"]


def test_a_gpu_that_computes_bfloat16_gets_vllm() -> None:
    found = server(rendered(manifest(A100)))
    assert "/workspace/vllm/inference_api.py" in found["command"]
    assert "--dtype=bfloat16" in found["command"]


def test_weights_that_are_downloaded_get_a_place_and_the_users_token() -> None:
    preset = {"name": "llama-3.1-8b-instruct", "presetOptions": {"modelAccessSecret": "hf"}}
    found = rendered(manifest(A100, inference={"preset": preset}))
    assert {"name": "model-weights", "emptyDir": {}} in pod(found)["volumes"]
    assert {"name": "model-weights", "mountPath": "/workspace/weights"} in server(found)["volumeMounts"]
    token = {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hf", "key": "HF_TOKEN"}}}
    assert token in server(found)["env"]
    assert "--download-dir=/workspace/weights" in server(found)["command"]


def test_weights_in_the_image_need_no_place() -> None:
    found = rendered(manifest())
    assert [volume["name"] for volume in pod(found)["volumes"]] == ["dshm"]
    assert "env" not in server(found), "an empty list is not stored and would look like a difference for ever"


def test_every_gpu_of_the_node_is_put_to_use() -> None:
    assert "--tensor-parallel-size=4" in server(rendered(served("llama-3.3-70b-instruct", A100_4)))["command"]
    assert "--data-parallel-size=4" in server(rendered(served("phi-4-mini-instruct", A100_4)))["command"]


def test_pods_run_on_the_workspaces_own_nodes_only() -> None:
    spec = pod(rendered(manifest()))
    terms = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert terms == [{"matchExpressions": [{"key": labels.WORKSPACE_UID, "operator": "In", "values": [UID]}]}]
    assert {"key": "sku", "operator": "Exists", "effect": "NoSchedule"} in spec["tolerations"]


def test_each_node_serves_a_copy_of_a_model_that_fits_one_and_each_pod_takes_every_gpu() -> None:
    found = rendered(manifest(A100_4, 2))
    assert server(found)["resources"] == {"requests": {"nvidia.com/gpu": "4"}, "limits": {"nvidia.com/gpu": "4"}}
    assert (found.workload["kind"], found.workload["spec"]["replicas"]) == ("Deployment", 2)


def test_the_old_pod_goes_first_because_it_holds_the_gpu() -> None:
    strategy = rendered(manifest()).workload["spec"]["strategy"]
    assert strategy["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}


def test_model_servers_get_no_credentials_and_no_privileges() -> None:
    found = rendered(manifest())
    assert pod(found)["automountServiceAccountToken"] is False
    confined = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert server(found)["securityContext"] == confined


def test_a_private_preset_uses_the_users_image_and_secrets() -> None:
    options = {"image": "registry.example.com/phi:1", "imagePullSecrets": ["key", "key"]}
    preset = {"name": "phi-3-mini-4k-instruct", "accessMode": "private", "presetOptions": options}
    found = rendered(manifest(inference={"preset": preset}))
    assert server(found)["image"] == "registry.example.com/phi:1"
    assert pod(found)["imagePullSecrets"] == [{"name": "key"}]


def test_everything_is_owned_by_the_workspace() -> None:
    found = rendered(manifest())
    for obj in (found.workload, *found.services):
        (owner,) = obj["metadata"]["ownerReferences"]
        assert (owner["uid"], owner["controller"]) == (UID, True)


def test_the_digest_tells_every_change_of_what_is_applied() -> None:
    manifests = [manifest(sku, count) for count in (1, 2) for sku in (V100, A100)]
    digests = {rendered(obj).workload["metadata"]["annotations"][APPLIED_HASH] for obj in manifests}
    assert len(digests) == len(manifests)
    assert rendered(manifest()) == rendered(manifest())


@pytest.mark.parametrize("name", CATALOG.preset_names)
def test_every_preset_that_runs_renders_without_empty_values(name: str) -> None:
    preset = CATALOG.preset(name)
    assert preset is not None
    if preset.runnable and preset.image is not None and not _compiles(name):
        found = server(rendered(served(name, "Standard_ND96isr_H200_v5")))
        assert all(value not in ([], {}, "", None) for value in found.values()), found


def _compiles(name: str) -> bool:
    """Whether admission refuses the preset, because its kernels are compiled with a toolkit nobody brings."""
    preset = CATALOG.preset(name)
    return preset is not None and any(spec.cuda_toolkit for spec in preset.runtimes.values())


CONFIG = """
vllm:
  max-model-len: 1024
  enforce_eager: true
  tensor-parallel-size: 1
max_probe_steps: 3
"""


def configured(text: str, name: str = "phi-3-mini-4k-instruct", sku: str = A100) -> list[str]:
    command: list[str] = server(rendered(served(name, sku, config="cm"), text))["command"]
    return command


def test_flags_of_the_users_configuration_go_before_those_of_the_catalogue() -> None:
    command = configured(CONFIG)
    assert "--max-model-len=1024" in command
    assert "--enforce-eager" in command
    assert "--kaito-max-probe-steps=3" in command
    assert "--max-model-len=auto" not in command


def test_a_flag_the_user_switches_off_is_not_switched_on_by_the_catalogue() -> None:
    work = target_of(served("llama-3.1-8b-instruct")).work
    assert isinstance(work, Serving)
    assert "--trust-remote-code" in server_command(work)
    off = server_command(replace(work, flags={"no-trust-remote-code": ""}))
    assert "--no-trust-remote-code" in off
    assert "--trust-remote-code" not in off


def test_how_the_model_is_spread_over_gpus_is_the_operators_to_say() -> None:
    command = configured("vllm: {max-model-len: 1024}", "llama-3.3-70b-instruct", A100_4)
    assert "--tensor-parallel-size=4" in command


def test_a_change_of_the_configuration_changes_the_pod() -> None:
    def template(text: str) -> Json:
        spec: Json = rendered(served("phi-3-mini-4k-instruct", config="cm"), text).workload["spec"]["template"]
        return spec

    assert template("vllm: {max-model-len: 1024}") != template("vllm: {max-model-len: 2048}")
    assert template("vllm: {max-model-len: 1024}") == template("# a remark\nvllm: {max-model-len: 1024}")
