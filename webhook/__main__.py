"""The webhook program."""

import asyncio

from controller.catalog import load_catalog
from controller.planning.site import Site
from controller.runtime import logs
from controller.runtime.program import Program, run_program
from webhook.admission import Judge
from webhook.certificates import Keeper
from webhook.server import WebhookServer
from webhook.settings import Settings, parse_settings

NAME = "kaito-webhook"

MUTATE_PATH = "/mutate-workspace"
VALIDATE_PATH = "/validate-workspace"


async def run(settings: Settings) -> int:
    """Runs the webhook until it is stopped; the process's exit code."""
    site = Site(load_catalog(), settings.auto_provision)
    judge = Judge(lambda: site)
    async with Program(NAME, settings.common) as program:
        keeper = Keeper(
            program.client,
            namespace=settings.common.namespace,
            secret=settings.secret,
            configuration=settings.configuration,
            names=settings.names,
        )
        webhooks = {MUTATE_PATH: judge.mutate, VALIDATE_PATH: judge.validate}
        server = WebhookServer(settings.bind, keeper.serving.context, webhooks)
        for informer in keeper.informers:
            program.informer(informer)
        program.check_ready("certificate", keeper.certificate_problem)
        program.check_ready("trust", keeper.trust_problem)
        program.check_ready("listener", lambda: "" if server.listening else "not listening yet")
        program.task("certificates", keeper.run)
        program.task("listener", lambda: serve(server, settings.drain))
        return await program.run()


async def serve(server: WebhookServer, drain: float) -> None:
    """Serves until cancelled, and `drain` seconds longer: callers learn with a delay that the replica goes."""
    await server.start()
    try:
        await asyncio.Event().wait()
    finally:
        server.drain()
        await asyncio.sleep(drain)
        await server.stop()


def main() -> None:
    """Entry point of the console script."""
    settings = parse_settings()
    logs.configure(settings.common.log_format, settings.common.log_level)
    run_program(lambda: run(settings))


if __name__ == "__main__":
    main()
