"""`python -m hack.docs.mistakes`: writes docs/mistakes.md by making the mistakes with kubectl on a real API server."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from hack.devcluster import binaries, lifecycle
from hack.devcluster.commands import CommandError, kubectl_path
from hack.devcluster.layout import Layout
from hack.devcluster.lifecycle import DevclusterError
from hack.devcluster.request import Request, Scope
from hack.docs.mistakes_page import MISTAKES, PAGE, mistakes_page


class Terminal:
    """kubectl as the cluster's administrator, in a directory of its own."""

    def __init__(self, kubeconfig: Path) -> None:
        self._kubeconfig = kubeconfig

    async def __call__(self, arguments: tuple[str, ...], stdin: str) -> tuple[int, str]:
        """The exit code and everything that was printed, in the order in which it was."""
        process = await asyncio.create_subprocess_exec(
            str(kubectl_path()),
            f"--kubeconfig={self._kubeconfig}",
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate(stdin.encode())
        return process.returncode or 0, output.decode()


async def _write(assets: Path | None) -> None:
    folder = await binaries.find_or_build(assets)
    with tempfile.TemporaryDirectory(prefix="kaito-mistakes-") as root:
        layout = Layout(Path(root))
        try:
            await lifecycle.up(layout, Request(binaries=str(folder), scope=Scope.WEBHOOK, replicas=1), print)
            PAGE.write_text(await mistakes_page(Terminal(layout.kubeconfig)), encoding="utf-8")
        finally:
            await lifecycle.down(layout)


def main() -> int:
    """Exit code 0 when the page was written."""
    parser = argparse.ArgumentParser(prog="python -m hack.docs.mistakes", description=__doc__)
    parser.add_argument("--assets", type=Path, help="folder with prebuilt control plane binaries")
    try:
        asyncio.run(_write(parser.parse_args().assets))
    except (CommandError, DevclusterError, binaries.MissingBinariesError) as error:
        print(f"mistakes: {error}", file=sys.stderr)
        return 1
    print(f"wrote {len(MISTAKES)} mistakes to {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
