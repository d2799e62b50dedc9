"""Removals this process asked for, and those of them that Azure took and then failed: the pool stands again.

A resource lock, a network interface in use or a node that does not drain ends a removal minutes after it was taken, and
would end the next one too. So the next is asked for after a pause that grows, and the claim says what holds it up.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from controller.api.reasons import Reason
from controller.runtime.logs import fields, get_logger
from provisioner.calls import Aborts
from provisioner.errors import ErrorKind, Fault
from provisioner.policy import fault_delay
from provisioner.pools import REQUESTED_TAG, Pool
from provisioner.texts import explain, headline

log = get_logger(__name__)

_FIXES: Final = ("remove what the cause names, such as a resource lock", "delete the pool in Azure")


@dataclass(frozen=True, slots=True)
class _Setback:
    pool: tuple[str, str]
    fault: Fault
    failures: int
    until: float


class Removals:
    """The memory of them; a new process begins anew, which costs one removal asked for too early."""

    def __init__(self) -> None:
        self.aborts = Aborts()
        self._asked: dict[str, tuple[tuple[str, str], Fault | None]] = {}
        self._setbacks: dict[str, _Setback] = {}

    def asked(self, pool: Pool) -> None:
        """The cloud has just taken the removal of that pool."""
        self._asked[pool.name] = _identity(pool), pool.fault

    def view(self, pool: Pool | None) -> Pool | None:
        """The pool as it is to be understood; one that stands although its removal was taken is a setback."""
        pool = self.aborts.view(pool)
        if pool is None or not (pool.succeeded or pool.failed):
            return pool
        identity, before = self._asked.pop(pool.name, (None, None))
        if identity == _identity(pool):
            self._fail(pool, before)
        return pool

    def _fail(self, pool: Pool, before: Fault | None) -> None:
        """Notes a failed removal; what was wrong with the pool before it is not why."""
        known = self._known(pool)
        failures = known.failures + 1 if known else 1
        wait = fault_delay(failures, None)
        news = pool.fault != before or (known is not None and known.fault == pool.fault)
        fault = (pool.fault if news else None) or Fault(
            ErrorKind.UNKNOWN, "", f"the removal ended and the pool is {pool.state}"
        )
        until = asyncio.get_running_loop().time() + wait
        self._setbacks[pool.name] = _Setback(_identity(pool), fault, failures, until)
        told = fields(pool=pool.name, failures=failures, wait=wait)
        log.warning("an agent pool was not removed: %s", fault.text, extra=told)

    def setback(self, pool: Pool | None) -> tuple[Fault, float] | None:
        """Why the pool's last removal failed, and the seconds until the next may be asked for; None for no failure."""
        known = self._known(pool)
        return None if known is None else (known.fault, max(0.0, known.until - asyncio.get_running_loop().time()))

    def _known(self, pool: Pool | None) -> _Setback | None:
        known = self._setbacks.get(pool.name) if pool else None
        return known if pool and known and known.pool == _identity(pool) else None

    def forget(self, name: str) -> None:
        """Nothing of that name is left to remove."""
        self.aborts.forget(name)
        self._asked.pop(name, None)
        self._setbacks.pop(name, None)


def _identity(pool: Pool) -> tuple[str, str]:
    """What tells a pool from the next of its name."""
    return pool.claim_uid, pool.tags.get(REQUESTED_TAG, "")


def not_removed(name: str, fault: Fault) -> tuple[Reason, str]:
    """What a claim shows while the removal of its pool goes on failing."""
    what = f"Agent pool {name} was not removed"
    if fault.reason is not Reason.LAUNCH_FAILED:
        return fault.reason, explain(fault, what)
    words = fault.steady.text
    return Reason.REMOVAL_FAILED, headline(what, words, Reason.REMOVAL_FAILED, *_FIXES) + f"\n{words}"
