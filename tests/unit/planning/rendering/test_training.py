from typing import Any

import pytest
import yaml

from controller.api.json import Json
from controller.planning.rendering import INTENT
from tests.unit.planning.rendering.kit import A100_4, pod, rendered, server, tuned


def document(obj: Json, config: str | None = None) -> dict[str, Any]:
    """The configuration file the training program reads."""
    template = rendered(obj, config).workload["spec"]["template"]
    (volume,) = [each for each in template["spec"]["volumes"] if each["name"] == "config"]
    (item,) = volume["downwardAPI"]["items"]
    assert item["path"] == "training_config.yaml"
    key = item["fieldRef"]["fieldPath"].removeprefix("metadata.annotations['").removesuffix("']")
    found: dict[str, Any] = yaml.safe_load(template["metadata"]["annotations"][key])["training_config"]
    return found


def test_one_run_is_tried_again_but_not_for_ever_and_takes_the_time_it_takes() -> None:
    found = rendered(tuned()).workload
    assert (found["kind"], found["spec"]["backoffLimit"], pod(rendered(tuned()))["restartPolicy"]) == (
        "Job",
        2,
        "Never",
    )
    assert "activeDeadlineSeconds" not in found["spec"], "a limit nobody asked for would end a run with nothing to show"
    actions = [rule["action"] for rule in found["spec"]["podFailurePolicy"]["rules"]]
    assert actions == ["Ignore", "FailJob"], "a lost node is nobody's failure, a failed push not helped by training"


def test_each_gpu_gets_a_process_of_the_published_training_program() -> None:
    obj = tuned()
    obj["resource"]["instanceType"] = A100_4
    found = server(rendered(obj))
    assert "--num_processes=4" in found["command"]
    assert found["command"][-1] == "/workspace/tfs/fine_tuning.py"
    assert found["image"] == "mcr.microsoft.com/aks/kaito/kaito-phi-3-mini-4k-instruct:0.1.1"
    assert found["resources"]["limits"] == {"nvidia.com/gpu": "4"}


@pytest.mark.parametrize(
    ("name", "modules"),
    [
        ("phi-3-mini-4k-instruct", True),
        ("microsoft/Phi-3-mini-4k-instruct", True),
        ("mistral-7b", False),
    ],
)
def test_the_layers_to_train_are_those_of_the_model_however_it_is_spelled(name: str, *, modules: bool) -> None:
    obj = tuned(preset={"name": name})
    obj["resource"]["instanceType"] = A100_4
    named = {variable["name"] for variable in server(rendered(obj))["env"]}
    assert ("DEFAULT_TARGET_MODULES" in named) is modules


def test_a_v100_trains_in_float16_and_qlora_in_four_bits() -> None:
    found = document(tuned())
    assert found["ModelConfig"]["torch_dtype"] == "float16"
    assert found["QuantizationConfig"]["load_in_4bit"] is True
    assert found["QuantizationConfig"]["bnb_4bit_compute_dtype"] == "float16"


THEIRS = """
training_config:
  QuantizationConfig: {load_in_4bit: true}
  LoraConfig: {r: 16}
  TrainingArguments: {output_dir: mine}
"""


def test_the_users_configuration_is_what_the_program_reads_and_its_output_is_mounted() -> None:
    obj = tuned(config="cm")
    assert document(obj, THEIRS)["LoraConfig"] == {"r": 16}
    assert document(obj, THEIRS)["TrainingArguments"]["output_dir"] == "/mnt/mine"
    mounts = {mount["name"]: mount["mountPath"] for mount in server(rendered(obj, THEIRS))["volumeMounts"]}
    assert mounts["results"] == "/mnt/mine"


def test_what_fits_only_with_activations_computed_again_is_told_to_compute_them_again() -> None:
    tight = document(tuned("lora", preset={"name": "phi-4-mini-instruct"}))
    assert tight["TrainingArguments"]["gradient_checkpointing"] is True
    assert "gradient_checkpointing" not in document(tuned("lora"))["TrainingArguments"]
    assert "gradient_checkpointing" not in document(tuned("qlora"))["TrainingArguments"]


def intent(obj: Json, config: str | None = None) -> str:
    return str(rendered(obj, config).workload["metadata"]["annotations"][INTENT])


def test_another_wish_is_another_run_and_an_equal_one_is_not() -> None:
    assert intent(tuned()) == intent(tuned())
    assert intent(tuned()) != intent(tuned(input={"urls": ["https://data.example.com/b.parquet"]}))
    assert intent(tuned(config="cm"), THEIRS) != intent(tuned(config="cm"), THEIRS.replace("16", "8"))


def test_training_gets_no_credentials_and_no_privileges() -> None:
    found = pod(rendered(tuned()))
    assert found["automountServiceAccountToken"] is False
    for container in (*found["initContainers"], *found["containers"]):
        assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def test_data_and_result_may_stay_in_volumes() -> None:
    claims = [{"volumeSource": {"persistentVolumeClaim": {"claimName": name}}} for name in ("in", "out")]
    found = pod(rendered(tuned(input=claims[0], output=claims[1])))
    assert "initContainers" not in found
    volumes = {volume["name"]: volume.get("persistentVolumeClaim") for volume in found["volumes"]}
    assert (volumes["data"], volumes["results"]) == ({"claimName": "in"}, {"claimName": "out"})
    mounts = {mount["name"]: mount for mount in found["containers"][0]["volumeMounts"]}
    assert (mounts["data"]["mountPath"], mounts["data"]["readOnly"]) == ("/mnt/data", True)
    assert found["containers"][0]["command"][0] == "accelerate"


def test_data_may_come_out_of_an_image() -> None:
    found = pod(rendered(tuned(input={"image": "registry.example.com/data:1", "imagePullSecrets": ["key"]})))
    assert [container["name"] for container in found["initContainers"]] == ["push-result", "pull-data"]
    assert found["initContainers"][1]["command"][-2:] == ["registry.example.com/data:1", "/mnt/data"]
    assert {"name": "data-key-0", "secret": {"secretName": "key"}} in found["volumes"]


def test_the_pusher_is_a_sidecar_that_ends_with_the_pod() -> None:
    found = pod(rendered(tuned()))
    pusher = found["initContainers"][0]
    assert (pusher["name"], pusher["restartPolicy"]) == ("push-result", "Always")
    assert pusher["command"][-3:] == ["registry.example.com/out/adapter:1", "phi-3-mini-4k-instruct", "amd64"]
    assert {"name": "push-key", "secret": {"secretName": "push"}} in found["volumes"]
