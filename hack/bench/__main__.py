"""`python -m hack.bench [PART…]`: what the programs cost, measured on the machine this runs on."""

import argparse
import asyncio
import os
import platform
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from hack.bench import page
from hack.bench.figures import Figure, Record, load_targets, missed, report, save
from hack.bench.parts import PARTS, Part
from hack.devcluster import binaries
from hack.devcluster.commands import CommandError
from hack.devcluster.layout import REPOSITORY
from hack.devcluster.lifecycle import DevclusterError

OUTPUT = REPOSITORY / ".dev" / "bench"


def main() -> int:
    """Measures, prints and keeps the figures; exit code 1 with --strict when a target is missed."""
    arguments = _arguments()
    late = []
    for name in arguments.parts or PARTS:
        load = os.getloadavg()[0]
        try:
            figures = asyncio.run(_measured(PARTS[name], arguments))
        except asyncio.CancelledError:
            print(f"bench: {name}: stopped", file=sys.stderr)
            return 1
        except (CommandError, DevclusterError, binaries.MissingBinariesError, RuntimeError) as error:
            print(f"bench: {name}: {error}", file=sys.stderr)
            return 1
        targets, record = load_targets(), Record(_about(load), figures)
        path = save(arguments.output / f"{name}.json", record)
        print(f"\n{PARTS[name].title}\n\n{report(figures, targets)}\n")
        print(f"kept in {path}; load of the machine before: {load:.2f}")
        late += missed(figures, targets)
        if arguments.record:
            page.record(name, record)
    return 1 if arguments.strict and late else 0


async def _measured(part: Part, arguments: argparse.Namespace) -> list[Figure]:
    """Whatever ends it, the control plane of the measurement ends, too."""
    task = asyncio.ensure_future(part.measure(arguments.assets, arguments.divide))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m hack.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", type=_part, help=", ".join(PARTS) + "; else all")
    parser.add_argument("--assets", type=Path, help="folder with prebuilt control plane binaries")
    parser.add_argument(
        "--divide", type=int, default=1, help="divide how much of everything there is, for a first look"
    )
    parser.add_argument("--strict", action="store_true", help="fail when a target is missed")
    parser.add_argument("--record", action="store_true", help=f"put the figures into {page.PAGE.name}")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder for the figures (default: %(default)s)")
    return parser.parse_args()


def _part(name: str) -> str:
    if name not in PARTS:
        raise argparse.ArgumentTypeError(f"{name!r}: expected one of {', '.join(PARTS)}")
    return name


def _about(load: float) -> dict[str, object]:
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load-before": round(load, 2),
    }


if __name__ == "__main__":
    sys.exit(main())
