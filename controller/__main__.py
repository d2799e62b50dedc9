"""The workspace operator's process."""

import sys
from functools import partial

from controller.api.json import Key, key_of
from controller.catalog import load_catalog
from controller.planning.site import Site
from controller.reconcilers.context import Context
from controller.reconcilers.informers import build_informers
from controller.reconcilers.statistics import count_workspaces
from controller.reconcilers.wiring import connect
from controller.reconcilers.workspace import reconcile
from controller.runtime import logs
from controller.runtime.program import Program, run_program
from controller.runtime.reconciler import Controller, Result
from controller.settings import Settings, parse_settings


def main() -> None:
    """Entry point of `kaito-controller`."""
    settings = parse_settings(sys.argv[1:])
    logs.configure(settings.common.log_format, settings.common.log_level)
    run_program(lambda: serve(settings))


async def serve(settings: Settings) -> int:
    """Runs the operator until it is told to stop; the exit code of the process."""
    site = Site(load_catalog(), settings.provision)
    async with Program("kaito-controller", settings.common) as program:
        informers = build_informers(program.client)
        context = Context(program.client, program.recorder, informers, lambda: site)

        async def run(key: Key) -> Result:
            return await reconcile(context, key)

        loop: Controller[Key] = Controller("workspace", run, workers=settings.workers)
        for informer in informers.all():
            program.informer(informer)
        count_workspaces(informers.workspaces)
        program.lead("workspace", lambda: loop.lead(partial(connect, informers)))
        program.lead("workspace resync", lambda: loop.resync(lambda: map(key_of, informers.workspaces.values())))
        return await program.run()


if __name__ == "__main__":
    main()
