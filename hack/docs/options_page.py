"""The page of options: what each program can be told at its start, as its own command line declares it."""

import argparse
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from controller import settings as controller_settings
from hack.docs.markdown import page, table
from provisioner import settings as provisioner_settings
from webhook import settings as webhook_settings

COMMAND_LINES: Final[Mapping[str, Callable[[], argparse.ArgumentParser]]] = MappingProxyType(
    {
        "kaito-webhook": webhook_settings.command_line,
        "kaito-controller": controller_settings.command_line,
        "kaito-provisioner": provisioner_settings.command_line,
    }
)
"""Each program and what declares its options."""

_INTRO: Final = """# Options

What the three programs can be told at their start; `--help` of each says the same. An option on the command line wins
over its environment variable, the variable over the default. Of several variables the first that is set counts. A wrong
value ends the program with the option or variable, the value, and the form expected.

- Durations have units: `90s`, `5m`, `1h30m`, `250ms`.
- Addresses are `HOST:PORT`, `:PORT` or `[IPv6]:PORT`.
- Switches take `true` or `false` as variables, and `--no-` in front on the command line.

The manifests give options as `args` of the Deployments, and those about Azure as variables in
`manifests/base/provisioner/azure.yaml`. Webhook and operator must be given the same `--node-source`, `--cloud`,
`--region` and `--allowed-instance-types`, or the one admits what the other cannot make."""

_HELP: Final = re.compile(
    r"(?P<what>.*) \(env (?P<variables>\w+(?: or \w+)*)(?:, default (?P<default>.*)|(?P<remark>, .*))?\)"
)


_SWITCHES: Final = {"True": "true", "False": "false"}


@dataclass(frozen=True, slots=True)
class Option:
    """One option of one program; `default` is empty where it has none."""

    flags: tuple[str, ...]
    variables: tuple[str, ...]
    default: str
    meaning: str
    required: bool


def options_page() -> str:
    """The text of docs/reference/options.md."""
    found = {program: tuple(options_of(make())) for program, make in COMMAND_LINES.items()}
    shared = set.intersection(*(set(options) for options in found.values()))
    parts = ["## Every program", _table(option for option in found["kaito-webhook"] if option in shared)]
    for program, options in found.items():
        parts += [f"## {program}", _table(option for option in options if option not in shared)]
    return page(_INTRO, *parts)


def options_of(parser: argparse.ArgumentParser) -> Iterator[Option]:
    """The options a parser declares, in their order; those that only print something are left out.

    Raises:
        ValueError: an option's help does not end with its environment variable.
    """
    for action in parser._actions:  # noqa: SLF001 - argparse has no public list of what was declared
        if action.nargs == 0 and not isinstance(action, argparse.BooleanOptionalAction):
            continue
        help_text = (action.help or "").replace("%%", "%")
        match = _HELP.fullmatch(help_text)
        if match is None:
            raise ValueError(f"{action.option_strings[0]}: the help does not name its variable: {help_text!r}")
        yield Option(
            flags=tuple(action.option_strings),
            variables=tuple(match["variables"].split(" or ")),
            default=_SWITCHES.get(match["default"], match["default"] or ""),
            meaning=match["what"] + (match["remark"] or ""),
            required=action.required,
        )


def _table(options: Iterator[Option]) -> str:
    rows = (
        (
            f"`{option.flags[0]}`",
            ", ".join(f"`{name}`" for name in option.variables),
            "required" if option.required else f"`{option.default}`" if option.default else "-",
            f"{option.meaning}.",
        )
        for option in options
    )
    return table(("option", "environment", "default", "meaning"), rows)
