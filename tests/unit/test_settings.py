"""The operator's options: where nodes come from, and whom NodeClaims ask."""

import pytest

from controller.api.claims import DEFAULT_NODE_CLASS, MACHINE, NODE_CLAIM, ClaimKind, NodeClass
from controller.planning.registries import PUBLISHED
from controller.planning.repair import PATIENCE
from controller.settings import parse_settings


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("POD_NAMESPACE", "POD_NAME", "KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ([], MACHINE),
        (["--node-source=machine"], MACHINE),
        (["--node-source=nodeclaim"], NODE_CLAIM),
        (["--node-source=existing"], None),
    ],
)
def test_the_source_says_which_claims_are_made(arguments: list[str], kind: ClaimKind | None) -> None:
    settings = parse_settings(arguments)
    assert (settings.node_source.kind, settings.provision) == (kind, kind is not None)


def test_node_claims_ask_the_projects_own_provisioner_unless_told_otherwise() -> None:
    assert parse_settings([]).node_class == DEFAULT_NODE_CLASS
    given = ["--node-class-group=karpenter.azure.com", "--node-class-kind=AKSNodeClass", "--node-class-name=gpu-1"]
    assert parse_settings(given).node_class == NodeClass("karpenter.azure.com", "AKSNodeClass", "gpu-1")


@pytest.mark.parametrize(
    "argument",
    [
        "--node-source=moon",
        "--node-class-name=",
        "--node-class-group=a/b",
        "--node-class-kind=a b",
        "--replace-nodes-after=0s",
        "--replace-nodes-after=169h",
        "--replace-nodes-after=600",
    ],
)
def test_a_wrong_word_ends_the_start_with_a_usage_error(argument: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse_settings([argument])
    assert ended.value.code == 2
    assert argument.partition("=")[0] in capsys.readouterr().err


def test_registries_and_secrets_are_read_and_a_wrong_one_ends_the_start(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--registry-rewrite=docker.io=hub.example.com,ghcr.io=r.example.com/g", "--image-pull-secrets=key"]
    assert parse_settings(given).registries.image("curlimages/curl:8") == "hub.example.com/curlimages/curl:8"
    assert parse_settings(given).registries.pull_secrets == ("key",)
    assert parse_settings([]).registries == PUBLISHED
    with pytest.raises(SystemExit):
        parse_settings(["--registry-rewrite=docker.io"])
    assert "--registry-rewrite: 'docker.io': expected FROM=TO" in capsys.readouterr().err


def test_local_disks_are_used_when_their_class_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert parse_settings([]).local_disks == ""
    assert parse_settings(["--local-disk-storage-class=local-nvme"]).local_disks == "local-nvme"
    with pytest.raises(SystemExit):
        parse_settings(["--local-disk-storage-class=Local NVMe"])
    assert "expected the name of an object" in capsys.readouterr().err


def test_a_bad_node_is_replaced_after_ten_minutes_unless_told_otherwise() -> None:
    assert parse_settings([]).patience == PATIENCE == 600
    assert parse_settings(["--replace-nodes-after=1h"]).patience == 3600
