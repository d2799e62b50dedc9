"""Command line of the development cluster; `python -m hack.devcluster --help` lists the commands."""

import argparse
import asyncio
import json
import shlex
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from hack.devcluster import binaries, lifecycle, state
from hack.devcluster.commands import CommandError
from hack.devcluster.layout import REPOSITORY, Layout
from hack.devcluster.lifecycle import DevclusterError
from hack.devcluster.request import Request, Scope
from hack.devcluster.state import ClusterState

_FOLLOW_SECONDS = 0.2


async def _up(arguments: argparse.Namespace, layout: Layout) -> int:
    begin = time.monotonic()
    folder = await binaries.find_or_build(arguments.assets)
    request = Request(
        binaries=str(folder),
        scope=Scope(arguments.components),
        replicas=arguments.replicas,
        speed=arguments.speed,
        scenario=str(arguments.aks_scenario.resolve()) if arguments.aks_scenario else "",
    )
    result = await lifecycle.up(layout, request, print)
    if not result.started:
        print(f"already running in {layout.root}")
        return 0
    print(f"ready after {time.monotonic() - begin:.1f} s")
    print(_table(result.state))
    print(_export(layout))
    return 0


async def _down(_: argparse.Namespace, layout: Layout) -> int:
    ran = await lifecycle.down(layout)
    print(f"stopped; logs are in {layout.logs}" if ran else f"nothing runs in {layout.root}")
    return 0


async def _status(arguments: argparse.Namespace, layout: Layout) -> int:
    present = lifecycle.running(layout)
    if arguments.json:
        print(state.to_json(present) if present else json.dumps({"phase": "stopped"}))
    else:
        print(_table(present) if present else f"nothing runs in {layout.root}")
    return 0 if present else 1


async def _logs(arguments: argparse.Namespace, layout: Layout) -> int:
    path = layout.log(arguments.name)
    if not path.exists():
        known = ", ".join(sorted(file.stem for file in layout.logs.glob("*.log")))
        raise DevclusterError(f"no log of {arguments.name!r} in {layout.logs}; there are: {known or 'none'}")
    with path.open(encoding="utf-8", errors="replace") as file:
        while True:
            text = file.read()
            sys.stdout.write(text)
            sys.stdout.flush()
            if not arguments.follow:
                return 0
            if not text:
                await asyncio.sleep(_FOLLOW_SECONDS)


async def _env(_: argparse.Namespace, layout: Layout) -> int:
    print(_export(layout))
    return 0


async def _build(_: argparse.Namespace, __: Layout) -> int:
    print(await binaries.build())
    return 0


def _export(layout: Layout) -> str:
    return f"export KUBECONFIG={shlex.quote(str(layout.kubeconfig))}"


def _table(present: ClusterState) -> str:
    rows = [("NAME", "PID", "READY", "RESTARTS", "PORTS")]
    for item in present.processes:
        ports = " ".join(f"{name}={port}" for name, port in item.ports.items())
        ready = "yes" if not item.waiting_for else f"no: {item.waiting_for}"[:60]
        rows.append((item.name, str(item.process.pid) if item.process else "-", ready, str(item.restarts), ports))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = ["  ".join([*(row[column].ljust(widths[column]) for column in range(4)), row[4]]) for row in rows]
    endpoints = [f"{name}: {url}" for name, url in present.endpoints.items()]
    return "\n".join([*lines, *endpoints])


def _positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = kind(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text!r}: expected a number greater than 0") from error
        if not value > 0:
            raise argparse.ArgumentTypeError(f"{text!r}: expected a number greater than 0")
        return value

    return parse


def _existing(text: str) -> Path:
    path = Path(text)
    if not path.exists():
        raise argparse.ArgumentTypeError(f"{text!r}: no such file")
    return path


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hack.devcluster", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--dir", type=Path, default=REPOSITORY / ".dev", help="where the cluster lives (default .dev)")

    def command(
        name: str, run: Callable[[argparse.Namespace, Layout], Awaitable[int]], text: str
    ) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text, parents=[shared])
        added.set_defaults(run=run)
        return added

    start = command("up", _up, "Start a cluster; returns when everything in it is ready.")
    start.add_argument("--components", choices=[scope.value for scope in Scope], default=Scope.ALL.value)
    start.add_argument("--replicas", type=_positive(int), default=2, help="processes per program (default 2)")
    start.add_argument("--speed", type=_positive(float), default=1.0, help="divides simulated times (default 1)")
    start.add_argument("--aks-scenario", type=_existing, help="scenario file for the AKS simulator")
    start.add_argument(
        "--assets", type=Path, help="folder with prebuilt binaries (else KUBEBUILDER_ASSETS, else built)"
    )
    command("down", _down, "Stop a cluster and remove its data; its logs stay.")
    command("status", _status, "Show what runs.").add_argument("--json", action="store_true", help="as JSON")
    logs = command("logs", _logs, "Print the log of one process.")
    logs.add_argument("name", metavar="NAME", help="a name that `status` lists, or supervisor")
    logs.add_argument("-f", "--follow", action="store_true", help="go on until interrupted")
    command("env", _env, "Print the shell command that points kubectl to the cluster.")
    command("build", _build, "Build the control plane into the cache and print the folder.")
    return parser


async def _run(arguments: argparse.Namespace) -> int:
    code: int = await arguments.run(arguments, Layout(arguments.dir.absolute()))
    return code


def main() -> int:
    """Run one command; returns the exit code."""
    arguments = _parser().parse_args()
    try:
        return asyncio.run(_run(arguments))
    except (DevclusterError, CommandError, binaries.MissingBinariesError) as error:
        print(f"devcluster: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 0


if __name__ == "__main__":
    sys.exit(main())
