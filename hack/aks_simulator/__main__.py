"""Entry point: `python -m hack.aks_simulator --listen 127.0.0.1:PORT …`."""

import argparse
import asyncio
import logging
import signal
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from aiohttp import web

from controller.runtime.client import Client
from hack.aks_simulator.node_loop import NodeLoop
from hack.aks_simulator.node_writer import ClientNodeWriter
from hack.aks_simulator.scenario import Scenario, ScenarioError, load_scenario
from hack.aks_simulator.server import build_app
from hack.aks_simulator.settings import Settings
from hack.aks_simulator.simulator import Simulator
from hack.aks_simulator.sizes import offered_sizes

log = logging.getLogger("aks-simulator")

DEFAULTS: Final = Settings()


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line; exits with a usage message when it is wrong."""
    parser = argparse.ArgumentParser(prog="aks-simulator", description=__doc__)
    parser.add_argument("--listen", type=_address, default=("127.0.0.1", 8443), metavar="HOST:PORT")
    parser.add_argument("--cert", type=Path, help="serve HTTPS with this certificate chain (PEM)")
    parser.add_argument("--key", type=Path, help="private key of --cert (PEM)")
    parser.add_argument("--kubeconfig", type=Path, help="cluster in which Nodes follow the pools; none without it")
    parser.add_argument("--speed", type=_speed, default=1.0, help="divide all durations by this")
    parser.add_argument("--scenario", type=Path, help="scenario file (YAML)")
    parser.add_argument("--state", type=Path, help="file that keeps the state over restarts")
    parser.add_argument("--subscription", default=DEFAULTS.subscription)
    parser.add_argument("--resource-group", default=DEFAULTS.resource_group)
    parser.add_argument("--cluster", default=DEFAULTS.cluster)
    parser.add_argument("--location", default=DEFAULTS.location)
    parser.add_argument("--kubernetes-version", default=DEFAULTS.kubernetes_version)
    parser.add_argument("--system-pool-count", type=int, default=DEFAULTS.system_pool_count)
    parser.add_argument("--pool-limit", type=int, default=DEFAULTS.pool_limit, help="agent pools the cluster may have")
    arguments = parser.parse_args(argv)
    if bool(arguments.cert) != bool(arguments.key):
        parser.error("--cert and --key go together")
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; 0 after a clean stop, 1 when the simulator could not start."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s", level=logging.INFO)
    arguments = parse_arguments(argv)
    try:
        asyncio.run(_serve(arguments))
    except (OSError, ScenarioError, ValueError) as error:
        log.error("cannot run: %s", error)  # noqa: TRY400 - the cause is the user's, a trace would hide it
        return 1
    return 0


def _settings(arguments: argparse.Namespace) -> Settings:
    return Settings(
        subscription=arguments.subscription,
        resource_group=arguments.resource_group,
        cluster=arguments.cluster,
        location=arguments.location,
        kubernetes_version=arguments.kubernetes_version,
        system_pool_count=arguments.system_pool_count,
        pool_limit=arguments.pool_limit,
        speed=arguments.speed,
        nodes_attached=arguments.kubeconfig is not None,
    )


async def _serve(arguments: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    scenario = load_scenario(arguments.scenario) if arguments.scenario else Scenario()
    simulator = Simulator(_settings(arguments), offered_sizes(), scenario, state_file=arguments.state)
    runner = web.AppRunner(build_app(simulator), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await _listen(runner, arguments)
        follower = asyncio.create_task(_follow(arguments.kubeconfig, simulator))
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({follower, stopped} if arguments.kubeconfig else {stopped}, return_when="FIRST_COMPLETED")
        follower.cancel()
        await asyncio.gather(follower, return_exceptions=stop.is_set())
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, arguments: argparse.Namespace) -> None:
    context = None
    if arguments.cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(arguments.cert, arguments.key)
    host, port = arguments.listen
    await web.TCPSite(runner, host, port, ssl_context=context).start()
    log.info("listening on %s://%s:%d", "https" if context else "http", *runner.addresses[0][:2])


async def _follow(kubeconfig: Path | None, simulator: Simulator) -> None:
    """Make Nodes follow the pools; without a cluster there is nothing to do."""
    if kubeconfig is None:
        return
    async with await Client.connect(user_agent="aks-simulator", kubeconfig=kubeconfig) as client:
        writer = ClientNodeWriter(client, simulator.settings.node_resource_group)
        await NodeLoop(simulator, writer).run()


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host or "127.0.0.1", int(port)


def _speed(text: str) -> float:
    speed = float(text)
    if not 0 < speed <= 1000:
        raise argparse.ArgumentTypeError(f"{text} is not above 0 and at most 1000")
    return speed


if __name__ == "__main__":
    sys.exit(main())
