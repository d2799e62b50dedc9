"""Options: flag before environment before default, and refusals that name what was wrong."""

import argparse
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import controller.settings
import provisioner.settings
import webhook.settings
from controller.runtime.options import (
    Address,
    CommonOptions,
    Range,
    add_common_options,
    boolean,
    duration,
    durations,
    parse_address,
    whole_numbers,
)

VARIABLES = ("KUBECONFIG", "POD_NAME", "POD_NAMESPACE")


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def parsed(*arguments: str) -> CommonOptions:
    """The options of a program started with these arguments in the present environment."""
    parser = argparse.ArgumentParser("kaito-test")
    add_common_options(parser)
    return CommonOptions.from_args(parser, parser.parse_args(arguments))


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a wrong start prints; its exit code is 2."""
    with pytest.raises(SystemExit) as exit_:
        parsed(*arguments)
    assert exit_.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


def test_defaults_are_those_of_the_documentation() -> None:
    options = parsed()
    assert (options.namespace, options.kubeconfig) == ("kaito-system", None)
    assert (options.metrics, options.health) == (Address("", 8080), Address("", 8081))
    assert (options.log_format, options.log_level, options.leader_elect) == ("json", "info", True)
    assert (options.lease.lease, options.lease.renew_deadline, options.lease.retry) == (15, 10, 2)
    assert options.shutdown_grace == 20
    assert (options.metrics_secure, options.metrics_certificate_dir) == (False, None)


def test_a_certificate_for_metrics_that_are_served_without_tls_is_a_mistake(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    directory = f"--metrics-certificate-dir={tmp_path}"
    assert "no effect without --metrics-secure" in refusal(capsys, directory)
    assert parsed(directory, "--metrics-secure").metrics_certificate_dir == tmp_path


def test_identities_differ_between_two_processes_of_a_host() -> None:
    assert parsed().identity != parsed().identity


def test_a_flag_wins_over_the_environment_and_that_over_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POD_NAMESPACE", "from-pod")
    assert parsed().namespace == "from-pod"
    monkeypatch.setenv("KAITO_NAMESPACE", "from-env")
    assert parsed().namespace == "from-env"
    assert parsed("--namespace", "from-flag").namespace == "from-flag"


def test_every_kind_of_option_reads_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAITO_METRICS_BIND_ADDRESS", "127.0.0.1:9090")
    monkeypatch.setenv("KAITO_HEALTH_PROBE_BIND_ADDRESS", "0")
    monkeypatch.setenv("KAITO_LEADER_ELECT", "false")
    monkeypatch.setenv("KAITO_SHUTDOWN_GRACE", "1m30s")
    monkeypatch.setenv("KAITO_LOG_FORMAT", "console")
    monkeypatch.setenv("POD_NAME", "kaito-controller-0")
    monkeypatch.setenv("KAITO_KUBECONFIG", "/some/kubeconfig")
    options = parsed()
    assert options.metrics == Address("127.0.0.1", 9090)
    assert options.health is None
    assert not options.leader_elect
    assert options.shutdown_grace == 90
    assert (options.log_format, options.identity) == ("console", "kaito-controller-0")
    assert options.kubeconfig == Path("/some/kubeconfig")
    assert parsed("--leader-elect").leader_elect


def test_kubeconfig_of_kubectl_is_no_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/one:/two")
    assert parsed().kubeconfig is None, "it may name several files, and a pod's service account comes before it"


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAITO_SHUTDOWN_GRACE", "")
    assert parsed().shutdown_grace == 20


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--shutdown-grace", "20"], ["--shutdown-grace", "'20'", "90s"]),
        (["--metrics-bind-address", "8080"], ["--metrics-bind-address", "'8080'", "HOST:PORT"]),
        (["--log-level", "loud"], ["--log-level", "'loud'", "debug, info, warning, error"]),
        (["--leader-elect-lease-duration", "5s"], ["lease duration 5s", "renew deadline 10s"]),
        (["--shutdown", "20s"], ["--shutdown"]),
        (["--shutdown-grace", "2h"], ["--shutdown-grace", "'2h'", "from 0s to 1h"]),
        (["--leader-elect-retry-period", "1ms"], ["--leader-elect-retry-period", "'1ms'", "from 100ms to 1m"]),
    ],
)
def test_a_wrong_flag_is_refused_by_name_value_and_form(
    arguments: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    message = refusal(capsys, *arguments)
    assert all(word in message for word in words), message


def test_a_refusal_says_what_why_how_to_mend_it_and_its_code(capsys: pytest.CaptureFixture[str]) -> None:
    told = refusal(capsys, "--shutdown-grace=2h").partition("--shutdown-grace: ")[2]
    assert told == (
        "'2h': expected a value from 0s to 1h. Fix: give such a value; or leave the option out for 20s "
        "(InvalidConfiguration)"
    )
    assert len(refusal(capsys, f"--shutdown-grace={'9' * 5000}s")) < 600


@pytest.mark.parametrize("parse", [durations("1s", "2h"), whole_numbers(1, 7200)], ids=["durations", "whole numbers"])
def test_bounds_are_allowed_themselves_and_nothing_beyond_them(parse: Range[float]) -> None:
    assert [parse(parse.least), parse(parse.most)] == [1, 7200]
    unit = "s" if parse.least == "1s" else ""
    for text in (f"0{unit}", f"7201{unit}", f"{'9' * 400}{unit}", "-1", "nan", "inf", "", "1e3"):
        with pytest.raises(ValueError, match="expected"):
            parse(text)


def every_program() -> list[argparse.ArgumentParser]:
    """The command lines of the three programs."""
    return [program.command_line() for program in (controller.settings, provisioner.settings, webhook.settings)]


@pytest.mark.parametrize("parser", every_program(), ids=lambda parser: parser.prog)
def test_every_duration_and_every_number_has_bounds(parser: argparse.ArgumentParser) -> None:
    numbers = [each for each in parser._actions if type(each.default) in (int, float)]
    assert numbers, "so many of them that this means something"
    assert [each.dest for each in numbers if "from " not in (each.help or "") or " to " not in (each.help or "")] == []


@pytest.mark.parametrize(
    ("variable", "text", "form"),
    [("KAITO_SHUTDOWN_GRACE", "soon", "90s"), ("KAITO_LEADER_ELECT", "perhaps", "true or false")],
)
def test_a_wrong_variable_is_refused_by_its_name(
    variable: str, text: str, form: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(variable, text)
    message = refusal(capsys)
    assert variable in message
    assert repr(text) in message
    assert form in message


def test_help_names_the_variable_of_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed("--help")
    text = " ".join(capsys.readouterr().out.split())
    for word in ("KAITO_LOG_FORMAT", "KAITO_KUBECONFIG", "KAITO_LEADER_ELECT_RETRY_PERIOD", "--version"):
        assert word in text


@given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 5000))
def test_durations_add_up_their_parts(hours: int, seconds: int, milliseconds: int) -> None:
    expected = hours * 3600 + seconds + milliseconds / 1000
    assert duration(f"{hours}h{seconds}s{milliseconds}ms") == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "5", "s", "5 s", "-5s", "5d", "5s!", "1.s", "infs"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        duration(text)


@given(st.sampled_from(["", "127.0.0.1", "localhost", "::1"]), st.integers(0, 65535))
def test_an_address_reads_back_as_written(host: str, port: int) -> None:
    address = Address(host, port)
    assert parse_address(str(address)) == address


@pytest.mark.parametrize("text", ["", "8080", ":", "host:", ":65536", "::1:80", ":-1", "host:80x", "[::1:80"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected HOST:PORT"):
        parse_address(text)


@pytest.mark.parametrize(("word", "meaning"), [("TRUE", True), ("1", True), ("off", False), ("No", False)])
def test_booleans_have_several_spellings(word: str, *, meaning: bool) -> None:
    assert boolean(word) is meaning
