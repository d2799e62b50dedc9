"""`python -m hack.nodeagent`: a node of a running local control plane, until SIGTERM."""

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from hack.devcluster import lifecycle
from hack.devcluster.layout import REPOSITORY, Layout
from hack.nodeagent.agent import serve


async def _serve(layout: Layout, server: str, name: str) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(layout, server, name, stop)


def main() -> int:
    """Exit code 0 after a stop that was asked for."""
    parser = argparse.ArgumentParser(prog="python -m hack.nodeagent", description=__doc__)
    parser.add_argument("--dir", type=Path, default=REPOSITORY / ".dev", help="where the cluster lives (default .dev)")
    parser.add_argument("--node", default="nodeagent", help="name of the Node")
    arguments = parser.parse_args()
    layout = Layout(arguments.dir.absolute())
    present = lifecycle.running(layout)
    if present is None:
        print(f"nothing runs in {layout.root}", file=sys.stderr)
        return 1
    asyncio.run(_serve(layout, present.endpoints["kube-apiserver"], arguments.node))
    return 0


if __name__ == "__main__":
    sys.exit(main())
