from dataclasses import replace

import pytest

from controller.api import labels
from controller.api.json import Json
from controller.planning.drift import covers
from controller.planning.rendering import APPLIED_HASH
from controller.planning.rendering.command import server_command
from controller.planning.target import Serving
from tests.unit.planning.builders import UID, V100
from tests.unit.planning.rendering.kit import (
    A10,
    A100,
    A100_4,
    CATALOG,
    manifest,
    pod,
    rendered,
    served,
    server,
    target_of,
)

LLAMA = {"preset": {"name": "llama-3.1-8b-instruct"}}


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


@pytest.mark.parametrize(("sku", "local"), [(A100, True), (A10, False)], ids=["a size with NVMe", "a size without"])
def test_weights_go_to_local_disks_where_there_are_some_and_something_provides_them(sku: str, local: bool) -> None:
    volumes = {
        each["name"]: each for each in pod(rendered(manifest(sku, inference=LLAMA), local_disks="nvme"))["volumes"]
    }
    assert ("ephemeral" in volumes["model-weights"]) is local
    if local:
        claim = volumes["model-weights"]["ephemeral"]["volumeClaimTemplate"]["spec"]
        assert (claim["storageClassName"], claim["resources"]["requests"]) == ("nvme", {"storage": "95Gi"})


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
    assert server(found)["resources"]["limits"] == {"nvidia.com/gpu": "4"}
    assert (found.workload["kind"], found.workload["spec"]["replicas"]) == ("Deployment", 2)


def test_a_pod_asks_for_some_cpu_and_memory_so_that_it_is_not_the_first_to_be_evicted() -> None:
    requests = server(rendered(manifest(A100_4)))["resources"]["requests"]
    assert requests == {"cpu": "4", "memory": "8Gi", "nvidia.com/gpu": "4"}


def test_pulling_the_image_does_not_count_as_loading_the_model() -> None:
    found = rendered(manifest())
    probe = server(found)["startupProbe"]
    assert found.workload["spec"]["progressDeadlineSeconds"] > probe["periodSeconds"] * probe["failureThreshold"]


def test_what_transformers_downloads_outlives_its_container() -> None:
    found = rendered(manifest(A100, annotations={labels.RUNTIME: "transformers"}, inference=LLAMA))
    assert {"name": "HF_HOME", "value": "/workspace/weights"} in server(found)["env"]
    assert {"name": "model-weights", "mountPath": "/workspace/weights"} in server(found)["volumeMounts"]


def test_only_who_is_given_a_volume_of_the_users_may_touch_files_of_others() -> None:
    claim = {"persistentVolumeClaim": {"claimName": "clerk"}}
    adapters = [{"source": {"name": "clerk", "volumeSource": claim}}]
    found = server(rendered(served("phi-3-mini-4k-instruct", adapters=adapters)))
    assert found["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["DAC_OVERRIDE"]}
    assert "add" not in server(rendered(served("phi-3-mini-4k-instruct")))["securityContext"]["capabilities"]


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
def test_nothing_a_preset_is_rendered_with_looks_like_a_difference_once_the_empty_is_dropped(name: str) -> None:
    preset = CATALOG.preset(name)
    assert preset is not None
    if preset.runnable and preset.image is not None and not _compiles(name):
        found = server(rendered(served(name, "Standard_ND96isr_H200_v5")))
        stored = {field: value for field, value in found.items() if value not in ([], {}, "", None)}
        assert covers(stored, found), found


def _compiles(name: str) -> bool:
    """Whether admission refuses the preset, because its kernels are compiled with a toolkit nobody brings."""
    preset = CATALOG.preset(name)
    return preset is not None and any(spec.cuda_toolkit for spec in preset.runtimes.values())


def test_a_server_that_cannot_look_for_the_context_that_fits_is_told() -> None:
    """KAITO's images with weights inside start vLLM 0.8.5, which ends where the model's own context has no room."""
    small, large = (server(rendered(served("phi-3-mini-128k-instruct", sku)))["command"] for sku in (A10, A100))
    (told,) = (int(word.partition("=")[2]) for word in small if word.startswith("--max-model-len="))
    assert 2048 <= told < 131072
    assert [word for word in large if word.startswith("--max-model-len=")] == [], "131072 tokens fit"
    assert "--max-model-len=1024" in configured(CONFIG, "phi-3-mini-128k-instruct", A10), "the user's word stands"
    assert "--max-model-len=auto" in server(rendered(served("llama-3.1-8b-instruct", A10)))["command"]


@pytest.mark.parametrize(
    ("name", "sku", "said"),
    [("phi-4-mini-instruct", A100_4, True), ("phi-4-mini-instruct", A100, False), ("falcon-7b", A100_4, False)],
    ids=["several copies", "one copy", "a release without the flag"],
)
def test_copies_on_one_node_do_not_each_take_half_of_its_memory(name: str, sku: str, said: bool) -> None:
    assert ("--kaito-kv-cache-cpu-memory-utilization=0" in server(rendered(served(name, sku)))["command"]) is said


def test_a_slice_of_a_gpu_leaves_the_memory_of_the_node_to_the_others() -> None:
    work = target_of(served("phi-4-mini-instruct")).work
    assert isinstance(work, Serving)
    assert "--kaito-kv-cache-cpu-memory-utilization=0" in server_command(replace(work, sliced=True))


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
