"""The webhook's options: flags, environment, and what follows from the namespace."""

import pytest

from webhook.certificates import Names
from webhook.settings import AFTER_DRAIN_SECONDS, Settings, parse_settings


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("POD_NAMESPACE", "POD_NAME", "KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)


def test_by_default_the_certificate_names_the_service() -> None:
    settings = parse_settings([])
    assert settings.names == Names(
        dns=(
            "kaito-webhook.kaito-system.svc",
            "kaito-webhook.kaito-system.svc.cluster.local",
            "kaito-webhook.kaito-system",
            "kaito-webhook",
        )
    )
    assert (settings.bind.port, settings.configuration, settings.secret) == (9443, "kaito-webhook", "kaito-webhook-ca")
    assert settings.auto_provision


def test_the_service_is_looked_for_in_the_pods_own_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POD_NAMESPACE", "ml")
    assert parse_settings([]).names.dns[0] == "kaito-webhook.ml.svc"


def test_names_given_replace_the_services() -> None:
    flags = [
        "--certificate-dns-name=a",
        "--certificate-dns-name=b",
        "--certificate-ip=127.0.0.1",
        "--certificate-ip=::1",
    ]
    assert parse_settings(flags).names == Names(("a", "b"), ("127.0.0.1", "::1"))


def test_names_from_the_environment_give_way_to_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAITO_CERTIFICATE_DNS_NAME", "a, b")
    assert parse_settings([]).names.dns == ("a", "b")
    assert parse_settings(["--certificate-dns-name=c"]).names.dns == ("c",)


def test_on_existing_nodes_nothing_is_provisioned() -> None:
    assert not parse_settings(["--node-source=existing"]).auto_provision


def test_the_grace_of_the_program_covers_the_whole_drain() -> None:
    settings = parse_settings(["--drain-limit=60s"])
    assert (settings.drain, settings.drain_limit) == (5, 60)
    assert settings.common.shutdown_grace == 60 + AFTER_DRAIN_SECONDS
    assert parse_settings(["--drain-limit=1s", "--shutdown-grace=20s"]).common.shutdown_grace == 20


def test_a_drain_is_not_cut_short_by_its_limit() -> None:
    assert parse_settings(["--drain-period=9s", "--drain-limit=1s"]).drain_limit == 9


@pytest.mark.parametrize(
    ("flags", "environment", "says"),
    [
        (["--certificate-ip=localhost"], {}, "'localhost' is no IP address"),
        ([], {"KAITO_CERTIFICATE_IP": "localhost"}, "KAITO_CERTIFICATE_IP: 'localhost' is no IP address"),
        (["--node-source=moon"], {}, "expected one of machine, nodeclaim, existing"),
        (["--bind-address=9443"], {}, "HOST:PORT"),
    ],
)
def test_a_wrong_value_ends_the_program_with_its_name(
    flags: list[str],
    environment: dict[str, str],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        parse_settings(flags)
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


def test_settings_are_values() -> None:
    assert parse_settings(["--identity=x"]) == parse_settings(["--identity=x"])
    assert isinstance(parse_settings([]), Settings)
