"""The webhook program."""

import asyncio
from dataclasses import replace

from controller.config_maps import ConfigMaps
from controller.installation import Installation
from controller.node_store import watch_nodes
from controller.runtime import logs
from controller.runtime.program import Program, run_program
from webhook.admission import Judge
from webhook.certificates import Keeper, Mounted
from webhook.server import WebhookServer
from webhook.settings import Settings, parse_settings

NAME = "kaito-webhook"

MUTATE_PATH = "/mutate-workspace"
VALIDATE_PATH = "/validate-workspace"


async def run(settings: Settings) -> int:
    """Runs the webhook until it is stopped; the process's exit code."""
    async with Program(NAME, settings.common) as program:
        config_maps = ConfigMaps(program.client)
        site = replace(settings.site.site(auto_provision=settings.auto_provision), config_maps=config_maps.data)
        nodes = watch_nodes(program.client)
        # A Workspace may ask for existing nodes where others have theirs made.
        program.informer(nodes.informer, needed=not settings.auto_provision)
        site = replace(site, nodes=nodes.facts)
        installation = Installation(program.client, settings.common.namespace, site)
        judge = Judge(installation.site)
        keeper = certificates(program, settings)
        webhooks = {MUTATE_PATH: judge.mutate, VALIDATE_PATH: judge.validate}
        server = WebhookServer(settings.bind, keeper.serving.context, webhooks)
        for informer in (installation.informer, *keeper.informers):
            program.informer(informer)
        program.informer(config_maps.informer, needed=False)
        program.check_ready("catalog", installation.problem)
        program.check_ready("configurations", config_maps.problem)
        program.check_ready("certificate", keeper.certificate_problem)
        program.check_ready("trust", keeper.trust_problem)
        program.check_ready("listener", lambda: "" if server.listening else "not listening yet")
        program.task("catalog", installation.run)
        program.task("certificates", keeper.run)
        program.task("listener", lambda: serve(server, settings.drain, settings.drain_limit))
        return await program.run()


def certificates(program: Program, settings: Settings) -> Keeper | Mounted:
    """The certificates: of our own, or those somebody puts into a directory."""
    if settings.certificate_dir is not None:
        return Mounted(settings.certificate_dir)
    return Keeper(
        program.client,
        namespace=settings.common.namespace,
        secret=settings.secret,
        configuration=settings.configuration,
        names=settings.names,
    )


async def serve(server: WebhookServer, drain: float, limit: float) -> None:
    """Serves until cancelled, and on until nobody calls any more.

    Args:
        server: what serves.
        drain: seconds to go on at least: callers learn with a delay that the replica goes.
        limit: seconds to go on at most, while callers keep idle connections.
    """
    await server.start()
    try:
        await asyncio.Event().wait()
    finally:
        server.drain()
        await asyncio.sleep(drain)
        await server.until_left(limit - drain)
        await server.stop()


def main() -> None:
    """Entry point of the console script."""
    settings = parse_settings()
    logs.configure(settings.common.log_format, settings.common.log_level)
    run_program(lambda: run(settings))


if __name__ == "__main__":
    main()
