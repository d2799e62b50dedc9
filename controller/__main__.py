"""The workspace operator's process."""

import asyncio
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Final

from controller.api.json import Key, key_of
from controller.config_maps import ConfigMaps
from controller.installation import Installation
from controller.node_store import NodeStore
from controller.reconcilers.claim_kinds import follow_kinds
from controller.reconcilers.context import Context
from controller.reconcilers.durations import measure_starts
from controller.reconcilers.informers import build_informers
from controller.reconcilers.installation import follow
from controller.reconcilers.statistics import count_workspaces, world_of
from controller.reconcilers.wiring import connect
from controller.reconcilers.workspace import reconcile
from controller.runtime import logs
from controller.runtime.program import Program, run_program
from controller.runtime.reconciler import Controller, Result
from controller.settings import Settings, parse_settings

_LOOK_SECONDS: Final = 0.1


def main() -> None:
    """Entry point of `kaito-controller`."""
    settings = parse_settings(sys.argv[1:])
    logs.configure(settings.common.log_format, settings.common.log_level)
    run_program(lambda: serve(settings))


async def serve(settings: Settings) -> int:
    """Runs the operator until it is told to stop; the exit code of the process."""
    async with Program("kaito-controller", settings.common) as program:
        config_maps = ConfigMaps(program.client)
        informers = build_informers(program.client, config_maps.informer)
        site = replace(settings.site.site(auto_provision=settings.provision), config_maps=config_maps.data)
        site = replace(site, nodes=NodeStore(informers.nodes).facts, node_class=settings.node_class)
        site = replace(
            site,
            claims=settings.node_source.kind or site.claims,
            registries=settings.registries,
            local_disks=settings.local_disks,
        )
        site = replace(site, patience=settings.patience)
        installation = Installation(program.client, settings.common.namespace, site)
        context = Context(program.client, program.recorder, informers, installation.site)

        async def run(key: Key) -> Result:
            return await reconcile(context, key)

        loop: Controller[Key] = Controller("workspace", run, workers=settings.workers)

        async def work() -> None:
            await installation.differs(None)  # a catalogue that lacks what users added would refuse what runs
            await _known(informers.claims_unknown)
            await loop.lead(partial(connect, informers))

        def keys() -> Iterable[Key]:
            return map(key_of, informers.workspaces.values())

        for informer in (installation.informer, *informers.all()):
            claims = any(informer is other for _, other in informers.claims)
            program.informer(informer, needed=not claims)
        count_workspaces(world_of(informers, installation.site))
        measure_starts(informers.workspaces, lambda: program.leading)
        program.check_ready("catalog", installation.problem)
        program.check_ready("claims", informers.claims_unknown)
        program.task("catalog", installation.run)
        program.lead("workspace", work)
        program.lead("workspace resync", lambda: loop.resync(keys))
        program.lead("claim kinds", lambda: follow_kinds(informers, loop.enqueue))
        program.lead("catalog changes", lambda: follow(installation, program.recorder, keys, loop.enqueue))
        return await program.run()


async def _known(unknown: Callable[[], str]) -> None:
    """Waits until nothing is unknown: claims that were not read yet would look like claims nobody made."""
    while unknown():  # noqa: ASYNC110 - that a kind is not served is no event
        await asyncio.sleep(_LOOK_SECONDS)


if __name__ == "__main__":
    main()
