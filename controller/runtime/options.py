"""Command line options: those shared by the programs, and the rule every option follows.

The rule: flag `--foo-bar` wins over environment variable `KAITO_FOO_BAR`, which wins over the default. A wrong value
is refused with the flag or variable, the value and the form expected.
"""

import argparse
import os
import re
import secrets
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, NamedTuple

from controller.runtime.lease import LeaseTiming
from controller.runtime.logs import FORMATS, LEVELS

UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
TRUE_WORDS: Final = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS: Final = frozenset({"0", "false", "no", "off"})

_DURATION_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")


class Address(NamedTuple):
    """Where to listen; an empty host means every interface, port 0 a free port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def duration(text: str) -> float:
    """Seconds of `90s`, `5m`, `1h30m` or `250ms`.

    Raises:
        ValueError: anything else; a bare number has no unit and is refused.
    """
    if not re.fullmatch(f"(?:{_DURATION_PART.pattern})+", text):
        raise ValueError("expected a duration such as 90s, 5m, 1h30m or 250ms")
    return sum(float(number) * UNITS[unit] for number, unit in _DURATION_PART.findall(text))


def parse_address(text: str) -> Address:
    """The address in `HOST:PORT`, `:PORT` or `[IPv6]:PORT`.

    Raises:
        ValueError: no port, or one outside 0 to 65535.
    """
    host, colon, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    bracketed = host == f"[{bare}]"
    if not colon or not re.fullmatch(r"\d{1,5}", port) or int(port) > 65535 or (":" in bare) != bracketed:
        raise ValueError("expected HOST:PORT, :PORT or [IPv6]:PORT with a port from 0 to 65535")
    return Address(bare, int(port))


def optional_address(text: str) -> Address | None:
    """Like parse_address; a bare `0` switches the listener off and gives None."""
    return None if text == "0" else parse_address(text)


def boolean(text: str) -> bool:
    """True or False of 1/0, true/false, yes/no, on/off.

    Raises:
        ValueError: any other word.
    """
    word = text.strip().lower()
    if word not in TRUE_WORDS | FALSE_WORDS:
        raise ValueError("expected true or false")
    return word in TRUE_WORDS


def one_of(choices: Sequence[str]) -> Callable[[str], str]:
    """A parser that accepts exactly the given words."""

    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"expected one of {', '.join(choices)}")
        return text

    return parse


def option(
    parser: argparse.ArgumentParser,
    flag: str,
    *,
    parse: Callable[[str], Any] = str,
    default: Any = None,
    help: str,  # noqa: A002 - argparse's own word
    also: str = "",
    required: bool = False,
) -> None:
    """Declares one option after the rule of this module.

    Args:
        parser: receives the option.
        flag: `--foo-bar`; `parse=boolean` also declares `--no-foo-bar`.
        parse: text to value; a ValueError states the expected form.
        default: text to be parsed, or a finished value.
        help: one sentence; the variable and the default are added to it.
        also: a second environment variable, asked after `KAITO_...` (such as POD_NAME).
        required: whether a value must come from the command line or the environment.
    """
    variables = [f"KAITO_{flag.removeprefix('--').replace('-', '_').upper()}", *([also] if also else [])]
    source = next((name for name in variables if os.environ.get(name)), "")
    value = _value(parser, f"environment variable {source}", parse, os.environ[source]) if source else default
    if not source and isinstance(default, str):
        value = _value(parser, flag, parse, default)
    shown = "" if default in (None, "") else f", default {default}"
    text = f"{help.replace('%', '%%')} (env {' or '.join(variables)}{shown})".replace("'", "")
    required = required and not source
    if parse is boolean:
        parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=value, help=text, required=required)
        return
    parser.add_argument(flag, type=_for_argparse(parse), default=value, help=text, required=required, metavar="VALUE")


def _value(parser: argparse.ArgumentParser, source: str, parse: Callable[[str], Any], text: str) -> Any:
    try:
        return parse(text)
    except ValueError as error:
        parser.error(f"{source}: {text!r}: {error}")


def _for_argparse(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    def convert(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text!r}: {error}") from error

    return convert


def default_identity() -> str:
    """Host name and a random suffix: two processes on one host must not take each other for themselves."""
    return f"{socket.gethostname()}_{secrets.token_hex(4)}"


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """Declares the options of every program; read them back with CommonOptions.from_args."""
    parser.allow_abbrev = False
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('kaito')}")
    option(parser, "--kubeconfig", parse=Path, help="Client configuration; if absent in-cluster, else KUBECONFIG")
    option(parser, "--namespace", default="kaito-system", also="POD_NAMESPACE", help="Namespace of Lease and Secrets")
    option(parser, "--identity", also="POD_NAME", help="Name of this replica, unique among replicas")
    option(parser, "--log-format", parse=one_of(FORMATS), default="json", help="json or console")
    option(parser, "--log-level", parse=one_of(LEVELS), default="info", help=", ".join(LEVELS))
    _add_listeners(parser)
    _add_lifecycle(parser)


def _add_listeners(parser: argparse.ArgumentParser) -> None:
    for flag, default, what in (
        ("--metrics-bind-address", ":8080", "Where /metrics listens; 0 switches it off"),
        ("--health-probe-bind-address", ":8081", "Where /healthz and /readyz listen; 0 switches them off"),
    ):
        option(parser, flag, parse=optional_address, default=default, help=what)


def _add_lifecycle(parser: argparse.ArgumentParser) -> None:
    option(parser, "--leader-elect", parse=boolean, default=True, help="Work only while holding the Lease")
    for flag, default, what in (
        ("--leader-elect-lease-duration", "15s", "How long others wait for a silent leader"),
        ("--leader-elect-renew-deadline", "10s", "How long a leader tries to renew before it gives up"),
        ("--leader-elect-retry-period", "2s", "Pause between attempts"),
        ("--shutdown-grace", "20s", "How long running work may take to finish after SIGTERM"),
    ):
        option(parser, flag, parse=duration, default=default, help=what)


@dataclass(frozen=True, slots=True)
class CommonOptions:
    """What every program was told at its start."""

    kubeconfig: Path | None = None
    namespace: str = "kaito-system"
    identity: str = ""
    metrics: Address | None = None
    health: Address | None = None
    log_format: str = "json"
    log_level: str = "info"
    leader_elect: bool = True
    lease: LeaseTiming = field(default_factory=LeaseTiming)
    shutdown_grace: float = 20.0

    @classmethod
    def from_args(cls, parser: argparse.ArgumentParser, args: argparse.Namespace) -> "CommonOptions":
        """The common part of parsed arguments; ends the process like any usage error when they contradict."""
        given: Mapping[str, Any] = vars(args)
        lease = (given[f"leader_elect_{part}"] for part in ("lease_duration", "renew_deadline", "retry_period"))
        try:
            timing = LeaseTiming(*lease)
        except ValueError as error:
            parser.error(f"--leader-elect-*: {error}")
        return cls(
            kubeconfig=given["kubeconfig"],
            namespace=given["namespace"],
            identity=given["identity"] or default_identity(),
            metrics=given["metrics_bind_address"],
            health=given["health_probe_bind_address"],
            log_format=given["log_format"],
            log_level=given["log_level"],
            leader_elect=given["leader_elect"],
            lease=timing,
            shutdown_grace=given["shutdown_grace"],
        )
