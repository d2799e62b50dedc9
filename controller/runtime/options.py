"""Command line options: those shared by the programs, and the rule every option follows.

The rule: flag `--foo-bar` wins over environment variable `KAITO_FOO_BAR`, which wins over the default. A wrong value
is refused with the flag or variable, the value, the form or range expected, and what to give instead.
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
from typing import Any, Final, Generic, NamedTuple, TypeVar

from controller.api.messages import Problem, shorten
from controller.api.reasons import Reason
from controller.runtime.lease import LeaseTiming
from controller.runtime.logs import FORMATS, LEVELS

N = TypeVar("N", int, float)

UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
TRUE_WORDS: Final = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS: Final = frozenset({"0", "false", "no", "off"})

_LONGEST_SHOWN: Final = 80

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


def whole_number(text: str) -> int:
    """The number that digits state.

    Raises:
        ValueError: anything else.
    """
    if not re.fullmatch("[0-9]{1,18}", text):
        raise ValueError("expected a whole number")
    return int(text)


@dataclass(frozen=True, slots=True)
class Range(Generic[N]):
    """A parser that takes values within bounds only, so that a slip of the pen does not start a program that harms.

    Attributes:
        parse: text to value.
        least: the lowest value allowed, as a user writes it.
        most: the highest.
    """

    parse: Callable[[str], N]
    least: str
    most: str

    @property
    def text(self) -> str:
        """The bounds for people."""
        return f"from {self.least} to {self.most}"

    def __call__(self, text: str) -> N:
        """The value.

        Raises:
            ValueError: it has another form, or lies outside the bounds.
        """
        value = self.parse(text)
        if not self.parse(self.least) <= value <= self.parse(self.most):
            raise ValueError(f"expected a value {self.text}")
        return value


def durations(least: str, most: str) -> Range[float]:
    """A parser of durations within bounds, in seconds."""
    return Range(duration, least, most)


def whole_numbers(least: int, most: int) -> Range[int]:
    """A parser of whole numbers within bounds."""
    return Range(whole_number, str(least), str(most))


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
    usual = str(default) if default not in (None, "") else ""
    value: Any = default
    if source or isinstance(default, str):
        named, given = (f"environment variable {source}", os.environ[source]) if source else (flag, default)
        value = _value(parser, named, _explained(parse, usual), given)
    shown = f", default {usual}" if usual else ""
    what = f"{help}; {parse.text}" if isinstance(parse, Range) else help
    text = f"{what.replace('%', '%%')} (env {' or '.join(variables)}{shown})"
    required = required and not source
    if parse is boolean:
        parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=value, help=text, required=required)
        return
    kind = _for_argparse(_explained(parse, usual))
    parser.add_argument(flag, type=kind, default=value, help=text, required=required, metavar="VALUE")


def _value(parser: argparse.ArgumentParser, source: str, parse: Callable[[str], Any], text: str) -> Any:
    try:
        return parse(text)
    except ValueError as error:
        parser.error(f"{source}: {error}")


def _explained(parse: Callable[[str], Any], usual: str) -> Callable[[str], Any]:
    """The same parser, whose refusals say what was given, why it will not do and what will.

    Args:
        parse: text to value.
        usual: the default; empty for none.
    """

    def convert(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            fixes = ("give such a value", *((f"leave the option out for {usual}",) if usual else ()))
            what = repr(shorten(text, _LONGEST_SHOWN))
            raise ValueError(Problem(Reason.INVALID_CONFIGURATION, "", what, str(error), fixes).text) from error

    return convert


def _for_argparse(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    def convert(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

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
    what = "Serve /metrics over TLS, and only to bearers of tokens whom the API server lets get /metrics"
    option(parser, "--metrics-secure", parse=boolean, default=False, help=what)
    what = "Directory with tls.crt and tls.key for /metrics, renewed by somebody else; one of our own if absent"
    option(parser, "--metrics-certificate-dir", parse=Path, help=what)


def _add_lifecycle(parser: argparse.ArgumentParser) -> None:
    option(parser, "--leader-elect", parse=boolean, default=True, help="Work only while holding the Lease")
    for flag, default, within, what in (
        ("--leader-elect-lease-duration", "15s", durations("1s", "10m"), "How long others wait for a silent leader"),
        (
            "--leader-elect-renew-deadline",
            "10s",
            durations("500ms", "10m"),
            "How long a leader tries to renew before it gives up",
        ),
        ("--leader-elect-retry-period", "2s", durations("100ms", "1m"), "Pause between attempts"),
        ("--shutdown-grace", "20s", durations("0s", "1h"), "How long running work may take to finish after SIGTERM"),
    ):
        option(parser, flag, parse=within, default=default, help=what)


@dataclass(frozen=True, slots=True)
class CommonOptions:
    """What every program was told at its start."""

    kubeconfig: Path | None = None
    namespace: str = "kaito-system"
    identity: str = ""
    metrics: Address | None = None
    metrics_secure: bool = False
    metrics_certificate_dir: Path | None = None
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
        if given["metrics_certificate_dir"] and not given["metrics_secure"]:
            parser.error("--metrics-certificate-dir: has no effect without --metrics-secure")
        return cls(
            kubeconfig=given["kubeconfig"],
            namespace=given["namespace"],
            identity=given["identity"] or default_identity(),
            metrics=given["metrics_bind_address"],
            metrics_secure=given["metrics_secure"],
            metrics_certificate_dir=given["metrics_certificate_dir"],
            health=given["health_probe_bind_address"],
            log_format=given["log_format"],
            log_level=given["log_level"],
            leader_elect=given["leader_elect"],
            lease=timing,
            shutdown_grace=given["shutdown_grace"],
        )
