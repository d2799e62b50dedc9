"""What the webhook is told at its start."""

import argparse
import ipaddress
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from controller.api.node_source import NodeSource
from controller.installation import SiteOptions, add_site_options, site_options
from controller.runtime.options import (
    Address,
    CommonOptions,
    add_common_options,
    durations,
    one_of,
    option,
    parse_address,
)
from webhook.certificates import Names

SERVICE: Final = "kaito-webhook"
"""Name of the Service in front of the replicas."""

AFTER_DRAIN_SECONDS: Final = 5.0
"""What is left of the shutdown grace for the end of the listener, once the drain is over."""

DNS_FLAG: Final = "--certificate-dns-name"
IP_FLAG: Final = "--certificate-ip"


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of the webhook.

    Attributes:
        common: those of every program.
        bind: where to serve admission.
        certificate_dir: where somebody else puts the serving certificate; None for one of our own.
        names: what our own serving certificate is valid for.
        configuration: name of the webhook configurations to publish trust in.
        secret: name of the Secret that holds the authority.
        auto_provision: whether nodes are made for Workspaces.
        site: what it was told of the installation.
        drain: seconds of serving on after readiness failed, while endpoints are updated.
        drain_limit: seconds after which connections that callers still hold are closed; not less than `drain`.
    """

    common: CommonOptions
    bind: Address
    certificate_dir: Path | None
    names: Names
    configuration: str
    secret: str
    auto_provision: bool
    site: SiteOptions
    drain: float
    drain_limit: float


def command_line() -> argparse.ArgumentParser:
    """The options of the webhook, with the environment's values for defaults."""
    parser = argparse.ArgumentParser("kaito-webhook", description="Defaulting and validation of Workspaces.")
    add_common_options(parser)
    option(parser, "--bind-address", parse=parse_address, default=":9443", help="Where to serve admission over TLS")
    option(parser, "--webhook-configuration", default=SERVICE, help="Name of the webhook configurations to publish in")
    option(parser, "--ca-secret", default="kaito-webhook-ca", help="Name of the Secret that holds the authority")
    what = "Directory with tls.crt and tls.key, renewed by somebody else; a certificate of our own if absent"
    option(parser, "--certificate-dir", parse=Path, help=what)
    sources = [*NodeSource]
    option(parser, "--node-source", parse=one_of(sources), default=NodeSource.MACHINE, help="Where nodes come from")
    add_site_options(parser)
    _add_drain(parser)
    _repeatable(parser, DNS_FLAG, "DNS name of the serving certificate, repeatable; the Service if none")
    _repeatable(parser, IP_FLAG, "IP address of the serving certificate, repeatable", _ip_address)
    return parser


def parse_settings(argv: Sequence[str] | None = None) -> Settings:
    """The settings of a command line and the environment; a wrong one ends the process like any usage error."""
    parser = command_line()
    args = parser.parse_args(argv)
    common = CommonOptions.from_args(parser, args)
    given: dict[str, Any] = vars(args)
    drain_limit = max(given["drain_period"], given["drain_limit"])
    return Settings(
        common=replace(common, shutdown_grace=max(common.shutdown_grace, drain_limit + AFTER_DRAIN_SECONDS)),
        bind=given["bind_address"],
        certificate_dir=given["certificate_dir"],
        names=Names(
            _values(parser, args.certificate_dns_name, DNS_FLAG) or service_names(common.namespace),
            _values(parser, args.certificate_ip, IP_FLAG, _ip_address),
        ),
        configuration=given["webhook_configuration"],
        secret=given["ca_secret"],
        auto_provision=NodeSource(given["node_source"]).kind is not None,
        site=site_options(parser, args),
        drain=given["drain_period"],
        drain_limit=drain_limit,
    )


def _add_drain(parser: argparse.ArgumentParser) -> None:
    what = "How long to serve on after a stop was asked"
    option(parser, "--drain-period", parse=durations("0s", "10m"), default="5s", help=what)
    what = "How long at most, while callers hold idle connections; the API server drops its own after 90s"
    option(parser, "--drain-limit", parse=durations("0s", "1h"), default="100s", help=what)


def service_names(namespace: str) -> tuple[str, ...]:
    """The names under which the Service is reached, the API server's own first."""
    name = f"{SERVICE}.{namespace}"
    return f"{name}.svc", f"{name}.svc.cluster.local", name, SERVICE


def _repeatable(parser: argparse.ArgumentParser, flag: str, text: str, parse: Callable[[str], str] = str) -> None:
    variable = _variable(flag)
    help_text = f"{text} (env {variable}, separated by commas)"
    parser.add_argument(flag, action="append", type=parse, metavar="VALUE", help=help_text)


def _values(
    parser: argparse.ArgumentParser, given: list[str] | None, flag: str, parse: Callable[[str], str] = str
) -> tuple[str, ...]:
    """What the command line gave, else the environment; a flag that is given replaces the variable as a whole."""
    if given:
        return tuple(given)
    words = os.environ.get(_variable(flag), "").split(",")
    try:
        return tuple(parse(word.strip()) for word in words if word.strip())
    except argparse.ArgumentTypeError as error:
        parser.error(f"environment variable {_variable(flag)}: {error}")


def _variable(flag: str) -> str:
    return f"KAITO_{flag.removeprefix('--').replace('-', '_').upper()}"


def _ip_address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no IP address") from error
