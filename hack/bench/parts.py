"""The parts of the bench: what each measures, and how much of everything there is."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hack.bench import admission, claims, workspaces
from hack.bench.claims import Plan
from hack.bench.figures import Figure
from hack.bench.stand import own_stand
from hack.bench.workspaces import Sizes

Measure = Callable[[Path | None, int], Coroutine[Any, Any, list[Figure]]]
"""Measures on a control plane of its own: prebuilt binaries, None to look for them; what sizes are divided by."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part that can be asked for by name."""

    title: str
    measure: Measure


REAL_LIMIT: Final = Plan(claims=90, limit=100)
"""As many claims as fit beside a few pools of others."""
RAISED_LIMIT: Final = Plan(claims=200, limit=1000)
IDLE: Final = Plan(claims=999, limit=1000, speed=50, poll=1, quiet_seconds=300)
"""The thousandth pool is the system's; the cloud is fast, since only what comes after counts."""


async def _admission(assets: Path | None, _: int) -> list[Figure]:
    return await admission.measure(assets)


async def _controller(assets: Path | None, divisor: int) -> list[Figure]:
    async with own_stand(assets) as stand:
        return await workspaces.measure(stand, Sizes().divided(divisor))


async def _provisioner(assets: Path | None, divisor: int) -> list[Figure]:
    async with own_stand(assets) as stand:
        return [
            figure
            for plan in (REAL_LIMIT, RAISED_LIMIT)
            for figure in await claims.measure(stand, plan.divided(divisor))
        ]


async def _idle(assets: Path | None, divisor: int) -> list[Figure]:
    async with own_stand(assets) as stand:
        return await claims.measure(stand, IDLE.divided(divisor))


PARTS: Final[Mapping[str, Part]] = {
    "admission": Part("What admission costs", _admission),
    "controller": Part("What Workspaces cost the operator", _controller),
    "provisioner": Part("What claims cost the provisioner", _provisioner),
    "idle": Part("What idle claims cost the provisioner", _idle),
}
"""In the order they run."""
