"""The command line and the environment."""

import math

import pytest

from provisioner.settings import Cloud, CredentialKind, parse_settings

CLUSTER = [
    "--azure-subscription-id=s",
    "--azure-resource-group=g",
    "--azure-cluster-name=c",
]


def test_the_defaults_suit_a_cluster_in_azure() -> None:
    settings = parse_settings(CLUSTER)
    assert settings.azure.cloud is Cloud.PUBLIC
    assert settings.azure.credential is CredentialKind.WORKLOAD_IDENTITY
    assert (settings.poll_interval, settings.idle_interval) == (5, 300)
    assert (settings.policy.launch_deadline, settings.policy.retry_initial) == (1800, 30)


def test_the_variables_of_gpu_provisioner_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "ARM_SUBSCRIPTION_ID": "sub",
        "ARM_RESOURCE_GROUP": "group",
        "AZURE_CLUSTER_NAME": "cluster",
        "LOCATION": "westus",
    }.items():
        monkeypatch.setenv(name, value)
    settings = parse_settings([])
    azure = settings.azure
    assert (azure.subscription_id, azure.resource_group, azure.cluster_name, settings.place.location) == (
        "sub",
        "group",
        "cluster",
        "westus",
    )


def test_the_identity_is_told_by_option_or_by_the_variable_the_manifests_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_CLIENT_ID", "one")
    assert parse_settings(CLUSTER).azure.client_id == "one"
    assert parse_settings([*CLUSTER, "--azure-client-id=two"]).azure.client_id == "two"


def test_every_deadline_is_a_setting() -> None:
    policy = parse_settings(
        [
            *CLUSTER,
            "--launch-deadline=1s",
            "--registration-deadline=2s",
            "--initialization-deadline=3s",
            "--drain-deadline=4s",
            "--termination-deadline=5s",
            "--launch-retry-initial=6s",
            "--launch-retry-max=7s",
            "--orphan-grace=8s",
            "--request-deadline=9s",
            "--repair-deadline=10s",
            "--launch-rest=11s",
        ]
    ).policy
    assert [
        policy.launch_deadline,
        policy.registration_deadline,
        policy.initialization_deadline,
        policy.drain_deadline,
        policy.termination_deadline,
        policy.retry_initial,
        policy.retry_max,
        policy.orphan_grace,
        policy.request_deadline,
        policy.repair_deadline,
        policy.launch_rest,
    ] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]


def test_a_drain_may_be_given_all_the_time_there_is() -> None:
    assert parse_settings([*CLUSTER, "--drain-deadline=never"]).policy.drain_deadline == math.inf


def test_what_costs_money_has_a_limit_and_what_takes_nodes_away_must_be_asked_for() -> None:
    default = parse_settings(CLUSTER).policy
    assert (default.launch_attempts, default.gpu_replacements, default.expiry) == (20, 1, False)
    given = parse_settings([*CLUSTER, "--launch-attempts=3", "--gpu-replacements=0", "--expire-claims"]).policy
    assert (given.launch_attempts, given.gpu_replacements, given.expiry) == (3, 0, True)


@pytest.mark.parametrize(
    ("extra", "word"),
    [
        (["--azure-credential=none"], "--azure-endpoint"),
        (["--azure-cloud=mars"], "public"),
        (["--workers=0"], "from 1 to 1000"),
        (["--arm-poll-interval=5"], "duration"),
        (["--arm-poll-interval=0s"], "from 100ms to 5m"),
        (["--arm-idle-interval=99ms"], "from 100ms to 1h"),
        (["--request-deadline=1s"], "from 5s to 1h"),
        (["--request-deadline=150h"], "from 5s to 1h"),
        (["--orphan-grace=0s"], "from 1s to 24h"),
        (["--drain-deadline=long"], "duration"),
        (["--gpu-replacements=21"], "from 0 to 20"),
    ],
)
def test_a_wrong_value_ends_the_start_with_the_form_expected(
    extra: list[str], word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse_settings([*CLUSTER, *extra])
    assert word in capsys.readouterr().err


def test_the_cluster_must_be_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ARM_SUBSCRIPTION_ID", raising=False)
    with pytest.raises(SystemExit):
        parse_settings(CLUSTER[1:])
    assert "--azure-subscription-id" in capsys.readouterr().err
