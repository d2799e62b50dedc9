"""The provisioner program: `kaito-provisioner`."""

from collections.abc import Callable, Iterable
from functools import partial
from importlib.metadata import version

from controller.api.claims import MACHINE, NODE_CLAIM
from controller.api.json import name_of
from controller.api.resources import NODES
from controller.runtime import logs
from controller.runtime.cache import Informer
from controller.runtime.limiter import RateLimiter
from controller.runtime.program import Program, run_program
from controller.runtime.reconciler import Controller
from provisioner.agentpools import AgentPools
from provisioner.claims import Claims
from provisioner.nodes import POOL_INDEX, pool_names, slim_claim, slim_node
from provisioner.quota import Quotas
from provisioner.reconciler import Reconciler
from provisioner.settings import Settings, parse_settings
from provisioner.sizes import catalogue_sizes
from provisioner.snapshot import Snapshot

NAME = "kaito-provisioner"


async def run(settings: Settings) -> int:
    """Runs until stopped; the process's exit code."""
    api = AgentPools(settings.azure, location=settings.place.location, user_agent=f"{NAME}/{version('kaito')}")
    try:
        async with Program(NAME, settings.common) as program:
            assemble(program, settings, api)
            return await program.run()
    finally:
        await api.close()


def assemble(program: Program, settings: Settings, api: AgentPools) -> None:
    """Wires informers, the picture of the pools and the lifecycle together; everything that acts runs on the leader."""
    claims = _claims(program)
    nodes = program.informer(Informer(program.client, NODES, transform=slim_node, indexes={POOL_INDEX: pool_names}))

    snapshot = Snapshot(
        api,
        busy=settings.poll_interval,
        idle=settings.idle_interval,
        on_change=lambda names: _each(controller.enqueue, names),
    )
    reconciler = Reconciler(
        program.client,
        api,
        snapshot,
        claims=claims,
        nodes=nodes,
        recorder=program.recorder,
        policy=settings.policy,
        sizes=catalogue_sizes(),
        place=settings.place,
        quotas=Quotas(api.usages),
    )
    controller: Controller[str] = Controller(
        "claims",
        reconciler.reconcile,
        workers=settings.workers,
        limiter=RateLimiter(base=1.0, cap=60.0),  # nothing here is worth another try within milliseconds
    )

    def connect(enqueue: Callable[[str], None]) -> None:
        claims.on_change(lambda old, new: enqueue(name_of(new or old or {})))
        nodes.on_change(lambda old, new: _each(enqueue, {*pool_names(old or {}), *pool_names(new or {})}))

    program.lead("agent pools", snapshot.run)
    program.lead("claims", lambda: controller.lead(connect))
    program.lead("claims resync", lambda: controller.resync(claims.names))


def _claims(program: Program) -> Claims:
    """The claims of every kind; the program neither waits for a kind whose CRD is missing nor dies of it."""
    claims = Claims(
        {
            kind: program.informer(Informer(program.client, kind.resource, transform=slim_claim), needed=False)
            for kind in (MACHINE, NODE_CLAIM)
        }
    )
    program.check_ready("claims", lambda: claims.unready)
    return claims


def _each(enqueue: Callable[[str], None], names: Iterable[str]) -> None:
    for name in names:
        enqueue(name)


def main() -> None:
    """Entry point."""
    settings = parse_settings()
    logs.configure(settings.common.log_format, settings.common.log_level)
    run_program(partial(run, settings))


if __name__ == "__main__":
    main()
